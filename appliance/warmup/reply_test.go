package warmup

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseReply(t *testing.T) {
	check := func(line string, want Reply) {
		t.Helper()
		want.Text = []byte(strings.TrimRight(line, "\r\n"))
		r, n, err := ParseReply([]byte(line + "following"))
		if err != nil || n != len(line) || !sameReply(r, want) {
			t.Errorf("%q: %+v, %d of %d bytes, %v; want %+v", line, r, n, len(line), err, want)
		}
		for cut := range len(line) {
			if _, n, err := ParseReply([]byte(line[:cut])); n != 0 || err != nil {
				t.Errorf("%q: %d, %v; want more bytes asked for", line[:cut], n, err)
			}
		}
	}
	value := func(r Reply) Reply { r.Kind = ReplyValue; return r }
	check("VA 5 f7 t-1 ka O0\r\n", value(Reply{SizeBytes: 5, Flags: 7, TTLS: -1, Request: 0}))
	check("VA 0 f4294967295 t30 kAAE= b O12 \r\n", value(Reply{Flags: math.MaxUint32, TTLS: 30, Request: 12, Binary: true}))
	check("VA 1 f18446744073709551615 t4294967295\r\n", value(Reply{SizeBytes: 1, Flags: math.MaxUint64, TTLS: math.MaxUint32, Request: -1}))
	check("VA 1 f0 t5 O1 Z\r\n", value(Reply{SizeBytes: 1, TTLS: 5, Request: 1, Stale: true}))
	check("VA 1 f0 t5 O1 X W\r\n", value(Reply{SizeBytes: 1, TTLS: 5, Request: 1, Stale: true}))
	check("VA 1\r\n", value(Reply{SizeBytes: 1, TTLS: -1, Request: -1}))
	check("HD\r\n", Reply{Kind: ReplyStored})
	check("NS\r\n", Reply{Kind: ReplyKept})
	check("EN\r\n", Reply{Kind: ReplyMiss})
	check("MN\n", Reply{Kind: ReplyEnd})
	check("ERROR\r\n", Reply{Kind: ReplyError})
	check("SERVER_ERROR object too large for cache\r\n", Reply{Kind: ReplyError})
}

func sameReply(a, b Reply) bool {
	return a.Kind == b.Kind && bytes.Equal(a.Text, b.Text) && a.SizeBytes == b.SizeBytes && a.Flags == b.Flags &&
		a.TTLS == b.TTLS && a.Request == b.Request && a.Binary == b.Binary && a.Stale == b.Stale
}

func TestParseReplyRefuses(t *testing.T) {
	for _, line := range []string{
		"", "VALUE a 0 1", "VA", "VA ", "VA x", "VA -1", "VA +1", "VA 2147483648", "VA 1 f", "VA 1 fx", "VA 1 f-1",
		"VA 1 f18446744073709551616", "VA 1 t", "VA 1 t-2", "VA 1 t4294967296", "VA 1 Ox", "VA 1 O", "VAX 1", "mn",
	} {
		if r, _, err := ParseReply([]byte(line + "\r\n")); !errors.Is(err, ErrReply) {
			t.Errorf("%q: %+v, %v; want ErrReply", line, r, err)
		}
	}
	long := bytes.Repeat([]byte{'V'}, replyMax)
	if _, n, err := ParseReply(long[:replyMax-1]); n != 0 || err != nil {
		t.Errorf("one byte below the limit: %d, %v; want more bytes asked for", n, err)
	}
	if _, _, err := ParseReply(long); !errors.Is(err, ErrReply) {
		t.Errorf("a line without end: %v, want ErrReply", err)
	}
}

func TestAppendGet(t *testing.T) {
	check := func(key, want string) {
		t.Helper()
		if got := AppendGet(nil, []byte(key), 3); string(got) != want {
			t.Errorf("%q is asked for by %q, want %q", key, got, want)
		}
	}
	check("a", "mg a v f t k q u O3\r\n")
	check("\x01\x80\t", "mg \x01\x80\t v f t k q u O3\r\n")
	for _, c := range []string{" ", "\x00", "\r", "\n"} {
		check("a"+c, "mg "+base64.StdEncoding.EncodeToString([]byte("a"+c))+" b v f t q u O3\r\n")
	}
}

func TestReachable(t *testing.T) {
	check := func(key string, want bool) {
		t.Helper()
		if reachable([]byte(key)) != want {
			t.Errorf("a key of %d bytes, textual %v: reachable is not %v", len(key), textual([]byte(key)), want)
		}
	}
	check(strings.Repeat("k", 250), true)
	check(" "+strings.Repeat("k", 185), true) // 248 in base64
	check(" "+strings.Repeat("k", 187), false)
}

func TestAppendSet(t *testing.T) {
	now := time.Unix(2_000_000_000, 999)
	check := func(key string, r Reply, want string) {
		t.Helper()
		if got := AppendSet(nil, []byte(key), &r, now, 'E'); string(got) != want {
			t.Errorf("%q is stored by %q, want %q", key, got, want)
		}
	}
	check("a", Reply{SizeBytes: 5, TTLS: -1, Flags: 9}, "ms a 5 T0 F9 ME q\r\n")
	check("a", Reply{TTLS: 1}, "ms a 0 T1 F0 ME q\r\n")
	check("a", Reply{TTLS: relativeMaxS}, "ms a 0 T2592000 F0 ME q\r\n")
	check("a", Reply{TTLS: relativeMaxS + 1}, "ms a 0 T2002592001 F0 ME q\r\n") // a point in time
	check("a", Reply{TTLS: 3, Binary: true}, "ms YQ== 0 b T3 F0 ME q\r\n")
	check("a b", Reply{TTLS: 3}, "ms YSBi 0 b T3 F0 ME q\r\n")
}

func TestExpiring(t *testing.T) {
	for ttl, want := range map[int64]bool{-1: false, 0: true, 1: false, math.MaxUint32: true, math.MaxUint32 - 1: true} {
		if r := (Reply{TTLS: ttl}); r.expiring() != want {
			t.Errorf("t%d: expiring is not %v", ttl, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("VA 5 f7 t-1 ka O0\r\n"), []byte("a"))
	f.Add([]byte("VA 0 f4294967295 t30 kAAE= b O12 \r\n"), []byte("a b"))
	f.Add([]byte("SERVER_ERROR object too large for cache\r\nMN\r\n"), []byte("\n"))
	now := time.Unix(2_000_000_000, 0)
	f.Fuzz(func(t *testing.T, stream, key []byte) {
		r, n, err := ParseReply(stream)
		if n == 0 {
			return
		}
		if err != nil || stream[n-1] != '\n' || r.SizeBytes < 0 || r.TTLS < -1 || r.Request < -1 {
			t.Fatalf("%q: %+v, %d, %v", stream, r, n, err)
		}
		if r.Kind != ReplyValue || len(key) == 0 || len(key) > keyMax {
			return
		}
		// Whatever a source says and whatever its keys are, the target gets one line.
		line := AppendSet(nil, key, &r, now, 'E')
		if bytes.Count(line, []byte{'\n'}) != 1 || bytes.IndexByte(line, 0) >= 0 || !bytes.HasSuffix(line, []byte(" ME q\r\n")) {
			t.Fatalf("%q, from %q", line, stream[:n])
		}
	})
}
