package slab

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// ref names memory in the arena: its offset in units of 8 bytes. 0 is none.
type ref uint64

const refShift = 3

func (s *Store) at(r ref) unsafe.Pointer { return unsafe.Add(s.base, r<<refShift) }

func (r ref) run() uint32   { return uint32(r >> (runShift - refShift)) }
func runRef(run uint32) ref { return ref(run) << (runShift - refShift) }

func (it Item) ref() ref {
	return ref(uintptr(it.p)-uintptr(it.s.base)) >> refShift
}

func (s *Store) item(r ref) Item { return Item{s.at(r), s} }

// run is what the store knows of one run. class, domain, queue and the queue's
// links change under the arena's lock, and the first three only while no chunk of
// the run is out; scanned changes under the list's lock; the rest belongs to the
// list of the run's class, and next of a free run to the arena.
type run struct {
	class  uint8
	domain uint8
	queue  queue
	was    uint8 // 1 + its class before it was free; 0: it was never used
	// scanned: eviction walks over the run, so it must keep its class, and no
	// chunk of it is handed out.
	scanned bool
	listed  bool   // in the class's list of runs with free chunks
	idle    bool   // wholly free, but kept for the class
	free    uint16 // free chunks, the fresh ones included
	fresh   uint16 // chunks from here on were never handed out
	head    uint16 // first free chunk + 1; the others hang on it
	next    uint32 // in the class's list, or the free list
	prev    uint32
	older   uint32 // in its queue
	newer   uint32
	owner   uint64 // atomic: of a piece, its item
}

// arena hands out runs.
type arena struct {
	mu    sync.Mutex
	runs  []run  // not on the Go heap: no pointers
	free  uint32 // head of the list of free runs that have memory
	fresh uint32 // runs from here on were never handed out
	inUse int    // runs handed out, run 0 included
	index int    // of these, cut into index segments
	limit int    // runs that may be in use
	// ceiling is the limit, or what was in use when the limit shrank: until ticks
	// have evicted the difference, or clients removed it, memory may be exchanged but
	// not added.
	ceiling int
	queues  [queueCount]runQueue
	victims uint32 // how many runs eviction has asked for
	backing        // the memory behind the runs
}

// available is the number of runs that can be handed out. Some are kept, which
// only the next growth of the index and eviction itself may take.
func (a *arena) available(kept bool) bool {
	n := min(a.ceiling, a.reach) - a.inUse
	if !kept {
		n -= a.kept()
	}
	return n > 0 && (a.free != 0 || a.bare != 0 || int(a.fresh) < len(a.runs))
}

// keptForEviction is what eviction keeps to copy what it keeps of a run into:
// one, and it is back when the run is free.
const keptForEviction = 1

// kept is the number of runs that items do not get.
func (a *arena) kept() int { return a.index/growLeast + 1 + keptForEviction }

// takeRun hands out a run for class, domain and queue, or 0. A piece says its
// owner. kept: it may be one of those that are kept.
func (s *Store) takeRun(class, domain uint8, q queue, owner ref, kept bool) uint32 {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.available(kept) {
		return 0
	}
	id := s.nextRun()
	if id == 0 {
		return 0
	}
	a.inUse++
	if class == classIndex {
		a.index++
	}
	r := &a.runs[id]
	r.class, r.domain, r.next, r.prev = class, domain, 0, 0
	a.enqueue(id, q)
	if q == queueSmall {
		s.turnover.take(a.limit, s.seconds(s.nowMS.Load()))
	}
	atomic.StoreUint64(&r.owner, uint64(owner))
	return id
}

// giveRun takes a run back.
func (s *Store) giveRun(id uint32) {
	s.arena.mu.Lock()
	s.arena.give(id)
	s.arena.mu.Unlock()
}

func (a *arena) give(id uint32) {
	r := &a.runs[id]
	if r.class == classIndex {
		a.index--
	}
	a.dequeue(id)
	r.was, r.listed = r.class+1, false
	a.pushFree(id)
	a.inUse--
}

// allocRun allocates a whole run for a piece of owner, evicting if it must.
func (h *Handle) allocRun(owner ref, q queue) (ref, error) {
	if id := h.s.takeRun(classPiece, 0, q, owner, false); id != 0 {
		return runRef(id), nil
	}
	if h.s.hopeless() {
		return 0, h.s.refuse()
	}
	h.freeSpare()
	if h.s.idle.Load() > 0 {
		h.s.collect()
	}
	for range h.s.attempts() {
		if id := h.s.takeRun(classPiece, 0, q, owner, false); id != 0 {
			return runRef(id), nil
		}
		if !h.s.reclaim(&h.spent) {
			break
		}
	}
	return 0, h.s.refuse()
}

// freeRun gives back a run that allocRun returned.
func (s *Store) freeRun(r ref) {
	s.arena.mu.Lock()
	s.arena.givePiece(r.run())
	s.arena.mu.Unlock()
}

func (a *arena) givePiece(id uint32) {
	atomic.StoreUint64(&a.runs[id].owner, 0)
	a.give(id)
}

// limitRuns is the limit in runs.
func (s *Store) limitRuns() int {
	s.arena.mu.Lock()
	defer s.arena.mu.Unlock()
	return s.arena.limit
}
