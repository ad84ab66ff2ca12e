package slab

// largeMin is the value size from which an item is large: reference counted,
// its value in pieces that can be pinned and read into. Below, a copy is cheaper.
const largeMin = 16 << 10

// Spec says what to reserve.
type Spec struct {
	ValueLen    int
	Flags       uint32 // the client's
	ExpiresAtMS int64  // milliseconds since the epoch; 0: never
	CAS         uint64 // a token that the client chose; 0: the item's stamp
	Evictable   bool
}

// chunkSize is the size of an item's own chunk, in bytes.
func chunkSize(k *Key, spec *Spec, bits uint32) int {
	n := int(keyOffsets[bits&presence]) + len(k.Bytes)
	if bits&bitLarge != 0 {
		return tableOffset(n) + pieceTableSize(spec.ValueLen)
	}
	return n + spec.ValueLen
}

// Key computes hash and slot of a key, which is borrowed as long as the Key lives.
func (h *Handle) Key(db uint16, b []byte) Key {
	return Key{DB: db, Slot: slotOf(b), Bytes: b, Hash: hash(h.s.seed, db, b)}
}

// Reserve allocates an item that nobody else sees. It evicts when it must, and
// is called while no shard is locked. Fill it by WriteAt or Segment, then Put
// or Discard it. The errors are ErrNoMemory and ErrTooLarge.
func (h *Handle) Reserve(k *Key, spec Spec) (Item, error) {
	it, bits, err := h.reserve(k, &spec)
	if err == nil && bits&bitLarge == 0 {
		it.write(k, &spec, bits)
	}
	return it, err
}

// reserve is Reserve for who writes the item, which will have bits, himself; a large one
// is written.
func (h *Handle) reserve(k *Key, spec *Spec) (it Item, bits uint32, err error) {
	h.spent = 0
	if !h.s.evicts && h.s.shards[k.Slot&h.s.shardMask].full.Load() {
		h.s.outOfMemory.Add(1)
		return Item{}, 0, h.refused(k, spec, ErrNoMemory)
	}
	if len(k.Bytes) > maxKeyLen {
		return Item{}, 0, ErrTooLarge
	}
	if spec.ValueLen >= largeMin {
		it, err = h.reserveLarge(k, spec)
		return it, bitLarge, err
	}
	bits = spec.presenceOf(k.DB)
	if !h.s.evicts {
		bits |= bitExpiry | bitCAS // a touch or a mark must not fail for want of memory
	}
	size := chunkSize(k, spec, bits)
	class := h.s.classes.forSize(size)
	h.s.ghosts.foresee(k.Hash)
	if bits&bitExpiry == 0 && size+expirySize <= int(h.s.classes.size[class]) {
		bits |= bitExpiry // room that costs nothing, so that a touch needs no other chunk
	}
	r, err := h.alloc(class, h.domainFor(spec))
	if err != nil {
		return Item{}, 0, h.refused(k, spec, err)
	}
	return h.s.item(r), bits, nil
}

// reserveLarge allocates an item with every optional field but the database, so
// that it never has to move, and its pieces.
func (h *Handle) reserveLarge(k *Key, spec *Spec) (Item, error) {
	if spec.ValueLen > maxValueLen || spec.ValueLen > h.s.limitRuns()<<runShift {
		return Item{}, ErrTooLarge
	}
	bits := spec.presenceOf(k.DB) | bitLarge | bitCAS | bitExpiry | bitFlags
	r, err := h.alloc(h.s.classes.forSize(chunkSize(k, spec, bits)), &h.s.domains[domainFixed])
	if err != nil {
		return Item{}, h.refused(k, spec, err)
	}
	it := h.s.item(r)
	it.write(k, spec, bits)
	if err := h.reservePieces(it); err != nil {
		h.s.freeChunk(r)
		return Item{}, h.refused(k, spec, err)
	}
	return it, nil
}

// refused counts a reservation that failed, and returns why.
func (h *Handle) refused(k *Key, spec *Spec, err error) error {
	h.tally.count(h.s.groups.find(h.s.groups.weight(len(k.Bytes), spec.ValueLen, spec.Flags)), countOutOfMemory)
	return err
}

// Discard gives a reserved item back.
func (h *Handle) Discard(it Item) { h.drop(it) }

// Release gives back what Locked.Pin returned, by its token. It may be called from any goroutine.
func (h *Handle) Release(token uint64) { h.s.dropLarge(h.s.item(ref(token))) }

// drop is Store.drop for the loop's own frees.
func (h *Handle) drop(it Item) {
	if it.Large() {
		h.s.dropLarge(it)
		return
	}
	h.free(it.ref())
}

// drop gives back the memory of an item that is not in the index, or for a
// large one the reference to it.
func (s *Store) drop(it Item) {
	if it.Large() {
		s.dropLarge(it)
		return
	}
	s.freeChunk(it.ref())
}

// dropLarge drops one reference of a large item. Nothing else of it may be
// looked at before that was the last: it may still be in the index.
func (s *Store) dropLarge(it Item) {
	if it.unpin() {
		_, all := pieceCount(it.ValueLen())
		s.freePieces(it, all)
		s.freeChunk(it.ref())
	}
}

// MakeRoom evicts something, so that a small allocation is likely to succeed.
// No shard is locked.
func (h *Handle) MakeRoom() error {
	h.spent = 0
	if h.s.reclaim(&h.spent) {
		return nil
	}
	return ErrNoMemory
}
