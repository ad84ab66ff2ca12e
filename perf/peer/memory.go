package peer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Memory is what a server occupies, in bytes.
type Memory struct {
	RSS int64 // all that is mapped and present
	PSS int64 // the same, with shared pages divided among their users
}

// Memory reads what the server occupies now.
func (s *Server) Memory() (Memory, error) {
	rollup, err := os.ReadFile(filepath.Join(s.proc(), "smaps_rollup"))
	if err != nil {
		return Memory{}, err
	}
	return parseRollup(rollup)
}

// RSS is Memory.RSS as the kernel counts it, roughly and without walking over the pages:
// a server that is measured does not notice.
func (s *Server) RSS() (int64, error) {
	b, err := os.ReadFile(filepath.Join(s.proc(), "statm"))
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0, fmt.Errorf("%w: statm %q", ErrProc, b)
	}
	pages, err := strconv.ParseInt(string(f[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

func parseRollup(b []byte) (m Memory, err error) {
	if m.RSS, err = kilobytes(b, "Rss:"); err == nil {
		m.PSS, err = kilobytes(b, "Pss:")
	}
	return m, err
}

// kilobytes returns the bytes of a line "NAME:   123 kB".
func kilobytes(b []byte, name string) (int64, error) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == name && string(f[2]) == "kB" {
			n, err := strconv.ParseInt(string(f[1]), 10, 64)
			if err == nil {
				return n << 10, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: no line %q", ErrProc, name)
}
