package effectlog

import (
	"encoding/binary"
	"hash/crc32"
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
	kindEnd    Kind = 7 // the first number that this version does not know
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
	Value    []byte
}

const (
	recordHead = 24        // bytes of a record that are always there
	keyMax     = 512 << 20 // of Redis; memcache has 250 bytes, this keyspace 255
	valueMax   = 1 << 30   // of this keyspace
	// RecordMax is the largest record.
	RecordMax = valueMax + keyMax + recordHead + 28
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
	dst = AppendHead(dst, r, len(r.Value))
	dst = append(dst, r.Value...)
	Seal(dst[from:])
	return dst
}

// AppendHead appends r up to its value, of which there will be valueLen bytes. When
// they are there, too, Seal is to be called. What could not be read again is a bug of
// the caller's: keys above 512 MB, values above 1 GiB.
func AppendHead(dst []byte, r *Record, valueLen int) []byte {
	if len(r.Key) > keyMax || valueLen > valueMax {
		panic("BUG: effectlog: a record is too large")
	}
	from := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	fields := uint16(0)
	if r.ExpiryMS != 0 {
		fields |= fieldExpiry
		dst = binary.LittleEndian.AppendUint64(dst, uint64(r.ExpiryMS))
	}
	if r.CAS != 0 {
		fields |= fieldCAS
		dst = binary.LittleEndian.AppendUint64(dst, r.CAS)
	}
	if r.Flags != 0 {
		fields |= fieldFlags
		dst = binary.LittleEndian.AppendUint32(dst, r.Flags)
	}
	if r.Bits != 0 {
		fields |= fieldBits
		dst = binary.LittleEndian.AppendUint32(dst, r.Bits)
	}
	if r.DB != 0 {
		fields |= fieldDB
		dst = binary.LittleEndian.AppendUint32(dst, r.DB)
	}
	dst = append(dst, r.Key...)
	head := dst[from:]
	binary.LittleEndian.PutUint32(head[4:], uint32(len(head)+valueLen))
	head[8] = byte(r.Kind)
	head[9] = byte(r.Type)
	binary.LittleEndian.PutUint16(head[10:], fields)
	binary.LittleEndian.PutUint32(head[12:], uint32(len(r.Key)))
	binary.LittleEndian.PutUint64(head[16:], r.Stamp)
	return dst
}

// Seal puts the checksum into a record, whose value may lie in pieces elsewhere.
func Seal(record []byte, pieces ...[]byte) {
	sum := crc32.Checksum(record[4:], castagnoli)
	for _, piece := range pieces {
		sum = crc32.Update(sum, castagnoli, piece)
	}
	binary.LittleEndian.PutUint32(record, sum)
}

// ParseRecord is the record at the beginning of src, and its length. Key and Value
// are parts of src. An error is ErrRecord, or ErrVersion.
func ParseRecord(src []byte) (r Record, n int, err error) {
	if len(src) < recordHead {
		return Record{}, 0, ErrRecord
	}
	size := int64(binary.LittleEndian.Uint32(src[4:]))
	if size < recordHead || size > RecordMax || size > int64(len(src)) {
		return Record{}, 0, ErrRecord
	}
	src = src[:size]
	if crc32.Checksum(src[4:], castagnoli) != binary.LittleEndian.Uint32(src) {
		return Record{}, 0, ErrRecord
	}
	fields := binary.LittleEndian.Uint16(src[10:])
	r.Kind, r.Type = Kind(src[8]), Type(src[9])
	if r.Kind == 0 || r.Kind >= kindEnd || r.Type >= typeEnd || fields >= fieldEnd {
		return Record{}, 0, ErrVersion
	}
	keyLen := int64(binary.LittleEndian.Uint32(src[12:]))
	r.Stamp = binary.LittleEndian.Uint64(src[16:])
	rest, ok := r.parseFields(src[recordHead:], fields)
	if !ok || keyLen > keyMax || keyLen > int64(len(rest)) {
		return Record{}, 0, ErrRecord
	}
	r.Key, r.Value = rest[:keyLen:keyLen], rest[keyLen:]
	return r, int(size), nil
}

// parseFields reads the optional fields, and is what follows them.
func (r *Record) parseFields(src []byte, fields uint16) (rest []byte, ok bool) {
	take := func(field uint16, size int) uint64 {
		if fields&field == 0 {
			return 0
		}
		if len(src) < size {
			fields, src = 0, nil
			ok = false
			return 0
		}
		b := src[:size]
		src = src[size:]
		if size == 8 {
			return binary.LittleEndian.Uint64(b)
		}
		return uint64(binary.LittleEndian.Uint32(b))
	}
	ok = true
	r.ExpiryMS = int64(take(fieldExpiry, 8))
	r.CAS = take(fieldCAS, 8)
	r.Flags = uint32(take(fieldFlags, 4))
	r.Bits = uint32(take(fieldBits, 4))
	r.DB = uint32(take(fieldDB, 4))
	return src, ok
}
