package ascii

import (
	"bytes"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for _, c := range []struct {
		in, line string
		n        int
	}{
		{"", "", 0},
		{"get a", "", 0},
		{"get a\r", "", 0},
		{"get a\n", "get a", 6},
		{"get a\r\n", "get a", 7},
		{"get a\r\r\n", "get a\r", 8},
		{"\n", "", 1},
		{"\r\n", "", 2},
		{"a\nb\n", "a", 2},
		{"a\rb\n", "a\rb", 4},
	} {
		line, n := Line([]byte(c.in))
		if string(line) != c.line || n != c.n {
			t.Errorf("Line(%q) = %q %d, want %q %d", c.in, line, n, c.line, c.n)
		}
	}
}

// tokens cuts a line the plain way.
func tokens(line string) (list []string) {
	for _, t := range strings.Split(line, " ") {
		if t != "" && len(list) < MaxTokens {
			list = append(list, t)
		}
	}
	return list
}

func checkTokens(t *testing.T, line string) {
	t.Helper()
	var r Request
	r.Parse([]byte(line))
	want := tokens(line)
	if r.Len() != len(want) {
		t.Fatalf("%q: %d tokens, want %d", line, r.Len(), len(want))
	}
	for i, w := range want {
		if got := r.Token(i); string(got) != w {
			t.Errorf("%q: token %d is %q, want %q", line, i, got, w)
		}
		if tail := r.Tail(i); !strings.HasSuffix(line, string(tail)) || !bytes.HasPrefix(tail, []byte(w)) {
			t.Errorf("%q: tail %d is %q", line, i, tail)
		}
	}
	if r.Token(len(want)) != nil || r.Token(-1) != nil || r.Tail(len(want)) != nil {
		t.Errorf("%q: tokens beyond its own", line)
	}
}

func TestTokens(t *testing.T) {
	for _, line := range []string{
		"", " ", "        ", "         ", "a", " a", "a ", "get key", "  get   key  ", "set key 0 0 100 noreply",
		"1234567 1234567 ", "12345678 12345678", "aaaaaaaaaaaaaaaaaaaaaaa b", "\x1f\x21\xa0 \xa0", "a\x00b c",
		strings.Repeat("x ", 40), strings.Repeat("long-token ", 30), strings.Repeat(" ", 50) + "x",
	} {
		checkTokens(t, line)
	}
}

// TestTokensEveryShape tries every line of up to 18 bytes made of a's and
// spaces: all positions of a space within and across the words that Parse reads.
func TestTokensEveryShape(t *testing.T) {
	line := make([]byte, 18)
	for bits := range 1 << len(line) {
		for i := range line {
			line[i] = 'a'
			if bits>>i&1 != 0 {
				line[i] = ' '
			}
		}
		n := len(line) - bits%8
		checkTokens(t, string(line[:n]))
		if t.Failed() {
			return
		}
	}
}

func TestKeyAndWord(t *testing.T) {
	var got []string
	for list := []byte("  a bb   ccc"); ; {
		var key []byte
		if key, list = Key(list); len(key) == 0 {
			break
		}
		got = append(got, string(key))
	}
	if s := strings.Join(got, ","); s != "a,bb,ccc" {
		t.Errorf("keys %q", s)
	}
	if w := Word([]byte("get a")); string(w) != "get" {
		t.Errorf("word %q", w)
	}
	if w := Word([]byte(" get")); len(w) != 0 {
		t.Errorf("word before a space: %q", w)
	}
}
