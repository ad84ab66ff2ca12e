package slab

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// restored is what a store knows of restored runs until all of them have been
// checked and what was damaged is cleared away. Then the store has none, and looks
// up what it always does.
//
// Before a run was checked nothing in it is read, and nothing is written: its
// chunks are in no list. The checks' locks come behind those of shards, before
// those of lists.
type restored struct {
	store  *Store
	states []atomic.Uint32 // of runs: one of the values below
	sums   []uint32
	began  time.Time
	items  int64 // that were saved
	locks  [64]sync.Mutex

	mu      sync.Mutex // guards the rest
	seen    [MaxGroups]groupSums
	bytes   int64 // of items seen
	sums0   []groupSums
	saved   int64 // bytes of all items that were saved
	result  Verification
	stopped bool // the goroutine is told to end
	stop    chan struct{}
	ended   chan struct{}
}

const (
	runChecked   = iota // or there is nothing to check
	runUnchecked        // of the restart
	runDamaged
)

func newRestored(s *Store, m *metadata) *restored {
	c := &restored{
		store: s, states: make([]atomic.Uint32, len(m.runs)), sums: make([]uint32, len(m.runs)), sums0: m.sums,
		began: time.Now(), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	for id := range m.runs {
		if r := &m.runs[id]; id > 0 && r.holdsItems() {
			c.states[id].Store(runUnchecked)
			c.sums[id] = r.sum
			c.result.Runs++
		}
	}
	for i := range m.shards {
		c.items += m.shards[i].items
		c.saved += m.shards[i].bytes
	}
	return c
}

// usable reports whether an item that the index names may be looked at: nothing
// of it is damaged. Its shard is locked.
func (s *Store) usable(at ref) bool {
	c := s.restored.Load()
	return c == nil || c.usable(at)
}

func (c *restored) usable(at ref) bool {
	if !c.check(at.run()) {
		return false
	}
	it := c.store.item(at)
	return !it.Large() || c.piecesUsable(it)
}

func (c *restored) piecesUsable(it Item) bool {
	_, all := pieceCount(it.ValueLen())
	if all > directMax {
		for i := 0; i < all; i += refsPerRun {
			if !c.check((*it.tableRun(i)).run()) {
				return false
			}
		}
	}
	p := it.pieces()
	for i := range all {
		if !c.check((*p.ref(i)).run()) {
			return false
		}
	}
	return true
}

// check reports whether a run is as it was saved, at once if that is known.
func (c *restored) check(id uint32) bool {
	if int(id) >= len(c.states) {
		return true
	}
	switch c.states[id].Load() {
	case runChecked:
		return true
	case runDamaged:
		return false
	}
	return c.checkNow(id)
}

// known reports whether a run was checked and is as it was saved.
func (c *restored) known(id uint32) bool {
	return int(id) >= len(c.states) || c.states[id].Load() == runChecked
}

func (c *restored) checkNow(id uint32) bool {
	lock := &c.locks[id%uint32(len(c.locks))]
	lock.Lock()
	defer lock.Unlock()
	if state := c.states[id].Load(); state != runUnchecked {
		return state == runChecked
	}
	if c.store.runSum(id) != c.sums[id] {
		c.condemn(id)
		c.states[id].Store(runDamaged)
		return false
	}
	c.admit(id)
	c.states[id].Store(runChecked)
	return true
}

// admit counts what is in a run that is as it was saved, and gives its free
// chunks to those who look for some.
func (c *restored) admit(id uint32) {
	s := c.store
	r := &s.arena.runs[id]
	if r.class >= maxClasses {
		return
	}
	var seen [MaxGroups]groupSums
	var used, bytes = uint64(0), int64(0)
	for at := range s.classes.cap[r.class] {
		it := s.item(s.chunk(id, at, r.class))
		if stamp := it.loadStamp(); stamp == 0 || stamp&pieceMark != 0 {
			continue
		}
		group := it.group()
		seen[group][it.Heat()]++
		seen[group][countWeight] += int64(it.Weight())
		used |= 1 << group
		bytes += int64(it.Size())
	}
	c.mu.Lock()
	c.bytes += bytes
	for group := range seen {
		if used>>group&1 == 0 {
			continue
		}
		for i, n := range seen[group] {
			c.seen[group][i] += n
		}
	}
	c.mu.Unlock()
	l := &s.domains[r.domain].classes[r.class]
	l.mu.Lock()
	if r.free > 0 {
		s.linkBehind(l, id)
	}
	l.mu.Unlock()
}

// condemn takes a damaged run out of its queue: nobody comes across it any more.
func (c *restored) condemn(id uint32) {
	a := &c.store.arena
	a.mu.Lock()
	a.dequeue(id)
	a.runs[id].class = classDamaged
	a.mu.Unlock()
	c.mu.Lock()
	c.result.DamagedRuns++
	c.mu.Unlock()
}

const (
	// checkStep is how many runs the goroutine checks at a time: a megabyte, a
	// tenth of a millisecond when its pages are mapped. Then it rests for restFor
	// times as long: it takes a fourth of a core.
	checkStep = 16
	restFor   = 3
)

// startCheck starts the goroutine that checks what nobody looks at; finishCheck
// or Close ends it.
func (s *Store) startCheck() {
	if c := s.restored.Load(); c != nil {
		go c.checkAll()
	}
}

func (c *restored) checkAll() {
	defer close(c.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for id := 0; id < len(c.states); {
		select {
		case <-c.stop:
			return
		case <-timer.C:
		}
		from := time.Now()
		for n := 0; n < checkStep && id < len(c.states); id++ {
			if c.states[id].Load() == runUnchecked {
				c.check(uint32(id))
				n++
			}
		}
		timer.Reset(restFor * time.Since(from))
	}
	c.finish()
}

// stopCheck ends the goroutine.
func (c *restored) stopCheck() {
	c.mu.Lock()
	if !c.stopped {
		c.stopped = true
		close(c.stop)
	}
	c.mu.Unlock()
	<-c.ended
}

// CheckRestored checks at once, on all cores, what a restart took over, and says what
// became of it: for who has the same elsewhere, and rather begins empty.
func (s *Store) CheckRestored() Verification {
	s.finishCheck()
	return s.verification
}

// finishCheck does at once, on all cores, what the goroutine has not done yet.
func (s *Store) finishCheck() {
	c := s.restored.Load()
	if c == nil {
		return
	}
	c.stopCheck()
	if s.restored.Load() == nil {
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.NumCPU() {
		all.Go(func() {
			for id := next.Add(1) - 1; id < int64(len(c.states)); id = next.Add(1) - 1 {
				c.check(uint32(id))
			}
		})
	}
	all.Wait()
	c.finish()
}

// finish ends the restart: all runs were checked.
func (c *restored) finish() {
	s := c.store
	c.mu.Lock()
	damaged := c.result.DamagedRuns > 0 || s.restart.Damaged > 0
	c.mu.Unlock()
	if damaged {
		c.scrub()
	}
	c.result.Took = time.Since(c.began)
	s.verification = c.result
	s.restored.Store(nil)
	if s.verified != nil {
		s.verified(c.result)
	}
}
