package dio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// FuzzSame does what its input says on the kernel's files and on diotest's, four
// bytes an operation, and compares all that comes back: what tests in memory see is
// what the kernel does.
func FuzzSame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x02\x00\x40\x30\x03\x00\x10\x50\x04\x00\x00\x00\x08\x00\x01\x02\x09\x00\x00\x00"))
	f.Add([]byte("\x00\x01\x00\x02\x01\x00\x00\x00\x06\x01\x00\x20\x07\x01\x01\x00\x05\x01\x00\x10\x03\x01\x00\xff\x0a\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, program []byte) {
		ours, kernels := newMachine(diotest.New()), newMachine(folder(t, t.TempDir()))
		defer ours.close()
		defer kernels.close()
		for i := 0; i+4 <= len(program) && i < 4*64; i += 4 {
			step := [4]byte(program[i:])
			if got, want := ours.do(step), kernels.do(step); got != want {
				t.Fatalf("operation %d, %v: diotest says %s, the kernel %s", i/4, step, got, want)
			}
		}
	})
}

// A machine is an FS with the file that was opened last.
type machine struct {
	disk dio.FS
	file dio.File
}

func newMachine(disk dio.FS) *machine { return &machine{disk: disk} }

func (m *machine) close() {
	if m.file != nil {
		m.file.Close()
	}
}

// do is what came of one operation, as a text.
func (m *machine) do(step [4]byte) string {
	name := []string{"a", "b", "c", "folder/a", "folder", "no/a"}[step[1]%6]
	place, size := int64(step[2])*200, int(step[3])*100
	switch operation := step[0] % 12; operation {
	case 0:
		f, err := m.disk.Open(name, dio.Mode(step[3]%4))
		if err == nil {
			m.close()
			m.file = f
		}
		return outcome(err)
	case 1:
		return outcome(m.disk.MakeFolder("folder"))
	case 8:
		return outcome(m.disk.Rename([]string{"a", "b", "c"}[step[2]%3], []string{"a", "folder/b", "c"}[step[3]%3]))
	case 9:
		infos, err := m.disk.List(".")
		return listing(infos) + outcome(err)
	case 10:
		return outcome(m.disk.Remove(name))
	case 11:
		return outcome(m.disk.SyncFolder("folder"))
	default:
		if m.file == nil {
			return "nothing is open"
		}
		return m.doFile(operation, place, size, step[1])
	}
}

func (m *machine) doFile(operation byte, place int64, size int, fill byte) string {
	b := bytes.Repeat([]byte{fill}, size)
	switch operation {
	case 2:
		n, err := m.file.WriteAt(b, place)
		return fmt.Sprint(n, outcome(err))
	case 3:
		n, err := m.file.ReadAt(b, place)
		return fmt.Sprint(n, outcome(err), b)
	case 4:
		return outcome(m.file.Sync())
	case 5:
		return outcome(m.file.Truncate(place))
	case 6:
		return outcome(m.file.Allocate(place, int64(size)+1))
	default:
		n, err := m.file.WriteVec([][]byte{b[:size/3], nil, b[size/3:]}, place)
		length, sizeErr := m.file.Size()
		return fmt.Sprint(n, outcome(err), length, outcome(sizeErr))
	}
}

// outcome is the kind of an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return " ok"
	case errors.Is(err, io.EOF):
		return " end"
	case errors.Is(err, fs.ErrNotExist):
		return " not there"
	case errors.Is(err, fs.ErrExist):
		return " there"
	}
	return " refused"
}
