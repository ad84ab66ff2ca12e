package slab

import "sync/atomic"

// What a snapshot and a log have kept comes back by Restore, RestoreDelete,
// RestoreTouch, RestoreMarks and RestoreFlush: the same changes with the stamps that they had, and
// no effect. First a snapshot's items, in any order; then the effects since it began,
// those of one slot in the order of their sequences. What is older than what the key
// has changes nothing, so that the snapshot may have seen some of them, and that they
// may come twice. One goroutine restores a shard.

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

// Past is an item as it was kept.
type Past struct {
	Stamp uint64
	Spec  Spec // Evictable is of Marks
	Marks Marks
	Value []byte
}

// Restore stores an item as it was, unless the key has one that is not older, or a
// flush that came later has removed it. One whose time is over is stored, too, since
// a touch that follows may have given it another. It evicts when it must. The errors
// are Reserve's.
func (h *Handle) Restore(k *Key, p *Past, nowMS int64) error {
	spec := p.Spec
	spec.ValueLen, spec.Evictable = len(p.Value), p.Marks&MarkEvictable != 0
	it, err := h.Reserve(k, spec)
	if err != nil {
		return err
	}
	it.WriteAt(p.Value, 0)
	for _, b := range &markBits {
		if b.bit != bitEvictable {
			it.setIf(b.bit, p.Marks&b.mark != 0)
		}
	}
	l := h.Lock(k)
	l.sh.sawStamp(p.Stamp)
	if l.restoreFinds(p.Stamp) {
		l.discard(it)
	} else if err = l.restore(it, p.Stamp, nowMS); err != nil {
		h.tally.count(it.group(), countOutOfMemory)
	}
	l.unlockRestored()
	return err
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
func (l *Locked) restoreFinds(stamp uint64) (notOlder bool) {
	l.slot, l.looked = l.sh.index.find(&l.k), true
	if l.sh.flushed && stamp>>slotBits <= l.sh.marks[stamp&(Slots-1)>>l.sh.bits] {
		return true
	}
	return l.slot != nil && l.found().stamp() >= stamp
}

// found is the item in the index.
func (l *Locked) found() Item { return l.h.s.item(ref(*l.slot & refMask)) }

// restore links a filled item, with its stamp.
func (l *Locked) restore(it Item, stamp uint64, nowMS int64) error {
	sh := l.sh
	it.setAccessed(l.h.s.seconds(nowMS))
	if l.slot != nil {
		old := l.found()
		l.h.s.releaseTier(old)
		sh.forget(&l.h.tally, old)
		l.discard(old)
		*l.slot = *l.slot&^refMask | uint64(it.ref())
	} else if !sh.index.insert(l.k.Hash, uint64(it.ref())) {
		l.discard(it)
		return ErrNoMemory
	}
	sh.counts.bytes += int64(it.Size())
	sh.counts.totalItems++
	l.h.tally.add(it)
	it.setStamp(stamp)
	return nil
}

// restoreRemoves takes what the key has out of the index, without an effect.
func (l *Locked) restoreRemoves() {
	if l.slot == nil {
		return
	}
	it := l.found()
	l.sh.index.remove(l.k.Hash, l.slot)
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

// RestoreDelete removes the key's item if it is older than stamp.
func (h *Handle) RestoreDelete(k *Key, stamp uint64) {
	l := h.Lock(k)
	l.sh.sawStamp(stamp)
	if !l.restoreFinds(stamp) {
		l.restoreRemoves()
	}
	l.Unlock()
}

// restoreTries is how often room is made: others that restore may take it.
const restoreTries = 16

// roomAgain makes room for another try.
func (h *Handle) roomAgain(tries int) error {
	if tries == restoreTries {
		return ErrNoMemory
	}
	return h.MakeRoom()
}

// RestoreTouch gives the key's item another expiry (0: never) if the item is older than stamp.
func (h *Handle) RestoreTouch(k *Key, stamp uint64, expiresAtMS int64) error {
	for tries := 0; ; tries++ {
		l := h.Lock(k)
		l.sh.sawStamp(stamp)
		ok := l.restoreFinds(stamp) || l.slot == nil
		if !ok {
			_, ok = l.expireAt(l.found(), expiresAtMS)
		}
		l.Unlock()
		if ok {
			return nil
		}
		if err := h.roomAgain(tries); err != nil {
			return err
		}
	}
}

// RestoreMarks gives the key's item the stamp, a chosen token (0: none) and the marks
// if the item is older than stamp.
func (h *Handle) RestoreMarks(k *Key, stamp, cas uint64, marks Marks) error {
	for tries := 0; ; tries++ {
		l := h.Lock(k)
		l.sh.sawStamp(stamp)
		ok := l.restoreFinds(stamp) || l.slot == nil || l.restoreMarks(stamp, cas, marks)
		l.Unlock()
		if ok {
			return nil
		}
		if err := h.roomAgain(tries); err != nil {
			return err
		}
	}
}

// restoreMarks is RestoreMarks for the item that was found; false: there is no memory for the token.
func (l *Locked) restoreMarks(stamp, cas uint64, marks Marks) bool {
	it, ok := l.choose(l.found(), cas)
	if !ok {
		return false
	}
	for _, b := range &markBits {
		if b.bit != bitEvictable {
			it.setIf(b.bit, marks&b.mark != 0)
		}
	}
	it.setStamp(stamp)
	return true
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
