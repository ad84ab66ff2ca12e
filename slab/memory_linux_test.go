//go:build !race

package slab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

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

// resident is how many bytes of b have memory behind them.
func resident(t *testing.T, b []byte) (n int64) {
	t.Helper()
	page := os.Getpagesize()
	pages := make([]byte, (len(b)+page-1)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&pages[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	for _, p := range pages {
		n += int64(p&1) * int64(page)
	}
	return n
}

// TestRunsHaveMemoryBeforeTheyAreHandedOut, so that no loop waits for the kernel.
func TestRunsHaveMemoryBeforeTheyAreHandedOut(t *testing.T) {
	for _, strict := range []bool{false, true} {
		kernel := theSystem()
		kernel.strict = strict
		s := newStore(t, Config{LimitBytes: 128 << 20, Loops: 1, system: kernel})
		for taken := 0; taken < 96<<20>>runShift; taken++ {
			if taken%hugeRuns == 0 {
				await(t, s, "memory ahead", func(a *arena) bool { return a.ready() >= a.ahead()/2 })
			}
			id := s.takeRun(classPiece, 0, queueMain, 0, false)
			if n := resident(t, s.memory.bytes[id<<runShift:(id+1)<<runShift]); n != runSize {
				t.Fatalf("run %d, strict %v: %d bytes of it are there", id, strict, n)
			}
		}
	}
}

// TestResidentMemoryIsWithinTheLimit while it is filled with all sizes, changed,
// and filled again: what the kernel gave is never more than the limit, but for
// half a huge page that is rounded up.
func TestResidentMemoryIsWithinTheLimit(t *testing.T) {
	const most = 96 << 20
	s := newStore(t, Config{LimitBytes: 32 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	r := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []int64{32 << 20, most, 9 << 20, 48 << 20} {
		if err := s.SetLimit(limit); err != nil {
			t.Fatal(err)
		}
		await(t, s, "the limit holds", func(a *arena) bool {
			if a.inUse <= a.limit && a.over() <= 0 {
				return true
			}
			a.mu.Unlock()
			h.Tick(testStartMS)
			a.mu.Lock()
			return false
		})
		for range 2 {
			for n := 0; n < most; {
				size := r.IntN(1 << (4 + r.IntN(14)))
				set(t, h, fmt.Sprint(r.IntN(1<<30)), value(1, size), Spec{Evictable: true})
				n += size + 64
			}
			if n := resident(t, s.memory.bytes[:2*most]); n > limit+hugePage || n < limit*9/10 {
				t.Errorf("limit %d: %d bytes resident, %d used", limit, n, s.Stats().UsedBytes)
			}
		}
	}
}
