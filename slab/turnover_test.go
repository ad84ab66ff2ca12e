package slab

import (
	"fmt"
	"testing"
)

// A scan does not cost what is read again and again its place; what is not read
// any more loses it when others have taken most of the limit.
func TestMainYieldsWhenIdle(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	const n, size = 5000, 800 // half of the limit
	now, next := int64(testStartMS), 0
	read := func() (found int) {
		for i := range n {
			if get(h, fmt.Sprint("hot", i), now) != nil {
				found++
			}
		}
		return found
	}
	// scan stores others, half of the limit, in ten seconds.
	scan := func() {
		now += 10_000
		h.Tick(now)
		for range (4 << 20) / size {
			set(t, h, fmt.Sprint("cold", next), value(uint64(next), size), Spec{Evictable: true})
			next++
		}
	}
	for i := range n {
		set(t, h, fmt.Sprint("hot", i), value(uint64(i), size), Spec{Evictable: true})
	}
	for range 5 {
		read()
		read()
		scan()
	}
	if found := read(); found < n*9/10 {
		t.Errorf("%d of %d are left beside scans", found, n)
	}
	for range 8 {
		scan()
	}
	if found := read(); found > n/10 {
		t.Errorf("%d of %d are still there, long after anybody asked", found, n)
	}
}

func TestTurnover(t *testing.T) {
	var v turnover
	const limit = 8 * turnoverParts
	if v.idleMax(5) != accessMask {
		t.Error("something is idle before memory was taken once")
	}
	const each = 10 // seconds a part
	for part := range uint32(2 * turnoverParts) {
		for range limit / turnoverParts {
			v.take(limit, part*each)
		}
		// This part is the last one, and six were taken since the note.
		if got := v.idleMax(part * each); part >= turnoverIdle-1 && got != (turnoverIdle-1)*each {
			t.Errorf("part %d: %d s", part, got)
		}
	}
	for range 2 * limit {
		v.take(limit, 1000)
	}
	if got := v.idleMax(1000); got != idleMin {
		t.Errorf("all within a second: %d s", got)
	}
}
