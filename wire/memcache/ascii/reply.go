package ascii

import "strconv"

// twoDigits are the numbers 00 to 99, one after the other.
const twoDigits = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"

// AppendUint appends v in decimal. Flags and lengths, which nearly every reply
// has, are short.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 10:
		return append(dst, byte('0'+v))
	case v < 100:
		return append(dst, twoDigits[2*v], twoDigits[2*v+1])
	case v < 10000:
		high, low := v/100, v%100
		if high < 10 {
			return append(dst, byte('0'+high), twoDigits[2*low], twoDigits[2*low+1])
		}
		return append(dst, twoDigits[2*high], twoDigits[2*high+1], twoDigits[2*low], twoDigits[2*low+1])
	}
	return strconv.AppendUint(dst, v, 10)
}

// AppendValueHead appends the line before a value: VALUE <key> <flags> <n>.
func AppendValueHead(dst, key []byte, flags uint32, n int) []byte {
	dst = append(dst, "VALUE "...)
	dst = append(dst, key...)
	dst = append(dst, ' ')
	dst = AppendUint(dst, uint64(flags))
	dst = append(dst, ' ')
	dst = AppendUint(dst, uint64(n))
	return append(dst, '\r', '\n')
}

// AppendValueHeadCAS is AppendValueHead with the token that gets shows.
func AppendValueHeadCAS(dst, key []byte, flags uint32, n int, cas uint64) []byte {
	dst = AppendValueHead(dst, key, flags, n)
	dst = append(dst[:len(dst)-2], ' ')
	dst = AppendUint(dst, cas)
	return append(dst, '\r', '\n')
}

// AppendFlag appends a meta reply's flag with a number: " c123".
func AppendFlag(dst []byte, letter byte, v uint64) []byte {
	return AppendUint(append(dst, ' ', letter), v)
}

// AppendFlagKey appends a meta reply's k, with a b behind it for a key that is
// shown in base64.
func AppendFlagKey(dst, key []byte, encoded bool) []byte {
	dst = append(dst, " k"...)
	if !encoded {
		return append(dst, key...)
	}
	return append(AppendEncoded(dst, key), " b"...)
}

// AppendStat appends a line of stats.
func AppendStat[V ~string | ~[]byte](dst []byte, name string, value V) []byte {
	dst = append(dst, "STAT "...)
	dst = append(dst, name...)
	dst = append(dst, ' ')
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}

// AppendStatUint appends a line of stats with a number.
func AppendStatUint(dst []byte, name string, v uint64) []byte {
	dst = append(dst, "STAT "...)
	dst = append(dst, name...)
	dst = append(dst, ' ')
	dst = AppendUint(dst, v)
	return append(dst, '\r', '\n')
}

// AppendDumped appends a line of `stats cachedump`; expiry in Unix seconds, 0
// for never.
func AppendDumped(dst, key []byte, valueLen int, expiry int64) []byte {
	dst = append(append(dst, "ITEM "...), key...)
	dst = AppendUint(append(dst, " ["...), uint64(valueLen))
	dst = AppendUint(append(dst, " b; "...), uint64(expiry))
	return append(dst, " s]\r\n"...)
}
