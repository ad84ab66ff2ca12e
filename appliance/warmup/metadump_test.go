package warmup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// encode is what memcached writes for a key.
func encode(key []byte) (encoded []byte) {
	for _, c := range key {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("-._~", c) >= 0:
			encoded = append(encoded, c)
		default:
			encoded = fmt.Appendf(encoded, "%%%02X", c)
		}
	}
	return encoded
}

func TestParseEntry(t *testing.T) {
	check := func(line string, kind Kind, key string) {
		t.Helper()
		e, n, err := ParseEntry([]byte(line + "following"))
		if err != nil || n != len(line) || e.Kind != kind || string(e.Key) != key || string(e.Text) != strings.TrimRight(line, "\r\n") {
			t.Errorf("%q: %v %q %q, %d of %d bytes, %v", line, e.Kind, e.Key, e.Text, n, len(line), err)
		}
		for cut := range len(line) {
			if _, n, err := ParseEntry([]byte(line[:cut])); n != 0 || err != nil {
				t.Errorf("%q: %d, %v; want more bytes asked for", line[:cut], n, err)
			}
		}
	}
	check("key=b%2520c exp=-1 la=1795477502 cas=587 fetch=no cls=1 size=67\n", Listed, "b%2520c") // 1.6.18
	check("key=a exp=5 la=1 cas=2 fetch=yes cls=1 size=63 flags=9 \n", Listed, "a")               // 1.6.45
	check("key=a\r\n", Listed, "a")
	check("key= exp=-1\n", Listed, "") // no key at all: AppendKey refuses it
	check("OK\r\n", Started, "")
	check("END\r\n", Ended, "")
	check("BUSY currently processing crawler request\r\n", Other, "")
	check("keys=a\n", Other, "")
	check("\n", Other, "")
}

func TestParseEntryWithoutEnd(t *testing.T) {
	long := bytes.Repeat([]byte{'k'}, entryMax)
	if _, n, err := ParseEntry(long[:entryMax-1]); n != 0 || err != nil {
		t.Errorf("one byte below the limit: %d, %v; want more bytes asked for", n, err)
	}
	if _, _, err := ParseEntry(long); !errors.Is(err, ErrLine) {
		t.Errorf("at the limit: %v, want ErrLine", err)
	}
	if _, _, err := ParseEntry(append(long, '\n')); !errors.Is(err, ErrLine) {
		t.Errorf("a line above the limit: %v, want ErrLine", err)
	}
}

func TestAppendKey(t *testing.T) {
	var all []byte
	for c := range 250 {
		all = append(all, byte(c+6))
	}
	for _, key := range [][]byte{all, {0, 1, 2, 3, 4, 5}, []byte("plain-key_1.~"), []byte("50%")} {
		got, err := AppendKey([]byte("before"), encode(key))
		if err != nil || string(got) != "before"+string(key) {
			t.Errorf("%q comes back as %q, %v", key, got, err)
		}
	}
	if got, err := AppendKey(nil, []byte("a%2fb")); string(got) != "a/b" || err != nil {
		t.Errorf("small hexadecimal digits: %q %v", got, err)
	}
	for _, bad := range []string{"", "%", "%2", "a%2", "%zz", "%2g", "%g2", strings.Repeat("k", 251), strings.Repeat("%20", 251)} {
		if got, err := AppendKey([]byte("before"), []byte(bad)); !errors.Is(err, ErrKey) || string(got) != "before" {
			t.Errorf("%.20q: %q, %v; want ErrKey and nothing appended", bad, got, err)
		}
	}
}

func FuzzMetadump(f *testing.F) {
	f.Add([]byte("OK\r\nkey=b%2520c exp=-1 la=1795477502 cas=587 fetch=no cls=1 size=67\nkey=a exp=5\nEND\r\n"))
	f.Add([]byte("BUSY currently processing crawler request\r\n"))
	f.Add([]byte("key=%00%ff%GG exp\nkey=\n\r\n"))
	f.Add(bytes.Repeat([]byte("key="), 1100))
	f.Fuzz(func(t *testing.T, stream []byte) {
		for rest := stream; ; {
			e, n, err := ParseEntry(rest)
			if err != nil || n == 0 {
				if head := rest[:min(len(rest), entryMax)]; bytes.IndexByte(head, '\n') >= 0 {
					t.Fatalf("%q has a whole line, and is answered %d, %v", head, n, err)
				}
				return
			}
			checkEntry(t, rest[:n], e)
			rest = rest[n:]
		}
	})
}

// checkEntry looks at what a line was taken for.
func checkEntry(t *testing.T, line []byte, e Entry) {
	if line[len(line)-1] != '\n' || bytes.IndexByte(line[:len(line)-1], '\n') >= 0 {
		t.Fatalf("%q is not one line", line)
	}
	if !bytes.HasPrefix(line, e.Text) || len(line)-len(e.Text) > 2 {
		t.Fatalf("%q became the text %q", line, e.Text)
	}
	if _, n, err := ParseEntry(line[:len(line)-1]); n != 0 || err != nil {
		t.Fatalf("%q without its end: %d, %v", line, n, err)
	}
	if (e.Kind == Listed) != bytes.HasPrefix(line, []byte("key=")) {
		t.Fatalf("%q was taken for %d", line, e.Kind)
	}
	key, err := AppendKey(nil, e.Key)
	if err != nil {
		return
	}
	if len(key) == 0 || len(key) > keyMax {
		t.Fatalf("a key of %d bytes", len(key))
	}
	if again, err := AppendKey(nil, encode(key)); err != nil || !bytes.Equal(again, key) {
		t.Fatalf("%q is %q, which encoded again is %q, %v", e.Key, key, again, err)
	}
}
