package slab

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// segments are the index's memory: runs cut into segments. What is asked for comes
// from the lowest run that has some, and a run whose segments are all free goes
// back to the arena.
type segments struct {
	mu    sync.Mutex
	runs  []uint32 // in order
	free  []uint64 // of each run, a bit for each free segment
	count int      // free segments
	first int      // no run before it has a free one
}

// segsPerRun is as many as a word has bits.
const segsPerRun = runSize / segSize

// zeroSegment is one that stays empty: it lies in run 0, which holds nothing.
const zeroSegment = segsPerRun / 2

// takeSegment hands out a segment, or 0. Its memory is not cleared.
func (s *Store) takeSegment() uint32 {
	g := &s.segments
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count == 0 {
		id := s.takeRun(classIndex, 0, queueNone, 0, true)
		if id == 0 {
			return 0
		}
		at, _ := slices.BinarySearch(g.runs, id)
		g.runs = slices.Insert(g.runs, at, id)
		g.free = slices.Insert(g.free, at, ^uint64(0))
		g.count, g.first = segsPerRun, at
	}
	return g.take()
}

// take hands out the lowest free segment, which there is.
func (g *segments) take() uint32 {
	for g.free[g.first] == 0 {
		g.first++
	}
	i := uint32(bits.TrailingZeros64(g.free[g.first]))
	g.free[g.first] &^= 1 << i
	g.count--
	return g.runs[g.first]*segsPerRun + i
}

func (s *Store) freeSegment(seg uint32) {
	g := &s.segments
	g.mu.Lock()
	defer g.mu.Unlock()
	at, _ := slices.BinarySearch(g.runs, seg/segsPerRun)
	g.free[at] |= 1 << (seg % segsPerRun)
	g.count++
	g.first = min(g.first, at)
	if g.free[at] == ^uint64(0) {
		s.giveRun(g.runs[at])
		g.runs, g.free = slices.Delete(g.runs, at, at+1), slices.Delete(g.free, at, at+1)
		g.count -= segsPerRun
	}
}

// lowerSegment hands out a segment in a lower run than seg's, or 0.
func (s *Store) lowerSegment(seg uint32) uint32 {
	g := &s.segments
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count < segsPerRun {
		return 0 // no run can be had by it
	}
	for g.free[g.first] == 0 {
		g.first++
	}
	if g.runs[g.first] >= seg/segsPerRun {
		return 0
	}
	return g.take()
}

// gather moves a shard's index into lower runs where these have room, so that
// higher ones become free. The shard is locked.
func (s *Store) gather(sh *shard) {
	for i, seg := range sh.index.cur.segs {
		if seg == s.zeroSeg {
			continue
		}
		lower := s.lowerSegment(seg)
		if lower == 0 {
			continue
		}
		copy(s.segment(lower), s.segment(seg))
		atomic.StoreUint32(&sh.index.cur.segs[i], lower)
		s.freeSegment(seg)
	}
}

func (s *Store) segment(seg uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.base, uintptr(seg)<<segShift)), segSize)
}

func (s *Store) clearSegment(seg uint32) {
	clear(s.segment(seg))
}

// grow gives a shard's index the memory to grow into, or what it takes to shrink. No
// shard is locked. When there is no memory the index goes on as it is, and asks again.
func (h *Handle) grow(sh *shard) {
	sh.lock()
	want := sh.index.wantsGrow() || sh.index.wantsShrink()
	n := sh.index.nextSize()
	need := sh.index.growNeeds(n)
	sh.mu.Unlock()
	if !want {
		return
	}
	h.spent = 0
	segs := make([]uint32, 0, need)
	for len(segs) < cap(segs) {
		seg := h.s.takeSegment()
		if seg == 0 && !h.s.reclaim(&h.spent) {
			break
		}
		if seg != 0 {
			segs = append(segs, seg)
		}
	}
	sh.lock()
	ok := len(segs) >= sh.index.growNeeds(n) && (sh.index.wantsGrow() || sh.index.wantsShrink()) && sh.index.nextSize() == n
	if ok {
		sh.index.start(n, segs)
		sh.full.Store(false)
	} else {
		sh.full.Store(sh.index.full())
		sh.index.growLater()
	}
	sh.mu.Unlock()
	if !ok {
		for _, seg := range segs {
			h.s.freeSegment(seg)
		}
	}
}
