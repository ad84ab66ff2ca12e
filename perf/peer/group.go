package peer

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	groupsRoot = "/sys/fs/cgroup"
	// groupEnds is how long the kernel may take until a group whose processes have ended
	// can be removed.
	groupEnds = 2 * time.Second
)

// A memoryGroup is a control group of the kernel's: it bounds the memory of a server together
// with the page cache of the files that it reads, as a machine of that size would.
type memoryGroup struct{ path string }

// newMemoryGroup makes one below the own group. ErrNoGroup: the system, or who runs it, has no
// control groups to give.
func newMemoryGroup(name string, bytes int64) (*memoryGroup, error) {
	parent, limit, err := memoryGroups("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGroup, err)
	}
	g := &memoryGroup{path: filepath.Join(groupsRoot, parent, name)}
	if err := os.Mkdir(g.path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoGroup, err)
	}
	if err := os.WriteFile(filepath.Join(g.path, limit), strconv.AppendInt(nil, bytes, 10), 0); err != nil {
		g.remove()
		return nil, fmt.Errorf("%w: %w", ErrNoGroup, err)
	}
	return g, nil
}

// memoryGroups is where the own group lies below groupsRoot, and the name of its limit: of the
// memory controller of version 1, or of version 2 (cgroups(7)).
func memoryGroups(file string) (parent, limit string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	unified := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			if controller == "memory" {
				return filepath.Join("memory", fields[2]), "memory.limit_in_bytes", nil
			}
		}
		if fields[0] == "0" {
			unified = fields[2]
		}
	}
	if unified == "" {
		return "", "", errors.New("no memory controller")
	}
	return unified, "memory.max", nil
}

// add moves a process there; its memory of before stays uncounted.
func (g *memoryGroup) add(pid int) error {
	return os.WriteFile(filepath.Join(g.path, "cgroup.procs"), strconv.AppendInt(nil, int64(pid), 10), 0)
}

// remove ends the group, whose processes have ended.
func (g *memoryGroup) remove() {
	for limit := time.Now().Add(groupEnds); os.Remove(g.path) != nil && time.Now().Before(limit); {
		time.Sleep(dialEvery) // nobody tells when the kernel has let go of the last process
	}
}
