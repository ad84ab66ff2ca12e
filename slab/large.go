package slab

import (
	"sync/atomic"
	"unsafe"
)

// A large item's value lies in pieces: whole runs, then what remains in one or
// two chunks of the size classes. Where a piece is depends on nothing but the
// value's length, so no lengths are kept. A chunk that is a piece begins with
// its owner's mark, so that eviction, which walks over chunks, finds the owner.
const (
	pieceMark   = 1 << 63
	markSize    = 8
	maxTail     = maxChunk - markSize // what one chunk holds of a tail
	directMax   = 1024                // piece references in the item's own chunk; more go through whole runs of references
	refsPerRun  = runSize / tablePtr
	maxValueLen = 1 << 30 // memcached's largest -I
)

// tailFirsts[n] is, in units of 8 bytes, what the first of the two chunks holds of
// a tail of n units, 0 when one chunk is as good: classes are far apart where
// chunks are large, and two of them often fit better than one.
var tailFirsts = func() (firsts [2*maxTail/8 + 1]uint16) {
	c := newClasses()
	for n := 1; n < len(firsts); n++ {
		best := 2 * runSize
		if n*8 <= maxTail {
			best = c.chunkFor(n * 8)
		}
		for class := range c.count {
			first := int(c.size[class]-markSize) / 8
			if rest := n - first; first > 0 && rest > 0 && rest*8 <= maxTail {
				if size := int(c.size[class]) + c.chunkFor(rest*8) + secondCost; size < best {
					best, firsts[n] = size, uint16(first)
				}
			}
		}
	}
	return firsts
}()

// secondCost is what a second chunk must save, in bytes: its reference, and
// another piece to read and write.
const secondCost = 512

// chunkFor is the size of the chunk that holds n bytes of a tail.
func (c *classes) chunkFor(n int) int { return int(c.size[c.forSize(n+markSize)]) }

// tailSplit returns what the first and the second chunk hold of a tail.
func tailSplit(tail int) (first, second int) {
	if tail <= 0 {
		return 0, 0
	}
	if first = int(tailFirsts[(tail+7)>>3]) * 8; first == 0 {
		return tail, 0
	}
	return first, tail - first
}

// pieceCount returns the pieces of a value: those that are whole runs, and all.
// A tail too long for two chunks has a run to itself.
func pieceCount(valueLen int) (whole, all int) {
	whole = (valueLen + runSize - 2*maxTail - 1) >> runShift
	if tail := valueLen - whole<<runShift; tail > 0 {
		if _, second := tailSplit(tail); second > 0 {
			return whole, whole + 2
		}
		return whole, whole + 1
	}
	return whole, whole
}

// pieceAt returns the piece that holds offset off, and where in the value it
// begins and ends.
func pieceAt(valueLen, off int) (i, start, end int, whole bool) {
	runs, _ := pieceCount(valueLen)
	i = off >> runShift
	if i < runs {
		start = i << runShift
		return i, start, min(start+runSize, valueLen), true
	}
	start = runs << runShift
	first, second := tailSplit(valueLen - start)
	if off-start < first {
		return runs, start, start + first, false
	}
	return runs + 1, start + first, start + first + second, false
}

// tableOffset is where the piece table begins behind a key that ends at n.
func tableOffset(n int) int { return (n + 7) &^ 7 }

// pieceTableSize is the size in bytes of the table in the item's own chunk.
func pieceTableSize(valueLen int) int {
	_, all := pieceCount(valueLen)
	if all > directMax {
		all = (all + refsPerRun - 1) / refsPerRun
	}
	return all * tablePtr
}

// pieces is a large value: its table of piece references, and its length. None
// of it changes while the item lives, so who pinned the item needs no lock.
type pieces struct {
	s     *Store
	table unsafe.Pointer
	n     int
}

func (it Item) pieces() pieces {
	return pieces{it.s, unsafe.Add(it.p, tableOffset(it.valueOffset())), it.ValueLen()}
}

// ref is the slot of the table that names piece i.
func (v pieces) ref(i int) *ref {
	table := v.table
	if _, all := pieceCount(v.n); all > directMax {
		run := *(*ref)(unsafe.Add(table, i/refsPerRun*tablePtr))
		table, i = v.s.at(run), i%refsPerRun
	}
	return (*ref)(unsafe.Add(table, i*tablePtr))
}

// segment is the memory of the value from off to the end of its piece.
func (v pieces) segment(off int) []byte {
	if off >= v.n {
		return nil
	}
	i, start, end, whole := pieceAt(v.n, off)
	p := v.s.at(*v.ref(i))
	if !whole {
		p = unsafe.Add(p, markSize)
	}
	return unsafe.Slice((*byte)(unsafe.Add(p, off-start)), end-off)
}

// Pinned is a large value that stays where it is until Handle.Release(Token).
// Until then it may be read without a lock.
type Pinned struct {
	pieces
	token uint64
}

// Token is what gives the value's memory back.
func (p Pinned) Token() uint64 { return p.token }

// Len is the length of the value in bytes.
func (p Pinned) Len() int { return p.n }

// Segment is the contiguous memory of the value from offset off, to the end of
// the piece.
func (p Pinned) Segment(off int) []byte { return p.segment(off) }

// references counts the index's and the pins' references of a large item.
func (it Item) references() *uint32 { return it.u32(headerSize) }

// unpin drops one reference and reports whether it was the last.
func (it Item) unpin() bool { return atomic.AddUint32(it.references(), ^uint32(0)) == 0 }

// reservePieces allocates all pieces of a large item whose header is written.
func (h *Handle) reservePieces(it Item) error {
	n := it.ValueLen()
	whole, all := pieceCount(n)
	owner := it.ref()
	d := h.domainFor(&Spec{Evictable: it.Evictable()})
	if all > directMax {
		if err := h.reserveTable(it, all, owner, d.queue); err != nil {
			return err
		}
	}
	for i := range all {
		var piece ref
		var err error
		switch first, second := tailSplit(n - whole<<runShift); {
		case i < whole:
			piece, err = h.allocRun(owner, d.queue)
		case i == whole:
			piece, err = h.allocTail(first, owner, d)
		default:
			piece, err = h.allocTail(second, owner, d)
		}
		if err != nil {
			h.s.freePieces(it, i)
			return err
		}
		*it.pieces().ref(i) = piece
	}
	return nil
}

// reserveTable allocates the runs of references of a very large item.
func (h *Handle) reserveTable(it Item, all int, owner ref, q queue) error {
	for i := 0; i < all; i += refsPerRun {
		run, err := h.allocRun(owner, q)
		if err != nil {
			for j := 0; j < i; j += refsPerRun {
				h.s.freeRun(*it.tableRun(j))
			}
			return err
		}
		*it.tableRun(i) = run
	}
	return nil
}

// tableRun is the entry for the run of references that holds piece i's.
func (it Item) tableRun(i int) *ref {
	return (*ref)(unsafe.Add(it.p, tableOffset(it.valueOffset())+i/refsPerRun*tablePtr))
}

// allocTail allocates a chunk for n bytes of a value and marks it with its owner.
func (h *Handle) allocTail(n int, owner ref, d *domain) (ref, error) {
	r, err := h.alloc(h.s.classes.forSize(n+markSize), d)
	if err == nil {
		atomic.StoreUint64((*uint64)(h.s.at(r)), pieceMark|uint64(owner))
	}
	return r, err
}

// freePieces gives back the first count pieces and, if there are any, the runs
// of references.
func (s *Store) freePieces(it Item, count int) {
	n := it.ValueLen()
	whole, all := pieceCount(n)
	for i := range count {
		piece := *it.pieces().ref(i)
		if i < whole {
			s.freeRun(piece)
			continue
		}
		atomic.StoreUint64((*uint64)(s.at(piece)), 0)
		s.freeChunk(piece)
	}
	if all > directMax {
		for i := 0; i < all; i += refsPerRun {
			s.freeRun(*it.tableRun(i))
		}
	}
}
