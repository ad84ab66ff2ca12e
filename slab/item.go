package slab

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// The bytes of an item, see doc.go. Only the fields that an item uses are there.
const (
	headerSize  = 8 + 4 + 4 // stamp, lengths, bits and access
	largeSize   = 4 + 4     // references, value length
	casSize     = 8
	expirySize  = 6 // milliseconds since the epoch: good for 8,900 years
	flagsSize   = 4
	dbSize      = 2
	tablePtr    = 8 // one piece reference
	maxKeyLen   = 255
	groupShift  = 16
	valueMask   = 1<<groupShift - 1 // of a small item's value length
	groupMask   = 63
	heatShift   = 22
	heatMask    = 3
	keyShift    = 24
	accessShift = 14
	accessMask  = 1<<(32-accessShift) - 1
)

// The fields of lengths hold what they must.
const (
	_ = uint(valueMask - (largeMin - 1))
	_ = uint(groupMask - (MaxGroups - 1))
)

// The low bits of an item's second word. The first five say which optional
// fields there are, and so where the key begins.
const (
	bitLarge = 1 << iota
	bitCAS
	bitExpiry
	bitFlags
	bitDB
	bitEvictable
	bitStale
	bitTokenSent
	bitFetched
	bitType0 // three bits: 0 string, 1 string in a tier (tier.go); containers come with Redis
	_
	_
	bitLongKey    // reserved: key length in a field of its own, for Redis's long keys
	bitKeyEncoded // the key came encoded and is shown so (meta b)

	presence = bitLarge | bitCAS | bitExpiry | bitFlags | bitDB
)

// keyOffsets[bits & presence] is where the key begins.
var keyOffsets = func() (t [presence + 1]uint8) {
	for b := range t {
		t[b] = uint8(flagsOffset(uint32(b)) + sizeIf(uint32(b), bitFlags, flagsSize) + sizeIf(uint32(b), bitDB, dbSize))
	}
	return t
}()

func sizeIf(bits, bit uint32, size int) int {
	if bits&bit != 0 {
		return size
	}
	return 0
}

func casOffset(bits uint32) int    { return headerSize + sizeIf(bits, bitLarge, largeSize) }
func expiryOffset(bits uint32) int { return casOffset(bits) + sizeIf(bits, bitCAS, casSize) }
func flagsOffset(bits uint32) int  { return expiryOffset(bits) + sizeIf(bits, bitExpiry, expirySize) }

// Item is an item's memory. One that Find returned is valid until Unlock, one
// that Reserve returned until Put or Discard.
type Item struct {
	p unsafe.Pointer
	s *Store
}

// IsNil reports whether there is no item.
func (it Item) IsNil() bool { return it.p == nil }

func (it Item) u32(off int) *uint32 { return (*uint32)(unsafe.Add(it.p, off)) }
func (it Item) u64(off int) *uint64 { return (*uint64)(unsafe.Add(it.p, off)) }

func (it Item) bytes(off, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(it.p, off)), n)
}

// The stamp (sequence << 14 | slot) is the item's first word. It is zero while
// the memory is not an item in the index, and changes under the shard's lock
// only; eviction reads it without, so every write of it is atomic.
func (it Item) stamp() uint64       { return *it.u64(0) }
func (it Item) setStamp(v uint64)   { atomic.StoreUint64(it.u64(0), v) }
func (it Item) loadStamp() uint64   { return atomic.LoadUint64(it.u64(0)) }
func (it Item) lengths() uint32     { return *it.u32(8) }
func (it Item) bits() uint32        { return *it.u32(12) }
func (it Item) has(bit uint32) bool { return *it.u32(12)&bit != 0 }
func (it Item) set(bit uint32)      { *it.u32(12) |= bit }
func (it Item) clear(bit uint32)    { *it.u32(12) &^= bit }

func (it Item) setIf(bit uint32, on bool) {
	if on {
		it.set(bit)
	} else {
		it.clear(bit)
	}
}

func (it Item) accessed() uint32 { return *it.u32(12) >> accessShift }
func (it Item) setAccessed(seconds uint32) {
	w := it.u32(12)
	*w = *w&(1<<accessShift-1) | seconds<<accessShift
}

func (it Item) keyOffset() int { return int(keyOffsets[it.bits()&presence]) }
func (it Item) keyLen() int    { return int(it.lengths() >> keyShift) }

// group is the item's group, from 0.
func (it Item) group() int { return int(it.lengths() >> groupShift & groupMask) }

func (it Item) setGroup(group int) {
	w := it.u32(8)
	*w = *w&^(groupMask<<groupShift) | uint32(group)<<groupShift
}

// Heat says where the item stands by its age and use.
func (it Item) Heat() Heat     { return Heat(it.lengths() >> heatShift & heatMask) }
func (it Item) setHeat(h Heat) { w := it.u32(8); *w = *w&^(heatMask<<heatShift) | uint32(h)<<heatShift }

// Key is the item's key, in place.
func (it Item) Key() []byte { return it.bytes(it.keyOffset(), it.keyLen()) }

// DB is the database that the key is in.
func (it Item) DB() uint16 {
	if !it.has(bitDB) {
		return 0
	}
	return binary.LittleEndian.Uint16(it.bytes(it.keyOffset()-dbSize, dbSize))
}

// ValueLen is the length of the value in bytes.
func (it Item) ValueLen() int {
	switch bits := it.bits(); {
	case bits&(bitLarge|bitTier) == 0:
		return int(it.lengths() & valueMask)
	case bits&bitLarge != 0:
		return int(*it.u32(headerSize + 4))
	}
	return it.tierLen()
}

// Large reports whether the value lies in pieces outside the item's own
// chunk and can be pinned.
func (it Item) Large() bool { return it.has(bitLarge) }

func (it Item) valueOffset() int { return it.keyOffset() + it.keyLen() }

// Value is a small item's value, in place.
func (it Item) Value() []byte {
	if it.has(bitLarge | bitTier) {
		panic("BUG: Value of an item that has it elsewhere")
	}
	return it.bytes(it.valueOffset(), int(it.lengths()&valueMask))
}

// KeyValue is the key and a small item's value behind it, in place.
func (it Item) KeyValue() (both []byte, keyLen int) {
	bits, lengths := it.bits(), it.lengths()
	if bits&(bitLarge|bitTier) != 0 {
		panic("BUG: KeyValue of an item that has its value elsewhere")
	}
	keyLen = int(lengths >> keyShift)
	return it.bytes(int(keyOffsets[bits&presence]), keyLen+int(lengths&valueMask)), keyLen
}

// Size is the memory that the item asks for, in bytes: header, key, value.
func (it Item) Size() int { return it.headSize() + it.pieceBytes() }

// alike reports whether two items are of the same size, group, weight and heat. If
// not it may be so all the same.
func (it Item) alike(other Item) bool {
	return it.lengths() == other.lengths() && (it.bits()^other.bits())&(presence|typeMask) == 0 && !it.has(bitLarge)
}

func (it Item) headSize() int {
	n := it.valueOffset()
	if it.has(bitLarge) {
		return tableOffset(n) + pieceTableSize(it.ValueLen())
	}
	return n + int(it.lengths()&valueMask)
}

func (it Item) pieceBytes() int {
	if it.has(bitLarge) {
		return it.ValueLen()
	}
	return 0
}

// Flags are the client's flags.
func (it Item) Flags() uint32 {
	if !it.has(bitFlags) {
		return 0
	}
	return binary.LittleEndian.Uint32(it.bytes(flagsOffset(it.bits()), flagsSize))
}

// CAS is the item's token: its stamp, unless a client chose one.
func (it Item) CAS() uint64 {
	if it.has(bitCAS) {
		if cas := *it.u64(casOffset(it.bits())); cas != 0 {
			return cas
		}
	}
	return it.stamp()
}

// Version differs whenever anything of the item but its expiry changed, also
// where clients choose tokens.
func (it Item) Version() uint64 { return it.stamp() }

// expired reports whether the time of an item with an expiry field is over.
func (it Item) expired(nowMS int64) bool {
	at := it.ExpiresAtMS()
	return at != 0 && at <= nowMS
}

// ExpiresAtMS is the end of the item's life in milliseconds since the epoch,
// 0 for never.
func (it Item) ExpiresAtMS() int64 {
	if !it.has(bitExpiry) {
		return 0
	}
	b := it.bytes(expiryOffset(it.bits()), expirySize)
	return int64(uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32)
}

func (it Item) setExpiry(ms int64) {
	b := it.bytes(expiryOffset(it.bits()), expirySize)
	binary.LittleEndian.PutUint32(b, uint32(ms))
	binary.LittleEndian.PutUint16(b[4:], uint16(ms>>32))
}

// IdleMS is Locked.IdleMS, for who was given the item by an effect.
func (it Item) IdleMS(nowMS int64) int64 {
	return int64(min(idleSeconds(it.s.seconds(nowMS), it.accessed()), idleMax)) * 1000
}

// Fetched reports whether the item was read since it was stored.
func (it Item) Fetched() bool { return it.has(bitFetched) }

// SetFetched changes that mark, under the lock or on a reserved item.
func (it Item) SetFetched(on bool) { it.setIf(bitFetched, on) }

// Evictable reports whether eviction may take the item.
func (it Item) Evictable() bool { return it.has(bitEvictable) }

// Stale and TokenSent are meta's stale and win bits. They may be changed under
// the lock, or on a reserved item.
func (it Item) Stale() bool          { return it.has(bitStale) }
func (it Item) TokenSent() bool      { return it.has(bitTokenSent) }
func (it Item) SetStale(on bool)     { it.setIf(bitStale, on) }
func (it Item) SetTokenSent(on bool) { it.setIf(bitTokenSent, on) }

// KeyEncoded and SetKeyEncoded are meta's mark of a key that came in base64
// and is shown so, whoever asks. It may be changed under the lock, or on a
// reserved item.
func (it Item) KeyEncoded() bool      { return it.has(bitKeyEncoded) }
func (it Item) SetKeyEncoded(on bool) { it.setIf(bitKeyEncoded, on) }

// Segment is the contiguous memory of the value from offset off, to the end
// of the value or of the piece.
func (it Item) Segment(off int) []byte {
	if it.has(bitLarge) {
		return it.pieces().segment(off)
	}
	return it.Value()[off:]
}

// AppendValue appends the value to dst.
func (it Item) AppendValue(dst []byte) []byte {
	if !it.has(bitLarge) {
		return append(dst, it.Value()...)
	}
	for off, v := 0, it.pieces(); off < v.n; {
		seg := v.segment(off)
		dst = append(dst, seg...)
		off += len(seg)
	}
	return dst
}

// WriteAt copies p into a reserved item's value at offset off.
func (it Item) WriteAt(p []byte, off int) {
	for len(p) > 0 {
		n := copy(it.Segment(off), p)
		p = p[n:]
		off += n
	}
}

// CopyPinned copies the whole of a pinned value into a reserved item at offset off.
func (it Item) CopyPinned(off int, from Pinned) {
	for at := 0; at < from.n; {
		seg := from.segment(at)
		it.WriteAt(seg, off+at)
		at += len(seg)
	}
}

// CopyValue copies the whole value of from into a reserved item at offset off.
func (it Item) CopyValue(off int, from Item) {
	for at, n := 0, from.ValueLen(); at < n; {
		seg := from.Segment(at)
		it.WriteAt(seg, off+at)
		at += len(seg)
	}
}

// presenceOf says which optional fields a specification needs.
func (spec *Spec) presenceOf(db uint16) (bits uint32) {
	if spec.CAS != 0 {
		bits |= bitCAS
	}
	if spec.ExpiresAtMS != 0 {
		bits |= bitExpiry
	}
	if spec.Flags != 0 {
		bits |= bitFlags
	}
	if db != 0 {
		bits |= bitDB
	}
	return bits
}

// write fills the header and the key of freshly allocated memory. The stamp
// stays zero: the item is not in the index.
func (it Item) write(k *Key, spec *Spec, bits uint32) {
	n := uint32(spec.ValueLen)
	if bits&bitLarge != 0 {
		n = 0
	}
	heat := Fixed
	if spec.Evictable {
		bits |= bitEvictable
		heat = Hot
	}
	g := it.s.groups
	group := g.find(g.weight(len(k.Bytes), spec.ValueLen, spec.Flags))
	*it.u32(8) = uint32(len(k.Bytes))<<keyShift | uint32(heat)<<heatShift | uint32(group)<<groupShift | n
	*it.u32(12) = bits
	if bits&presence != 0 {
		it.writeOptional(k.DB, spec, bits)
	}
	copy(it.bytes(it.keyOffset(), len(k.Bytes)), k.Bytes)
}

func (it Item) writeOptional(db uint16, spec *Spec, bits uint32) {
	if bits&bitLarge != 0 {
		*it.u32(headerSize) = 1
		*it.u32(headerSize + 4) = uint32(spec.ValueLen)
	}
	if bits&bitCAS != 0 {
		*it.u64(casOffset(bits)) = spec.CAS
	}
	if bits&bitExpiry != 0 {
		it.setExpiry(spec.ExpiresAtMS)
	}
	if bits&bitFlags != 0 {
		binary.LittleEndian.PutUint32(it.bytes(flagsOffset(bits), flagsSize), spec.Flags)
	}
	if bits&bitDB != 0 {
		binary.LittleEndian.PutUint16(it.bytes(int(keyOffsets[bits&presence])-dbSize, dbSize), db)
	}
}

// matches reports whether the item is k's.
func (it Item) matches(k *Key) bool {
	return string(it.Key()) == string(k.Bytes) && it.DB() == k.DB
}
