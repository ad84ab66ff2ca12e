package warmup

import (
	"bytes"
)

const (
	// keyMax is memcached's.
	keyMax = 250 // KEY_MAX_LENGTH

	// entryMax bounds a line of a dump: 750 bytes of key, and numbers with their
	// names. memcached's own buffer for a line is this large.
	entryMax = 4096
)

// A Kind says what a line of a dump is.
type Kind uint8

const (
	Listed  Kind = iota // an item
	Started             // OK: releases from 1.6.43 on say it first
	Ended               // END
	Other               // anything else: Text says what
)

// An Entry is a line of `lru_crawler metadump`.
type Entry struct {
	Kind Kind
	Key  []byte // of an item, URI-encoded
	Text []byte // the line without its end
}

// ParseEntry reads the line at the head of src, which it borrows. With n == 0
// and no error it takes more bytes to know.
func ParseEntry(src []byte) (e Entry, n int, err error) {
	end := bytes.IndexByte(src[:min(len(src), entryMax)], '\n')
	if end < 0 {
		if len(src) >= entryMax {
			return Entry{}, 0, ErrLine
		}
		return Entry{}, 0, nil
	}
	n = end + 1
	e.Text = bytes.TrimSuffix(src[:end], []byte{'\r'})
	key, isItem := bytes.CutPrefix(e.Text, []byte("key="))
	switch {
	case isItem:
		e.Key, _, _ = bytes.Cut(key, []byte{' '})
	case string(e.Text) == "OK":
		e.Kind = Started
	case string(e.Text) == "END":
		e.Kind = Ended
	default:
		e.Kind = Other
	}
	return e, n, nil
}

// AppendKey appends the key that encoded stands for.
func AppendKey(dst, encoded []byte) ([]byte, error) {
	before := len(dst)
	for i := 0; i < len(encoded); i++ {
		c := encoded[i]
		if c == '%' {
			if i+2 >= len(encoded) {
				return dst[:before], ErrKey
			}
			high, low := hexDigit(encoded[i+1]), hexDigit(encoded[i+2])
			if high < 0 || low < 0 {
				return dst[:before], ErrKey
			}
			c = byte(high<<4 | low)
			i += 2
		}
		dst = append(dst, c)
	}
	if n := len(dst) - before; n == 0 || n > keyMax {
		return dst[:before], ErrKey
	}
	return dst, nil
}

// hexDigit is the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
