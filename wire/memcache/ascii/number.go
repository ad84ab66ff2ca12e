package ascii

import "math"

// The numbers of the old dialect are C's strtoul family as memcached wraps it
// (safe_strtoul and its sisters): leading white space, a sign, digits; what
// follows must be white space, a NUL or the end. All numbers are 64 bits wide
// inside; the 32-bit ones are truncated, not checked. A negative unsigned
// number is the two's complement of its digits, refused only when that has the
// top bit set and a '-' stands in front, or, in the old dialect, anywhere.
//
// The numbers of the new dialect are digits only, a '-' before signed ones, at
// most 11 or 22 bytes, checked for range. No digits at all make 0.

const (
	strictLen32 = 11 // MCMC_TOKTO32_MAX
	strictLen64 = 22 // MCMC_TOKTO64_MAX
)

func isSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

// scan reads what strtoull reads of b: the digits as a number, and whether a
// '-' stood before them. ok is false when there are no digits, the number is
// beyond 64 bits, or something else than an end follows.
func scan(b []byte) (v uint64, negative, ok bool) {
	i := 0
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		negative = b[i] == '-'
		i++
	}
	first := i
	for ; i < len(b); i++ {
		d := uint64(b[i] - '0')
		if d > 9 {
			break
		}
		if v > (math.MaxUint64-d)/10 {
			return 0, negative, false
		}
		v = v*10 + d
	}
	if i == first {
		return 0, negative, false
	}
	return v, negative, i == len(b) || isSpace(b[i]) || b[i] == 0
}

// plain reads a short run of digits, which is what nearly every number is.
func plain(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + uint64(d)
	}
	return v, true
}

func hasMinus(b []byte) bool {
	for _, c := range b {
		if c == 0 {
			return false
		}
		if c == '-' {
			return true
		}
	}
	return false
}

// Strtoull is memcached's safe_strtoull, which both dialects use for the
// numbers in values.
func (d Dialect) Strtoull(b []byte) (uint64, bool) {
	if v, ok := plain(b); ok {
		return v, true
	}
	v, negative, ok := scan(b)
	if !ok {
		return 0, false
	}
	if negative {
		v = -v
	}
	if int64(v) < 0 && (negative || d == Old && hasMinus(b)) {
		return 0, false
	}
	return v, true
}

// Strtoul is memcached's safe_strtoul: 64 bits truncated to 32. Both dialects
// use it for the flags of a set.
func (d Dialect) Strtoul(b []byte) (uint32, bool) {
	v, ok := d.Strtoull(b)
	return uint32(v), ok
}

// Strtoll is memcached's safe_strtoll.
func Strtoll(b []byte) (int64, bool) {
	if v, ok := plain(b); ok {
		return int64(v), true
	}
	v, negative, ok := scan(b)
	switch {
	case !ok:
		return 0, false
	case negative && v <= -math.MinInt64:
		return -int64(v), true
	case !negative && v <= math.MaxInt64:
		return int64(v), true
	}
	return 0, false
}

// Strtol is memcached's safe_strtol: 64 bits truncated to 32. Both dialects use
// it for the exptime of a set.
func Strtol(b []byte) (int32, bool) {
	v, ok := Strtoll(b)
	return int32(v), ok
}

func digits(b []byte, limit uint64) (v uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || v > (limit-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}

// Uint64 is the new dialect's unsigned 64-bit number.
func Uint64(b []byte) (uint64, bool) {
	if len(b) > strictLen64 {
		return 0, false
	}
	return digits(b, math.MaxUint64)
}

// Uint32 is the new dialect's unsigned 32-bit number.
func Uint32(b []byte) (uint32, bool) {
	if len(b) > strictLen32 {
		return 0, false
	}
	v, ok := digits(b, math.MaxUint32)
	return uint32(v), ok
}

// Int64 is the new dialect's signed 64-bit number.
func Int64(b []byte) (int64, bool) {
	if len(b) > strictLen64 {
		return 0, false
	}
	return signed(b, math.MaxInt64)
}

// Int32 is the new dialect's signed 32-bit number.
func Int32(b []byte) (int32, bool) {
	if len(b) > strictLen32 {
		return 0, false
	}
	v, ok := signed(b, math.MaxInt32)
	return int32(v), ok
}

func signed(b []byte, limit uint64) (int64, bool) {
	if len(b) > 0 && b[0] == '-' {
		v, ok := digits(b[1:], limit+1)
		return -int64(v), ok
	}
	v, ok := digits(b, limit)
	return int64(v), ok
}

// Uint64 reads an unsigned number as the dialect does.
func (d Dialect) Uint64(b []byte) (uint64, bool) {
	if d == Old {
		return d.Strtoull(b)
	}
	return Uint64(b)
}

// Uint32 reads an unsigned number as the dialect does.
func (d Dialect) Uint32(b []byte) (uint32, bool) {
	if d == Old {
		return d.Strtoul(b)
	}
	return Uint32(b)
}

// Int32 reads a signed number as the dialect does.
func (d Dialect) Int32(b []byte) (int32, bool) {
	if d == Old {
		return Strtol(b)
	}
	return Int32(b)
}

// Int64 reads a signed number as the dialect does.
func (d Dialect) Int64(b []byte) (int64, bool) {
	if d == Old {
		return Strtoll(b)
	}
	return Int64(b)
}
