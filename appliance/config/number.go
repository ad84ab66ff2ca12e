package config

import (
	"math"
	"strconv"
	"strings"
)

// The readers below take numbers as C's atoi, atof, strtol and memcached's
// safe_strtol do, since start scripts were written against those: leading
// space, a sign, and, for the first three, whatever follows the digits.

const space = " \t\n\v\f\r"

// digits splits off the longest prefix of s that is a number in the base.
func digits(s string, base int) (prefix, rest string) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	start := i
	for i < len(s) && s[i] >= '0' && int(s[i]-'0') < base {
		i++
	}
	if i == start {
		return "", s
	}
	return s[:i], s[i:]
}

// atoi reads a number as atoi does: 0 for what is none. What an int of 32 bits
// cannot hold becomes its largest or smallest value.
func atoi(s string) int { return strtol(s, 10) }

// strtol reads a number in the base as strtol does.
func strtol(s string, base int) int {
	prefix, _ := digits(strings.TrimLeft(s, space), base)
	n, err := strconv.ParseInt(prefix, base, 64)
	if err != nil && prefix == "" {
		return 0
	}
	return int(min(max(n, math.MinInt32), math.MaxInt32))
}

// safeStrtol reads a whole number and nothing else but trailing space.
func safeStrtol(s string) (n int, ok bool) {
	prefix, rest := digits(strings.TrimLeft(s, space), 10)
	v, err := strconv.ParseInt(prefix, 10, 32)
	return int(v), err == nil && (rest == "" || strings.Contains(space, rest[:1]))
}

// safeStrtoul is safeStrtol for numbers of 32 bits without sign.
func safeStrtoul(s string) (n uint32, ok bool) {
	prefix, rest := digits(strings.TrimLeft(s, space), 10)
	v, err := strconv.ParseUint(strings.TrimPrefix(prefix, "+"), 10, 32)
	return uint32(v), err == nil && (rest == "" || strings.Contains(space, rest[:1]))
}

// atof reads a decimal fraction as atof does: 0 for what is none.
func atof(s string) float64 {
	s = strings.TrimLeft(s, space)
	whole, rest := digits(s, 10)
	text := whole
	if whole == "" && (strings.HasPrefix(rest, "-.") || strings.HasPrefix(rest, "+.")) {
		text, rest = rest[:1]+"0", rest[1:]
	}
	if strings.HasPrefix(rest, ".") {
		fraction, after := digits(rest[1:], 10)
		if fraction != "" && fraction[0] != '-' && fraction[0] != '+' {
			text, rest = text+"."+fraction, after
		}
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		exponent, _ := digits(rest[1:], 10)
		if exponent != "" {
			text += "e" + exponent
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && text == "" {
		return 0
	}
	return f
}

// isFraction reports whether s is a whole decimal number and nothing else but
// what follows a space.
func isFraction(s string) bool {
	s = strings.TrimLeft(s, space)
	if i := strings.IndexAny(s, space); i >= 0 {
		s = s[:i]
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
