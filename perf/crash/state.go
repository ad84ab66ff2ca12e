package crash

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// part is a run of a value's bytes that follow from the key and from the number of the
// request that made it, with which they begin.
type part struct {
	number int
	length int
}

// append appends the part's bytes.
func (p part) append(dst []byte, key string) []byte {
	end := len(dst) + p.length
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %d", key, p.number, p.length)
	dst = strconv.AppendInt(dst, int64(p.number), 10)
	dst = append(append(append(dst, ' '), key...), '\n')
	for x := h.Sum64() | 1; len(dst) < end; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		dst = binary.LittleEndian.AppendUint64(dst, x)
	}
	return dst[:end]
}

// numberOf is the number of the request that made the first part of a value, 0 if the
// value is too short to say.
func numberOf(value []byte) int {
	digits, _, ok := bytes.Cut(value[:min(len(value), 20)], []byte(" "))
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil {
		return 0
	}
	return n
}

// state is what a key may be. Only its token changes, when it is seen.
type state struct {
	present bool
	numeric bool // the value is number, in decimal, perhaps with spaces behind it
	number  uint64
	parts   []part
	flags   uint32

	expiresFrom, expiresBy time.Duration // since the check's beginning; 0: never

	token      uint64 // 0: not seen
	tokenAbove uint64 // it is greater: the greatest that the key had before
}

func (s *state) length() (n int) {
	for _, p := range s.parts {
		n += p.length
	}
	return n
}

// appendValue appends the value's bytes.
func (s *state) appendValue(dst []byte, key string) []byte {
	if s.numeric {
		return strconv.AppendUint(dst, s.number, 10)
	}
	for _, p := range s.parts {
		dst = p.append(dst, key)
	}
	return dst
}

func (s *state) String() string {
	switch {
	case !s.present:
		return "absent"
	case s.numeric:
		return fmt.Sprintf("number %d flags %d expires %v", s.number, s.flags, s.expiresBy)
	}
	return fmt.Sprintf("%v flags %d expires %v", s.parts, s.flags, s.expiresBy)
}

// found is what came back of a key.
type found struct {
	present bool
	value   []byte
	flags   uint64
	expires time.Duration // since the check's beginning; 0: never
	token   uint64
}

// expirySlack is how far a time to live in seconds may be from its time.
const expirySlack = 3 * time.Second

// is says whether what was found is the state. Scratch is memory to compare with.
func (s *state) is(f *found, key string, scratch *[]byte) bool {
	if s.present != f.present || !s.present {
		return s.present == f.present
	}
	if f.flags != uint64(s.flags) || (s.expiresBy == 0) != (f.expires == 0) ||
		s.expiresBy > 0 && (f.expires < s.expiresFrom-expirySlack || f.expires > s.expiresBy+expirySlack) {
		return false
	}
	if s.numeric {
		n, err := strconv.ParseUint(string(bytes.TrimRight(f.value, " ")), 10, 64)
		return err == nil && n == s.number
	}
	if len(f.value) != s.length() {
		return false
	}
	*scratch = s.appendValue((*scratch)[:0], key)
	return bytes.Equal(*scratch, f.value)
}

func (f *found) String() string {
	if !f.present {
		return "absent"
	}
	const most = 60
	return fmt.Sprintf("%d bytes %q flags %d expires %v token %d", len(f.value), f.value[:min(most, len(f.value))], f.flags, f.expires, f.token)
}
