package ascii

import "encoding/base64"

// sextets maps a byte to its six bits. Bytes outside of the alphabet are
// passed over by memcached's decoder, wherever they stand.
var sextets = func() (t [256]uint8) {
	for i := range t {
		t[i] = outside
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		t[alphabet[i]] = uint8(i)
	}
	t['='] = 0
	return t
}()

const outside = 0x80

// DecodeKey decodes base64 the way memcached does and returns how many bytes
// of dst it filled, 0 when src is not base64: an incomplete group of four, or
// more than two '=' in one. What follows a group with a '=' is not looked at.
// dst must have room for three bytes for each four of src.
func DecodeKey(dst, src []byte) int {
	count := 0
	for _, c := range src {
		if sextets[c] != outside {
			count++
		}
	}
	if count == 0 || count%4 != 0 || count/4*3 > len(dst) {
		return 0
	}
	n, have, pad := 0, 0, 0
	var group uint32
	for _, c := range src {
		if sextets[c] == outside {
			continue
		}
		if c == '=' {
			pad++
		}
		group = group<<6 | uint32(sextets[c])
		if have++; have < 4 {
			continue
		}
		dst[n], dst[n+1], dst[n+2] = byte(group>>16), byte(group>>8), byte(group)
		if n += 3; pad > 0 {
			break
		}
		group, have = 0, 0
	}
	if pad > 2 {
		return 0
	}
	return n - pad
}

// AppendEncoded appends key in base64.
func AppendEncoded(dst, key []byte) []byte {
	return base64.StdEncoding.AppendEncode(dst, key)
}
