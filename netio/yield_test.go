package netio

import "testing"

// TestYield: a loop yields every 5 ms, and looks at the clock once in 8 batches.
func TestYield(t *testing.T) {
	for _, perMS := range []int64{1, 7, 1000} {
		c := new(countingClock)
		y := yielding{clock: c}
		yielded, last := 0, int64(0)
		for batch := range 100 * perMS {
			c.now = 1000 + batch/perMS
			if !y.due() {
				continue
			}
			if d := c.now - last; yielded > 0 && (d < yieldMS || d > yieldMS+yieldLook/perMS) {
				t.Errorf("%d batches a ms: after %d ms", perMS, d)
			}
			yielded, last = yielded+1, c.now
		}
		if looks := (100*perMS + yieldLook - 1) / yieldLook; yielded < 12 || c.asked != looks {
			t.Errorf("%d batches a ms: yielded %d times, looked %d times, want %d", perMS, yielded, c.asked, looks)
		}
	}
}

type countingClock struct{ now, asked int64 }

func (c *countingClock) NowMS() int64 {
	c.asked++
	return c.now
}
