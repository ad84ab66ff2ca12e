package peer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMemoryGroups(t *testing.T) {
	for text, want := range map[string][2]string{
		"6:cpu,memory:/a/b\n0::/c\n": {"memory/a/b", "memory.limit_in_bytes"},
		"3:cpuset:/\n0::/user/x\n":   {"/user/x", "memory.max"},
		"3:cpuset:/\nnonsense\n":     {"", ""},
	} {
		file := filepath.Join(t.TempDir(), "cgroup")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		parent, limit, err := memoryGroups(file)
		if parent != want[0] || limit != want[1] || (err == nil) != (limit != "") {
			t.Errorf("%q: %s, %s, %v", text, parent, limit, err)
		}
	}
}

// A server in a box is in it, and takes it along when it ends.
func TestBox(t *testing.T) {
	s, err := Start(Spec{Kind: Memcached, BoxMB: 100})
	if errors.Is(err, ErrMissing) || errors.Is(err, ErrNoGroup) {
		t.Skipf("SKIP: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := s.group.path
	list, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	if err != nil || strings.TrimSpace(string(list)) == "" {
		t.Errorf("nobody is in it: %q, %v", list, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
