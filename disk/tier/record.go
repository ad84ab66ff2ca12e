package tier

import (
	"encoding/binary"
	"hash/crc32"
)

// A Ref names a value: a page, which of the page's lives it belongs to, and the byte
// in the page. The zero Ref names none.
type Ref struct{ Page, Version, Offset uint32 }

const (
	recordHead = 4 + 4 + 2 + 2
	recordStep = 8 // records begin at multiples of it
	keyLenMax  = 1<<16 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// RecordSize is how many bytes of a page a value takes, with its owner's head and key.
func RecordSize(headLen, keyLen, valueLen int) int {
	return (recordHead + headLen + keyLen + valueLen + recordStep - 1) &^ (recordStep - 1)
}

// A Record is what a page has at one place. Its slices are borrowed.
type Record struct {
	Head, Key, Value []byte
	Size             int // in the page
}

// checksum begins with where the record is, so that one of another place, or of another
// life of the page, is not taken for it: at one place each version has another
// beginning, and so the same bytes another sum.
func checksum(ref Ref, b []byte) uint32 {
	return crc32.Update(ref.Version^ref.Page*0x9e3779b1^ref.Offset*0x85ebca6b, castagnoli, b)
}

// putRecord writes a record into dst, which has its size, as it is to stand at ref.
func putRecord(dst []byte, ref Ref, head, key []byte, pieces [][]byte) {
	n := recordHead
	n += copy(dst[n:], head)
	n += copy(dst[n:], key)
	from := n
	for _, p := range pieces {
		n += copy(dst[n:], p)
	}
	binary.LittleEndian.PutUint32(dst[4:], uint32(n-from))
	binary.LittleEndian.PutUint16(dst[8:], uint16(len(key)))
	binary.LittleEndian.PutUint16(dst[10:], uint16(len(head)))
	binary.LittleEndian.PutUint32(dst, checksum(ref, dst[4:n]))
	clear(dst[n:])
}

// ParseRecord reads the record that src begins with and that stands at ref. It
// is ErrRecord unless all of it is in src and its checksum is right.
func ParseRecord(src []byte, ref Ref) (r Record, err error) {
	n := recordLen(src)
	if n == 0 || n > len(src) || binary.LittleEndian.Uint32(src) != checksum(ref, src[4:n]) {
		return Record{}, ErrRecord
	}
	headEnd := recordHead + int(binary.LittleEndian.Uint16(src[10:]))
	keyEnd := headEnd + int(binary.LittleEndian.Uint16(src[8:]))
	return Record{
		Head: src[recordHead:headEnd:headEnd], Key: src[headEnd:keyEnd:keyEnd], Value: src[keyEnd:n:n],
		Size: (n + recordStep - 1) &^ (recordStep - 1),
	}, nil
}

// recordLen is what the head of a record says it is long, without its padding; 0: there
// is none. A key has at least one byte, so zeros are none.
func recordLen(src []byte) int {
	if len(src) < recordHead {
		return 0
	}
	keyLen := int(binary.LittleEndian.Uint16(src[8:]))
	if keyLen == 0 {
		return 0
	}
	return recordHead + int(binary.LittleEndian.Uint16(src[10:])) + keyLen + int(binary.LittleEndian.Uint32(src[4:]))
}
