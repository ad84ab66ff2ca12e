package slab

import (
	"fmt"
	"testing"
)

// looks is what f makes eviction look at: runs, and chunks in them.
func looks(s *Store, f func()) (runs, chunks int) {
	victims, looked := s.arena.victims, s.looked.Load()
	f()
	return int(s.arena.victims - victims), int(s.looked.Load() - looked)
}

// TestRefusedLargeValueMovesNothing: a store that may not evict once took a tail that
// it had copied to another run for room, and went on for as long as there were runs.
func TestRefusedLargeValueMovesNothing(t *testing.T) {
	for _, n := range []int{22_000, 40_000, 200_000} {
		s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 1})
		h := s.Handle(0)
		count := fillUp(t, h, "a", n, Spec{Evictable: true})
		k := h.Key(0, []byte("one more"))
		runs, _ := looks(s, func() {
			if _, err := h.Reserve(&k, Spec{ValueLen: n, Evictable: true}); err != ErrNoMemory {
				t.Errorf("size %d: item %d in a full store: %v", n, count+1, err)
			}
		})
		if runs > reclaimDead {
			t.Errorf("size %d: a refusal looked at %d runs of %d", n, runs, s.arena.fresh)
		}
		checkRuns(t, s)
	}
}

// fillHot fills a store with items that were all read often.
func fillHot(t *testing.T, h *Handle) {
	t.Helper()
	n := 0
	for v := value(1, 100); n%100 != 0 || h.s.Stats().Evictions == 0; n++ {
		set(t, h, fmt.Sprint(n), v, Spec{Evictable: true})
	}
	for range 3 {
		for i := range n {
			get(h, fmt.Sprint(i), testStartMS)
		}
	}
}

// TestFixedItemsStallNobody: where nothing may go, a search ends early.
func TestFixedItemsStallNobody(t *testing.T) {
	for _, n := range []int{20, 100, 22_000} {
		s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Evict: true}) // some times what a search may look at
		h := s.Handle(0)
		count := fillUp(t, h, "a", n, Spec{})
		for i := range 3 {
			_, chunks := looks(s, func() {
				k := h.Key(0, []byte{byte(i)})
				if it, err := h.Reserve(&k, Spec{ValueLen: n, Evictable: true}); err == nil {
					h.Discard(it)
				}
			})
			// A large value may search twice: for its own chunk, and for a piece.
			if most := 2 * (fixedChunks + runSize/minChunk); chunks > most {
				t.Errorf("size %d: a set looked at %d chunks, more than %d", n, chunks, most)
			}
		}
		if st := s.Stats(); st.Items != int64(count) || st.Evictions != 0 {
			t.Errorf("size %d: %d of %d items are there, %d were evicted", n, st.Items, count, st.Evictions)
		}
	}
}

// TestFewThatMayGo: what may go is found among much that may not.
func TestFewThatMayGo(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 16 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	for i := range 90_000 {
		set(t, h, fmt.Sprint("may not", i), value(1, 100), Spec{})
	}
	for i := range 5000 {
		set(t, h, fmt.Sprint(i), value(2, 3000), Spec{Evictable: true}) // fails the test when it is refused
	}
	if st := s.Stats(); st.Evictions == 0 || st.Items < 90_000 {
		t.Errorf("%d evictions, %d items", st.Evictions, st.Items)
	}
}

// TestSmallerLimitWithoutEviction: what clients remove is not stored again beyond
// the new limit.
func TestSmallerLimitWithoutEviction(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 16 << 20, Loops: 1})
	h := s.Handle(0)
	fillUp(t, h, "a", 1000, Spec{})
	if err := s.SetLimit(8 << 20); err != nil {
		t.Fatal(err)
	}
	s.FlushAll()
	for range 100 {
		h.Tick(testStartMS)
	}
	count := fillUp(t, h, "b", 1000, Spec{})
	if st := s.Stats(); count < 5000 || st.UsedBytes > st.LimitBytes {
		t.Errorf("%d items: %d bytes are used, the limit is %d", count, st.UsedBytes, st.LimitBytes)
	}
}

// TestLargeValueAmongHotItems: a value of many runs does not wait for each of them.
func TestLargeValueAmongHotItems(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 16 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	fillHot(t, h)
	v := value(2, 1<<20)
	_, chunks := looks(s, func() { set(t, h, "large", v, Spec{Evictable: true}) })
	if evicted := 20 * 500; chunks > reservePatience+patienceChunks+evicted {
		t.Errorf("one set looked at %d chunks", chunks)
	}
}
