package alloctest

import (
	"runtime"
	"testing"

	"github.com/pandabeardb/panda/internal/invariant"
)

// Runs is how often a measured function is called per attempt.
const Runs = 200

// attempts is how often a measurement that failed is repeated: the runtime and
// goroutines that come to their end allocate now and then on their own account, code
// does so every time. Between two attempts the collector runs, which lets them end:
// attempts alone may be over within a millisecond.
const attempts = 5

// Zero fails t unless f allocates nothing at all.
func Zero(t testing.TB, name string, f func()) {
	t.Helper()
	Exact(t, name, 0, f)
}

// Exact fails t unless f allocates exactly want times a call.
func Exact(t testing.TB, name string, want int, f func()) {
	t.Helper()
	SkipUnderRace(t)
	var got uint64
	for range attempts {
		if got = count(f); got == uint64(want*Runs) {
			return
		}
		runtime.GC()
	}
	t.Errorf("%s: %d allocations in %d calls, want exactly %d a call", name, got, Runs, want)
}

// SkipUnderRace skips t in race builds, and says why.
func SkipUnderRace(t testing.TB) {
	t.Helper()
	if invariant.On {
		t.Skip("allocation gate skipped: the race detector allocates on its own account")
	}
}

// count returns the allocations of Runs calls of f.
func count(f func()) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range Runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
