package ascii

const hexDigits = "0123456789ABCDEF"

// unreserved are the bytes that URI encoding leaves as they are: letters, digits
// and the four marks.
var unreserved = func() (t [256]bool) {
	for b := range t {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '.', b == '_', b == '~':
			t[b] = true
		}
	}
	return t
}()

// AppendURI appends a key as logs and dumps show it: URI encoded. It takes at
// most three times the key's bytes.
func AppendURI(dst, key []byte) []byte {
	for i, b := range key {
		if !unreserved[b] {
			return appendURISlowly(append(dst, key[:i]...), key[i:])
		}
	}
	return append(dst, key...)
}

func appendURISlowly(dst, key []byte) []byte {
	for _, b := range key {
		if unreserved[b] {
			dst = append(dst, b)
		} else {
			dst = append(dst, '%', hexDigits[b>>4], hexDigits[b&15])
		}
	}
	return dst
}
