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
	KindMark                   // the item's marks and its token changed; its value did not
)

// Effect is one change of one key. Slot and Seq stamp it: Seq grows by one with
// every effect of a slot, for ever.
type Effect struct {
	Kind   Kind
	Slot   uint16
	Source uint16 // the loop whose Handle did it, or Config.Loops: a search for memory did
	Seq    uint64
	Item   Item // the state after KindSet, KindTouch and KindMark, the last one before the others
}

// Stamp is seq << 14 | slot.
func (e Effect) Stamp() uint64 { return e.Seq<<slotBits | uint64(e.Slot) }

// EffectReader is told of every change of the store, under the shard's lock:
// it takes what it needs and returns; it must not block or call the store.
type EffectReader interface {
	Effect(e Effect)
}

// EffectLog is the reader of effects that must not miss one: what makes the
// keyspace durable. The rules are an EffectReader's.
type EffectLog interface {
	// Append is told of every change of a key. Effects of one source come one after
	// the other, those of the same slot in the order of their sequences.
	Append(e Effect)

	// AppendFlush is told of FlushAll, behind the effects that came before: marks has
	// sequence << 14 | slot for every slot that ever had an effect, slot by slot.
	// Its items up to that sequence are absent. No shard is locked; marks is borrowed.
	AppendFlush(marks []uint64)
}

// commit is the one function through which every change of a shard goes. It
// advances the slot's sequence, tells the readers, and returns the new stamp
// seq<<14 | slot, which is unique over all keys for ever.
func (sh *shard) commit(t *tally, kind Kind, slot uint16, it Item) (stamp uint64) {
	seq := &sh.seqs[slot>>sh.bits]
	*seq++
	stamp = *seq<<slotBits | uint64(slot)
	if kind == KindSet || kind == KindMark {
		it.setStamp(stamp)
	}
	if s := sh.store; s.tapped.Load() {
		s.tell(Effect{kind, slot, t.source, *seq, it})
	}
	return stamp
}

// tell tells the readers of an effect.
//
//go:noinline
func (s *Store) tell(e Effect) {
	if s.log != nil {
		s.log.Append(e)
	}
	if r := s.effects.Load(); r != nil {
		(*r).Effect(e)
	}
}

// LogEffects makes l the log of effects. It is called once, before any Handle is
// used but for Restore.
func (s *Store) LogEffects(l EffectLog) {
	s.log = l
	s.tapped.Store(true)
}

// ReadEffects makes r, from now on, the reader of effects; nil: nobody reads
// them. Any goroutine may call it at any time: an effect that happens meanwhile
// may still go to the reader of before.
func (s *Store) ReadEffects(r EffectReader) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if r == nil {
		s.effects.Store(nil)
	} else {
		s.effects.Store(&r)
	}
	s.tapped.Store(r != nil || s.log != nil)
}

// Flushes is how many FlushAlls there were. They are no effects of keys.
func (s *Store) Flushes() uint32 { return s.flushes.Load() }

// FlushAll makes every item that is in the store now absent, by the sequence of
// its slot: items stored later are not touched. It is one step for all shards,
// each of which does its part when it is locked next, or here, if there is a log
// that must know up to where. Memory is found as it is needed.
func (s *Store) FlushAll() {
	s.flushes.Add(1)
	s.barren.Store(0)
	if s.log == nil {
		return
	}
	s.log.AppendFlush(s.FlushMarks()) // a flush is rare, and costs all shards' locks
}
