package slab

// When the limit shrinks, ticks evict what is too much, which leaves free runs
// all over the arena with memory behind them. The populator gives that memory
// back: first huge pages that are wholly free, then single runs, for which the
// kernel has to split huge pages. From then on it must not make any of what is
// left, or what was given back would return.

// over is how many free runs have memory that is beyond the limit.
func (a *arena) over() int { return min(a.backed()-a.hugeLimit(), a.ready()) }

// hugeLimit is the limit in whole huge pages.
func (a *arena) hugeLimit() int { return (a.limit + hugeRuns - 1) &^ (hugeRuns - 1) }

// releaseOver gives the memory of free runs back until the limit holds.
func (s *Store) releaseOver() {
	if huge := s.adoptPopulated(); huge == s.populator.plain {
		s.populator.plain = !huge
		adviseHuge(s.memory.bytes, huge)
	}
	for _, least := range [...]int{hugeRuns, 1} {
		for block := len(s.arena.runs) / hugeRuns; block >= 0; block-- {
			if block = s.highestBlock(block); block < 0 || !s.releaseBlock(block, least) {
				break
			}
		}
	}
}

// adoptPopulated makes free runs of those that were populated and not handed
// out yet, when they are too many. It reports whether huge pages do no harm:
// the limit holds even if all that was ever used is made of them.
func (s *Store) adoptPopulated() (huge bool) {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.over() > 0 && int(a.fresh) < a.to {
		a.pushFree(a.fresh)
		a.fresh++
	}
	return max(int(a.fresh), a.to) <= a.hugeLimit()
}

// highestBlock is the highest huge page up to block that was ever used.
func (s *Store) highestBlock(block int) int {
	s.arena.mu.Lock()
	defer s.arena.mu.Unlock()
	return min(block, (int(s.arena.fresh)-1)/hugeRuns)
}

// releaseBlock gives the memory of a huge page's free runs back if there are at
// least so many, and reports whether more may have to go.
func (s *Store) releaseBlock(block, least int) bool {
	a := &s.arena
	var ids [hugeRuns]uint32
	a.mu.Lock()
	over := a.over()
	if s.populator.stop.Load() || over <= 0 {
		a.mu.Unlock()
		return false
	}
	n := 0
	for id := block * hugeRuns; id < min((block+1)*hugeRuns, int(a.fresh)); id++ {
		if a.runs[id].class == classFree {
			ids[n] = uint32(id)
			n++
		}
	}
	if n < least {
		n = 0
	}
	if least < hugeRuns {
		n = min(n, over)
	}
	for _, id := range ids[:n] {
		a.takeFree(id)
		a.runs[id].class = classReserve // nobody's, until it is bare
	}
	a.mu.Unlock()
	s.discardRuns(ids[:n])
	return true
}

// discardRuns gives the memory of runs back that are in no list.
func (s *Store) discardRuns(ids []uint32) {
	a := &s.arena
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n] == ids[0]+uint32(n) {
			n++
		}
		from := int(ids[0])
		err := s.system.discard(s.memory.bytes[from<<runShift : (from+n)<<runShift])
		a.mu.Lock()
		for _, id := range ids[:n] {
			if err != nil {
				a.pushFree(id)
				continue
			}
			a.runs[id].was = 0
			a.pushBare(id)
		}
		a.mu.Unlock()
		ids = ids[n:]
	}
}
