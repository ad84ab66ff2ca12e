package slab

import (
	"errors"
	"sync/atomic"
	"unsafe"
)

// What a snapshot and a log have kept comes back by Restore and RestoreFlush: the same
// changes with the stamps that they had, and no effect. First a snapshot's items, in any
// order; then the effects since it began, those of one slot in the order of their
// sequences. What is older than what the key has changes nothing, so that the snapshot
// may have seen some of them, and that they may come twice. One goroutine restores a
// shard.

// Marks are what an item has beside its fields, as numbers that never change.
type Marks uint32

const (
	MarkEvictable Marks = 1 << iota
	MarkStale
	MarkTokenSent
	MarkFetched
	MarkKeyEncoded
)

// markBits are the bits of an item's second word that Marks stand for.
var markBits = [...]struct {
	mark Marks
	bit  uint32
}{
	{MarkEvictable, bitEvictable},
	{MarkStale, bitStale},
	{MarkTokenSent, bitTokenSent},
	{MarkFetched, bitFetched},
	{MarkKeyEncoded, bitKeyEncoded},
}

// Marks are the item's marks.
func (it Item) Marks() Marks {
	bits := it.bits() // the first four are in the same order
	return Marks(bits/bitEvictable&15 | bits/bitKeyEncoded<<4&uint32(MarkKeyEncoded))
}

// Stamp is slot sequence << 14 | slot of the item's last change but of its expiry.
func (it Item) Stamp() uint64 { return it.stamp() }

// ChosenCAS is the token that a client chose, 0 when the token is the stamp.
func (it Item) ChosenCAS() uint64 {
	if it.has(bitCAS) {
		return *it.u64(casOffset(it.bits()))
	}
	return 0
}

// Pin keeps a large item's value in place until Store.Release of its token. The
// shard is locked.
func (it Item) Pin() Pinned {
	atomic.AddUint32(it.references(), 1)
	return Pinned{it.pieces(), uint64(it.ref())}
}

// Release gives back what Item.Pin returned, by its token. Any goroutine may call it.
func (s *Store) Release(token uint64) { s.dropLarge(s.item(ref(token))) }

// setMarks gives the item its marks but MarkEvictable, which says where it lies.
func (it Item) setMarks(m Marks) {
	const bits = bitStale | bitTokenSent | bitFetched | bitKeyEncoded
	w := it.u32(12)
	*w = *w&^bits | (uint32(m)*bitEvictable|uint32(m)/uint32(MarkKeyEncoded)*bitKeyEncoded)&bits
}

// Past is an item as it was kept.
type Past struct {
	Stamp uint64
	Spec  Spec // Evictable is of Marks, ValueLen of Value
	Marks Marks
	Value []byte
}

// Change is an effect of a key as it was kept: KindSet has all of Past, KindTouch the
// expiry, KindMark the marks and a chosen token. The other kinds remove the item.
type Change struct {
	Key  Key
	Kind Kind
	Past

	item Item   // what a set has reserved
	bits uint32 // that it will have
}

// restoreTries is how often room is made: others that restore may take it.
const restoreTries = 16

// restoreBytes of values, or one that is larger, are in memory twice at most: what they
// replace is still there.
const restoreBytes = 1 << 20

// errRoom is said of an item that has no room for an expiry or a token, errIndex of one
// for which the index lacks a segment, or room.
var (
	errRoom  = errors.New("slab: no room")
	errIndex = errors.New("slab: no room in the index")
)

// Restore makes changes, unless the key has what is not older, or a flush that came later
// has removed it. Those of a slot come in the order of their sequences; those of a shard
// that come one behind the other cost one lock. An item whose time is over is stored,
// too, since a touch that follows may have given it another. It evicts when it must. The
// errors are Reserve's.
func (h *Handle) Restore(changes []Change, nowMS int64) error {
	for i := range changes {
		k := &changes[i].Key
		foreseeBucket(h.s.shards[k.Slot&h.s.shardMask].index.foresee(k.Hash))
	}
	for len(changes) > 0 {
		n, err := h.reservePasts(changes)
		if err != nil {
			return err
		}
		if err := h.restoreReserved(changes[:n], nowMS); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// reservePasts reserves what the first changes restore, up to about restoreBytes, fills it,
// and says how many those are.
func (h *Handle) reservePasts(changes []Change) (n int, err error) {
	for size := 0; n < len(changes) && size < restoreBytes; n++ {
		if err := h.reservePast(&changes[n]); err != nil {
			h.discardPast(changes[:n])
			return 0, err
		}
		size += len(changes[n].Value)
	}
	for i := range changes[:n] {
		changes[i].fill()
	}
	return n, nil
}

// restoreReserved makes changes for which all is reserved.
func (h *Handle) restoreReserved(changes []Change, nowMS int64) error {
	for tries := 0; len(changes) > 0; {
		n, err := h.restoreShard(changes, nowMS)
		if changes = changes[n:]; n > 0 {
			tries = 0
		}
		if err == nil {
			continue
		}
		switch {
		case err == errIndex && tries == 0: // it has grown meanwhile, if there was memory
			err = nil
		case tries < restoreTries:
			err = h.MakeRoom()
		default:
			err = ErrNoMemory
		}
		if err != nil {
			h.discardPast(changes)
			return err
		}
		tries++
	}
	return nil
}

// reservePast reserves what a set restores, and asks for its memory.
func (h *Handle) reservePast(c *Change) (err error) {
	c.item = Item{}
	if c.Kind != KindSet {
		return nil
	}
	c.Spec.ValueLen, c.Spec.Evictable = len(c.Value), c.Marks&MarkEvictable != 0
	c.item, c.bits, err = h.reserve(&c.Key, &c.Spec) // a copy of Spec would wait for the stores before it
	if err == nil {
		n := headerSize + len(c.Key.Bytes)
		if c.bits&bitLarge == 0 { // a large one's value is not in its chunk
			n += len(c.Value)
		}
		ForeseeBytes(c.item.bytes(0, n))
	}
	return err
}

// fill writes what was reserved.
func (c *Change) fill() {
	if c.item.IsNil() {
		return
	}
	if c.bits&bitLarge == 0 {
		c.item.write(&c.Key, &c.Spec, c.bits)
	}
	c.item.WriteAt(c.Value, 0)
	c.item.setMarks(c.Marks)
}

// discardPast gives back what was reserved for changes that are not made.
func (h *Handle) discardPast(changes []Change) {
	for i := range changes {
		switch c := &changes[i]; {
		case c.item.IsNil():
		case c.bits&bitLarge != 0:
			h.s.dropLarge(c.item)
		default: // it may not have been written
			h.free(c.item.ref())
		}
	}
}

// restoreShard makes the first changes, as many as are of one shard, or fewer, and says
// how many. errRoom, errIndex: the next one needs memory.
func (h *Handle) restoreShard(changes []Change, nowMS int64) (n int, err error) {
	l := h.Lock(&changes[0].Key)
	mask := h.s.shardMask
	for n < len(changes) && changes[n].Key.Slot&mask == l.k.Slot&mask {
		if p := l.sh.index.foreseeItem(changes[n].Key.Hash); p != nil {
			prefetch(p)
			prefetch(unsafe.Add(p, 64))
		}
		n++
	}
	for i := 0; i < n && err == nil; i++ {
		if err = l.restore(&changes[i], nowMS); err != nil {
			n = i
		} else if l.sh.index.wantsGrow() {
			n = i + 1
		}
	}
	l.unlockRestored()
	return n, err
}

// restore makes one change.
func (l *Locked) restore(c *Change, nowMS int64) error {
	l.sh.sawStamp(c.Stamp)
	finds := l.restoreFinds(&c.Key, c.Stamp)
	switch {
	case c.Kind == KindSet:
		if finds {
			l.discard(c.item)
		} else if err := l.restoreSet(c, nowMS); err != nil {
			return err
		}
		c.item = Item{}
	case finds || l.slot == nil:
	case c.Kind == KindTouch:
		if _, ok := l.expireAt(l.found(), c.Spec.ExpiresAtMS); !ok {
			return errRoom
		}
	case c.Kind == KindMark:
		it, ok := l.choose(l.found(), c.Spec.CAS)
		if !ok {
			return errRoom
		}
		it.setMarks(c.Marks)
		it.setStamp(c.Stamp)
	default:
		l.restoreRemoves(c.Key.Hash)
	}
	return nil
}

// unlockRestored is Unlock behind Restore.
func (l *Locked) unlockRestored() {
	grow := l.sh.index.wantsGrow()
	l.sh.mu.Unlock()
	if l.garbage.p != nil {
		l.h.drop(l.garbage)
	}
	if grow {
		l.h.growAtOnce(l.sh)
	}
}

// restoreFinds looks the key up and reports whether what it has, or a flush, is not
// older than stamp.
func (l *Locked) restoreFinds(k *Key, stamp uint64) (notOlder bool) {
	l.slot, l.looked = l.sh.index.find(k), true
	if l.sh.flushed && stamp>>slotBits <= l.sh.marks[stamp&(Slots-1)>>l.sh.bits] {
		return true
	}
	return l.slot != nil && l.found().stamp() >= stamp
}

// found is the item in the index.
func (l *Locked) found() Item { return l.h.s.item(ref(*l.slot & refMask)) }

// restoreSet links a filled item, with its stamp. errIndex: it is still the change's.
func (l *Locked) restoreSet(c *Change, nowMS int64) error {
	sh, it := l.sh, c.item
	it.setAccessed(l.h.s.seconds(nowMS))
	if l.slot != nil {
		old := l.found()
		l.h.s.releaseTier(old)
		sh.forget(&l.h.tally, old)
		l.discard(old)
		*l.slot = *l.slot&^refMask | uint64(it.ref())
	} else if !sh.index.insert(c.Key.Hash, uint64(it.ref())) {
		sh.index.setGrow() // it may have put its wish off
		return errIndex
	}
	sh.counts.bytes += int64(it.Size())
	sh.counts.totalItems++
	l.h.tally.add(it)
	it.setStamp(c.Stamp)
	return nil
}

// restoreRemoves takes what the key has out of the index, without an effect.
func (l *Locked) restoreRemoves(hash uint64) {
	it := l.found()
	l.sh.index.remove(hash, l.slot)
	l.h.s.releaseTier(it)
	l.sh.forget(&l.h.tally, it)
	l.slot = nil
	l.discard(it)
}

// sawStamp keeps the slot's sequence at least at a stamp's.
func (sh *shard) sawStamp(stamp uint64) {
	seq := &sh.seqs[stamp&(Slots-1)>>sh.bits]
	*seq = max(*seq, stamp>>slotBits)
}

// RestoreFlush makes the items of a slot absent up to mark, sequence << 14 | slot.
func (s *Store) RestoreFlush(mark uint64) {
	sh := &s.shards[uint16(mark&(Slots-1))&s.shardMask]
	sh.lock()
	sh.flushed = true
	at := &sh.marks[mark&(Slots-1)>>sh.bits]
	*at = max(*at, mark>>slotBits)
	sh.sawStamp(mark)
	sh.mu.Unlock()
}

// Look shows f the key's living item, under its shard's lock, without noting that it
// was read. f must not call the store. Any goroutine may call it.
func (h *Handle) Look(k *Key, nowMS int64, f func(Item)) {
	sh := &h.s.shards[k.Slot&h.s.shardMask]
	sh.lock()
	defer sh.mu.Unlock()
	if slot := sh.index.find(k); slot != nil {
		if it := h.s.item(ref(*slot & refMask)); sh.deadKind(it, nowMS) == 0 {
			f(it)
		}
	}
}

// Shards is how many shards there are: a slot's is its low bits.
func (s *Store) Shards() int { return len(s.shards) }

// Sequences are the last sequence of every slot. They are not of one moment.
func (s *Store) Sequences() []uint64 {
	list := make([]uint64, Slots)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		for j, seq := range sh.seqs {
			list[j<<sh.bits|i] = seq
		}
		sh.mu.Unlock()
	}
	return list
}

// FlushMarks are the marks of FlushAll, sequence << 14 | slot, of the slots that have
// one. They are not of one moment.
func (s *Store) FlushMarks() (marks []uint64) {
	bySlot := make([]uint64, Slots)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		for j, seq := range sh.marks {
			slot := j<<sh.bits | i
			bySlot[slot] = seq<<slotBits | uint64(slot)
		}
		sh.mu.Unlock()
	}
	marks = bySlot[:0]
	for _, mark := range bySlot {
		if mark >= 1<<slotBits {
			marks = append(marks, mark)
		}
	}
	return marks
}

// RestoreSequences sees to it that sequences go on above what list has, by at least
// ahead: tokens that were given out, and are in no log, are given out no more.
func (s *Store) RestoreSequences(list []uint64, ahead uint64) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		for j := range sh.seqs {
			seq := &sh.seqs[j]
			if slot := j<<sh.bits | i; slot < len(list) {
				*seq = max(*seq, list[slot])
			}
			*seq += ahead
		}
		sh.mu.Unlock()
	}
}
