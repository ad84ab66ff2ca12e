package ascii

import (
	"bytes"
	"math"
	"strconv"
	"testing"
)

// cNumbers is what C's strtoull and strtoll, wrapped as memcached wraps them
// (the old dialect), make of strings.
var cNumbers = []struct {
	in       string
	unsigned bool
	u        uint64
	signed   bool
	i        int64
}{
	{"0", true, 0, true, 0},
	{"1", true, 1, true, 1},
	{"9", true, 9, true, 9},
	{"10", true, 10, true, 10},
	{"007", true, 7, true, 7},
	{"+5", true, 5, true, 5},
	{"-0", true, 0, true, 0},
	{"-1", false, 0, true, -1},
	{"-5", false, 0, true, -5},
	{" 5", true, 5, true, 5},
	{"\x095", true, 5, true, 5},
	{"  \x0b\x0c\x0d\x0a5", true, 5, true, 5},
	{"5 ", true, 5, true, 5},
	{"5\x09", true, 5, true, 5},
	{"5x", false, 0, false, 0},
	{"x5", false, 0, false, 0},
	{"", false, 0, false, 0},
	{"+", false, 0, false, 0},
	{"-", false, 0, false, 0},
	{"+-5", false, 0, false, 0},
	{"- 5", false, 0, false, 0},
	{"5-", false, 0, false, 0},
	{"5 -5", true, 5, true, 5},
	{"123456789", true, 123456789, true, 123456789},
	{"1234567890", true, 1234567890, true, 1234567890},
	{"4294967295", true, 4294967295, true, 4294967295},
	{"4294967296", true, 4294967296, true, 4294967296},
	{"4294967297", true, 4294967297, true, 4294967297},
	{"2147483647", true, 2147483647, true, 2147483647},
	{"2147483648", true, 2147483648, true, 2147483648},
	{"-2147483648", false, 0, true, -2147483648},
	{"-2147483649", false, 0, true, -2147483649},
	{"9223372036854775807", true, 9223372036854775807, true, 9223372036854775807},
	{"9223372036854775808", true, 9223372036854775808, false, 0},
	{"-9223372036854775808", false, 0, true, math.MinInt64},
	{"-9223372036854775809", true, 9223372036854775807, false, 0},
	{"18446744073709551615", true, 18446744073709551615, false, 0},
	{"18446744073709551616", false, 0, false, 0},
	{"-18446744073709551615", true, 1, false, 0},
	{"-18446744073709551616", false, 0, false, 0},
	{"99999999999999999999", false, 0, false, 0},
	{"0000000000000000000000000000001", true, 1, true, 1},
	{"1.5", false, 0, false, 0},
	{"1e5", false, 0, false, 0},
	{"0x10", false, 0, false, 0},
	{"9223372036854775808 -", false, 0, false, 0},
	{"9223372036854775808-", false, 0, false, 0},
	{"5\x01", false, 0, false, 0},
	{"\xc2\xa05", false, 0, false, 0},
	{"12345678901", true, 12345678901, true, 12345678901},
	{"00000000000", true, 0, true, 0},
	{"000000000001", true, 1, true, 1},
	{"0000000000000000000001", true, 1, true, 1},
	{"00000000000000000000001", true, 1, true, 1},
}

func TestOldNumbers(t *testing.T) {
	for _, c := range cNumbers {
		b := []byte(c.in)
		if u, ok := Old.Uint64(b); u != c.u || ok != c.unsigned {
			t.Errorf("Uint64(%q) = %d %v, want %d %v", c.in, u, ok, c.u, c.unsigned)
		}
		if i, ok := Old.Int64(b); i != c.i || ok != c.signed {
			t.Errorf("Int64(%q) = %d %v, want %d %v", c.in, i, ok, c.i, c.signed)
		}
		if u, ok := Old.Uint32(b); u != uint32(c.u) || ok != c.unsigned {
			t.Errorf("Uint32(%q) = %d %v, want %d %v", c.in, u, ok, uint32(c.u), c.unsigned)
		}
		if i, ok := Old.Int32(b); i != int32(c.i) || ok != c.signed {
			t.Errorf("Int32(%q) = %d %v, want %d %v", c.in, i, ok, int32(c.i), c.signed)
		}
	}
}

// TestOldNumberEndsAtNUL: a value is no C string, but memcached reads it as one.
func TestOldNumberEndsAtNUL(t *testing.T) {
	for _, in := range []string{"10\x00", "10\x00abc", "10 \x00", "9223372036854775808\x00-"} {
		want, _ := strconv.ParseUint(in[:bytes.IndexAny([]byte(in), "\x00 ")], 10, 64)
		if v, ok := Old.Strtoull([]byte(in)); v != want || !ok {
			t.Errorf("%q: %d %v", in, v, ok)
		}
	}
	if _, ok := Old.Strtoull([]byte("9223372036854775808 -")); ok {
		t.Error("the old dialect took a big number with a '-' somewhere behind it")
	}
	if v, ok := New.Strtoull([]byte("9223372036854775808 -")); v != 1<<63 || !ok {
		t.Error("the new dialect looked for a '-' behind the number")
	}
}

// TestNewNumbers compares with strconv, which takes the same strings but for
// signs, an empty string and the length.
func TestNewNumbers(t *testing.T) {
	for _, c := range cNumbers {
		b := []byte(c.in)
		sign := len(c.in) > 0 && c.in[0] == '+'
		u64, err := strconv.ParseUint(c.in, 10, 64)
		checkNew(t, c.in, "Uint64", err == nil && !sign && len(b) <= strictLen64, u64)(New.Uint64(b))
		u32, err := strconv.ParseUint(c.in, 10, 32)
		got, ok := New.Uint32(b)
		checkNew(t, c.in, "Uint32", err == nil && !sign && len(b) <= strictLen32, u32)(uint64(got), ok)
		i64, err := strconv.ParseInt(c.in, 10, 64)
		i, ok := New.Int64(b)
		checkNew(t, c.in, "Int64", err == nil && !sign && len(b) <= strictLen64, uint64(i64))(uint64(i), ok)
		i32, err := strconv.ParseInt(c.in, 10, 32)
		j, ok := New.Int32(b)
		checkNew(t, c.in, "Int32", err == nil && !sign && len(b) <= strictLen32, uint64(i32))(uint64(int64(j)), ok)
	}
}

func checkNew(t *testing.T, in, name string, wantOK bool, want uint64) func(uint64, bool) {
	t.Helper()
	if in == "" || in == "-" && name[0] == 'I' {
		wantOK, want = true, 0 // no digits make 0
	}
	return func(got uint64, ok bool) {
		t.Helper()
		if ok != wantOK || ok && got != want {
			t.Errorf("%s(%q) = %d %v, want %d %v", name, in, int64(got), ok, int64(want), wantOK)
		}
	}
}

func TestNumberLimits(t *testing.T) {
	if v, ok := New.Int32([]byte("-2147483648")); v != math.MinInt32 || !ok {
		t.Errorf("smallest Int32: %d %v", v, ok)
	}
	if v, ok := New.Int64([]byte("-9223372036854775808")); v != math.MinInt64 || !ok {
		t.Errorf("smallest Int64: %d %v", v, ok)
	}
}
