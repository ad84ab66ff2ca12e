package slab

import "sync/atomic"

const (
	hugeRuns = hugePage / runSize
	// populateAhead is what lies populated before it is needed: 30 ms of the
	// fastest filling, when a huge page takes the kernel 0.2 to 4 ms.
	populateAhead = 4 << 20 >> runShift
	// populateShare keeps that small beside a small limit.
	populateShare = 16
)

// populator is a helper that has the kernel put memory behind the arena's next
// runs, so that no loop waits for it: the first touch of a huge page was
// measured at up to 31 ms. It also takes the memory away that a smaller limit
// leaves over (release.go). No lock is held while the kernel works.
type populator struct {
	wake  chan struct{} // capacity 1: there may be something to do
	ended chan struct{}
	stop  atomic.Bool
	told  bool // of a refusal
	plain bool // huge pages are not asked for
}

// backing is what the arena knows of the memory behind its runs.
type backing struct {
	open      int // runs below are accessible
	reach     int // runs that may be in use: open, when the kernel refuses more
	refusal   error
	spare     mapping // see spareBytes
	spareHeld bool
	to        int    // the populator is done below
	freeRuns  int    // in the list of free runs, with memory behind them
	bare      uint32 // head of the list of free runs without
	bareRuns  int
}

// startPopulator starts the helper; Close ends it.
func (s *Store) startPopulator() {
	p := &s.populator
	p.wake, p.ended = make(chan struct{}, 1), make(chan struct{})
	p.wake <- struct{}{}
	go s.populate()
}

func (s *Store) populate() {
	defer close(s.populator.ended)
	for range s.populator.wake {
		s.openAhead()
		for s.populateNext() {
		}
		s.releaseOver()
		s.tellRefusal()
	}
}

// ahead is how many runs the populator keeps populated.
func (a *arena) ahead() int { return max(hugeRuns, min(populateAhead, a.limit/populateShare)) }

// ready is how many runs can be handed out whose memory is there.
func (a *arena) ready() int { return a.freeRuns + max(0, a.to-int(a.fresh)) }

// backed is how many runs have memory behind them, or will when their owner
// has used them up.
func (a *arena) backed() int { return max(int(a.fresh), a.to) - a.bareRuns }

// wants reports whether fewer than n runs are ready, and more may be.
func (a *arena) wants(n int) bool {
	return a.ready() < n && a.backed() < a.limit && (a.bare != 0 || a.to < a.open)
}

// populateNext has the kernel put memory behind the next huge page, or the next
// bare run, and reports whether it did.
func (s *Store) populateNext() bool {
	a := &s.arena
	a.mu.Lock()
	if s.populator.stop.Load() || !a.wants(a.ahead()) {
		a.mu.Unlock()
		return false
	}
	if a.bare != 0 {
		id := a.popBare()
		a.mu.Unlock()
		return s.populateBare(id)
	}
	from := max(a.to, int(a.fresh)&^(hugeRuns-1)) // a loop may be ahead
	to := min((from/hugeRuns+1)*hugeRuns, a.open)
	a.mu.Unlock()
	if s.system.populate(s.memory.bytes[from<<runShift:to<<runShift]) != nil {
		return false // loops touch the memory themselves then
	}
	a.mu.Lock()
	a.to = to
	a.mu.Unlock()
	return true
}

// populateBare makes run id, which is in no list, one with memory.
func (s *Store) populateBare(id uint32) bool {
	a := &s.arena
	err := s.system.populate(s.runBytes(id))
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.pushBare(id)
		return false
	}
	a.pushFree(id)
	return true
}

// nextRun takes the best run that is free, or 0. The arena is locked.
func (s *Store) nextRun() uint32 {
	a := &s.arena
	id := a.free
	switch {
	case id != 0:
		a.takeFree(id)
	case a.bare != 0:
		id = s.reopenBare()
	case int(a.fresh) < a.open || s.openMore():
		id = a.fresh
		a.fresh++
	}
	if id == 0 || a.wants(a.ahead()/2) || a.wantsOpen() && a.reach == reachAll && a.open-int(a.fresh) < openStep/2 {
		s.wakePopulator()
	}
	return id
}

func (a *arena) pushFree(id uint32) {
	r := &a.runs[id]
	r.class, r.prev, r.next = classFree, 0, a.free
	if a.free != 0 {
		a.runs[a.free].prev = id
	}
	a.free = id
	a.freeRuns++
}

func (a *arena) takeFree(id uint32) {
	r := &a.runs[id]
	if r.prev != 0 {
		a.runs[r.prev].next = r.next
	} else {
		a.free = r.next
	}
	if r.next != 0 {
		a.runs[r.next].prev = r.prev
	}
	a.freeRuns--
}

func (a *arena) pushBare(id uint32) {
	r := &a.runs[id]
	r.class, r.next, a.bare = classBare, a.bare, id
	a.bareRuns++
}

func (a *arena) popBare() uint32 {
	id := a.bare
	a.bare = a.runs[id].next
	a.bareRuns--
	return id
}

// reopenBare takes a bare run, or 0 if it cannot have memory. The arena is locked.
func (s *Store) reopenBare() uint32 {
	id := s.arena.popBare()
	if s.system.reopen != nil && s.system.reopen(s.runBytes(id)) != nil {
		s.arena.pushBare(id)
		return 0
	}
	return id
}

// runBytes is the memory of a run.
func (s *Store) runBytes(id uint32) []byte {
	return s.memory.bytes[int(id)<<runShift : int(id+1)<<runShift]
}

// tickMemory wakes the populator for what time has made possible: to try again
// what the kernel refused, and to take away what eviction freed.
func (s *Store) tickMemory() {
	a := &s.arena
	a.mu.Lock()
	need := a.reach != reachAll || a.over() > 0
	a.mu.Unlock()
	if need {
		s.wakePopulator()
	}
}

func (s *Store) wakePopulator() {
	if p := &s.populator; p.wake != nil {
		select {
		case p.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

func (s *Store) stopPopulator() {
	if p := &s.populator; p.wake != nil {
		p.stop.Store(true)
		close(p.wake)
		<-p.ended
		p.wake = nil
	}
}
