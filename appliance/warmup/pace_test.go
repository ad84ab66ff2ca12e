package warmup

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	p := pace{perSecond: 100}
	now := time.Unix(1_000, 0)
	check := func(after time.Duration, n int, want time.Duration) {
		t.Helper()
		if got := p.reserve(now.Add(after), n).Sub(now); got != want {
			t.Errorf("%d items at %v may go at %v, want %v", n, after, got, want)
		}
	}
	check(0, 10, 0)
	check(0, 10, 100*time.Millisecond)
	check(150*time.Millisecond, 10, 200*time.Millisecond)
	check(time.Second, 10, time.Second) // what was not used is not made up for
	check(time.Second, 1, 1100*time.Millisecond)
}

func TestPaceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{perSecond: 100}
		started := time.Now()
		for range 101 {
			p.wait(t.Context(), 10)
		}
		if took := time.Since(started); took != 10*time.Second {
			t.Errorf("1,010 items took %v, want 10s", took)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		p.wait(ended, 1_000_000)
		p.wait(ended, 1)
		if took := time.Since(started); took != 10*time.Second {
			t.Errorf("an import that has ended waits: %v", took)
		}
	})
}

func TestBatchLen(t *testing.T) {
	for perSecond, want := range map[int]int{0: batchMax, 1: 1, 19: 1, 200: 10, 1_000_000: batchMax} {
		p := pace{perSecond: perSecond}
		if got := p.batchLen(); got != want {
			t.Errorf("%d items a second go in batches of %d, want %d", perSecond, got, want)
		}
	}
}
