package slab

import (
	"sync"
	"sync/atomic"
)

// shard is one part of the keyspace: slots whose low bits are its number.
type shard struct {
	mu    sync.Mutex
	store *Store
	bits  uint8 // log2 of the number of shards: slot >> bits counts the shard's slots
	// flushed: FlushAll was called since start, so marks are compared.
	flushed bool
	flushes uint32 // FlushAlls that marks know of
	index   index
	seqs    []uint64 // last sequence of each of the shard's slots
	marks   []uint64 // sequence up to which FlushAll made the slot's items absent
	sweepAt uint32   // bucket at which the next sweep goes on
	full    atomic.Bool
	counts  shardCounts
	_       [64]byte // no line of two shards
}

// shardCounts are a shard's part of Stats, under its lock.
type shardCounts struct {
	totalItems, bytes                  int64
	evictions, reclaimed               int64
	expiredUnfetched, evictedUnfetched int64
	evictedActive                      int64
}

// lock takes the shard's lock. What FlushAll asked for is done by whoever takes
// the lock next.
func (sh *shard) lock() {
	sh.mu.Lock()
	if n := sh.store.flushes.Load(); n != sh.flushes {
		sh.flush(n)
	}
}

func (sh *shard) tryLock() bool {
	if !sh.mu.TryLock() {
		return false
	}
	if n := sh.store.flushes.Load(); n != sh.flushes {
		sh.flush(n)
	}
	return true
}

// flush makes all items that are there absent.
func (sh *shard) flush(n uint32) {
	sh.flushes, sh.flushed = n, true
	copy(sh.marks, sh.seqs)
}

// Lookup is the result of Find.
type Lookup uint8

const (
	Miss Lookup = iota
	Hit
	Expired // it was there, but its time was over; it has been removed
	Flushed // it was there, from before FlushAll; it has been removed
	Lost    // it was there, but the tier has dropped its value; it has been removed
)

// Locked is one key's shard, locked. Keep it on the stack, and call Unlock.
type Locked struct {
	h       *Handle
	sh      *shard
	k       Key     // by value: a pointer would force the caller's Key to the heap
	slot    *uint64 // of the item that Find returned
	looked  bool    // slot is what the index has for k
	garbage Item    // freed by Unlock
}

// Lock takes the lock of k's shard. Nothing may block until Unlock.
func (h *Handle) Lock(k *Key) Locked {
	sh := &h.s.shards[k.Slot&h.s.shardMask]
	sh.lock()
	return Locked{h: h, sh: sh, k: *k}
}

// Slot is the slot of the key that was locked.
func (l *Locked) Slot() uint16 { return l.k.Slot }

// Key is the key that was locked, borrowed as Lock's is.
func (l *Locked) Key() []byte { return l.k.Bytes }

// Unlock releases the shard, then the memory of what was replaced or removed.
func (l *Locked) Unlock() {
	grow := l.sh.index.wantsGrow()
	l.sh.mu.Unlock()
	if l.garbage.p != nil {
		l.h.drop(l.garbage)
	}
	if grow {
		l.h.grow(l.sh)
	}
}

// Find looks the key up. An item that is expired (expiry <= nowMS) or flushed
// is removed, and said to be so.
func (l *Locked) Find(nowMS int64) (Item, Lookup) {
	l.slot, l.looked = l.sh.index.find(&l.k), true
	if l.slot == nil {
		return Item{}, Miss
	}
	it := l.h.s.item(ref(*l.slot & refMask))
	if it.bits()&bitExpiry != 0 && it.expired(nowMS) {
		l.sh.countDead(&l.h.tally, it)
		l.remove(it, KindExpire)
		return Item{}, Expired
	}
	if l.sh.flushed && l.sh.isFlushed(it) {
		l.sh.countDead(&l.h.tally, it)
		l.remove(it, KindFlush)
		return Item{}, Flushed
	}
	if it.has(bitTier) && l.h.s.isLost(it) {
		l.remove(it, KindEvict)
		return Item{}, Lost
	}
	return it, Hit
}

// isFlushed reports whether FlushAll was called since the item was stored.
func (sh *shard) isFlushed(it Item) bool {
	stamp := it.stamp()
	return stamp>>slotBits <= sh.marks[stamp&(Slots-1)>>sh.bits]
}

// Put links a reserved item in place of what the key had, as one effect, and
// returns its token. 0: the index is full and can take no more items; the item
// has been discarded, and the key is as it was.
func (l *Locked) Put(it Item, nowMS int64) (cas uint64) {
	sh := l.sh
	it.setAccessed(l.h.s.seconds(nowMS))
	r := it.ref()
	if !l.looked {
		l.slot, l.looked = sh.index.find(&l.k), true
	}
	if l.slot != nil {
		old := l.h.s.item(ref(*l.slot & refMask))
		if sh.deadKind(old, nowMS) != 0 {
			sh.countDead(&l.h.tally, old)
		}
		if !it.alike(old) {
			sh.counts.bytes += int64(it.Size() - old.Size())
			l.h.tally.take(old)
			l.h.tally.add(it)
		}
		l.h.s.releaseTier(old)
		old.setStamp(0)
		l.discard(old)
		*l.slot = *l.slot&^refMask | uint64(r)
		sh.warm(l.slot)
	} else {
		if !sh.index.insert(l.k.Hash, uint64(r)|sh.store.ghosts.frequency(l.k.Hash)) {
			sh.full.Store(true)
			l.discard(it)
			return 0
		}
		l.looked = false // the insert may have moved what Find saw
		sh.counts.bytes += int64(it.Size())
		l.h.tally.add(it)
	}
	l.h.tally.count(it.group(), countSets)
	sh.counts.totalItems++
	sh.commit(&l.h.tally, KindSet, l.k.Slot, it)
	return it.CAS()
}

// countDead counts a dead item that a request or eviction found.
func (sh *shard) countDead(t *tally, it Item) {
	sh.counts.reclaimed++
	if !it.Fetched() {
		sh.counts.expiredUnfetched++
	}
	t.reclaim(it, countReclaimed)
}

// forget takes an item out of the counts and clears its stamp: from here on
// eviction does not see it.
func (sh *shard) forget(t *tally, it Item) {
	sh.counts.bytes -= int64(it.Size())
	t.take(it)
	it.setStamp(0)
}

// Remove unlinks the item that Find returned.
func (l *Locked) Remove(it Item) { l.remove(it, KindDelete) }

func (l *Locked) remove(it Item, kind Kind) {
	l.sh.unlink(&l.h.tally, l.k.Hash, l.slot, it, kind)
	l.slot = nil
	l.discard(it)
}

// discard leaves an item's memory to Unlock.
func (l *Locked) discard(it Item) {
	if l.garbage.p != nil {
		l.h.drop(l.garbage)
	}
	l.garbage = it
}

// unlink takes an item out of the index, as one effect. Its memory stays.
func (sh *shard) unlink(t *tally, hash uint64, slot *uint64, it Item, kind Kind) {
	sh.index.remove(hash, slot)
	if sh.full.Load() {
		sh.full.Store(false)
	}
	sh.commit(t, kind, uint16(it.stamp()&(Slots-1)), it)
	sh.store.releaseTier(it)
	sh.forget(t, it)
}

// SetValue overwrites a small item's value in place with b, of the same
// length, as one effect. The token changes, to cas when that is not 0; an item
// without room for a chosen token is rebuilt: use the one returned. false:
// there was no memory for that, and nothing changed.
func (l *Locked) SetValue(it Item, b []byte, cas uint64) (Item, bool) {
	it, ok := l.choose(it, cas)
	if !ok {
		return it, false
	}
	copy(it.Value(), b)
	l.sh.commit(&l.h.tally, KindSet, l.k.Slot, it)
	return it, true
}

// MarkStale marks an item stale and takes back its token-sent mark, as one
// effect. The token changes as SetValue says.
func (l *Locked) MarkStale(it Item, cas uint64) (Item, bool) {
	it, ok := l.choose(it, cas)
	if !ok {
		return it, false
	}
	it.set(bitStale)
	it.clear(bitTokenSent)
	l.sh.commit(&l.h.tally, KindMark, l.k.Slot, it)
	return it, true
}

// choose makes cas the item's token; 0 makes it the stamp again.
func (l *Locked) choose(it Item, cas uint64) (Item, bool) {
	if it.has(bitCAS) {
		*it.u64(casOffset(it.bits())) = cas
		return it, true
	}
	if cas == 0 {
		return it, true
	}
	return l.rebuild(it, Spec{Flags: it.Flags(), ExpiresAtMS: it.ExpiresAtMS(), CAS: cas})
}

// Touch changes the expiry (0: never). The token stays. The item may move: use
// the one returned. false: there is no memory for the field; Unlock, call
// Handle.MakeRoom, and begin again with Lock and Find.
func (l *Locked) Touch(it Item, expiresAtMS int64) (Item, bool) {
	it, ok := l.expireAt(it, expiresAtMS)
	if ok {
		l.sh.commit(&l.h.tally, KindTouch, l.k.Slot, it)
	}
	return it, ok
}

// expireAt is Touch without an effect.
func (l *Locked) expireAt(it Item, expiresAtMS int64) (Item, bool) {
	switch {
	case it.has(bitExpiry):
		it.setExpiry(expiresAtMS)
	case expiresAtMS != 0:
		spec := Spec{Flags: it.Flags(), ExpiresAtMS: expiresAtMS}
		if it.has(bitCAS) {
			spec.CAS = it.CAS()
		}
		return l.rebuild(it, spec)
	}
	return it, true
}

// rebuild gives a small item more optional fields (a large one has them all):
// a copy of it takes its place in the index, with the same stamp. It allocates
// under the shard's lock, but only what is free: the lock of a free list is taken
// inside that of a shard, never the other way round.
func (l *Locked) rebuild(it Item, spec Spec) (Item, bool) {
	spec.ValueLen, spec.Evictable = len(it.stored()), it.Evictable()
	key := Key{DB: it.DB(), Bytes: it.Key()}
	bits := spec.presenceOf(key.DB)
	class := l.h.s.classes.forSize(chunkSize(&key, &spec, bits))
	d := l.h.domainFor(&spec)
	if it.OnTier() {
		d = &l.h.s.domains[domainFixed]
	}
	r := l.h.tryAlloc(class, d)
	if r == 0 && !it.OnTier() { // which eviction must find in a fixed run
		r = l.h.s.allocForeign(class, 0)
	}
	if r == 0 {
		return it, false
	}
	moved := l.h.s.item(r)
	moved.write(&key, &spec, bits)
	moved.set(it.bits() & (1<<accessShift - 1) &^ presence)
	moved.setAccessed(it.accessed())
	moved.setHeat(it.Heat())
	moved.setGroup(it.group())
	copy(moved.stored(), it.stored())
	stamp := it.stamp()
	l.sh.forget(&l.h.tally, it)
	l.h.tally.add(moved)
	l.sh.counts.bytes += int64(moved.Size())
	*l.slot = *l.slot&^refMask | uint64(r)
	moved.setStamp(stamp)
	l.discard(it)
	return moved, true
}

// Accessed notes a read: fetched, the time, and eviction's frequency.
func (l *Locked) Accessed(it Item, nowMS int64) {
	it.set(bitFetched)
	it.setAccessed(l.h.s.seconds(nowMS))
	l.sh.warm(l.slot)
}

// warm notes for eviction that an item was used.
func (sh *shard) warm(slot *uint64) {
	if *slot&freqMask != freqMask {
		*slot += freqOne
	}
}

// IdleMS is the time since the last access or the store, to the second. It
// grows to two days and stays there.
func (l *Locked) IdleMS(it Item, nowMS int64) int64 {
	return it.IdleMS(nowMS)
}

// Pin keeps a large item's value in place until Handle.Release of its token.
func (l *Locked) Pin(it Item) Pinned { return it.Pin() }
