package slab

import "sync/atomic"

const (
	// turnoverParts: the access clock is noted each time this part of the limit
	// was taken for new items.
	turnoverParts = 8
	// turnoverIdle: an item of a main run that was not used while this many parts
	// were taken has outlived its use. Below the whole, which is when a single
	// queue would evict it, loads that change recover as fast as with one; above a
	// half, loads that do not change lose less than a percent of hits
	// (perf/hits, zipf-0.8 and the minutes).
	turnoverIdle = 6
	// idleMin: what was used within so many seconds is in use, however fast new
	// items come.
	idleMin = 8
	// turnoverSample is how many items of the oldest main run are asked.
	turnoverSample = 8
)

// turnover is the access clock's time at which memory was taken for new items.
type turnover struct {
	taken int // runs, since the last note
	at    int
	notes [turnoverParts]uint32 // seconds; the oldest is overwritten next
	full  bool                  // there were turnoverIdle notes
}

// take counts one run taken.
func (t *turnover) take(limit int, now uint32) {
	if t.taken++; t.taken < limit/turnoverParts {
		return
	}
	t.taken = 0
	t.notes[t.at] = now
	t.at = (t.at + 1) % turnoverParts
	t.full = t.full || t.at == turnoverIdle
}

// idleMax is how many seconds an item may be idle that was used since
// turnoverIdle parts were taken.
func (t *turnover) idleMax(now uint32) uint32 {
	if !t.full {
		return accessMask
	}
	return max(idleMin, idleSeconds(now, t.notes[(t.at+turnoverParts-turnoverIdle)%turnoverParts]))
}

// mainIsIdle reports whether some items of the oldest main run all outlived their
// use, or were not used since they were last looked at: the load has changed, and
// they make room before what is new does. The arena is locked, so the run keeps its
// class; a shard's lock is only tried.
func (s *Store) mainIsIdle(v *victim, id uint32) bool {
	if c := s.restored.Load(); c != nil && !c.known(id) {
		return false // to check it takes time, and the arena's lock
	}
	r := &s.arena.runs[id]
	if r.class == classPiece {
		owner := atomic.LoadUint64(&r.owner)
		return owner != 0 && !s.isUsed(v, s.item(ref(owner)), &r.owner, owner)
	}
	chunks := s.classes.cap[r.class]
	step := max(1, chunks/turnoverSample)
	for at := uint16(0); at < chunks; at += step {
		c := s.chunk(id, at, r.class)
		word := (*uint64)(s.at(c))
		it, stamp := s.item(c), atomic.LoadUint64(word)
		if stamp&pieceMark != 0 {
			it = s.item(ref(stamp &^ pieceMark))
		}
		if stamp != 0 && s.isUsed(v, it, word, stamp) {
			return false
		}
	}
	return true
}

// isUsed reports whether an item was used lately, and since eviction looked at it.
// One whose shard is busy is. The word that named the item, its stamp or a piece's
// owner, was as given.
func (s *Store) isUsed(v *victim, it Item, word *uint64, was uint64) bool {
	if c := s.restored.Load(); c != nil && !c.known(it.ref().run()) {
		return true
	}
	stamp := it.loadStamp()
	if stamp == 0 || stamp&pieceMark != 0 {
		return false
	}
	sh := &s.shards[stamp&uint64(s.shardMask)]
	if !sh.tryLock() {
		return true
	}
	defer sh.mu.Unlock()
	if atomic.LoadUint64(word) != was || it.loadStamp() != stamp || idleSeconds(v.now, it.accessed()) > v.idleMax {
		return false
	}
	if it.Large() && s.restored.Load() != nil {
		return true // its pieces may not have been checked
	}
	if it.Large() && s.arena.runs[it.pieces().ref(0).run()].queue != queueMain {
		return true // this piece is here because others of its run were: the first one decides
	}
	slot := sh.index.locate(hash(s.seed, it.DB(), it.Key()), it.ref())
	return slot != nil && *slot&freqMask != 0
}
