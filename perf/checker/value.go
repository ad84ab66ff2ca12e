package checker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
)

// segment is a run of bytes of a value that follow from its fields and the key:
// a head that names them with a checksum, then noise that the checksum seeds. A
// value is one segment, or several after append and prepend.
type segment struct {
	writer  int
	version uint64
	length  int
}

// sum is the checksum of a segment of key.
func (s segment) sum(key string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %d %d", key, s.writer, s.version, s.length)
	return h.Sum64()
}

// headMax is the longest head: a key of 60 bytes and four numbers. A shorter
// segment has as much of it as there is room for.
const headMax = 160

// append appends the segment's bytes.
func (s segment) append(dst []byte, key string) []byte {
	end := len(dst) + s.length
	sum := s.sum(key)
	dst = append(dst, key...)
	for _, n := range [...]uint64{uint64(s.writer), s.version, uint64(s.length)} {
		dst = strconv.AppendUint(append(dst, ' '), n, 10)
	}
	dst = strconv.AppendUint(append(dst, ' '), sum, 16)
	dst = append(dst, '\n')
	for sum |= 1; len(dst) < end; {
		sum ^= sum << 13
		sum ^= sum >> 7
		sum ^= sum << 17
		dst = binary.LittleEndian.AppendUint64(dst, sum)
	}
	return dst[:end]
}

// parseSegment reads the head of a whole value of one segment and compares all
// of it. Scratch is memory to compare with.
func parseSegment(value, scratch []byte, key string) (s segment, kept []byte, err error) {
	head, _, ok := bytes.Cut(value[:min(len(value), headMax)], []byte("\n"))
	var name, sum string
	if ok {
		_, err = fmt.Sscanf(string(head), "%s %d %d %d %s", &name, &s.writer, &s.version, &s.length, &sum)
	}
	if !ok || err != nil {
		return s, scratch, fmt.Errorf("the value has no head: %s", show(value))
	}
	if name != key || s.length != len(value) {
		return s, scratch, fmt.Errorf("%d bytes that say of themselves %q", len(value), head)
	}
	kept = s.append(scratch[:0], key)
	if i := difference(kept, value); i >= 0 {
		return s, kept, fmt.Errorf("value %q differs from byte %d on", head, i)
	}
	return s, kept, nil
}

// difference is the first index where two texts differ, -1 when they are equal.
func difference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// show abbreviates bytes for people.
func show(b []byte) string {
	const most = 100
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	return strconv.Quote(string(b[:most])) + "... (" + strconv.Itoa(len(b)) + " bytes)"
}
