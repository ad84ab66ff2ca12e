package appliance

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTierSurvives: what memory has no room for is on flash, and comes back from the
// log and from a snapshot as what is in memory does.
func TestTierSurvives(t *testing.T) {
	w := newWarm(t)
	folder, flash := t.TempDir(), filepath.Join(t.TempDir(), "flash")
	start := func() {
		w.startKept(folder, "--persist", "log", "--fsync", "always", "--set", "flash.files="+flash+":64m",
			"--set", "persist.snapshot_after=1MB")
	}
	start()
	const items, size = 3000, 8000 // 24 MB, of which 16 MB of memory have room for less
	fill := func(from, to int, round byte) {
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for i := from; i < to; i++ {
			fmt.Fprintf(c, "set key-%d 0 0 %d\r\n%s\r\n", i, size, strings.Repeat(string('a'+round), size))
			if line, err := r.ReadString('\n'); line != "STORED\r\n" {
				t.Fatalf("set %d: %q %v", i, line, err)
			}
		}
	}
	check := func(from, to int, round byte) {
		t.Helper()
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := bufio.NewReader(c)
		missing := 0
		for i := from; i < to; i++ {
			fmt.Fprintf(c, "get key-%d\r\n", i)
			line, err := r.ReadString('\n')
			if line == "END\r\n" {
				missing++
				continue
			}
			value, _ := r.ReadString('\n')
			if err != nil || value != strings.Repeat(string('a'+round), size)+"\r\n" {
				t.Fatalf("get %d: %q, %.20q %v", i, line, value, err)
			}
			r.ReadString('\n')
		}
		if missing > 0 {
			t.Errorf("%d of %d are missing", missing, to-from)
		}
	}
	fill(0, items, 0)
	check(0, items, 0)
	w.node.Process.Signal(syscall.SIGKILL)
	w.node.exit(t)
	start()
	check(0, items, 0)
	fill(0, items/2, 1) // the log gets long enough for a snapshot
	check(0, items/2, 1)
	until(t, "a snapshot", func() bool {
		names, _ := filepath.Glob(filepath.Join(folder, "*.snapshot"))
		return len(names) > 0
	})
	w.node.Process.Signal(syscall.SIGKILL)
	w.node.exit(t)
	start()
	check(0, items/2, 1)
	check(items/2, items, 0)
	w.stop(syscall.SIGTERM, 0)
}
