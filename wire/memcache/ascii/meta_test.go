package ascii

import (
	"strings"
	"testing"
)

func parseFlags(line string, d Dialect) (*Flags, string) {
	var r Request
	f := new(Flags)
	r.Parse([]byte(line))
	return f, f.Parse(&r, 2, d)
}

func TestFlags(t *testing.T) {
	f, text := parseFlags("mg Zm9v b v u q I T30 N-1 R5 F7 C8 ME J9 D10 k s t c f l h Oxy P L", Old)
	if text != "" {
		t.Fatal(text)
	}
	if string(f.Key) != "foo" || !f.KeyEncoded || !f.Value || !f.NoBump || !f.Quiet || !f.Invalidate || !f.Vivify {
		t.Errorf("switches: %+v", f)
	}
	if f.TTL != 30 || !f.HasTTL || f.VivifyTTL != -1 || f.RecacheTTL != 5 || f.ClientFlags != 7 {
		t.Errorf("times and flags: %+v", f)
	}
	if f.CAS != 8 || !f.HasCAS || f.Mode != 'E' || f.Initial != 9 || f.Delta != 10 {
		t.Errorf("numbers: %+v", f)
	}
	if !f.Has('O') || !f.Has('h') || f.Has('E') || f.Has('x') || f.Has(200) {
		t.Error("Has")
	}
	f, text = parseFlags("md k x E11", New)
	if text != "" || !f.RemoveValue || f.NewCAS != 11 || !f.HasNewCAS || f.Delta != 1 {
		t.Errorf("new flags: %q %+v", text, f)
	}
}

// TestFlagsForget: a Flags is used again and again.
func TestFlagsForget(t *testing.T) {
	f := new(Flags)
	var full, empty Request
	full.Parse([]byte("mg Zm9v b v u q I T30 N-1 R5 F7 C8 ME J9 D10 x E1 k"))
	empty.Parse([]byte("mg k"))
	if text := f.Parse(&full, 2, New); text != "" {
		t.Fatal(text)
	}
	f.Parse(&empty, 2, New)
	want := Flags{Key: []byte("k"), Delta: 1}
	if string(f.Key) != "k" {
		t.Errorf("key %q", f.Key)
	}
	f.Key, f.decoded, want.Key, want.decoded = nil, [len(f.decoded)]byte{}, nil, [len(f.decoded)]byte{}
	if f.seen != want.seen || f.KeyEncoded || f.Value || f.NoBump || f.Quiet || f.Invalidate || f.RemoveValue ||
		f.Vivify || f.HasTTL || f.HasCAS || f.HasNewCAS || f.Mode != 0 || f.TTL != 0 || f.VivifyTTL != 0 ||
		f.RecacheTTL != 0 || f.ClientFlags != 0 || f.CAS != 0 || f.NewCAS != 0 || f.Initial != 0 || f.Delta != 1 {
		t.Errorf("not forgotten: %+v", f)
	}
}

func TestFlagErrors(t *testing.T) {
	for _, c := range []struct{ flags, oldText, newText string }{
		{"v v", ErrDuplicateFlag, ErrDuplicateFlag},
		{"z", ErrUnknownFlag, ErrUnknownFlag},
		{"!", ErrUnknownFlag, ErrUnknownFlag},
		{"\x7f", ErrDuplicateFlag, ErrDuplicateFlag},
		{"T", ErrToken, ErrToken},
		{"Tx", ErrToken, ErrToken},
		{"T+5", "", ErrToken},
		{"T4294967297", "", ErrToken},
		{"N", ErrToken, ErrToken},
		{"R", ErrToken, ErrToken},
		{"C", ErrToken, ErrToken},
		{"F", ErrFormat, ErrFormat},
		{"Tx F", ErrToken, ErrToken}, // F keeps the text of the error before
		{"F Tx", ErrToken, ErrToken},
		{"Tx z", ErrUnknownFlag, ErrUnknownFlag},
		{"J", ErrInitial, ErrInitial},
		{"D", ErrDelta, ErrDelta},
		{"b", ErrDecodeKey, ErrDecodeKey},
		{"b Tx", ErrToken, ErrToken}, // the last error counts
		{"M", ErrModeLength, ""},
		{"MEE", ErrModeLength, ""},
		{"x", ErrUnknownFlag, ""},
		{"E1", ErrUnknownFlag, ""},
		{"E", ErrUnknownFlag, ErrToken},
	} {
		for d, want := range map[Dialect]string{Old: c.oldText, New: c.newText} {
			if _, text := parseFlags("mg k "+c.flags, d); text != want {
				t.Errorf("dialect %d, %q: %q, want %q", d, c.flags, text, want)
			}
		}
	}
}

func TestModeOfBareM(t *testing.T) {
	for line, want := range map[string]byte{"ms k M": '\n', "ms k M v": ' ', "ms k MEE": 'E'} {
		if f, text := parseFlags(line, New); text != "" || f.Mode != want {
			t.Errorf("%q: mode %q, %q", line, f.Mode, text)
		}
	}
}

func TestMetaShape(t *testing.T) {
	for flags, want := range map[string]bool{"": true, "a Z [ ] ^ _ ` 0 9": true, "!": false, "a @": false, "{": false, "\xff": false, ":": false} {
		var r Request
		r.Parse([]byte(strings.TrimSpace("mg k " + flags)))
		if r.MetaShape(2) != want {
			t.Errorf("%q: %v", flags, !want)
		}
	}
}
