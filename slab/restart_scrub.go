package slab

import "math/bits"

// scrub clears away what damage has left: slots that name items in damaged runs,
// items that no slot names, pieces without an owner; then the damaged runs are
// free. All runs have been checked.
func (c *restored) scrub() {
	s := c.store
	c.result.LostItems = c.items - s.restart.Items
	c.correct()
	dead := make(map[ref]bool) // large items whose pieces are still there
	for i := range s.shards {
		c.scrubShard(&s.shards[i], dead)
	}
	if s.restart.Damaged > 0 {
		c.eachChunk(func(v *victim, at uint16, r ref) { c.scrubOrphan(v, at, r, dead) })
	}
	c.eachChunk(func(v *victim, at uint16, r ref) { c.scrubTail(v, at, r, dead) })
	c.scrubPieces(dead)
	for head := range dead {
		s.freeChunk(head)
	}
	s.restoredTally.publish()
	for id := range c.states {
		if c.states[id].Load() == runDamaged {
			c.states[id].Store(runChecked) // before somebody has it: what is new in it is found
			s.giveRun(uint32(id))
		}
	}
}

// correct takes out of the counts what was saved and was not found.
func (c *restored) correct() {
	s := c.store
	c.mu.Lock()
	lost := c.saved - c.bytes
	t := &s.restoredTally
	t.mu.Lock()
	for group := range c.sums0 {
		for i := range c.sums0[group] {
			t.totals[group][i] -= c.sums0[group][i] - c.seen[group][i]
		}
	}
	t.mu.Unlock()
	c.mu.Unlock()
	sh := &s.shards[0] // only the sum over shards is ever told
	sh.lock()
	sh.counts.bytes -= lost
	sh.mu.Unlock()
}

// scrubShard removes the items of a shard of which something is damaged.
func (c *restored) scrubShard(sh *shard, dead map[ref]bool) {
	s := c.store
	sh.lock()
	defer sh.mu.Unlock()
	x := &sh.index
	for _, t := range [...]*table{&x.old, &x.cur} {
		for at := range t.n {
			b := x.bucket(t, at)
			for m := *meta(b) & tagHighs; m != 0; m &= m - 1 {
				p := slot(b, bits.TrailingZeros64(m)>>3)
				r := ref(*p & refMask)
				if c.usable(r) {
					continue
				}
				c.result.LostItems++
				if !c.check(r.run()) {
					x.remove(*p, p)
					continue
				}
				it := s.item(r)
				sh.unlink(&s.restoredTally, *p, p, it, KindEvict)
				dead[r] = true
			}
		}
	}
	sh.full.Store(!s.evicts && x.full())
}

// eachChunk calls f with every chunk of the restored runs that are cut into some,
// each run while it keeps its class. What f frees of it is marked in the victim.
func (c *restored) eachChunk(f func(v *victim, at uint16, r ref)) {
	s := c.store
	for id := range c.states {
		s.reclaiming.Lock()
		a := &s.arena
		a.mu.Lock()
		r := &a.runs[id]
		v := victim{run: uint32(id), class: r.class, domain: r.domain, queue: r.queue}
		a.mu.Unlock()
		if v.class < maxClasses {
			l := &s.domains[v.domain].classes[v.class]
			if _, ok := s.beginScan(l, &v); ok {
				for at := range s.classes.cap[v.class] {
					f(&v, at, s.chunk(v.run, at, v.class))
				}
				s.endScan(l, &v)
			}
		}
		s.reclaiming.Unlock()
	}
}

// scrubOrphan removes an item that the index does not have, because its segment was damaged.
func (c *restored) scrubOrphan(v *victim, at uint16, r ref, dead map[ref]bool) {
	s := c.store
	it := s.item(r)
	stamp := it.loadStamp()
	if stamp == 0 || stamp&pieceMark != 0 {
		return
	}
	sh := &s.shards[stamp&uint64(s.shardMask)]
	sh.lock()
	defer sh.mu.Unlock()
	if it.loadStamp() != stamp || sh.index.locate(hash(s.seed, it.DB(), it.Key()), r) != nil {
		return
	}
	sh.forget(&s.restoredTally, it)
	if it.Large() {
		dead[r] = true
		return
	}
	v.free(at)
}

// orphaned reports whether a piece's owner is gone.
func (c *restored) orphaned(owner ref, dead map[ref]bool) bool {
	run := owner.run()
	return dead[owner] || int(run) < len(c.states) && c.states[run].Load() == runDamaged
}

// scrubTail frees a chunk that is a piece whose owner is gone.
func (c *restored) scrubTail(v *victim, at uint16, r ref, dead map[ref]bool) {
	it := c.store.item(r)
	if word := it.loadStamp(); word&pieceMark != 0 && c.orphaned(ref(word&^pieceMark), dead) {
		it.setStamp(0)
		v.free(at)
	}
}

// scrubPieces gives back the runs that are pieces whose owner is gone.
func (c *restored) scrubPieces(dead map[ref]bool) {
	a := &c.store.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range c.states {
		if r := &a.runs[id]; r.class == classPiece && c.orphaned(ref(r.owner), dead) {
			a.givePiece(uint32(id))
		}
	}
}
