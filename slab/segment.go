package slab

import (
	"slices"
	"sync"
	"unsafe"
)

// segments are the index's memory: runs cut into segments. A run whose segments
// are all free goes back to the arena.
type segments struct {
	mu   sync.Mutex
	free []uint32 // arena offsets >> segShift
}

const segsPerRun = runSize / segSize

// takeSegment hands out a segment, or 0. Its memory is not cleared.
func (s *Store) takeSegment() uint32 {
	g := &s.segments
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.free) == 0 {
		id := s.takeRun(classIndex, 0, queueNone, 0, true)
		if id == 0 {
			return 0
		}
		s.arena.runs[id].free = segsPerRun
		for i := range uint32(segsPerRun) {
			g.free = append(g.free, (id+1)*segsPerRun-1-i)
		}
	}
	last := len(g.free) - 1
	seg := g.free[last]
	g.free = g.free[:last]
	s.arena.runs[seg/segsPerRun].free--
	return seg
}

func (s *Store) freeSegment(seg uint32) {
	s.segments.mu.Lock()
	s.putSegment(seg)
	s.giveSegments(seg / segsPerRun)
	s.segments.mu.Unlock()
}

// exchangeSegments takes segments back and hands out one, that with the lowest
// address: so those of empty indexes gather in few runs.
func (s *Store) exchangeSegments(segs []uint32) uint32 {
	g := &s.segments
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, seg := range segs {
		s.putSegment(seg)
	}
	lowest := slices.Min(g.free)
	g.free = slices.DeleteFunc(g.free, func(f uint32) bool { return f == lowest })
	s.arena.runs[lowest/segsPerRun].free--
	for _, seg := range segs {
		s.giveSegments(seg / segsPerRun)
	}
	return lowest
}

func (s *Store) putSegment(seg uint32) {
	s.segments.free = append(s.segments.free, seg)
	s.arena.runs[seg/segsPerRun].free++
}

// giveSegments gives a run back to the arena when all its segments are free.
func (s *Store) giveSegments(id uint32) {
	r := &s.arena.runs[id]
	if r.free < segsPerRun {
		return
	}
	r.free = 0
	g := &s.segments
	g.free = slices.DeleteFunc(g.free, func(f uint32) bool { return f/segsPerRun == id })
	s.giveRun(id)
}

func (s *Store) clearSegment(seg uint32) {
	clear(unsafe.Slice((*byte)(unsafe.Add(s.base, uintptr(seg)<<segShift)), segSize))
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
	segs := make([]uint32, 0, need)
	for len(segs) < cap(segs) {
		seg := h.s.takeSegment()
		if seg == 0 && !h.s.reclaim() {
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
