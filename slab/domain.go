package slab

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// domain is a set of runs with free chunks, one list per size class. Below
// sharedBelow of limit all loops share one, so that half-filled runs cost little;
// above, a loop has its own, or shares one with few others as idleShare allows, and
// meets the rest only to free, or when its own has nothing.
type domain struct {
	id      uint8
	queue   queue
	classes [maxClasses]freeList
}

const (
	// The first two domains are everybody's: of main runs, to which only eviction
	// moves items, and of fixed ones.
	domainMain  = 0
	domainFixed = 1
	domainLoops = 2 // from here on, the loops'

	sharedBelow = 1 << 30
	maxDomains  = 64
	idleShare   = 50 // half-filled runs of the loops' domains may cost 1/50 of the limit
)

// freeList is the runs of one class in one domain that have free chunks.
type freeList struct {
	mu   sync.Mutex
	head uint32
	_    [52]byte // a cache line each: neighbours are other loops' hot classes
}

// alloc allocates a chunk of class in d, evicting if it must. No shard is locked.
func (h *Handle) alloc(class uint8, d *domain) (ref, error) {
	if r := h.tryAlloc(class, d); r != 0 {
		return r, nil
	}
	return h.allocSlow(class, d)
}

// domainFor is where an item's memory comes from.
func (h *Handle) domainFor(spec *Spec) *domain {
	if !spec.Evictable && h.s.evicts {
		return &h.s.domains[domainFixed]
	}
	return h.domain
}

// free gives a chunk back, or keeps it as the spare one.
func (h *Handle) free(c ref) {
	r := &h.s.arena.runs[c.run()]
	if h.spare != 0 || r.domain < domainLoops {
		h.s.freeChunk(c)
		return
	}
	h.spare, h.spareClass = c, r.class
}

func (h *Handle) freeSpare() {
	if h.spare != 0 {
		h.s.freeChunk(h.spare)
		h.spare = 0
	}
}

// tryAlloc allocates a chunk without evicting, or returns 0.
func (h *Handle) tryAlloc(class uint8, d *domain) ref {
	if h.spare != 0 && h.spareClass == class && d.id >= domainLoops {
		r := h.spare
		h.spare = 0
		return r
	}
	return h.s.take(class, d, false)
}

// take takes a free chunk of class in d, from a fresh run if need be, or returns 0.
func (s *Store) take(class uint8, d *domain, kept bool) ref {
	l := &d.classes[class]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == 0 && !s.addRun(d, class, kept) {
		return 0
	}
	return s.pop(l, class)
}

func (h *Handle) allocSlow(class uint8, d *domain) (ref, error) {
	if h.s.hopeless() {
		return 0, h.s.refuse()
	}
	h.freeSpare() // its run may be free for this class then
	if h.s.idle.Load() > 0 {
		h.s.collect()
	}
	for range h.s.attempts() {
		if r := h.tryAlloc(class, d); r != 0 {
			return r, nil
		}
		if d.id >= domainLoops {
			if r := h.s.allocForeign(class, domainLoops); r != 0 {
				return r, nil
			}
		}
		if !h.s.reclaim(&h.spent) {
			break
		}
	}
	if r := h.s.allocForeign(class, 0); r != 0 {
		return r, nil
	}
	return 0, h.s.refuse()
}

// allocForeign takes a free chunk of class from whichever domain has one, from
// domain first on.
func (s *Store) allocForeign(class uint8, first int) (r ref) {
	for i := first; i < len(s.domains); i++ {
		l := &s.domains[i].classes[class]
		l.mu.Lock()
		if l.head != 0 {
			r = s.pop(l, class)
		}
		l.mu.Unlock()
		if r != 0 {
			return r
		}
	}
	return 0
}

// collect gives every run that is wholly free back to the arena: each class may
// have kept one.
func (s *Store) collect() {
	for d := range s.domains {
		for class := range uint8(s.classes.count) {
			l := &s.domains[d].classes[class]
			l.mu.Lock()
			for id := l.head; id != 0; {
				r := &s.arena.runs[id]
				next := r.next
				if r.free == s.classes.cap[class] {
					s.dropRun(l, id)
				}
				id = next
			}
			l.mu.Unlock()
		}
	}
}

// addRun puts a fresh run into the list of class. The list is locked.
func (s *Store) addRun(d *domain, class uint8, kept bool) bool {
	id := s.takeRun(class, d.id, d.queue, 0, kept)
	if id == 0 {
		return false
	}
	r := &s.arena.runs[id]
	r.free, r.fresh, r.head = s.classes.cap[class], 0, 0
	if r.was != class+1 && (r.was != 0 || s.dirty) {
		s.cleanRun(id, class)
	}
	l := &d.classes[class]
	s.link(l, id)
	return true
}

// cleanRun zeroes the first words of the chunks of a run that was used by another
// class: eviction takes a word that is not zero for an item's stamp.
func (s *Store) cleanRun(id uint32, class uint8) {
	for at := range s.classes.cap[class] { // no pointer beyond the last: it may be the arena's end
		atomic.StoreUint64((*uint64)(s.at(s.chunk(id, at, class))), 0)
	}
}

// pop takes a chunk of the first run of the list, which has one. The list is locked.
func (s *Store) pop(l *freeList, class uint8) ref {
	id := l.head
	r := &s.arena.runs[id]
	at := r.head
	if at != 0 {
		at--
		r.head = *s.chunkNext(id, at, class)
	} else {
		at = r.fresh
		r.fresh++
	}
	if r.idle {
		r.idle = false
		s.idle.Add(-1)
	}
	r.free--
	if r.free == 0 {
		s.unlink(l, id)
	}
	return s.chunk(id, at, class)
}

func (s *Store) chunk(id uint32, at uint16, class uint8) ref {
	return runRef(id) + ref(uint32(at)*s.classes.size[class]>>refShift)
}

// chunkNext is the link of a free chunk: its second word, since the first is
// looked at by eviction.
func (s *Store) chunkNext(id uint32, at uint16, class uint8) *uint16 {
	return (*uint16)(unsafe.Add(s.at(s.chunk(id, at, class)), 8))
}

// freeChunk gives a chunk back to the class and domain its run belongs to. Its
// first word is zero.
func (s *Store) freeChunk(c ref) {
	id := c.run()
	r := &s.arena.runs[id]
	class := r.class // stays as long as a chunk of the run is out
	l := &s.domains[r.domain].classes[class]
	offset := uint32(c-runRef(id)) << refShift
	at := uint16(offset / s.classes.size[class])
	l.mu.Lock()
	*s.chunkNext(id, at, class) = r.head
	r.head = at + 1
	r.free++
	switch {
	case r.scanned:
	case r.free == s.classes.cap[class] && (l.head != id || r.next != 0):
		// Wholly free, and not the class's only run with room: others may have it.
		s.dropRun(l, id)
	case r.free == s.classes.cap[class]:
		r.idle = true
		s.idle.Add(1)
	case !r.listed:
		s.linkBehind(l, id)
	}
	l.mu.Unlock()
}

// dropRun gives a wholly free run of a locked list back to the arena.
func (s *Store) dropRun(l *freeList, id uint32) {
	r := &s.arena.runs[id]
	if r.idle {
		r.idle = false
		s.idle.Add(-1)
	}
	if r.listed {
		s.unlink(l, id)
	}
	s.giveRun(id)
}

func (s *Store) link(l *freeList, id uint32) {
	r := &s.arena.runs[id]
	r.listed, r.prev, r.next = true, 0, l.head
	if l.head != 0 {
		s.arena.runs[l.head].prev = id
	}
	l.head = id
}

// linkBehind puts a run behind the first of the list: what is new shall lie in
// new runs as long as these have room.
func (s *Store) linkBehind(l *freeList, id uint32) {
	if l.head == 0 {
		s.link(l, id)
		return
	}
	r, first := &s.arena.runs[id], &s.arena.runs[l.head]
	r.listed, r.prev, r.next = true, l.head, first.next
	if r.next != 0 {
		s.arena.runs[r.next].prev = id
	}
	first.next = id
}

func (s *Store) unlink(l *freeList, id uint32) {
	r := &s.arena.runs[id]
	if r.prev != 0 {
		s.arena.runs[r.prev].next = r.next
	} else {
		l.head = r.next
	}
	if r.next != 0 {
		s.arena.runs[r.next].prev = r.prev
	}
	r.listed, r.next, r.prev = false, 0, 0
}
