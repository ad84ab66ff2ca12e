package slab

import "sync/atomic"

const (
	// reclaimLaps bounds one search for memory: two laps find everything that
	// may be evicted, since all of a run goes when patience ends.
	reclaimLaps = 2
	// reclaimPatience is how many runs may yield nothing, because all in them is
	// hot, before one has to: about a millisecond.
	reclaimPatience = 16
	// reclaimDead is how many runs a store that may not evict looks at for dead
	// items before it refuses: about 0.1 ms. The next request goes on from there.
	reclaimDead = 4
	// barrenMax is how many such searches may find nothing until the next tick:
	// what is refused after that costs nothing.
	barrenMax = 32
)

// hopeless reports that looking for memory has found nothing too often lately.
func (s *Store) hopeless() bool { return !s.evicts && s.barren.Load() >= barrenMax }

// refuse counts an allocation that found nothing.
func (s *Store) refuse() error {
	s.outOfMemory.Add(1)
	if !s.evicts {
		s.barren.Add(1)
	}
	return ErrNoMemory
}

// reclaimLimit is how many runs of items one search looks at, and how many of
// any kind it passes.
func (s *Store) reclaimLimit() (items, runs int) {
	s.arena.mu.Lock()
	runs = reclaimLaps * int(s.arena.fresh)
	s.arena.mu.Unlock()
	if !s.evicts {
		return reclaimDead, runs
	}
	return runs, runs
}

// attempts is how many searches an allocation makes: each yields something, if
// not always what it asked for.
func (s *Store) attempts() int {
	_, runs := s.reclaimLimit()
	return runs
}

// reclaim gives memory back: the hand goes on over the runs, wherever they
// belong, and stops behind the first that yielded something. So all classes age
// at the same rate, and memory goes where it is asked for. It reports whether
// anything was freed. No shard and no list is locked. A store that may not evict
// only finds what is dead.
func (s *Store) reclaim(class uint8) bool {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	most, laps := s.reclaimLimit()
	for tried := 0; tried < most && laps > 0; laps-- {
		id, kind, domain := s.handNext()
		all, freed := tried >= reclaimPatience, false
		switch {
		case id == 0:
			return false
		case kind == classPiece:
			freed = s.evictOwner(&s.arena.runs[id].owner, 0, all)
		case kind < maxClasses:
			freed = s.reclaimRun(id, kind, domain, class, all)
		default:
			continue
		}
		if freed {
			return true
		}
		tried++
	}
	return false
}

// handNext moves the hand to the next run that was ever handed out.
func (s *Store) handNext() (id uint32, class, domain uint8) {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fresh <= 1 {
		return 0, 0, 0
	}
	if a.hand++; a.hand >= a.fresh {
		a.hand = 1
	}
	r := &a.runs[a.hand]
	return a.hand, r.class, r.domain
}

// reclaimRun evicts what is cold in a run. When little is left, that goes too,
// so that the run is free for any class.
func (s *Store) reclaimRun(id uint32, class, domain, wanted uint8, all bool) bool {
	l := &s.domains[domain].classes[class]
	before, ok := s.beginScan(l, id, class, domain)
	if !ok {
		return false
	}
	chunks := s.classes.cap[class]
	free := s.scanRun(l, id, class, all)
	if left := chunks - free; left > 0 && left <= chunks/4 {
		free = s.scanRun(l, id, class, true)
	}
	return s.endScan(l, id, class, wanted) || free > before
}

// beginScan keeps run id as it is, out of its list, if it still is class's.
func (s *Store) beginScan(l *freeList, id uint32, class, domain uint8) (free uint16, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.arena.mu.Lock()
	r := &s.arena.runs[id]
	ok = r.class == class && r.domain == domain
	s.arena.mu.Unlock()
	if !ok {
		return 0, false
	}
	r.scanned = true
	if r.listed {
		s.unlink(l, id)
	}
	return r.free, true
}

// scanRun evicts the items of a run, all or the cold ones, and returns how many
// of its chunks are free then.
func (s *Store) scanRun(l *freeList, id uint32, class uint8, all bool) (free uint16) {
	for at := range s.classes.cap[class] {
		s.evictChunk(s.chunk(id, at, class), all)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.arena.runs[id].free
}

// endScan puts the run back into its list, or, when it is wholly free and
// another class asked, into the arena, and says so.
func (s *Store) endScan(l *freeList, id uint32, class, wanted uint8) (given bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &s.arena.runs[id]
	r.scanned = false
	switch {
	case r.free == s.classes.cap[class] && class != wanted:
		s.dropRun(l, id)
		return true
	case r.free > 0:
		s.link(l, id)
	}
	return false
}

// evictChunk evicts the item in chunk c, or the one that c is a piece of, if it
// is cold or all go.
func (s *Store) evictChunk(c ref, all bool) bool {
	word := (*uint64)(s.at(c))
	stamp := atomic.LoadUint64(word)
	if stamp&pieceMark != 0 {
		return s.evictOwner(word, pieceMark, all)
	}
	return stamp != 0 && s.evict(s.item(c), stamp, all, nil, 0)
}

// evictOwner evicts the item that the word at mark names as a piece's owner.
func (s *Store) evictOwner(word *uint64, mark uint64, all bool) bool {
	owner := atomic.LoadUint64(word)
	if owner&^mark == 0 {
		return false
	}
	it := s.item(ref(owner &^ mark))
	stamp := it.loadStamp()
	return stamp != 0 && stamp&pieceMark == 0 && s.evict(it, stamp, all, word, owner)
}

// evict takes the item out of the index if it still is what its stamp said, and
// the word (of a piece) still names it. It skips a shard that is busy.
func (s *Store) evict(it Item, stamp uint64, all bool, word *uint64, owner uint64) bool {
	sh := &s.shards[stamp&uint64(s.shardMask)]
	if !sh.tryLock() {
		return false
	}
	if word != nil && atomic.LoadUint64(word) != owner || it.loadStamp() != stamp {
		sh.mu.Unlock()
		return false
	}
	// The chunks of large items' heads lie close together: a walk over them must
	// not take all large values at once. They go by their pieces.
	gone := (word != nil || !it.Large()) && sh.evict(it, all, s.nowMS.Load())
	sh.mu.Unlock()
	if gone {
		s.drop(it)
	}
	return gone
}

// evict is Store.evict under the shard's lock.
func (sh *shard) evict(it Item, all bool, nowMS int64) bool {
	h := hash(sh.store.seed, it.DB(), it.Key())
	slot := sh.index.locate(h, it.ref())
	if slot == nil {
		panic("BUG: slab: an item with a stamp is not in the index")
	}
	switch {
	case it.has(bitExpiry) && it.expired(nowMS):
		sh.counts.reclaimed++
		if !it.Fetched() {
			sh.counts.expiredUnfetched++
		}
		sh.unlink(h, slot, it, KindExpire)
		return true
	case sh.flushed && sh.isFlushed(it):
		sh.unlink(h, slot, it, KindFlush)
		return true
	case !sh.store.evicts || !it.Evictable() || it.Large() && atomic.LoadUint32(it.references()) > 1:
		return false // a pinned value is in use, and gives no memory back
	case *slot&freqMask != 0 && !all:
		*slot -= freqOne
		return false
	}
	sh.counts.evictions++
	if !it.Fetched() {
		sh.counts.evictedUnfetched++
	} else if *slot&freqMask != 0 {
		sh.counts.evictedActive++
	}
	sh.unlink(h, slot, it, KindEvict)
	return true
}
