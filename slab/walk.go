package slab

import "math/bits"

// Cursor is a place in a walk over a store: a shard, and a hash. Items lie in
// their shard's index in the order of their hashes' high bits, however large it
// is, so a cursor stays good while indexes grow. The zero value is the beginning.
type Cursor struct {
	shard int
	hash  uint64 // of the shard's items, those below were shown
}

// Walk calls f with the living items behind the cursor, each under its shard's
// lock, of about so many buckets, and reports whether that was the last. Between
// calls items come and go, and may change; one that is there throughout is shown
// once. f must not call the store. When it returns false the walk stops, and the
// next begins with the same item.
func (h *Handle) Walk(c *Cursor, nowMS int64, buckets int, f func(Item) bool) (done bool) {
	for ; buckets > 0; buckets-- {
		if c.shard >= len(h.s.shards) {
			return true
		}
		sh := &h.s.shards[c.shard]
		sh.lock()
		goOn := sh.walkHome(c, nowMS, f)
		sh.mu.Unlock()
		if !goOn {
			return false
		}
	}
	return c.shard >= len(h.s.shards)
}

// walkItem is an item in the order of the walk.
type walkItem struct {
	hash uint64
	at   ref
}

// walkMost is how many items of one home bucket are put into order at a time.
const walkMost = 32

// walkHome shows the items that have the same home bucket as the cursor's hash,
// and moves the cursor on. It reports whether f wants more.
func (sh *shard) walkHome(c *Cursor, nowMS int64, f func(Item) bool) bool {
	x := &sh.index
	if x.items == 0 {
		*c = Cursor{shard: c.shard + 1}
		return true
	}
	t, at := x.tableOf(c.hash)
	end := firstHash(at+1, t.n) - 1
	if t == &x.cur && x.old.n != 0 { // the rest of this home may be in the old table
		end = min(end, firstHash(x.moved, x.old.n)-1)
	}
	var found [walkMost]walkItem
	for {
		n := sh.gather(&found, t, at, c.hash, end)
		for _, next := range found[:n] {
			c.hash = next.hash
			it := sh.store.item(next.at)
			if sh.deadKind(it, nowMS) == 0 && !f(it) {
				return false
			}
			c.hash++
		}
		if n < walkMost {
			break
		}
	}
	if c.hash = end + 1; c.hash == 0 {
		*c = Cursor{shard: c.shard + 1}
	}
	return true
}

// firstHash is the lowest hash whose home is bucket i, or 0 when i is n.
func firstHash(i, n uint32) uint64 {
	return (uint64(i)<<homeBits + uint64(n) - 1) / uint64(n) << homeShift
}

// gather finds the first items, in order, whose hash is from..last: they are on
// the way from bucket at.
func (sh *shard) gather(found *[walkMost]walkItem, t *table, at uint32, from, last uint64) (n int) {
	for range t.n {
		b := sh.index.bucket(t, at)
		word := *meta(b)
		for m := word & tagHighs; m != 0; m &= m - 1 {
			v := *slot(b, bits.TrailingZeros64(m)>>3)
			if prefix := v >> homeShift; prefix < from>>homeShift || prefix > last>>homeShift {
				continue
			}
			if !sh.store.usable(ref(v & refMask)) {
				continue
			}
			it := sh.store.item(ref(v & refMask))
			if h := hash(sh.store.seed, it.DB(), it.Key()); h >= from && h <= last {
				n = insertWalkItem(found, n, walkItem{h, it.ref()})
			}
		}
		if word < overOne {
			break
		}
		at = t.next(at)
	}
	return n
}

// insertWalkItem puts an item in its place among the first n, of which the last
// goes when there are too many.
func insertWalkItem(found *[walkMost]walkItem, n int, add walkItem) int {
	i := min(n, walkMost-1)
	if i < n && found[i].hash < add.hash {
		return n
	}
	for ; i > 0 && found[i-1].hash > add.hash; i-- {
		found[i] = found[i-1]
	}
	found[i] = add
	return min(n+1, walkMost)
}
