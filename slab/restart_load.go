package slab

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// wasUnknown is run.was of a run whose chunks may begin with anything.
const wasUnknown = 255

// openMapped is openArena's part for a file: its size is the limit, or what it was
// if that is more, and its content what was saved or nothing.
func (s *Store) openMapped(limit int64) (mapping, error) {
	size := (limit + runSize - 1) &^ (runSize - 1)
	if s.saved != nil {
		size = max(size, s.saved.arenaBytes)
		if info, err := s.file.Stat(); err != nil || info.Size() < int64(len(s.saved.runs))<<runShift {
			s.refuseSaved("the memory file is shorter than it was")
			size = (limit + runSize - 1) &^ (runSize - 1)
		}
	}
	if err := s.file.checkSpace(limit); err != nil {
		return mapping{}, err
	}
	if s.saved == nil { // else openShards is the first that changes something
		if err := s.file.consume(); err != nil {
			return mapping{}, err
		}
	}
	if err := s.file.resize(size, s.saved == nil); err != nil {
		return mapping{}, err
	}
	return reserveFile(s.file, int(size))
}

// restoreRuns makes the arena's lists of what was saved.
func (s *Store) restoreRuns(m *metadata) error {
	a := &s.arena
	a.fresh, a.open, a.reach, a.to = uint32(len(m.runs)), len(m.runs), reachAll, len(m.runs)
	s.dirty = true
	s.restored.Store(newRestored(s, m))
	loops := len(s.domains) - domainLoops
	for id := len(m.runs) - 1; id > 0; id-- { // lower runs come first in the lists
		r, from := &a.runs[id], &m.runs[id]
		*r = run{class: from.class, queue: queueNone, was: wasUnknown}
		switch {
		case from.class == classFree:
			a.pushFree(uint32(id))
			continue
		case from.class == classBare:
			a.pushBare(uint32(id))
			continue
		case from.class == classIndex:
			a.index++
		default:
			if r.domain = from.domain; r.domain >= domainLoops {
				r.domain = uint8(domainLoops + (int(r.domain)-domainLoops)%loops)
			}
			r.free, r.fresh, r.head, r.owner = from.free, from.fresh, from.head, from.owner
		}
		a.inUse++
	}
	for q, list := range m.queues {
		for _, id := range list {
			a.enqueue(id, queue(q))
		}
	}
	a.ceiling = max(a.limit, a.inUse+a.kept())
	return s.reopenRestored()
}

// reopenRestored has the file system allocate what it did not: a copy of a file
// may have holes, and memory that cannot be had must not be found out by a signal.
func (s *Store) reopenRestored() error {
	a := &s.arena
	if _, have, ok := s.file.space(); !ok || have < int64(int(a.fresh)-a.bareRuns)<<runShift {
		for from := 0; from < int(a.fresh); {
			to := from
			for to < int(a.fresh) && a.runs[to].class != classBare {
				to++
			}
			if to > from {
				if err := s.system.open(s.memory.bytes[from<<runShift : to<<runShift]); err != nil {
					return err
				}
			}
			from = to + 1
		}
	}
	if a.open < len(a.runs) && a.open < a.limit {
		_ = s.opened(s.openFrom(a.open, a.limit)) // or else it is full with what it has
	}
	return nil
}

// restoreShards makes the shards' indexes of their segments as they lie in the
// arena, of which it checks all, on all cores: they are about a fourteenth of
// what is in use, and decide what is found.
func (s *Store) restoreShards(m *metadata) {
	clear(s.segment(zeroSegment))
	s.restoreSegments(m)
	var next atomic.Int64
	var damaged atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.NumCPU(), len(s.shards)) {
		all.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= len(s.shards) {
					return
				}
				damaged.Add(int64(s.restoreShard(i, &m.shards[i], m)))
			}
		})
	}
	all.Wait()
	s.restart.Damaged = int(damaged.Load())
	for i := range s.shards {
		s.restart.Items += int64(s.shards[i].index.items)
	}
	for i, sum := range m.sums {
		copy(s.restoredTally.totals[i][:], sum[:])
		if sum != (groupSums{}) {
			s.restoredTally.used |= 1 << i
		}
	}
}

// restoreSegments finds the free segments: those that no index has.
func (s *Store) restoreSegments(m *metadata) {
	g := &s.segments
	at := make(map[uint32]int)
	for id := range m.runs {
		if m.runs[id].class == classIndex {
			at[uint32(id)] = len(g.runs)
			g.runs = append(g.runs, uint32(id))
			g.free = append(g.free, ^uint64(0))
		}
	}
	take := func(seg uint32) {
		if seg != zeroSegment {
			g.free[at[seg/segsPerRun]] &^= 1 << (seg % segsPerRun)
		}
	}
	for i := range m.shards {
		h := &m.shards[i]
		for _, list := range [...][]savedSegment{h.cur, h.old} {
			for _, seg := range list {
				take(seg.segment)
			}
		}
		for _, seg := range h.spare {
			take(seg)
		}
	}
	for _, free := range g.free {
		g.count += bits.OnesCount64(free)
	}
}

// restoreShard makes one shard, and returns how many of its segments are damaged.
func (s *Store) restoreShard(i int, h *savedShard, m *metadata) (damaged int) {
	sh := &s.shards[i]
	x := &sh.index
	x.cur, x.old = table{segmentsOf(h.cur), h.n}, table{segmentsOf(h.old), h.oldN}
	x.moved, x.spare, x.items = h.moved, h.spare, int(h.items)
	x.hint.Store(&table{x.cur.segs, x.cur.n})
	x.phase = uint32(i)
	x.setGrow()
	sh.flushed, sh.counts.bytes, sh.counts.totalItems = h.flushed, h.bytes, h.items
	for j := range sh.seqs {
		slot := j<<sh.bits | i
		sh.seqs[j], sh.marks[j] = m.seqs[slot], m.marks[slot]
	}
	for _, list := range [...][]savedSegment{h.cur, h.old} {
		for _, seg := range list {
			if seg.segment != zeroSegment && s.segmentSum(seg.segment) != seg.sum {
				s.wipeSegment(seg.segment)
				damaged++
			}
		}
	}
	if damaged > 0 {
		x.items = x.count(&x.cur) + x.count(&x.old)
	}
	sh.full.Store(!s.evicts && x.full())
	return damaged
}

func segmentsOf(list []savedSegment) []uint32 {
	if len(list) == 0 {
		return nil
	}
	segs := make([]uint32, len(list))
	for i := range list {
		segs[i] = list[i].segment
	}
	return segs
}

// wipeSegment empties a damaged segment. Its buckets say for ever that items may
// have gone further: those that did are found, and never by who comes later only.
func (s *Store) wipeSegment(seg uint32) {
	s.clearSegment(seg)
	b := bucket(unsafe.SliceData(s.segment(seg)))
	for i := range segBuckets {
		*meta(unsafe.Add(b, i<<bucketShift)) = overMax
	}
}

// count is how many items a table has.
func (x *index) count(t *table) (n int) {
	for at := range t.n {
		n += bits.OnesCount64(*meta(x.bucket(t, at)) & tagHighs)
	}
	return n
}
