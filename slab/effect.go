package slab

// Kind says what an effect did.
type Kind uint8

const (
	KindSet    Kind = iota + 1 // the key has this item now
	KindTouch                  // the item's expiry changed; its token did not
	KindDelete                 // a client removed the key
	KindExpire                 // the key's time was over
	KindEvict                  // memory was needed
	KindFlush                  // FlushAll had made the item absent; now it is gone
)

// Effect is one change of one key. Slot and Seq stamp it: Seq grows by one with
// every effect of a slot, for ever.
type Effect struct {
	Kind Kind
	Slot uint16
	Seq  uint64
	Item Item // the state after KindSet and KindTouch, the last one before the others
}

// EffectReader is told of every change of the store, under the shard's lock:
// it takes what it needs and returns; it must not block or call the store.
type EffectReader interface {
	Effect(e Effect)
}

// commit is the one function through which every change of a shard goes. It
// advances the slot's sequence, tells the reader, and returns the new stamp
// seq<<14 | slot, which is unique over all keys for ever.
func (sh *shard) commit(kind Kind, slot uint16, it Item) (stamp uint64) {
	seq := &sh.seqs[slot>>sh.bits]
	*seq++
	stamp = *seq<<slotBits | uint64(slot)
	if kind == KindSet {
		it.setStamp(stamp)
	}
	if r := sh.store.effects.Load(); r != nil {
		(*r).Effect(Effect{kind, slot, *seq, it})
	}
	return stamp
}

// ReadEffects makes r, from now on, the reader of effects; nil: nobody reads
// them. Any goroutine may call it at any time: an effect that happens meanwhile
// may still go to the reader of before.
func (s *Store) ReadEffects(r EffectReader) {
	if r == nil {
		s.effects.Store(nil)
	} else {
		s.effects.Store(&r)
	}
}
