package slab

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"unsafe"
)

// A bucket is one cache line: a word of seven tags and a count, then seven
// slots. The count says how many items whose way led over this bucket had to
// go further, so a search ends at the first bucket where it is zero.
//
//	byte 0..6   tag of slot 0..6, 0 when it is empty
//	byte 7      items that went further; stays at 255 once there
//	word 1..7   hash:22 | frequency:2 | reference:40
const (
	bucketShift = 6
	bucketSlots = 7
	segBuckets  = segSize >> bucketShift

	homeBits  = 22 // of the hash in a slot: they choose the home bucket
	refBits   = 40
	refMask   = 1<<refBits - 1
	freqShift = refBits
	freqOne   = 1 << freqShift
	freqMask  = 3 << freqShift
	homeShift = 64 - homeBits

	tagLows  = 0x0001010101010101
	tagHighs = 0x0080808080808080
	overOne  = 1 << 56
	overMax  = 0xff << 56

	// An index grows at 44/50 of its slots, by an eighth on average. The shards of
	// a store fill alike, and must not all grow at once: each grows by a share of
	// its own, from 1/growLeast to 1/(growLeast+growSpread-1). So a slot costs
	// 11 bytes on average; growth moves an item about nine times in all, in the
	// order of memory.
	loadNum, loadDen      = 44, 50
	growLeast, growSpread = 6, 6
	// fullNum/loadDen of the slots is where an index takes no more; a store that
	// may not evict begins to refuse a little before.
	fullNum = 49
)

// tagOf is the part of the hash that a bucket's first word keeps: 7 bits that
// the home bits do not have, and one so that it is never 0.
func tagOf(hash uint64) uint64 { return hash>>32&0xff | 0x80 }

// matchTag returns a word with bit 7 of byte i set where tag i may be equal (a
// byte above an equal one may be set wrongly: the slot is compared, too).
func matchTag(meta, tag uint64) uint64 {
	x := meta ^ tag*tagLows
	return (x - tagLows) & ^x & tagHighs
}

// table is one generation of an index: n buckets in segments. Items are in
// order of their hashes' home bits, so a larger table has them in the same order
// and growing is one walk from the first bucket to the last.
type table struct {
	segs []uint32 // where each segment is: arena offset >> segShift; zeroSeg before its first item
	n    uint32
}

// index finds a shard's items.
type index struct {
	store *Store
	cur   table
	old   table    // while growing: what is not moved yet
	moved uint32   // home buckets of old below this are in cur
	spare []uint32 // segments for cur, given out when it first needs them
	items int
	grow  int    // items from which the index wants to grow
	phase uint32 // which of the shares it grows by
	// starved: a segment was wanted while none was spare.
	starved bool
	// expected: buckets for what is going to be restored; 0: nobody knows.
	expected uint32

	hint atomic.Pointer[table] // cur, for Foresee, which takes no lock for it
}

type bucket = unsafe.Pointer

func meta(b bucket) *uint64        { return (*uint64)(b) }
func slot(b bucket, i int) *uint64 { return (*uint64)(unsafe.Add(b, 8+8*i)) }

func home(hash uint64, n uint32) uint32 {
	return uint32(hash >> homeShift * uint64(n) >> homeBits)
}

func (x *index) bucket(t *table, i uint32) bucket {
	return unsafe.Add(x.store.base, uintptr(t.segs[i/segBuckets])<<segShift+uintptr(i%segBuckets)<<bucketShift)
}

func (t *table) next(i uint32) uint32 {
	if i++; i == t.n {
		return 0
	}
	return i
}

// tableOf returns the table in which an item with this hash is, or belongs.
func (x *index) tableOf(hash uint64) (*table, uint32) {
	if x.old.n != 0 {
		if at := home(hash, x.old.n); at >= x.moved {
			return &x.old, at
		}
	}
	return &x.cur, home(hash, x.cur.n)
}

// find returns the slot of k's item, or nil.
func (x *index) find(k *Key) *uint64 {
	t, at := x.tableOf(k.Hash)
	tag, want := tagOf(k.Hash), k.Hash>>homeShift
	for range t.n {
		b := x.bucket(t, at)
		word := *meta(b)
		for m := matchTag(word, tag); m != 0; m &= m - 1 {
			p := slot(b, bits.TrailingZeros64(m)>>3)
			v := *p
			if v>>homeShift == want && v != 0 && (x.store.restored.Load() == nil || x.store.usable(ref(v&refMask))) &&
				x.store.item(ref(v&refMask)).matches(k) {
				return p
			}
		}
		if word < overOne {
			return nil
		}
		at = t.next(at)
	}
	return nil
}

// locate returns the slot of the item at r, or nil.
func (x *index) locate(hash uint64, r ref) *uint64 {
	t, at := x.tableOf(hash)
	tag := tagOf(hash)
	for range t.n {
		b := x.bucket(t, at)
		word := *meta(b)
		for m := matchTag(word, tag); m != 0; m &= m - 1 {
			p := slot(b, bits.TrailingZeros64(m)>>3)
			if ref(*p&refMask) == r {
				return p
			}
		}
		if word < overOne {
			return nil
		}
		at = t.next(at)
	}
	return nil
}

// insert adds an item that is not there: reference and frequency. It fails only
// when every bucket is full.
func (x *index) insert(hash, v uint64) bool {
	if x.items >= int(x.cur.n)*bucketSlots*fullNum/loadDen {
		return false
	}
	t, at := x.tableOf(hash)
	if !x.put(t, at, tagOf(hash), hash>>homeShift<<homeShift|v) {
		return false
	}
	x.items++
	if x.old.n != 0 {
		x.move(moveStep)
	}
	return true
}

// put writes v into the first free slot on the way from bucket at.
func (x *index) put(t *table, at uint32, tag, v uint64) bool {
	from, steps := at, uint32(0)
	for ; steps < t.n && x.back(t, at); steps++ {
		b := x.bucket(t, at)
		if free := ^*meta(b) & tagHighs; free != 0 {
			i := bits.TrailingZeros64(free) >> 3
			*meta(b) |= tag << (8 * i)
			*slot(b, i) = v
			return true
		}
		x.over(b, 1)
		at = t.next(at)
	}
	for ; steps > 0; steps-- { // take the counts back
		x.over(x.bucket(t, from), -1)
		from = t.next(from)
	}
	return false
}

// over changes a bucket's count of items that went further.
func (x *index) over(b bucket, by int) {
	word := *meta(b)
	if word >= overMax {
		return
	}
	*meta(b) = word + uint64(by)*overOne
}

// back makes sure that bucket i has memory behind it.
func (x *index) back(t *table, i uint32) bool {
	s := &t.segs[i/segBuckets]
	if *s != x.store.zeroSeg {
		return true
	}
	last := len(x.spare) - 1
	if last < 0 {
		x.starved = true
		return false
	}
	seg := x.spare[last]
	x.spare = x.spare[:last]
	x.store.clearSegment(seg)
	atomic.StoreUint32(s, seg)
	return true
}

// remove empties the slot p of an item with this hash.
func (x *index) remove(hash uint64, p *uint64) {
	t, at := x.tableOf(hash)
	x.take(t, at, p)
	x.items--
}

// take empties slot p, which is on the way from bucket at.
func (x *index) take(t *table, at uint32, p *uint64) {
	for range t.n {
		b := x.bucket(t, at)
		if in := uintptr(unsafe.Pointer(p)) - uintptr(b); in < 1<<bucketShift {
			i := in/8 - 1
			*p = 0
			*meta(b) &^= 0xff << (8 * i)
			return
		}
		x.over(b, -1)
		at = t.next(at)
	}
	panic("BUG: slab: slot is not on its hash's way")
}

// moveStep is how many home buckets of the old table every insert moves, in about
// a microsecond: the move ends in a tenth of the inserts until the next.
const moveStep = 16

// move moves the items of the next home buckets from the old table.
func (x *index) move(homes int) {
	for ; homes > 0 && x.old.n != 0; homes-- {
		if !x.moveHome(x.moved) {
			return
		}
		x.moved++
		if x.moved%segBuckets == 0 {
			x.releaseEmpty(x.moved/segBuckets - 1)
		}
		if x.moved == x.old.n {
			for i := range x.old.segs {
				x.release(uint32(i))
			}
			x.old, x.moved = table{}, 0
			x.trim()
		}
	}
}

// releaseEmpty releases segment i of the old table unless something is in it:
// the way from the last bucket leads to the first ones.
func (x *index) releaseEmpty(i uint32) {
	for at := i * segBuckets; at < (i+1)*segBuckets; at++ {
		if *meta(x.bucket(&x.old, at)) != 0 {
			return
		}
	}
	x.release(i)
}

// release makes segment i of the old table one for the new table.
func (x *index) release(i uint32) {
	if s := x.old.segs[i]; s != x.store.zeroSeg {
		atomic.StoreUint32(&x.old.segs[i], x.store.zeroSeg)
		x.spare = append(x.spare, s)
	}
}

// trim gives back the segments that the new table will not need.
func (x *index) trim() {
	need := 0
	for _, seg := range x.cur.segs {
		if seg == x.store.zeroSeg {
			need++
		}
	}
	for len(x.spare) > need {
		last := len(x.spare) - 1
		x.store.freeSegment(x.spare[last])
		x.spare = x.spare[:last]
	}
}

// moveHome moves the items whose home in the old table is bucket at: all of them,
// or none when the new table lacks memory, since a search looks into one table.
func (x *index) moveHome(from uint32) bool {
	n, first, last := x.atHome(from)
	if n == 0 {
		return true
	}
	if !x.back(&x.cur, first) || !x.room(last, n) {
		return false
	}
	at := from
	for {
		b := x.bucket(&x.old, at)
		word := *meta(b)
		for m := word & tagHighs; m != 0; m &= m - 1 {
			i := bits.TrailingZeros64(m) >> 3
			p := slot(b, i)
			v := *p
			if home(v, x.old.n) != from {
				continue
			}
			if !x.put(&x.cur, home(v, x.cur.n), word>>(8*i)&0xff, v) {
				panic("BUG: slab: an index moves items for which it has no room")
			}
			x.take(&x.old, from, p)
			if n--; n == 0 {
				return true
			}
		}
		at = x.old.next(at)
	}
}

// atHome counts the items whose home in the old table is bucket at, and returns the
// lowest and the highest of their homes in the new one.
func (x *index) atHome(from uint32) (n int, first, last uint32) {
	at := from
	first = x.cur.n
	for range x.old.n {
		b := x.bucket(&x.old, at)
		word := *meta(b)
		for m := word & tagHighs; m != 0; m &= m - 1 {
			v := *slot(b, bits.TrailingZeros64(m)>>3)
			if home(v, x.old.n) == from {
				to := home(v, x.cur.n)
				first, last = min(first, to), max(last, to)
				n++
			}
		}
		if word < overOne {
			break
		}
		at = x.old.next(at)
	}
	return n, first, last
}

// room makes sure that n items find free slots in the new table on the way from
// bucket at.
func (x *index) room(at uint32, n int) bool {
	for range x.cur.n {
		if !x.back(&x.cur, at) {
			return false
		}
		if n -= bits.OnesCount64(^*meta(x.bucket(&x.cur, at)) & tagHighs); n <= 0 {
			return true
		}
		at = x.cur.next(at)
	}
	return false
}

// wantsGrow reports whether there are more items than the index is good for, or a
// growing one lacks memory to go on.
func (x *index) wantsGrow() bool { return x.items >= x.grow && x.old.n == 0 || x.starved }

// thinNum/loadDen of its slots is where an index has become too large for its
// items. It shrinks to thinTo/loadDen, and by half at most: what is inserted while
// it moves must fit.
const thinNum, thinTo = 22, 38

// wantsShrink reports whether there are far fewer items than the index is good for.
func (x *index) wantsShrink() bool {
	return x.old.n == 0 && x.cur.n > 2*segBuckets && x.items < int(x.cur.n)*bucketSlots*thinNum/loadDen
}

// nextSize is the number of buckets of the next generation, in whole segments.
func (x *index) nextSize() uint32 {
	if x.wantsShrink() {
		n := max(x.cur.n/2, uint32(x.items*loadDen/(bucketSlots*thinTo)))
		return (n + segBuckets - 1) / segBuckets * segBuckets
	}
	by := growLeast + (x.phase+x.cur.n/segBuckets)%growSpread
	return (x.cur.n + x.cur.n/by + segBuckets - 1) / segBuckets * segBuckets
}

// growSlack is what a growing index may need beyond the segments by which the
// new table is larger and those that the move has released: the one that is being
// moved, the old table's first, into which the way from its last bucket leads, the
// new table's last, and one more. When even more is wanted, starved says so.
const growSlack = 4

// growNeeds is how many segments it takes to grow into n buckets, or to go on.
func (x *index) growNeeds(n uint32) int {
	if x.old.n != 0 {
		return growSlack
	}
	return min(max(int(n)-int(x.cur.n), 0)/segBuckets+growSlack, int(n/segBuckets))
}

// start begins to grow into n buckets, with the segments that this needs, or
// goes on with those.
func (x *index) start(n uint32, segs []uint32) {
	x.starved = false
	x.spare = append(x.spare, segs...)
	if x.old.n != 0 {
		return
	}
	x.old, x.moved = x.cur, 0
	x.cur = x.store.newTable(n)
	x.setGrow()
	x.hint.Store(&table{x.cur.segs, n})
}

func (x *index) setGrow() {
	x.grow = int(x.cur.n) * bucketSlots * loadNum / loadDen
}

// growLater puts the next wish off: there was no memory, or another loop was faster.
func (x *index) growLater() { x.grow, x.starved = max(x.grow, x.items+x.items/32+1), false }

// shrink gives back what an empty index does not need.
func (x *index) shrink() {
	if x.items != 0 || x.old.n != 0 || x.cur.n == segBuckets {
		return
	}
	segs := slices.DeleteFunc(append(x.spare, x.cur.segs...), func(seg uint32) bool { return seg == x.store.zeroSeg })
	x.spare = segs[:min(1, len(segs))] // which no other loop gets meanwhile
	for _, seg := range segs[len(x.spare):] {
		x.store.freeSegment(seg)
	}
	for i, seg := range x.spare {
		if lower := x.store.lowerSegment(seg); lower != 0 {
			x.spare[i] = lower
			x.store.freeSegment(seg)
		}
	}
	x.cur = x.store.newTable(segBuckets)
	x.setGrow()
	x.hint.Store(&table{x.cur.segs, segBuckets})
}

func (s *Store) newTable(n uint32) table {
	t := table{make([]uint32, n/segBuckets), n}
	for i := range t.segs {
		t.segs[i] = s.zeroSeg
	}
	return t
}

// full reports whether the index can take few more items: a store that may not
// evict then refuses.
func (x *index) full() bool {
	return x.items >= int(x.cur.n)*bucketSlots*(fullNum-1)/loadDen
}
