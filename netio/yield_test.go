package netio

import "testing"

// TestYield: a loop yields every 5 ms, however its events come, and looks at the clock once
// in 8 events, behind a batch.
func TestYield(t *testing.T) {
	for _, test := range []struct {
		batchesInMS, events int
		looks               int // in 1,000 batches
	}{{1, 1, 125}, {7, 1, 125}, {100, 1, 125}, {1, 3, 333}, {1, 8, 1000}, {1, 256, 1000}} {
		c := new(countingClock)
		y := yielding{clock: c}
		late := int64(yieldLook / test.events / test.batchesInMS) // until it looks
		yielded, last := 0, int64(0)
		for batch := range 1000 {
			c.now = int64(1000 + batch/test.batchesInMS)
			if !y.due(test.events) {
				continue
			}
			if d := c.now - last; yielded > 0 && (d < yieldMS || d > yieldMS+late+1) {
				t.Errorf("%+v: after %d ms", test, d)
			}
			yielded, last = yielded+1, c.now
		}
		if least := 1000 / test.batchesInMS / int(yieldMS+late+1); yielded < max(least, 1) || c.asked < test.looks-1 || c.asked > test.looks+1 {
			t.Errorf("%+v: yielded %d times, at least %d; looked %d times", test, yielded, least, c.asked)
		}
	}
}

type countingClock struct {
	now   int64
	asked int
}

func (c *countingClock) NowMS() int64 {
	c.asked++
	return c.now
}
