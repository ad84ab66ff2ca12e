package slab

import (
	"math/bits"
	"sync/atomic"
)

const (
	// reclaimLaps bounds one search for memory: two laps find everything that
	// may be evicted, since all of a run goes when patience ends.
	reclaimLaps = 2
	// reclaimPatience is how many runs, and patienceChunks how many chunks in them,
	// may yield nothing, because all is hot, before a run has to: about a millisecond.
	reclaimPatience = 16
	patienceChunks  = 4096
	// reservePatience is the same, in chunks, for all searches of one reservation, of
	// which a large value needs many: two milliseconds. A run counts as runChunks at
	// least, since to copy large items takes time, too.
	reservePatience = 16 << 10
	runChunks       = 256
	// smallShare: small runs are 1/smallShare of all, beside one for each class,
	// so that what is new gets its time where classes are many and runs few.
	smallShare = 10
	// fixedEvery: one victim in so many is a fixed run, in which only the dead go,
	// until a search has looked at fixedChunks there: half a millisecond. The next
	// search goes on from there.
	fixedEvery  = 16
	fixedChunks = 4096
	// scanAhead items of a run have their buckets fetched together.
	scanAhead = 16
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

// reclaim gives memory back: it looks at one run after the other, wherever they
// belong, and stops behind the first that yielded something. So all classes age at
// the same rate, and memory goes where it is asked for. It reports whether
// anything was freed. No shard and no list is locked. A store that may not evict
// only finds what is dead. spent is what searches for the same purpose have looked at
// in vain, in chunks.
func (s *Store) reclaim(spent *int) bool {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	s.evicting.Store(true)
	defer s.evictTally.publish()
	most, laps := s.reclaimLimit()
	v := &s.victim
	s.trimHeads(v)
	before := s.runsInUse()
	v.fixed = 0
	chunks := 0
	for tried := 0; tried < most && laps > 0; laps-- {
		if !s.nextVictim(v) {
			return false
		}
		v.all = tried >= reclaimPatience || chunks >= patienceChunks || *spent >= reservePatience
		n := 0
		if v.class < maxClasses {
			n = int(s.classes.cap[v.class])
			chunks += n
			if v.queue == queueFixed {
				v.fixed += n
			}
			s.looked.Add(int64(n))
		}
		if s.reclaimVictim(v) || s.runsInUse() < before {
			return true
		}
		*spent += max(n, runChunks)
		tried++
	}
	return false
}

func (s *Store) runsInUse() int {
	s.arena.mu.Lock()
	defer s.arena.mu.Unlock()
	return s.arena.inUse
}

// victim is the run that eviction looks at, and what it found.
type victim struct {
	run    uint32
	class  uint8
	domain uint8
	queue  queue
	all    bool // what is hot goes, too
	aging  bool // what is old goes to the tier, nothing else changes
	heads  bool // items whose values are in the tier go
	fixed  int  // chunks of fixed runs that the search has looked at
	nowMS  int64

	gone  int // chunks that the walk freed; they are marked in freed
	freed [runSize / minChunk / 64]uint64

	now, idleMax uint32 // seconds; what is idle for longer outlived its use, see turnover

	// The items that the walk looks at next, and their hashes.
	stamps [scanAhead]uint64
	hashes [scanAhead]uint64
}

// nextVictim chooses the run whose turn it is.
func (s *Store) nextVictim(v *victim) bool {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	a.victims++
	v.nowMS = s.nowMS.Load()
	v.now = s.seconds(v.nowMS)
	v.idleMax = s.turnover.idleMax(v.now)
	small, main, fixed := &a.queues[queueSmall], &a.queues[queueMain], &a.queues[queueFixed]
	total := small.runs + main.runs
	target := min(total/smallShare+small.classes, total/2)
	var id uint32
	switch {
	case fixed.runs > 0 && v.fixed < fixedChunks && (total == 0 || a.victims%fixedEvery == 0):
		id = fixed.oldest
	case main.runs == 0 || small.runs > target && !s.mainIsIdle(v, main.oldest):
		id = small.oldest
	default:
		id = main.oldest
	}
	if id == 0 {
		return false
	}
	s.look(v, id)
	return true
}

// look makes a run the victim. The arena is locked.
func (s *Store) look(v *victim, id uint32) {
	r := &s.arena.runs[id]
	v.nowMS = s.nowMS.Load()
	v.now = s.seconds(v.nowMS)
	v.run, v.class, v.domain, v.queue = id, r.class, r.domain, r.queue
}

// reclaimVictim evicts what is cold in a run and moves the rest to main runs, so
// that the run is free. In a store that may not evict it reports whether there is
// more room in the run.
func (s *Store) reclaimVictim(v *victim) bool {
	if c := s.restored.Load(); c != nil && !c.check(v.run) {
		return false
	}
	if v.class == classPiece {
		s.reclaimPiece(v)
		return false
	}
	l := &s.domains[v.domain].classes[v.class]
	before, ok := s.beginScan(l, v)
	if !ok {
		return false
	}
	s.scan(v)
	free := s.endScan(l, v)
	return !s.evicts && free > before
}

// reclaimPiece is reclaimVictim for a run that is one piece of a large value. The
// first piece decides for the others.
func (s *Store) reclaimPiece(v *victim) {
	if s.evictOwner(v, &s.arena.runs[v.run].owner, 0, runRef(v.run)) == gone || v.aging {
		return
	}
	q := v.queue
	if q == queueSmall {
		q = queueMain
	}
	s.requeue(v, q)
}

// beginScan keeps the run as it is, out of its list, if it still is the class's.
func (s *Store) beginScan(l *freeList, v *victim) (free uint16, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.arena.mu.Lock()
	r := &s.arena.runs[v.run]
	ok = r.class == v.class && r.domain == v.domain
	s.arena.mu.Unlock()
	if !ok {
		return 0, false
	}
	r.scanned = true
	if r.listed {
		s.unlink(l, v.run)
	}
	v.gone = 0
	clear(v.freed[:])
	return r.free, true
}

// scan looks at all chunks of a run, a few at a time: first it asks for the memory
// of their buckets.
func (s *Store) scan(v *victim) {
	chunks := s.classes.cap[v.class]
	for from := uint16(0); from < chunks; from += scanAhead {
		n := min(scanAhead, chunks-from)
		for i := range n {
			s.scanForesee(v, i, s.chunk(v.run, from+i, v.class))
		}
		for i := range n {
			s.scanChunk(v, i, from+i)
		}
	}
}

// scanForesee notes which item is in chunk c, and asks for its bucket.
func (s *Store) scanForesee(v *victim, i uint16, c ref) {
	stamp := atomic.LoadUint64((*uint64)(s.at(c)))
	v.stamps[i] = stamp
	if stamp == 0 || stamp&pieceMark != 0 {
		return
	}
	sh := &s.shards[stamp&uint64(s.shardMask)]
	if !sh.tryLock() {
		v.stamps[i] = 0
		return
	}
	it := s.item(c)
	if it.loadStamp() != stamp {
		v.stamps[i] = 0
	} else {
		v.hashes[i] = hash(s.seed, it.DB(), it.Key())
	}
	sh.mu.Unlock()
	if v.stamps[i] != 0 {
		prefetch(sh.index.foresee(v.hashes[i]))
		s.ghosts.foresee(v.hashes[i])
	}
}

// scanChunk decides about the chunk that scanForesee noted as i.
func (s *Store) scanChunk(v *victim, i, at uint16) {
	stamp := v.stamps[i]
	c := s.chunk(v.run, at, v.class)
	switch {
	case stamp == 0:
	case stamp&pieceMark != 0:
		if s.evictOwner(v, (*uint64)(s.at(c)), pieceMark, c) == moved {
			v.free(at)
		}
	case s.evict(v, s.item(c), stamp, v.hashes[i]) != kept:
		v.free(at)
	}
}

func (v *victim) free(at uint16) {
	v.gone++
	v.freed[at/64] |= 1 << (at % 64)
}

// endScan gives a run that is wholly free to the arena, or else the chunks that the
// walk freed to the run, and returns how many are free.
func (s *Store) endScan(l *freeList, v *victim) (free uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &s.arena.runs[v.run]
	r.scanned = false
	r.free += uint16(v.gone)
	if r.free == s.classes.cap[v.class] {
		free = r.free
		s.dropRun(l, v.run)
		return free
	}
	for i, word := range v.freed {
		for ; word != 0; word &= word - 1 {
			at := uint16(i*64 + bits.TrailingZeros64(word))
			*s.chunkNext(v.run, at, v.class) = r.head
			r.head = at + 1
		}
	}
	if r.free > 0 {
		s.linkBehind(l, v.run)
	}
	if !v.aging {
		s.requeue(v, v.queue)
	}
	return r.free
}

// fate is what eviction did with an item.
type fate uint8

const (
	kept    fate = iota
	gone         // it is not in the index any more
	moved        // its chunk is free, it lies in another one
	spilled      // its value is to go to the tier
)

// evict decides about the item whose stamp and hash were noted. It skips a shard
// that is busy, and heads of large items: these go by their pieces.
func (s *Store) evict(v *victim, it Item, stamp, hash uint64) fate {
	sh := &s.shards[stamp&uint64(s.shardMask)]
	if !sh.tryLock() {
		return kept
	}
	defer sh.mu.Unlock()
	if it.loadStamp() != stamp || it.Large() || sh.stays(it, v.nowMS) {
		return kept
	}
	slot := sh.index.locate(hash, it.ref())
	switch sh.judge(v, slot, it, hash) {
	case gone:
		return gone
	case moved:
		return s.move(v, slot, it)
	case spilled:
		return s.spill(v, sh, slot, it, hash)
	}
	return kept
}

// stays reports whether an item is none that eviction may take: it lives, and it,
// or the whole store, is exempt.
func (sh *shard) stays(it Item, nowMS int64) bool {
	return !(sh.store.evicts && it.Evictable()) && sh.deadKind(it, nowMS) == 0
}

// judge evicts an item that does not stay (gone), or says that it deserves a main
// run (moved) or is left alone. The shard is locked.
func (sh *shard) judge(v *victim, slot *uint64, it Item, hash uint64) fate {
	if slot == nil {
		if sh.store.restored.Load() != nil {
			return kept // its segment was damaged: scrub will free it
		}
		panic("BUG: slab: an item with a stamp is not in the index")
	}
	s, t := sh.store, &sh.store.evictTally
	switch {
	case it.has(bitExpiry) && it.expired(v.nowMS):
		sh.countDead(t, it)
		sh.unlink(t, hash, slot, it, KindExpire)
		return gone
	case sh.flushed && sh.isFlushed(it):
		sh.countDead(t, it)
		sh.unlink(t, hash, slot, it, KindFlush)
		return gone
	case it.Large() && atomic.LoadUint32(it.references()) > 1:
		return kept // a pinned value is in use, and gives no memory back
	case it.OnTier():
		return sh.judgeHead(v, slot, it, hash)
	case v.aging && s.isAged(v, it):
		return spilled
	case v.aging:
		return kept
	case *slot&freqMask != 0 && !v.all && !(v.queue == queueMain && idleSeconds(v.now, it.accessed()) > v.idleMax):
		if v.queue == queueSmall {
			*slot = *slot&^freqMask | *slot&freqMask>>1&freqMask
		} else {
			*slot -= freqOne
		}
		t.spare(it)
		return moved
	case s.mayMove(it):
		return spilled
	}
	sh.evictOut(v, slot, it, hash)
	return gone
}

// evictOut evicts an item. The shard is locked.
func (sh *shard) evictOut(v *victim, slot *uint64, it Item, hash uint64) {
	s, t := sh.store, &sh.store.evictTally
	if v.queue == queueSmall {
		s.ghosts.add(hash)
	}
	sh.counts.evictions++
	if !it.Fetched() {
		sh.counts.evictedUnfetched++
	} else if *slot&freqMask != 0 {
		sh.counts.evictedActive++
	}
	t.evict(it, *slot&freqMask != 0, v.nowMS)
	sh.unlink(t, hash, slot, it, KindEvict)
}

// move moves a small item to a main run. The shard is locked.
func (s *Store) move(v *victim, slot *uint64, it Item) fate {
	r := s.take(v.class, &s.domains[domainMain], true)
	if r == 0 {
		return kept
	}
	to, stamp := s.item(r), it.stamp()
	n := it.headSize()
	copy(to.bytes(8, n-8), it.bytes(8, n-8))
	it.setStamp(0)
	*slot = *slot&^refMask | uint64(r)
	to.setStamp(stamp)
	return moved
}

// evictOwner decides about the large item that the word at mark names as the
// owner of the piece at c. moved: it has another piece in the place of this one.
func (s *Store) evictOwner(v *victim, word *uint64, mark uint64, c ref) fate {
	owner := atomic.LoadUint64(word)
	if owner&^mark == 0 {
		return kept
	}
	it := s.item(ref(owner &^ mark))
	checks := s.restored.Load()
	if checks != nil && !checks.check(it.ref().run()) {
		return kept
	}
	stamp := it.loadStamp()
	if stamp == 0 || stamp&pieceMark != 0 {
		return kept
	}
	sh := &s.shards[stamp&uint64(s.shardMask)]
	if !sh.tryLock() {
		return kept
	}
	f := kept
	if atomic.LoadUint64(word) == owner && it.loadStamp() == stamp && (checks == nil || checks.usable(it.ref())) {
		f = sh.judgePiece(v, it, c)
		if f == moved && mark != 0 {
			f = s.movePiece(v, it, c)
		}
	}
	if f == spilled {
		s.pack(it, v.nowMS)
		it.Pin()
	}
	sh.mu.Unlock()
	if f == spilled {
		f = s.spillLarge(v, sh, it, stamp)
		s.dropLarge(it) // the pin
	}
	if f == gone {
		s.dropLarge(it)
	}
	return f
}

// judgePiece is judge for the piece at c of a large item: the first one decides,
// the others follow to the main runs, unless the item is dead.
func (sh *shard) judgePiece(v *victim, it Item, c ref) fate {
	if sh.stays(it, v.nowMS) {
		return kept
	}
	if *it.pieces().ref(0) != c && !v.all && !v.aging && sh.deadKind(it, v.nowMS) == 0 {
		return moved
	}
	h := hash(sh.store.seed, it.DB(), it.Key())
	return sh.judge(v, sh.index.locate(h, it.ref()), it, h)
}

// movePiece moves the piece in chunk c of a large item that nobody has pinned to
// a main run. The shard is locked.
func (s *Store) movePiece(v *victim, it Item, c ref) fate {
	if atomic.LoadUint32(it.references()) > 1 {
		return kept
	}
	r := s.take(v.class, &s.domains[domainMain], true)
	if r == 0 {
		return kept
	}
	p := it.pieces()
	_, all := pieceCount(p.n)
	for i := all - 1; i >= 0; i-- {
		if *p.ref(i) != c {
			continue
		}
		n := int(s.classes.size[v.class])
		from, to := Item{s.at(c), s}, Item{s.at(r), s}
		copy(to.bytes(markSize, n-markSize), from.bytes(markSize, n-markSize))
		to.setStamp(from.stamp())
		from.setStamp(0)
		*p.ref(i) = r
		return moved
	}
	panic("BUG: slab: a piece is not its owner's")
}
