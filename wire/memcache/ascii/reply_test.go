package ascii

import (
	"math"
	"strconv"
	"testing"
)

func TestAppendUint(t *testing.T) {
	for v := range uint64(20_000) {
		if got := AppendUint(nil, v); string(got) != strconv.FormatUint(v, 10) {
			t.Fatalf("%d: %q", v, got)
		}
	}
}

func TestReplies(t *testing.T) {
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{AppendUint(nil, 0), "0"},
		{AppendUint(nil, 9), "9"},
		{AppendUint(nil, 10), "10"},
		{AppendUint(nil, math.MaxUint64), "18446744073709551615"},
		{AppendValueHead(nil, []byte("key"), 5, 100), "VALUE key 5 100\r\n"},
		{AppendValueHeadCAS(nil, []byte("key"), 0, 0, 77), "VALUE key 0 0 77\r\n"},
		{AppendFlag([]byte("HD"), 'c', 12), "HD c12"},
		{AppendFlagKey([]byte("HD"), []byte("foo"), false), "HD kfoo"},
		{AppendFlagKey([]byte("HD"), []byte("foo"), true), "HD kZm9v b"},
		{AppendStat(nil, "a", "b"), "STAT a b\r\n"},
		{AppendStatUint(nil, "a", 3), "STAT a 3\r\n"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
