package slab

import (
	"fmt"
	"testing"
)

// restoreItems restores items number from to to, and checks that all are there.
func restoreItems(t *testing.T, s *Store, from, to int) {
	t.Helper()
	h := s.Handle(0)
	for i := from; i < to; i++ {
		k := h.Key(0, fmt.Append(nil, i))
		if err := restore(h, &k, KindSet, &Past{Stamp: 1<<slotBits | uint64(k.Slot), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range to {
		k := h.Key(0, fmt.Append(nil, i))
		found := false
		if h.Look(&k, testStartMS, func(Item) { found = true }); !found {
			t.Fatalf("item %d of %d is lost", i, to)
		}
	}
}

func expecting(t *testing.T) *Store {
	t.Helper()
	return newStore(t, Config{LimitBytes: 16 << 20, Shards: 4, Loops: 1, Evict: true})
}

// checkFits checks that no index is much too large, or stays in the middle of a move.
func checkFits(t *testing.T, s *Store) {
	t.Helper()
	s.Fit()
	for i := range s.shards {
		x := &s.shards[i].index
		if n := bucketsFor(int64(x.items)); x.old.n != 0 || x.cur.n > n+n/fitMargin {
			t.Errorf("shard %d: %d buckets, %d of before, for %d items", i, x.cur.n, x.old.n, x.items)
		}
		if n := x.hint.Load().n; n != x.cur.n {
			t.Errorf("shard %d: %d buckets are foreseen of %d", i, n, x.cur.n)
		}
	}
	if free := s.segments.count; free >= 2*segsPerRun {
		t.Errorf("%d segments are kept", free)
	}
}

// TestExpect: indexes that were told do not grow, and those that were told too much shrink.
func TestExpect(t *testing.T) {
	const items = 20_000
	for _, told := range []int64{-1 << 40, 0, 100, items, 1 << 40} {
		s := expecting(t)
		s.Expect(told)
		before := s.shards[0].index.cur.n
		if told <= 0 && s.shards[0].index.expected != segBuckets {
			t.Errorf("told of %d: %d buckets are expected", told, s.shards[0].index.expected)
		}
		restoreItems(t, s, 0, items)
		if after := s.shards[0].index.cur.n; told == items && after != before {
			t.Errorf("%d items: %d buckets became %d", told, before, after)
		}
		checkFits(t, s)
		restoreItems(t, s, items, items+1)
	}
}

// TestExpectLater: indexes that are told when they have something take the size at the
// next growth, but not more than twice theirs; they move at once.
func TestExpectLater(t *testing.T) {
	const items = 20_000
	for _, part := range []int{2, 3} {
		s := expecting(t)
		s.Expect(1)
		restoreItems(t, s, 0, items/part)
		before := s.shards[0].index.cur.n
		s.Expect(items)
		restoreItems(t, s, items/part, items)
		x := &s.shards[0].index
		want := bucketsFor(items / 4)
		if part == 2 && want > 2*before {
			t.Fatalf("%d buckets, %d to come", before, want)
		}
		if x.cur.n != want {
			t.Errorf("1/%d: %d buckets, want %d", part, x.cur.n, want)
		}
		checkFits(t, s)
	}
}

// TestExpectTooMuch: an index that is told too much has twice the size that it needs, at most.
func TestExpectTooMuch(t *testing.T) {
	const items = 20_000
	s := expecting(t)
	s.Expect(1)
	restoreItems(t, s, 0, items/2)
	s.Expect(1 << 40)
	restoreItems(t, s, items/2, items)
	if n, most := s.shards[0].index.cur.n, 2*bucketsFor(items/4); n > most {
		t.Errorf("%d buckets, want %d at most", n, most)
	}
}

// TestExpectLittleMemory: what an index expects takes no memory that items have.
func TestExpectLittleMemory(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Shards: 4, Loops: 1, Evict: true})
	h := s.Handle(0)
	for i := range 100_000 {
		k := h.Key(0, fmt.Append(nil, i))
		if err := restore(h, &k, KindSet, &Past{Stamp: 1<<slotBits | uint64(k.Slot), Marks: MarkEvictable, Value: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			s.Expect(1 << 30)
		}
	}
	st := s.Stats()
	const most = 9 // with a fifth more than the index needs
	if st.Evictions == 0 || st.IndexBytes > st.LimitBytes/most {
		t.Errorf("%d evictions, %d bytes of index", st.Evictions, st.IndexBytes)
	}
	checkFits(t, s)
}

// TestExpectOfEmptyShards: empty indexes take a share of memory at once, whatever is expected;
// they grow into the rest.
func TestExpectOfEmptyShards(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Shards: 4, Loops: 1})
	s.Expect(1 << 40)
	if st := s.Stats(); st.IndexBytes > st.LimitBytes/expectShare+runSize || st.IndexBytes < st.LimitBytes/expectShare/2 {
		t.Errorf("%d bytes of index, the limit is %d", st.IndexBytes, st.LimitBytes)
	}
	if x := &s.shards[0].index; x.expected <= x.cur.n {
		t.Errorf("%d buckets are expected, %d are there", x.expected, x.cur.n)
	}
}

// TestResizeFreesSpare: an index that has memory for all its buckets keeps none beside them.
func TestResizeFreesSpare(t *testing.T) {
	s := expecting(t)
	for i := range s.shards {
		x := &s.shards[i].index
		x.spare = append(x.spare, s.takeSegment())
	}
	s.Expect(20_000)
	used := 0
	for i := range s.shards {
		x := &s.shards[i].index
		if used += len(x.cur.segs); len(x.spare) != 0 {
			t.Errorf("shard %d: %d segments are spare", i, len(x.spare))
		}
	}
	if all := len(s.segments.runs) * segsPerRun; used+s.segments.count != all {
		t.Errorf("%d segments are used, %d are free, of %d", used, s.segments.count, all)
	}
}
