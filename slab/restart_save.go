package slab

import (
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"sync"
	"sync/atomic"
)

// Save writes what New with the same file needs to go on: the store is as it was
// then, at nowMS. No handle may be used any more, and Close is all that may follow.
// state comes back in Restart. progress, which may be nil, is told now and then how
// many of the bytes in use have been summed.
func (s *Store) Save(nowMS int64, state []Field, progress func(done, of int64)) error {
	if s.file == nil {
		panic("BUG: slab: Save of a store without a file")
	}
	if err := checkFields(state); err != nil {
		return err
	}
	s.stopPopulator()
	s.finishCheck()
	s.settle()
	m := &metadata{
		settings: s.fileSettings, state: state, layout: layoutOf(s.classes) + tierLayout(s.withTier), groups: s.groups.name(),
		arenaBytes: int64(len(s.arena.runs)) << runShift, seed: s.seed, startMS: s.startMS, stopMS: nowMS,
		shards: make([]savedShard, len(s.shards)), runs: make([]savedRun, s.arena.fresh),
		seqs: make([]uint64, Slots), marks: make([]uint64, Slots),
	}
	s.sumRuns(m, progress)
	s.saveRuns(m)
	s.saveShards(m)
	s.saveSums(m)
	if err := s.memory.writeTo(s.file, len(m.runs)<<runShift); err != nil {
		return err
	}
	return s.file.writeMetadata(m.append(nil))
}

// settle gives back what only a running store needs.
func (s *Store) settle() {
	for i := range s.handles {
		h := &s.handles[i]
		h.freeSpare()
		h.tally.publish()
	}
	s.evictTally.publish()
	s.fitGhosts(0)
	s.freeGhosts()
	for id := range s.arena.fresh {
		r := &s.arena.runs[id]
		if r.class == classPiece && !s.ownerLives(r.owner) {
			s.freeRun(runRef(id))
		}
	}
}

// ownerLives reports whether a piece's owner is in the index.
func (s *Store) ownerLives(owner uint64) bool {
	if owner == 0 {
		return false
	}
	stamp := s.item(ref(owner)).loadStamp()
	return stamp != 0 && stamp&pieceMark == 0
}

// sumRuns makes the checksums of all runs in use, on all cores. What nobody
// will ever give back, since who had it is gone, is given back before; and behind
// it, runs in which there is nothing then.
func (s *Store) sumRuns(m *metadata, progress func(done, of int64)) {
	const step = 64 // runs: 4 MB
	var next, done atomic.Int64
	var telling sync.Mutex
	of := int64(len(m.runs)) << runShift
	var all sync.WaitGroup
	for range runtime.NumCPU() {
		all.Go(func() {
			for {
				from := next.Add(step) - step
				if from >= int64(len(m.runs)) {
					return
				}
				to := min(from+step, int64(len(m.runs)))
				for id := from; id < to; id++ {
					m.runs[id].sum = s.sumRun(uint32(id))
				}
				if n := done.Add((to - from) << runShift); progress != nil {
					telling.Lock()
					progress(n, of)
					telling.Unlock()
				}
			}
		})
	}
	all.Wait()
	s.collect()
	for id := range m.runs { // those that stand in no list, since all of them was out
		if r := &s.arena.runs[id]; r.class < maxClasses && r.free == s.classes.cap[r.class] {
			s.giveRun(uint32(id))
		}
	}
}

// sumRun is the checksum of a run in use, put in order.
func (s *Store) sumRun(id uint32) uint32 {
	switch r := &s.arena.runs[id]; {
	case r.class < maxClasses:
		s.settleRun(id)
	case r.class != classPiece:
		return 0
	}
	return s.runSum(id)
}

// runSum is the checksum of a run: it belongs to this place in this store.
func (s *Store) runSum(id uint32) uint32 { return s.sum(uint64(id)<<16, s.runBytes(id)) }

// segmentSum is the checksum of an index segment.
func (s *Store) segmentSum(seg uint32) uint32 { return s.sum(uint64(seg)<<16|1, s.segment(seg)) }

func (s *Store) sum(name uint64, b []byte) uint32 {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:], name)
	binary.LittleEndian.PutUint64(head[8:], s.seed)
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, b)
}

// settleRun makes the free chunks of a run those that hold nothing: a loop that was
// cut off may not have given all of them back.
func (s *Store) settleRun(id uint32) {
	r := &s.arena.runs[id]
	free := uint16(0)
	for at := range s.classes.cap[r.class] {
		c := s.chunk(id, at, r.class)
		it := s.item(c)
		switch stamp := it.loadStamp(); {
		case stamp == 0:
			free++
		case stamp&pieceMark != 0:
			if !s.ownerLives(stamp &^ pieceMark) {
				it.setStamp(0)
				free++
			}
		case it.Large():
			*it.references() = 1 // nobody reads it any more
		}
	}
	if free != r.free {
		s.rechain(id, free)
	}
}

// rechain makes the list of a run's free chunks anew.
func (s *Store) rechain(id uint32, free uint16) {
	r := &s.arena.runs[id]
	r.head, r.fresh, r.free = 0, s.classes.cap[r.class], free
	for at := range r.fresh {
		if s.item(s.chunk(id, at, r.class)).loadStamp() == 0 {
			*s.chunkNext(id, at, r.class) = r.head
			r.head = at + 1
		}
	}
}

func (s *Store) saveRuns(m *metadata) {
	for id := range m.runs {
		r, to := &s.arena.runs[id], &m.runs[id]
		to.class = r.class
		if to.holdsItems() {
			to.domain, to.queue, to.free, to.fresh, to.head, to.owner = r.domain, r.queue, r.free, r.fresh, r.head, r.owner
		}
	}
	for q := range m.queues {
		for id := s.arena.queues[q].oldest; id != 0; id = s.arena.runs[id].newer {
			m.queues[q] = append(m.queues[q], id)
		}
	}
}

func (s *Store) saveShards(m *metadata) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock() // and do what FlushAll asked for
		x, to := &sh.index, &m.shards[i]
		*to = savedShard{
			n: x.cur.n, oldN: x.old.n, moved: x.moved, flushed: sh.flushed,
			items: int64(x.items), bytes: sh.counts.bytes,
			cur: s.saveSegments(x.cur.segs), old: s.saveSegments(x.old.segs), spare: x.spare,
		}
		for j := range sh.seqs {
			slot := j<<sh.bits | i
			m.seqs[slot], m.marks[slot] = sh.seqs[j], sh.marks[j]
		}
		sh.mu.Unlock()
	}
}

func (s *Store) saveSegments(segs []uint32) []savedSegment {
	list := make([]savedSegment, len(segs))
	for i, seg := range segs {
		list[i] = savedSegment{seg, s.segmentSum(seg)}
	}
	return list
}

// saveSums saves what groups have now; what they ever had begins anew.
func (s *Store) saveSums(m *metadata) {
	m.sums = make([]groupSums, len(s.groups.bounds))
	s.eachTally(func(t *tally) {
		for i := range m.sums {
			for j := range m.sums[i] {
				m.sums[i][j] += t.totals[i][j]
			}
		}
	})
}
