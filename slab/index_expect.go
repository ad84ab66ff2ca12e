package slab

// While a store is restored nobody waits for a single change, and there is a guess of how
// many items it will have. So an index that must grow then takes the size for all of
// them, or twice its own, and moves at once, in the order of memory: an item is moved
// once in all, not nine times.

// Expect says how many items a store that is restored will have in the end. It may be
// called again when more is known. An empty store's indexes have room for so many then,
// others when they grow, by twice their size at most: what is there may have been set
// again and again. Fit ends it. What there is no memory for is not expected, and of what
// is expected empty indexes get no more than expectShare of memory at once.
func (s *Store) Expect(items int64) {
	st := s.Stats()
	each := int64(expectBytes)
	if st.Items > 0 {
		each = max(each, st.UsedBytes/st.Items)
	}
	items = max(min(items, st.Items+max(st.LimitBytes-st.UsedBytes, 0)/each), 0)
	n := bucketsFor(items / int64(len(s.shards)))
	atOnce := min(n, uint32(st.LimitBytes/expectShare/int64(len(s.shards))>>segShift)*segBuckets)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		sh.index.expected = n
		empty := sh.index.items == 0 && sh.index.old.n == 0 && sh.index.cur.n < atOnce
		sh.mu.Unlock()
		if empty {
			s.resize(sh, atOnce)
		}
	}
}

const (
	// expectBytes is what an item has at least, with its part of the index.
	expectBytes = 64
	// expectMargin is what shards may have above their share, in parts of it: with ten
	// thousand items three standard deviations.
	expectMargin = 32
	// expectShare of memory is less than the sixteenth by which recovery raises the limit,
	// with the runs that are kept for growth: items that have fit fit again, whatever is
	// expected.
	expectShare = 20
)

// bucketsFor is how many buckets an index of so many items has, in whole segments.
func bucketsFor(items int64) uint32 {
	slots := (items + items/expectMargin) * loadDen / loadNum
	return uint32(slots/(bucketSlots*segBuckets)+1) * segBuckets
}

// fitMargin is by which part of its size an index may be too large. Less is not worth
// that it moves.
const fitMargin = 8

// Fit ends what Expect began: indexes that have become too large for what they have in the
// end shrink, and all lie close together.
func (s *Store) Fit() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		x := &sh.index
		x.expected = 0
		n := bucketsFor(int64(x.items))
		large := x.old.n == 0 && x.cur.n > n+n/fitMargin
		sh.mu.Unlock()
		if large {
			s.resize(sh, n)
		}
	}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		s.gather(sh)
		sh.mu.Unlock()
	}
}

// growAtOnce is grow for a store that is restored.
func (h *Handle) growAtOnce(sh *shard) {
	sh.lock()
	x := &sh.index
	n := uint32(0)
	if x.expected != 0 && x.old.n == 0 && x.items >= x.grow {
		n = max(x.nextSize(), min(x.expected, 2*x.cur.n))
	}
	sh.mu.Unlock()
	if n == 0 || !h.s.resize(sh, n) {
		h.grow(sh)
	}
}

// resize makes a shard's index one of n buckets, at once, and reports whether there was
// free memory for that. No shard is locked.
func (s *Store) resize(sh *shard, n uint32) bool {
	segs := make([]uint32, n/segBuckets)
	for i := range segs {
		if segs[i] = s.takeSegment(); segs[i] == 0 {
			s.freeSegments(segs[:i])
			return false
		}
		s.clearSegment(segs[i])
	}
	sh.lock()
	x := &sh.index
	ok := x.old.n == 0 && x.items <= int(n)*bucketSlots*loadNum/loadDen
	if ok {
		segs = x.rebuild(n, segs)
		sh.full.Store(false)
	}
	sh.mu.Unlock()
	s.freeSegments(segs)
	return ok
}

func (s *Store) freeSegments(segs []uint32) {
	for _, seg := range segs {
		if seg != s.zeroSeg {
			s.freeSegment(seg)
		}
	}
}

// rebuild moves all into a table of n buckets, which lies in segs, and returns the
// segments of the one before, and those that were spare. It is not growing.
func (x *index) rebuild(n uint32, segs []uint32) []uint32 {
	old := x.cur
	x.cur = table{segs, n}
	for at := range old.n {
		b := x.bucket(&old, at)
		word := *meta(b)
		for i := range bucketSlots {
			tag := word >> (8 * i) & 0xff
			if tag == 0 {
				continue
			}
			v := *slot(b, i)
			if !x.put(&x.cur, home(v, n), tag, v) {
				panic("BUG: slab: an index moves items for which it has no room")
			}
		}
	}
	x.starved = false
	x.setGrow()
	x.hint.Store(&table{segs, n})
	free := append(x.spare, old.segs...)
	x.spare = nil
	return free
}
