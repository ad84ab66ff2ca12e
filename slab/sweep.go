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
	s.barren.Store(0)
	h.freeSpare()
	if s.evicts {
		s.enforceLimit()
		if h.id == 0 {
			s.rememberMore()
		}
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

// enforceRuns is what a tick evicts of what a smaller limit made too much: 6 MB
// a loop in about a millisecond.
const enforceRuns = 100

// enforceLimit brings a store whose limit shrank nearer to it.
func (s *Store) enforceLimit() {
	for range enforceRuns {
		if !s.overLimit() || !s.reclaim() {
			return
		}
	}
}

// rememberMore gives the ghosts of a store that evicts the memory they deserve.
func (s *Store) rememberMore() {
	if !s.evicting.Swap(false) {
		return
	}
	var items int64
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		items += int64(sh.index.items)
		sh.mu.Unlock()
	}
	s.reclaiming.Lock()
	s.growGhosts(items)
	s.reclaiming.Unlock()
}

// overLimit reports whether more is in use than may be, and lowers the ceiling
// to what is in use.
func (s *Store) overLimit() bool {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ceiling = max(a.limit, min(a.ceiling, a.inUse+a.kept()))
	return a.inUse > a.limit
}

const (
	sweepLocked = 64 // buckets at a time under the lock: about 10 us
	sweepDeads  = sweepLocked * bucketSlots
)

// sweepShard looks at up to budget buckets of a shard, and reports whether it
// came to the end.
func (h *Handle) sweepShard(sh *shard, nowMS int64, budget int) (done bool, buckets int) {
	dead := h.dead[:0]
	sh.lock()
	x := &sh.index
	switch {
	case x.old.n != 0:
		x.move(sweepLocked) // while it moves, its next round is soon enough
		done, buckets = true, sweepLocked
	case x.items == 0:
		x.shrink()
		done, buckets = true, 1
	default:
		for buckets < min(budget, sweepLocked) && sh.sweepAt < x.cur.n {
			dead = h.sweepBucket(sh, x.bucket(&x.cur, sh.sweepAt), nowMS, dead)
			sh.sweepAt++
			buckets++
		}
		if done = sh.sweepAt >= x.cur.n; done {
			sh.sweepAt = 0
		}
	}
	sh.mu.Unlock()
	for _, it := range dead {
		h.s.drop(it)
	}
	clear(dead)
	return done, max(buckets, 1)
}

// sweepBucket removes what is dead in a bucket and keeps idle times in range.
// The memory of the dead is left to the caller.
func (h *Handle) sweepBucket(sh *shard, b bucket, nowMS int64, dead []Item) []Item {
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
			dead = append(dead, it)
			continue
		}
		if now := h.s.seconds(nowMS); idleSeconds(now, it.accessed()) > idleMax {
			it.setAccessed((now - idleMax) & accessMask)
		}
	}
	return dead
}

// idleSeconds is the time since an access, on a clock that goes round. Loops read
// the time for themselves: an access may be a little in the future.
func idleSeconds(now, accessed uint32) uint32 {
	const future = 3600
	if idle := (now - accessed) & accessMask; idle <= accessMask-future {
		return idle
	}
	return 0
}
