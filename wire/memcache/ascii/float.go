package ascii

import (
	"math"
	"strconv"
)

const (
	FloatLenMax = 31        // of the new dialect's token: mc_toktod's buffer without its end mark
	floatTiny   = 0x1p-1022 // below this C's strtod reports a range error
)

// Float64 is memcached's safe_strtod, which is C's strtod and an end of the
// token behind it. The new dialect takes no more than 31 bytes.
func (d Dialect) Float64(b []byte) (float64, bool) {
	if d == New && len(b) > FloatLenMax {
		return 0, false
	}
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for i, c := range b {
		if isSpace(c) || c == 0 {
			b = b[:i]
			break
		}
	}
	return strtod(b)
}

// strtod reads a number that fills b. What C's strtod and Go's ParseFloat do
// not share is a hexadecimal number without an exponent, a sign before NaN,
// and '_' between digits.
func strtod(b []byte) (float64, bool) {
	text, negative := string(b), false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		text, negative = text[1:], text[0] == '-'
	}
	if len(text) == 0 || text[0] == '-' || text[0] == '+' {
		return 0, false
	}
	if nan, rest := text[:min(len(text), 3)], text[min(len(text), 3):]; isWordNaN(nan) && isPayload(rest) {
		text = nan
	}
	hex, exponent, zero := false, false, true
	for i, c := range []byte(text) {
		switch {
		case c == '_':
			return 0, false
		case c == 'x' || c == 'X':
			hex = true
			zero = i == 1 // "0x": the zeros come behind it
		case c == 'p' || c == 'P' || !hex && (c == 'e' || c == 'E'):
			exponent = true
		case c != '0' && c != '.' && !exponent:
			zero = false
		}
	}
	if hex && !exponent {
		text += "p0"
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < floatTiny && !zero {
		return 0, false
	}
	if negative {
		v = math.Copysign(v, -1)
	}
	return v, true
}

func isWordNaN(text string) bool {
	return len(text) == 3 && text[0]|0x20 == 'n' && text[1]|0x20 == 'a' && text[2]|0x20 == 'n'
}

// isPayload reports whether text is what C allows behind NaN: letters, digits
// and '_' in parentheses.
func isPayload(text string) bool {
	if len(text) < 2 || text[0] != '(' || text[len(text)-1] != ')' {
		return false
	}
	for _, c := range []byte(text[1 : len(text)-1]) {
		if letter := c | 0x20; c != '_' && (c < '0' || c > '9') && (letter < 'a' || letter > 'z') {
			return false
		}
	}
	return true
}

// AppendFloat appends a number with so many decimals, as C's %.*f prints it.
func AppendFloat(dst []byte, v float64, decimals int) []byte {
	switch {
	case math.IsNaN(v) && math.Signbit(v):
		return append(dst, "-nan"...)
	case math.IsNaN(v):
		return append(dst, "nan"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, v, 'f', decimals, 64)
}
