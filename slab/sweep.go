package slab

// A tick sweeps sweepBuckets buckets, so that 10 million items on two loops are
// seen about every two minutes, at a cost of some hundred microseconds a second.
const (
	sweepBuckets = 512
	// idleMax is where an item's idle time stays: the access clock goes round in
	// three days, and every item is swept well within one.
	idleMax = 2 * 24 * 3600
)

// Tick does a small step of background work: the memory of expired and flushed
// items is found, the index moves on, a limit that shrank is enforced.
func (h *Handle) Tick(nowMS int64) {
	s := h.s
	s.nowMS.Store(nowMS)
	h.freeSpare()
	if s.overLimit() && s.evicts {
		s.reclaim(classPiece)
	}
	for budget := sweepBuckets; budget > 0; {
		sh := &s.shards[h.sweep%len(s.shards)]
		done, buckets := h.sweepShard(sh, nowMS, budget)
		budget -= buckets
		if done {
			h.sweep += len(s.handles)
			if h.sweep >= len(s.shards) {
				h.sweep = h.id
				return
			}
		}
	}
}

func (s *Store) overLimit() bool {
	s.arena.mu.Lock()
	defer s.arena.mu.Unlock()
	return s.arena.inUse > s.arena.limit
}

// sweepShard looks at up to budget buckets of a shard, and reports whether it
// came to the end.
func (h *Handle) sweepShard(sh *shard, nowMS int64, budget int) (done bool, buckets int) {
	const lockedBuckets = 64 // about 10 us under the lock
	sh.mu.Lock()
	defer sh.mu.Unlock()
	x := &sh.index
	x.move(lockedBuckets)
	if x.old.n != 0 || x.items == 0 {
		return true, 1 // while it moves, its next round is soon enough
	}
	for buckets < min(budget, lockedBuckets) && sh.sweepAt < x.cur.n {
		h.sweepBucket(sh, x.bucket(&x.cur, sh.sweepAt), nowMS)
		sh.sweepAt++
		buckets++
	}
	if sh.sweepAt >= x.cur.n {
		sh.sweepAt = 0
		return true, buckets + 1
	}
	return false, buckets
}

// sweepBucket removes what is dead in a bucket and keeps idle times in range.
func (h *Handle) sweepBucket(sh *shard, b bucket, nowMS int64) {
	for i := range bucketSlots {
		p := slot(b, i)
		if *p == 0 {
			continue
		}
		it := h.s.item(ref(*p & refMask))
		kind := Kind(0)
		switch {
		case it.has(bitExpiry) && it.expired(nowMS):
			kind = KindExpire
			sh.counts.reclaimed++
			if !it.Fetched() {
				sh.counts.expiredUnfetched++
			}
		case sh.flushed && sh.isFlushed(it):
			kind = KindFlush
		}
		if kind != 0 {
			sh.unlink(hash(h.s.seed, it.DB(), it.Key()), p, it, kind)
			h.s.drop(it)
			continue
		}
		now := h.s.seconds(nowMS)
		if idle := (now - it.accessed()) & accessMask; idle > idleMax {
			it.setAccessed((now - idleMax) & accessMask)
		}
	}
}
