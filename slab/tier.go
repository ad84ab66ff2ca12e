package slab

import (
	"encoding/binary"
	"sync/atomic"
)

// A Tier holds values that memory has no room for. It is called under a shard's lock,
// from any goroutine, and never waits; it must not call the store.
type Tier interface {
	// Append takes a value, in pieces that are borrowed; false: it takes none now.
	Append(kind TierKind, head, key []byte, pieces [][]byte) (TierRef, bool)
	// Delete says that nobody wants a value any more.
	Delete(ref TierRef, headLen, keyLen, valueLen int)
	// Live reports whether the tier still has what ref names.
	Live(ref TierRef) bool
}

// TierRef is where a Tier has a value.
type TierRef struct{ Page, Version, Offset uint32 }

// TierKind says which values belong together.
type TierKind uint8

const (
	TierPlain TierKind = iota
	TierLarge          // from TierRules.LargeBytes on
	TierShort          // values that end within TierRules.ShortMS
)

// TierRules say what goes to a Tier.
type TierRules struct {
	LeastBytes int   // of a value; below tierLeast none goes
	LargeBytes int   // see TierLarge; 0: no value is
	ShortMS    int64 // see TierShort
	AgeS       int64 // what was not used for more seconds goes, whether memory is needed or not; 0: all; negative: nothing
}

// An item whose value a tier has keeps all else in memory, in a fixed run. Behind its
// key stands, in the place of a small value:
//
//	page, version, offset  4 each
//	value length           4
const (
	typeMask      = 7 * bitType0
	bitTier       = bitType0 // of the three bits: type 1
	tierRefLen    = 12
	tierValueLen  = tierRefLen + 4
	tierHeadLen   = dbSize // what the tier keeps beside key and value: the database
	tierWeighs    = tierRefLen
	_             = uint(bitTier & typeMask)
	tierLeast     = 64 // a shorter value would save nothing, and numbers must stay where they can be added to
	tierHeadsPart = 4  // items whose value is in a tier may have 3/4 of the memory
	// agingChunks and agingBytes are what a tick looks at and moves out because of
	// its age: half a millisecond, and 160 MB/s.
	agingChunks = 4096
	agingBytes  = 16 << 20
	agingLeast  = 16 // a run counts as so many chunks more
	// recallReads: a value comes back at the next read after so many. To bring it back
	// and out again costs about as much as a read of it.
	recallReads = 2
	// stayPart is how much of the mean stay in memory each value that goes makes up.
	stayPart = 64
	// lostPart: the sweep removes items whose values the tier has dropped when items in
	// fixed runs have 1/8 of the memory. Before, they tell a miss what it is.
	lostPart = 8
)

// tiering is a store's tier and what it is doing with it.
type tiering struct {
	tier  Tier
	rules atomic.Pointer[TierRules]

	// Of the search for memory, which has the lock.
	parcel parcel
	stay   atomic.Int64 // how long what goes was not used: 1/stayPart seconds, a mean; 0: nothing went
	bytes  int          // that went since a tick began
	next   uint32       // run that aging looks at next; 0: the oldest
	queue  queue        // in which it stands
}

// UseTier has values that are to be evicted go to t. It is called before any
// Handle is used but for Restore, on a store that evicts.
func (s *Store) UseTier(t Tier, rules TierRules) {
	s.tiering.tier = t
	s.SetTierRules(rules)
}

// SetTierRules changes the rules.
func (s *Store) SetTierRules(rules TierRules) { s.tiering.rules.Store(&rules) }

// OnTier reports whether a tier has the value: Value, Segment and AppendValue must
// not be called then.
func (it Item) OnTier() bool { return it.has(bitTier) }

// TierRef is where the tier has the value.
func (it Item) TierRef() TierRef {
	b := it.bytes(it.valueOffset(), tierRefLen)
	return TierRef{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])}
}

func (it Item) setTierRef(r TierRef) {
	b := it.bytes(it.valueOffset(), tierRefLen)
	binary.LittleEndian.PutUint32(b, r.Page)
	binary.LittleEndian.PutUint32(b[4:], r.Version)
	binary.LittleEndian.PutUint32(b[8:], r.Offset)
}

// TierHeadLen is the length of the head that every value in a tier has.
func (it Item) TierHeadLen() int { return tierHeadLen }

func (it Item) tierLen() int {
	return int(binary.LittleEndian.Uint32(it.bytes(it.valueOffset()+tierRefLen, 4)))
}

// stored is what stands behind a small item's key.
func (it Item) stored() []byte { return it.bytes(it.valueOffset(), int(it.lengths()&valueMask)) }

// releaseTier tells the tier that the value of an item that goes is not wanted.
func (s *Store) releaseTier(it Item) {
	if it.has(bitTier) {
		s.tiering.tier.Delete(it.TierRef(), tierHeadLen, it.keyLen(), it.tierLen())
	}
}

// isLost reports whether the tier has dropped the item's value.
func (s *Store) isLost(it Item) bool { return it.has(bitTier) && !s.tiering.tier.Live(it.TierRef()) }

// mayMove reports whether an item's value belongs in the tier rather than nowhere.
func (s *Store) mayMove(it Item) bool {
	t := &s.tiering
	return t.tier != nil && !it.has(bitTier) && it.Evictable() && it.ValueLen() >= max(tierLeast, t.rules.Load().LeastBytes)
}

// isAged reports whether an item goes to the tier because of its age.
func (s *Store) isAged(v *victim, it Item) bool {
	age := s.tiering.rules.Load().AgeS
	return age >= 0 && s.mayMove(it) && (age == 0 || isIdle(it, v.now, age))
}

// isIdle reports whether an item was not used for more than so many seconds. They are
// whole ones: a difference of one may be no time at all.
func isIdle(it Item, now uint32, seconds int64) bool {
	return int64(idleSeconds(now, it.accessed())) > seconds
}

// headsFull reports whether items whose values are in the tier have their part of the
// memory: then one of them must go for each that comes.
func (s *Store) headsFull() bool {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queues[queueFixed].runs >= a.limit-a.limit/tierHeadsPart-a.index
}

// tierSize is the room that an item takes whose value is in the tier.
func (it Item) tierSize() int {
	bits := it.bits() &^ bitLarge
	return int(keyOffsets[bits&presence]) + it.keyLen() + tierValueLen
}

// A parcel is an item's value on its way to the tier. What it borrows of a large item
// does not change while that is pinned.
type parcel struct {
	class  uint8 // of the chunk that the item will have
	kind   TierKind
	head   [tierHeadLen]byte
	key    []byte
	pieces [][]byte
	len    int
}

// pack makes the parcel of an item whose shard is locked.
func (s *Store) pack(it Item, nowMS int64) {
	p := &s.tiering.parcel
	p.class = s.classes.forSize(it.tierSize())
	p.kind = s.tiering.rules.Load().kind(it, nowMS)
	binary.LittleEndian.PutUint16(p.head[:], it.DB())
	p.key, p.len, p.pieces = it.Key(), it.ValueLen(), p.pieces[:0]
	for off := 0; off < p.len; {
		piece := it.Segment(off)
		p.pieces = append(p.pieces, piece)
		off += len(piece)
	}
}

// send appends the parcel to the tier and returns the item's new chunk; 0: it stays.
// Nothing has changed then.
func (s *Store) send() (r ref, to TierRef) {
	t := &s.tiering
	p := &t.parcel
	if s.headsFull() {
		r = s.takeListed(p.class, &s.domains[domainFixed])
	} else {
		r = s.take(p.class, &s.domains[domainFixed], true)
	}
	if r == 0 {
		return 0, to
	}
	to, ok := t.tier.Append(p.kind, p.head[:], p.key, p.pieces)
	if !ok {
		s.freeChunk(r)
		return 0, to
	}
	t.bytes += p.len
	return r, to
}

func (rules *TierRules) kind(it Item, nowMS int64) TierKind {
	switch at := it.ExpiresAtMS(); {
	case at != 0 && at-nowMS < rules.ShortMS:
		return TierShort
	case rules.LargeBytes > 0 && it.ValueLen() >= rules.LargeBytes:
		return TierLarge
	}
	return TierPlain
}

// takeListed is take of what is free without another run.
func (s *Store) takeListed(class uint8, d *domain) (r ref) {
	l := &d.classes[class]
	l.mu.Lock()
	if l.head != 0 {
		r = s.pop(l, class)
	}
	l.mu.Unlock()
	return r
}

// replace puts the item at r, whose value is in the tier, in the place of it. The
// stamp stays: the keyspace has not changed. The shard is locked; it's memory is left
// to the caller.
func (sh *shard) replace(t *tally, slot *uint64, it Item, r ref, at TierRef) {
	s := sh.store
	to := s.item(r)
	bits := it.bits() &^ bitLarge & (1<<accessShift - 1)
	from, fields := casOffset(it.bits()), it.valueOffset()-casOffset(it.bits())
	group := s.groups.find(s.groups.weight(it.keyLen(), tierWeighs, it.Flags()))
	*to.u32(8) = it.lengths()&^(valueMask|groupMask<<groupShift) | uint32(group)<<groupShift | tierValueLen
	*to.u32(12) = bits | bitTier | it.accessed()<<accessShift
	copy(to.bytes(casOffset(bits), fields), it.bytes(from, fields))
	to.setTierRef(at)
	binary.LittleEndian.PutUint32(to.bytes(to.valueOffset()+tierRefLen, 4), uint32(it.ValueLen()))
	sh.exchange(t, slot, it, to)
}

// exchange puts to, which is not in the index, in the place of it, as the same state
// of the key. it's memory is left to the caller.
func (sh *shard) exchange(t *tally, slot *uint64, it, to Item) {
	stamp := it.stamp()
	sh.forget(t, it)
	t.add(to)
	sh.counts.bytes += int64(to.Size())
	*slot = *slot&^refMask | uint64(to.ref())
	to.setStamp(stamp)
}

// spill moves the value of a small item that eviction has chosen to the tier, or else
// evicts the item. The shard is locked; the chunk is free afterwards.
func (s *Store) spill(v *victim, sh *shard, slot *uint64, it Item, hash uint64) fate {
	s.pack(it, v.nowMS)
	if r, at := s.send(); r != 0 {
		s.stayed(v, it)
		sh.replace(&s.evictTally, slot, it, r, at)
		return moved
	}
	if v.aging {
		return kept
	}
	sh.evictOut(v, slot, it, hash)
	return gone
}

// spillLarge is spill for a large item, which is packed and pinned: its value is copied
// while no shard is locked. gone: the index's reference is the caller's to drop.
func (s *Store) spillLarge(v *victim, sh *shard, it Item, stamp uint64) fate {
	r, at := s.send()
	if r == 0 && v.aging {
		return kept
	}
	sh.lock()
	defer sh.mu.Unlock()
	h := hash(s.seed, it.DB(), it.Key())
	slot := sh.index.locate(h, it.ref())
	switch {
	case slot == nil || it.loadStamp() != stamp: // replaced or removed meanwhile
		if r != 0 {
			s.tiering.tier.Delete(at, tierHeadLen, it.keyLen(), it.ValueLen())
			s.freeChunk(r)
		}
		return kept
	case r == 0:
		sh.evictOut(v, slot, it, h)
	default:
		s.stayed(v, it)
		sh.replace(&s.evictTally, slot, it, r, at)
	}
	return gone
}

// stayed notes how long an item was not used whose value goes since memory is full.
func (s *Store) stayed(v *victim, it Item) {
	if v.aging {
		return
	}
	mean := &s.tiering.stay
	was := mean.Load()
	mean.Store(max(1, was-was/stayPart+int64(idleSeconds(v.now, it.accessed()))))
}

// trimHeads makes room among the items whose values are in the tier, when these have
// their part of the memory: the oldest run's that were not read go. The search for
// memory is locked.
func (s *Store) trimHeads(v *victim) {
	if s.tiering.tier == nil || !s.headsFull() {
		return
	}
	a := &s.arena
	a.mu.Lock()
	id := a.queues[queueFixed].oldest
	ok := id != 0
	if ok {
		s.look(v, id)
	}
	a.mu.Unlock()
	if ok {
		v.heads, v.all = true, false
		s.reclaimVictim(v)
		v.heads = false
	}
}

// judgeHead decides about an item whose value is in the tier.
func (sh *shard) judgeHead(v *victim, slot *uint64, it Item, hash uint64) fate {
	s := sh.store
	switch {
	case s.isLost(it):
		sh.unlink(&s.evictTally, hash, slot, it, KindEvict)
		return gone
	case !v.heads:
		return kept
	case *slot&freqMask != 0:
		*slot -= freqOne
		return kept
	}
	sh.evictOut(v, slot, it, hash)
	return gone
}

// tickTier moves out what is old, a little at a time.
func (s *Store) tickTier() {
	t := &s.tiering
	if t.tier == nil || t.rules.Load().AgeS < 0 || s.restored.Load() != nil {
		return
	}
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	defer s.evictTally.publish()
	v := &s.victim
	v.aging, v.all = true, false
	t.bytes = 0
	for looked := 0; looked < agingChunks && t.bytes < agingBytes && s.nextAging(v); {
		looked += agingLeast
		if v.class < maxClasses {
			looked += int(s.classes.cap[v.class])
		}
		s.reclaimVictim(v)
		if t.next == 0 {
			break // the next tick begins another round
		}
	}
	v.aging = false
}

// nextAging chooses the next run in the order of age: small ones, then main ones.
// false: that was the last.
func (s *Store) nextAging(v *victim) bool {
	t, a := &s.tiering, &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	id := t.next
	if id == 0 || a.runs[id].queue != t.queue { // a new round, or it is not there any more
		t.queue, id = queueSmall, a.queues[queueSmall].oldest
	}
	if id == 0 && t.queue == queueSmall {
		t.queue, id = queueMain, a.queues[queueMain].oldest
	}
	if id == 0 {
		t.next = 0
		return false
	}
	s.look(v, id)
	t.next = a.runs[id].newer
	if t.next == 0 && t.queue == queueSmall {
		t.queue, t.next = queueMain, a.queues[queueMain].oldest
	}
	return true
}

// sweepsLost reports whether the sweep removes items whose values are lost.
func (s *Store) sweepsLost() bool {
	if s.tiering.tier == nil {
		return false
	}
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queues[queueFixed].runs > a.limit/lostPart
}

// tierKey is the key of what a tier has.
func (s *Store) tierKey(head, key []byte) (k Key, ok bool) {
	if len(head) != tierHeadLen {
		return Key{}, false
	}
	db := binary.LittleEndian.Uint16(head)
	return Key{DB: db, Slot: slotOf(key), Bytes: key, Hash: hash(s.seed, db, key)}, true
}

// TierHolds reports whether the value of a key is the one at ref, and whether it was
// read since the last time eviction came by. Any goroutine may call it.
func (s *Store) TierHolds(head, key []byte, ref TierRef) (holds, read bool) {
	s.atTier(head, key, ref, func(sh *shard, slot *uint64, it Item) {
		holds, read = sh.deadKind(it, s.nowMS.Load()) == 0, *slot&freqMask != 0
	})
	return holds, read
}

// TierMoved tells that what the tier had at source is at target now. false: nobody
// wants it. Any goroutine may call it.
func (s *Store) TierMoved(head, key []byte, source, target TierRef) (wanted bool) {
	s.atTier(head, key, source, func(_ *shard, _ *uint64, it Item) {
		it.setTierRef(target)
		wanted = true
	})
	return wanted
}

// atTier calls f under the shard's lock if the key's value is the one at ref.
func (s *Store) atTier(head, key []byte, ref TierRef, f func(*shard, *uint64, Item)) {
	k, ok := s.tierKey(head, key)
	if !ok {
		return
	}
	sh := &s.shards[k.Slot&s.shardMask]
	sh.lock()
	defer sh.mu.Unlock()
	slot := sh.index.find(&k)
	if slot == nil {
		return
	}
	if it := s.item(refOf(slot)); it.has(bitTier) && it.TierRef() == ref {
		f(sh, slot, it)
	}
}

func refOf(slot *uint64) ref { return ref(*slot & refMask) }

// Lose removes the item that Find returned, whose value the tier could not give.
func (l *Locked) Lose(it Item) { l.remove(it, KindEvict) }

// Recalls reports whether the value of the item that Find returned, which the tier has
// and somebody reads, is worth its memory: it was read again and again, and the last
// time lately enough that it would have been in memory still. It comes before Accessed.
func (l *Locked) Recalls(it Item, nowMS int64) bool {
	t, now := &l.h.s.tiering, l.h.s.seconds(nowMS)
	if age := t.rules.Load().AgeS; age > 0 && isIdle(it, now, age) {
		return false
	}
	stay := t.stay.Load()
	return l.Reads() >= recallReads && (stay == 0 || !isIdle(it, now, stay/stayPart+1))
}

// Reads is how often the item that Find returned was read lately, 0 to 3.
func (l *Locked) Reads() int { return int(*l.slot & freqMask / freqOne) }

// Refill puts full, a reserved item with the whole value of it, in its place: the
// value is in memory again. The keyspace has not changed, the token stays. false: full
// has no room for what the item has gained since it was reserved, and is discarded.
func (l *Locked) Refill(it, full Item) bool {
	if !full.has(bitExpiry) && it.ExpiresAtMS() != 0 || !full.has(bitCAS) && it.has(bitCAS) || !full.has(bitFlags) && it.Flags() != 0 {
		l.discard(full)
		return false
	}
	if full.has(bitExpiry) {
		full.setExpiry(it.ExpiresAtMS())
	}
	if full.has(bitCAS) {
		cas := uint64(0)
		if it.has(bitCAS) {
			cas = *it.u64(casOffset(it.bits()))
		}
		*full.u64(casOffset(full.bits())) = cas
	}
	const marks = bitEvictable | bitStale | bitTokenSent | bitFetched | bitKeyEncoded
	*full.u32(12) = full.bits()&^(marks) | it.bits()&marks
	full.setAccessed(it.accessed())
	full.setHeat(it.Heat())
	l.h.s.releaseTier(it)
	l.sh.exchange(&l.h.tally, l.slot, it, full)
	l.discard(it)
	return true
}

// A TierValue is a value that a tier has.
type TierValue struct {
	Ref      TierRef
	Version  uint64 // Item.Version of its item
	HeadLen  int
	ValueLen int
}

// OnTier reports whether a tier has a key's value, and which. It notes and removes
// nothing.
func (h *Handle) OnTier(k *Key, nowMS int64) (v TierValue, ok bool) {
	sh := &h.s.shards[k.Slot&h.s.shardMask]
	sh.lock()
	defer sh.mu.Unlock()
	slot := sh.index.find(k)
	if slot == nil {
		return v, false
	}
	it := h.s.item(refOf(slot))
	if !it.has(bitTier) || sh.deadKind(it, nowMS) != 0 || h.s.isLost(it) {
		return v, false
	}
	return TierValue{it.TierRef(), it.Version(), tierHeadLen, it.tierLen()}, true
}
