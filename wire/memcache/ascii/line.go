package ascii

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Limits of a command line. All are memcached's.
const (
	MaxTokens = 23   // MAX_TOKENS without the end mark
	MaxKey    = 250  // KEY_MAX_LENGTH
	MaxLine   = 2048 // bytes without a newline that make a line hopeless
	MaxOpaque = 32   // MFLAG_MAX_OPAQUE_LENGTH, with the O
	MaxSpaces = 100  // before a get that is longer than MaxLine
)

// Dialect says which of memcached's parsers decides where they differ.
type Dialect uint8

const (
	New Dialect = iota // 1.6.40 and later: its own tokenizer and numbers
	Old                // until 1.6.39: C strings and strtol
)

// Line cuts the first line off in: without its \n and a \r before that. n is
// what it takes of in, 0 when no line is complete.
func Line(in []byte) (line []byte, n int) {
	end := bytes.IndexByte(in, '\n')
	if end < 0 {
		return nil, 0
	}
	n = end + 1
	if end > 0 && in[end-1] == '\r' {
		end--
	}
	return in[:end], n
}

// Request is a command line cut into tokens.
type Request struct {
	line   []byte
	n      int
	tokens [MaxTokens]span
}

type span struct{ start, end uint32 }

const (
	lowBits  = 0x7f7f7f7f7f7f7f7f
	eightSPs = 0x2020202020202020
)

// spaces marks the space bytes of x in the top bit of each byte.
func spaces(x uint64) uint64 {
	x ^= eightSPs
	return ^(x&lowBits + lowBits | x | lowBits)
}

// Parse cuts line into tokens, which are borrowed from it.
func (r *Request) Parse(line []byte) {
	r.line = line
	n, start, i := 0, 0, 0
	for ; i+8 <= len(line); i += 8 {
		for m := spaces(binary.LittleEndian.Uint64(line[i:])); m != 0; m &= m - 1 {
			at := i + bits.TrailingZeros64(m)>>3
			if at > start {
				r.tokens[n] = span{uint32(start), uint32(at)}
				if n++; n == MaxTokens {
					r.n = n
					return
				}
			}
			start = at + 1
		}
	}
	for ; i < len(line); i++ {
		if line[i] == ' ' {
			if i > start {
				r.tokens[n] = span{uint32(start), uint32(i)}
				if n++; n == MaxTokens {
					r.n = n
					return
				}
			}
			start = i + 1
		}
	}
	if start < len(line) {
		r.tokens[n] = span{uint32(start), uint32(len(line))}
		n++
	}
	r.n = n
}

// Hold takes line without cutting it into tokens: for lists without a limit.
func (r *Request) Hold(line []byte) { r.line, r.n = line, 0 }

// Line is the whole line.
func (r *Request) Line() []byte { return r.line }

// Len is the number of tokens, the command among them.
func (r *Request) Len() int { return r.n }

// Token is token i, or nil when there is none.
func (r *Request) Token(i int) []byte {
	if uint(i) >= uint(r.n) || uint(i) >= MaxTokens {
		return nil
	}
	t := r.tokens[i]
	return r.line[t.start:t.end]
}

// Tail is the line from token i on: what a C function that does not know the
// end of the token gets to see.
func (r *Request) Tail(i int) []byte {
	if uint(i) >= uint(r.n) || uint(i) >= MaxTokens {
		return nil
	}
	return r.line[r.tokens[i].start:]
}

// Last is the last token, or nil when there is none.
func (r *Request) Last() []byte { return r.Token(r.n - 1) }

// Word is the command that a line begins with: its bytes up to a space.
func Word(line []byte) []byte {
	if end := bytes.IndexByte(line, ' '); end >= 0 {
		return line[:end]
	}
	return line
}

// Key cuts the first token off line, for lists of keys that have no limit.
// key is empty when there is none.
func Key(line []byte) (key, rest []byte) {
	for len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	if end := bytes.IndexByte(line, ' '); end >= 0 {
		return line[:end], line[end:]
	}
	return line, nil
}
