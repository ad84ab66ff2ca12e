package netio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// TestSystemClockIgnoresTheWall: the system's clock was stepped an hour since
// the start. Time that has passed is monotonic time, whichever way it was.
func TestSystemClockIgnoresTheWall(t *testing.T) {
	if start := newSystemClock().start; !strings.Contains(start.String(), " m=") {
		t.Fatalf("the start has no monotonic reading: %v", start)
	}
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		c := clockFrom(withWall(t, time.Now(), step))
		if passed := c.NowMS() - c.startMS; passed < 0 || passed > time.Minute.Milliseconds() {
			t.Errorf("with the wall %v off, %d ms have passed", step, passed)
		}
	}
}

// withWall returns now with its wall time moved and its monotonic reading as it
// is, which the time package does not do.
func withWall(t *testing.T, now time.Time, step time.Duration) time.Time {
	const wallSecondShift = 30 // in a Time's first word, if it has a monotonic reading
	moved := now
	*(*uint64)(unsafe.Pointer(&moved)) += uint64(int64(step/time.Second) << wallSecondShift)
	if moved.Sub(now) != 0 || moved.Round(0).Sub(now.Round(0)) != step {
		t.Fatalf("a time.Time is made differently now: %v became %v", now, moved)
	}
	return moved
}

// TestSystemClockCounts: it shows the Unix time at its start, and from then on
// what has passed.
func TestSystemClockCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UnixMilli()
		c := newSystemClock()
		for passed := int64(0); passed < 5000; passed += 17 {
			if got := c.NowMS(); got != start+passed {
				t.Fatalf("after %d ms it shows %d", passed, got-start)
			}
			<-time.After(17 * time.Millisecond) // on the bubble's clock: none passes outside
		}
	})
}
