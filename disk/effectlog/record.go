package effectlog

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Kind says what an effect did. The numbers stand in files: they never change.
type Kind uint8

const (
	KindSet    Kind = 1 // the key has this value now
	KindTouch  Kind = 2 // the key's expiry changed
	KindDelete Kind = 3 // a client removed the key
	KindExpire Kind = 4 // the key's time was over
	KindEvict  Kind = 5 // memory was needed
	KindFlush  Kind = 6 // a flush had made the item absent; now it is gone
	// KindFlushAll: in each slot that Value marks, what has no later stamp is absent.
	KindFlushAll Kind = 7
	// KindState: Value is what the protocol that Key names wants back after a restart.
	KindState Kind = 8
	KindMark  Kind = 9  // the item's stamp, token and bits changed; its value did not
	kindEnd   Kind = 10 // the first number that this version does not know
)

// Type says what a value is.
type Type uint8

const (
	TypeBytes Type = 0 // a memcache value, a Redis string
	typeEnd   Type = 1
)

// A Record is one effect: the state after it, never what the client said. What an
// item does not have is zero, and takes no room.
type Record struct {
	Kind     Kind
	Type     Type
	Stamp    uint64 // slot sequence << 14 | slot
	DB       uint32
	ExpiryMS int64  // since 1970; 0: never
	CAS      uint64 // a token that the client chose; 0: the stamp is the token
	Flags    uint32 // the client's
	Bits     uint32 // of the item, as the keyspace numbers them
	Key      []byte
	Value    []byte // of KindFlushAll: AppendMark, Marks
}

const (
	recordHead = 24        // bytes of a record that are always there
	keyMax     = 512 << 20 // of Redis; memcache has 250 bytes, this keyspace 255
	valueMax   = 1 << 30   // of this keyspace
	fieldsMax  = 28        // bytes of all the optional fields
	// RecordMax is the largest record.
	RecordMax = valueMax + keyMax + recordHead + fieldsMax
)

// The optional fields, in the order in which they follow the head.
const (
	fieldExpiry = 1 << iota
	fieldCAS
	fieldFlags
	fieldBits
	fieldDB
	fieldEnd
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendRecord appends r, whole.
func AppendRecord(dst []byte, r *Record) []byte {
	from := len(dst)
	if need := recordHead + fieldsMax + len(r.Key) + len(r.Value); cap(dst)-from < need {
		dst = slices.Grow(dst, need)
	}
	dst = AppendHead(dst, r, len(r.Value))
	dst = append(dst, r.Value...)
	Seal(dst[from:])
	return dst
}

// AppendHead appends r up to its value, of which there will be valueLen bytes. When
// they are there, too, Seal is to be called. What could not be read again is a bug of
// the caller's: keys above 512 MB, values above 1 GiB.
func AppendHead(dst []byte, r *Record, valueLen int) []byte {
	return append(AppendFields(dst, r, len(r.Key), valueLen), r.Key...)
}

// AppendFields is AppendHead up to the key, for who has key and value in one piece.
func AppendFields(dst []byte, r *Record, keyLen, valueLen int) []byte {
	if keyLen > keyMax || valueLen > valueMax {
		panic("BUG: effectlog: a record is too large")
	}
	from := len(dst)
	if cap(dst)-from < recordHead+fieldsMax+keyLen {
		dst = slices.Grow(dst, recordHead+fieldsMax+keyLen)
	}
	head := dst[from:][:recordHead+fieldsMax] // within the capacity
	fields, n := uint64(0), recordHead
	if r.ExpiryMS != 0 {
		fields |= fieldExpiry
		binary.LittleEndian.PutUint64(head[n:], uint64(r.ExpiryMS))
		n += 8
	}
	if r.CAS != 0 {
		fields |= fieldCAS
		binary.LittleEndian.PutUint64(head[n:], r.CAS)
		n += 8
	}
	if r.Flags != 0 {
		fields |= fieldFlags
		binary.LittleEndian.PutUint32(head[n:], r.Flags)
		n += 4
	}
	if r.Bits != 0 {
		fields |= fieldBits
		binary.LittleEndian.PutUint32(head[n:], r.Bits)
		n += 4
	}
	if r.DB != 0 {
		fields |= fieldDB
		binary.LittleEndian.PutUint32(head[n:], r.DB)
		n += 4
	}
	size := uint64(n + keyLen + valueLen)
	binary.LittleEndian.PutUint64(head, size<<32) // the checksum is Seal's
	binary.LittleEndian.PutUint64(head[8:], uint64(r.Kind)|uint64(r.Type)<<8|fields<<16|uint64(keyLen)<<32)
	binary.LittleEndian.PutUint64(head[16:], r.Stamp)
	return dst[:from+n]
}

// Seal puts the checksum into a record, whose value may lie in pieces elsewhere.
func Seal(record []byte, pieces ...[]byte) {
	sum := crc32.Checksum(record[4:], castagnoli)
	for _, piece := range pieces {
		sum = crc32.Update(sum, castagnoli, piece)
	}
	binary.LittleEndian.PutUint32(record, sum)
}

// Peek tells the kind, the stamp and the bytes of the record at the beginning of
// src, which Read has checked.
func Peek(src []byte) (kind Kind, stamp uint64, n int) {
	_ = src[recordHead-1]
	return Kind(src[8]), binary.LittleEndian.Uint64(src[16:]), int(binary.LittleEndian.Uint32(src[4:]))
}

// ParseRecord is the record at the beginning of src, and its length. Key and Value
// are parts of src. An error is ErrRecord, or ErrVersion.
func ParseRecord(src []byte) (r Record, n int, err error) {
	if _, err := checkRecord(src); err != nil {
		return Record{}, 0, err
	}
	r, n = ParseChecked(src)
	return r, n, nil
}

// ParseChecked is ParseRecord for a record that Read, or ParseRecord, has found whole.
func ParseChecked(src []byte) (r Record, n int) {
	n = int(binary.LittleEndian.Uint32(src[4:]))
	rest := src[recordHead:n]
	r.Kind, r.Type = Kind(src[8]), Type(src[9])
	r.Stamp = binary.LittleEndian.Uint64(src[16:])
	fields := binary.LittleEndian.Uint16(src[10:])
	if fields&fieldExpiry != 0 {
		r.ExpiryMS, rest = int64(binary.LittleEndian.Uint64(rest)), rest[8:]
	}
	if fields&fieldCAS != 0 {
		r.CAS, rest = binary.LittleEndian.Uint64(rest), rest[8:]
	}
	if fields&fieldFlags != 0 {
		r.Flags, rest = binary.LittleEndian.Uint32(rest), rest[4:]
	}
	if fields&fieldBits != 0 {
		r.Bits, rest = binary.LittleEndian.Uint32(rest), rest[4:]
	}
	if fields&fieldDB != 0 {
		r.DB, rest = binary.LittleEndian.Uint32(rest), rest[4:]
	}
	keyLen := int(binary.LittleEndian.Uint32(src[12:]))
	r.Key, r.Value = rest[:keyLen:keyLen], rest[keyLen:]
	return r, n
}

// checkRecord is the length of the record at the beginning of src, if it is whole.
func checkRecord(src []byte) (n int, err error) {
	if len(src) < recordHead {
		return 0, ErrRecord
	}
	size := int64(binary.LittleEndian.Uint32(src[4:]))
	if size < recordHead || size > RecordMax || size > int64(len(src)) {
		return 0, ErrRecord
	}
	src = src[:size]
	if crc32.Checksum(src[4:], castagnoli) != binary.LittleEndian.Uint32(src) {
		return 0, ErrRecord
	}
	kind, fields := Kind(src[8]), binary.LittleEndian.Uint16(src[10:])
	if kind == 0 || kind >= kindEnd || Type(src[9]) >= typeEnd || fields >= fieldEnd {
		return 0, ErrVersion
	}
	keyLen := int64(binary.LittleEndian.Uint32(src[12:]))
	value := recordHead + fieldsLen[fields] + keyLen
	if keyLen > keyMax || value > size {
		return 0, ErrRecord
	}
	if kind == KindFlushAll && !marksInOrder(src[value:]) {
		return 0, ErrRecord
	}
	return int(size), nil
}

// fieldsLen is how many bytes the optional fields take.
var fieldsLen = func() (lengths [fieldEnd]int64) {
	for fields := range lengths {
		for i, size := range []int64{8, 8, 4, 4, 4} {
			lengths[fields] += int64(fields>>i&1) * size
		}
	}
	return lengths
}()
