package slab

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// A tick sweeps sweepWork units: a bucket is one, a dead item is another, a unit
// about half a microsecond. So 10 million items on two loops are seen about every
// two minutes, at a cost of some milliseconds a second. Where one in sweepRich
// items is dead, or a crawl is wanted, it is sweepWorkMost: a million items that
// end together are gone in half a minute on two loops, and no tick takes a
// millisecond.
const (
	sweepWork     = 512
	sweepWorkMost = 2048
	sweepRich     = 8
	sweepLocked   = 64 // buckets at a time under the lock: about 30 us
	sweepDeads    = sweepLocked * bucketSlots

	// idleMax is where an item's idle time stays: the access clock goes round in
	// three days, and every item is swept well within one.
	idleMax = 2 * 24 * 3600
	// An item that was not used for so long is not hot any more, or not warm.
	hotS      = 1
	warmS     = 60
	warmReads = 2 << freqShift
)

// crawler is what is wanted of the sweep.
type crawler struct {
	off     atomic.Bool
	mu      sync.Mutex    // guards Crawl against itself
	groups  atomic.Uint64 // of the pass that is wanted
	passes  atomic.Uint32 // that were ever wanted
	waiting atomic.Int32  // handles that have not done their part of it
}

// SetCrawler says whether ticks give back the memory of dead items before
// anybody comes across these. It is on at first.
func (s *Store) SetCrawler(on bool) { s.crawler.off.Store(!on) }

// Crawl asks for one pass over the whole store soon, by the ticks of all handles,
// that gives back the memory of the dead items of the groups whose bits are set:
// bit 0 for group 1. It is done whether SetCrawler is on or off. false: one is on
// its way.
func (s *Store) Crawl(groups uint64) bool {
	c := &s.crawler
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Crawling() {
		return false
	}
	c.groups.Store(groups)
	c.waiting.Store(int32(min(len(s.handles), len(s.shards))))
	c.passes.Add(1)
	return true
}

// Crawling reports whether a pass that Crawl asked for is on its way.
func (s *Store) Crawling() bool { return s.crawler.waiting.Load() > 0 }

// sweep is a handle's way over its shards: those whose number is its own, modulo
// the number of handles.
type sweep struct {
	shard  int
	passes uint32 // of crawler.passes, those begun
	left   int    // shards to go in the one that is on its way
	groups uint64 // that this one is for

	// Of the tick.
	nowMS         int64
	reclaims      bool
	lost          bool // items whose values the tier has dropped go
	checked, dead int

	oldest [MaxGroups][Fixed]uint32 // of this round, see tally
	items  []Item                   // dead ones, kept for its memory
}

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
			s.tickTier()
		}
	} else {
		s.overLimit() // clients make it less
	}
	s.tickMemory()
	h.sweepOn(nowMS)
	h.tally.publish()
}

// sweepOn goes on with the sweep until this tick has done its share.
func (h *Handle) sweepOn(nowMS int64) {
	w := &h.sweep
	if h.id >= len(h.s.shards) || h.s.restored.Load() != nil { // which would check runs in no order
		return
	}
	h.beginCrawl()
	w.nowMS, w.reclaims, w.checked, w.dead = nowMS, !h.s.crawler.off.Load(), 0, 0
	w.lost = h.s.sweepsLost()
	for work := 0; work < w.limit(); {
		sh := &h.s.shards[w.shard]
		before := w.dead
		done, buckets := h.sweepShard(sh, sweepLocked)
		work += buckets + w.dead - before
		if done && h.nextShard() {
			return
		}
	}
}

func (w *sweep) limit() int {
	if w.left > 0 || w.dead > w.checked/sweepRich {
		return sweepWorkMost
	}
	return sweepWork
}

// beginCrawl begins with the pass that was asked for last.
func (h *Handle) beginCrawl() {
	c, w := &h.s.crawler, &h.sweep
	if passes := c.passes.Load(); passes != w.passes {
		w.passes, w.groups = passes, c.groups.Load()
		w.left = (len(h.s.shards)-h.id-1)/len(h.s.handles) + 1
		sh := &h.s.shards[w.shard]
		sh.lock()
		sh.sweepAt = 0
		sh.mu.Unlock()
	}
}

// nextShard goes on to the handle's next shard, and reports whether that was the
// last of the round.
func (h *Handle) nextShard() bool {
	w := &h.sweep
	if w.left > 0 {
		if w.left--; w.left == 0 {
			h.tally.publish()
			h.s.crawler.waiting.Add(-1)
		}
	}
	if w.shard += len(h.s.handles); w.shard < len(h.s.shards) {
		return false
	}
	w.shard = h.id
	h.tally.mu.Lock()
	h.tally.oldest = w.oldest
	h.tally.mu.Unlock()
	w.oldest = [MaxGroups][Fixed]uint32{}
	return true
}

// A tick looks at enforceRuns runs, or enforceChunks chunks in them, because a
// smaller limit made them too much: 6 MB a loop, 1 MB where items are small, in
// about two milliseconds.
const (
	enforceRuns   = 100
	enforceChunks = 8192
)

// enforceLimit brings a store whose limit shrank nearer to it.
func (s *Store) enforceLimit() {
	from, spent := s.looked.Load(), 0
	for range enforceRuns {
		if s.looked.Load()-from > enforceChunks || !s.overLimit() || !s.reclaim(&spent) {
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
	s.freeGhosts() // every shard was locked since they were given up: nobody reads them
	s.fitGhosts(items)
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

// sweepShard looks at up to budget buckets of a shard, and reports whether it
// came to the end.
func (h *Handle) sweepShard(sh *shard, budget int) (done bool, buckets int) {
	w := &h.sweep
	w.items = w.items[:0]
	sh.lock()
	x := &sh.index
	switch {
	case x.old.n != 0:
		moved := x.moved
		x.move(budget)
		done = x.old.n != 0 && x.moved == moved // it lacks memory: its next round is soon enough
		buckets, sh.sweepAt = budget, 0
	case x.items == 0:
		x.shrink()
		done, buckets, sh.sweepAt = true, 1, 0
	default:
		end := min(sh.sweepAt+uint32(budget), x.cur.n)
		buckets = int(end - sh.sweepAt)
		for ; sh.sweepAt < end; sh.sweepAt++ {
			h.sweepBucket(sh, x.bucket(&x.cur, sh.sweepAt))
		}
		if done = end == x.cur.n; done {
			sh.sweepAt = 0
			h.s.gather(sh)
		}
	}
	thin := done && x.wantsShrink()
	sh.mu.Unlock()
	if thin {
		h.grow(sh)
	}
	for _, it := range w.items {
		h.s.drop(it)
	}
	clear(w.items)
	return done, max(buckets, 1)
}

// sweepBucket removes what is dead in a bucket, and notes the age of the rest.
// The memory of the dead is left to the caller.
func (h *Handle) sweepBucket(sh *shard, b bucket) {
	w := &h.sweep
	for m := *meta(b) & tagHighs; m != 0; m &= m - 1 {
		p := slot(b, bits.TrailingZeros64(m)>>3)
		it := h.s.item(ref(*p & refMask))
		group := it.Group() - 1
		w.checked++
		crawled := w.left > 0 && w.groups>>group&1 != 0
		if crawled {
			h.tally.count(group, countCrawlerChecked)
		}
		switch kind := sh.deadKind(it, w.nowMS); {
		case kind == 0 && w.lost && h.s.isLost(it):
			h.sweepOut(sh, p, it, KindEvict)
		case kind == 0:
			h.age(it, *p&freqMask, group)
		case crawled:
			h.tally.reclaim(it, countCrawlerReclaimed)
			h.sweepOut(sh, p, it, kind)
		case w.reclaims:
			sh.countDead(&h.tally, it)
			h.sweepOut(sh, p, it, kind)
		}
	}
}

// deadKind says whether an item is expired or flushed; 0: it lives.
func (sh *shard) deadKind(it Item, nowMS int64) Kind {
	switch {
	case it.has(bitExpiry) && it.expired(nowMS):
		return KindExpire
	case sh.flushed && sh.isFlushed(it):
		return KindFlush
	}
	return 0
}

// sweepOut removes a dead item.
func (h *Handle) sweepOut(sh *shard, p *uint64, it Item, kind Kind) {
	sh.unlink(&h.tally, hash(h.s.seed, it.DB(), it.Key()), p, it, kind)
	h.sweep.items = append(h.sweep.items, it)
	h.sweep.dead++
}

// age keeps an item's idle time in range, and its heat true.
func (h *Handle) age(it Item, reads uint64, group int) {
	now := h.s.seconds(h.sweep.nowMS)
	idle := idleSeconds(now, it.accessed())
	if idle > idleMax {
		idle = idleMax
		it.setAccessed((now - idleMax) & accessMask)
	}
	heat := it.Heat()
	switch {
	case heat == Fixed:
		return
	case heat != Warm && reads >= warmReads:
		heat = Warm
		h.tally.count(group, countMovesToWarm)
	case heat == Warm && reads == 0 && idle >= warmS, heat == Hot && idle >= hotS:
		heat = Cold
		h.tally.count(group, countMovesToCold)
	}
	if heat != it.Heat() {
		h.tally.reheat(it, heat)
	}
	oldest := &h.sweep.oldest[group][heat]
	*oldest = max(*oldest, idle)
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
