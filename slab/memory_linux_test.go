//go:build !race

package slab

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// procNumber reads a number of kB from a file of the kernel's, in bytes.
func procNumber(t *testing.T, file, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("%s has no %s", file, name)
	return 0
}

// TestKernelRefusesForReal: RLIMIT_DATA refuses what overcommit_memory=2 does,
// to this process alone. The Go runtime must not be starved.
func TestKernelRefusesForReal(t *testing.T) {
	const room = 128 << 20
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &old); err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: uint64(procNumber(t, "/proc/self/status", "VmData:")) + spareBytes + room, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		t.Skipf("skipped: RLIMIT_DATA: %v", err)
	}
	defer unix.Setrlimit(unix.RLIMIT_DATA, &old)
	told := make(chan int64, 1)
	s := newStore(t, Config{LimitBytes: 512 << 20, Loops: 1, Evict: true, Refused: func(have int64, err error) { told <- have }})
	h := s.Handle(0)
	for i := range 150_000 {
		set(t, h, fmt.Sprint(i), value(1, 1000), Spec{Evictable: true})
	}
	var heap [10][]byte
	for i := range heap { // what the store left is the runtime's
		heap[i] = value(1, 4<<20)
	}
	st := s.Stats()
	if st.Evictions == 0 || st.UsedBytes > room || st.UsedBytes < room/2 {
		t.Errorf("%d bytes used where there are %d, %d evictions, %d on the heap", st.UsedBytes, room, st.Evictions, len(heap)*len(heap[0]))
	}
	await(t, s, "told of the refusal", func(*arena) bool { return len(told) == 1 })
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &old); err != nil {
		t.Fatal(err)
	}
	await(t, s, "taking what there is", func(a *arena) bool { return a.reach == reachAll })
}

// promised is how many bytes the kernel counts as given to this process,
// touched or not: the mappings with the flag ac.
func promised(t *testing.T) (n int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for line := range strings.Lines(string(text)) {
		switch f := strings.Fields(line); {
		case f[0] == "Size:":
			size, _ = strconv.ParseInt(f[1], 10, 64)
		case f[0] == "VmFlags:" && slices.Contains(f, "ac"):
			n += size << 10
		}
	}
	return n
}

// strictOvercommit sets vm.overcommit_memory to 2 for the whole machine, with so
// high a limit that nobody is refused anything, until the test ends.
func strictOvercommit(t *testing.T) {
	t.Helper()
	const dir = "/proc/sys/vm/overcommit_"
	for _, c := range []struct{ name, text string }{{"ratio", "10000"}, {"memory", "2"}} {
		old, err := os.ReadFile(dir + c.name)
		if c.name == "ratio" && strings.TrimSpace(string(old)) == "0" {
			t.Skip("skipped: overcommit_kbytes is set, and would be lost") // the kernel keeps one of the two
		}
		if err == nil {
			err = os.WriteFile(dir+c.name, []byte(c.text), 0)
		}
		if err != nil {
			t.Skipf("skipped: %v", err)
		}
		t.Cleanup(func() {
			if err := os.WriteFile(dir+c.name, old, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStrictOvercommit: memory is promised as it is used, and not before.
func TestStrictOvercommit(t *testing.T) {
	if os.Getenv("PANDA_STRICT_OVERCOMMIT") == "" {
		t.Skip("skipped: it changes a setting of the whole machine for seconds; as root, PANDA_STRICT_OVERCOMMIT=1 runs it")
	}
	strictOvercommit(t)
	const limit, heap = 256 << 20, 70 << 20 // heap: an arena of the Go runtime's, and the table of runs
	before := promised(t)
	s := newStore(t, Config{LimitBytes: limit, Loops: 1, Evict: true})
	empty := promised(t) - before
	if empty > spareBytes+2*openStep<<runShift+heap {
		t.Errorf("%d bytes are promised to an empty store", empty)
	}
	h := s.Handle(0)
	for i := range 300_000 {
		set(t, h, fmt.Sprint(i), value(1, 1000), Spec{Evictable: true})
	}
	if st := s.Stats(); st.Evictions == 0 || st.UsedBytes < limit*98/100 {
		t.Errorf("%d bytes used of %d, %d evictions", st.UsedBytes, st.LimitBytes, st.Evictions)
	}
	full := promised(t) - before
	if full < limit || full > limit+spareBytes+heap {
		t.Errorf("%d bytes are promised to a full store", full)
	}
	huge := procNumber(t, "/proc/self/smaps_rollup", "AnonHugePages:")
	t.Logf("promised: %d MB empty, %d MB full; huge pages: %d MB", empty>>20, full>>20, huge>>20)
}
