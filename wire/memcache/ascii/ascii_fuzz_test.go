package ascii

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// FuzzRequest compares the tokens of any line with the plain way to cut it.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{"get a", "set key 0 0 10 noreply", "  a  b ", "12345678 12345678 1", "x\x00 y\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		line, n := Line(in)
		if n == 0 {
			if bytes.IndexByte(in, '\n') >= 0 {
				t.Fatal("a line was not found")
			}
			line = in
		}
		checkTokens(t, string(line))
		var keys []string
		for list := line; len(keys) < MaxTokens; {
			var key []byte
			if key, list = Key(list); len(key) == 0 {
				break
			}
			keys = append(keys, string(key))
		}
		if want := tokens(string(line)); len(keys) != len(want) {
			t.Fatalf("%q: %d keys, want %d", line, len(keys), len(want))
		}
	})
}

// FuzzFlags: what is taken without an error was there, and in range.
func FuzzFlags(f *testing.F) {
	for _, seed := range []string{"mg k v", "ms k 2 T30 ME", "mg Zm9v b k", "ma k N0 J13 D5 MD", "md k I T30 x E5", "mg k M", "mg k Oabc q"} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, line []byte, old bool) {
		d := New
		if old {
			d = Old
		}
		var r Request
		var flags Flags
		r.Parse(line)
		if r.Len() < 2 || len(r.Token(1)) > MaxKey {
			return
		}
		text := flags.Parse(&r, 2, d)
		if text != "" {
			if !bytes.HasPrefix([]byte(text), []byte("CLIENT_ERROR ")) || !bytes.HasSuffix([]byte(text), []byte("\r\n")) {
				t.Fatalf("error %q", text)
			}
			return
		}
		if len(flags.Key) == 0 || len(flags.Key) > MaxKey {
			t.Fatalf("key %q", flags.Key)
		}
		if !flags.KeyEncoded && !bytes.Equal(flags.Key, r.Token(1)) {
			t.Fatalf("key %q", flags.Key)
		}
		for i := 2; i < r.Len(); i++ {
			if !flags.Has(r.Token(i)[0]) {
				t.Fatalf("%q was not seen", r.Token(i))
			}
		}
	})
}

// FuzzDecodeKey: what is base64 decodes as base64; what comes back can be encoded.
func FuzzDecodeKey(f *testing.F) {
	for _, seed := range []string{"Zm9v", "Zg==", "Z-g-=-=", "====", "foo"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > MaxKey {
			return
		}
		dst := make([]byte, MaxKey)
		got := dst[:DecodeKey(dst, in)]
		strict := base64.StdEncoding.Strict()
		if want, err := strict.DecodeString(string(in)); err == nil && !bytes.ContainsAny(in, "\r\n") && !bytes.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", in, got, want)
		}
		if again := dst[:DecodeKey(dst, AppendEncoded(nil, got))]; len(got) > 0 && len(again) != len(got) {
			t.Fatalf("%q does not come back", got)
		}
	})
}

// FuzzNumbers: where both dialects take a string they mean the same number,
// unless it is too long for the new or truncated by the old one.
func FuzzNumbers(f *testing.F) {
	for _, c := range cNumbers {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		o, okOld := Old.Uint64(in)
		n, okNew := New.Uint64(in)
		if okNew && len(in) > 0 && (!okOld || o != n) {
			t.Fatalf("%q: old %d %v, new %d", in, o, okOld, n)
		}
		oi, okOld := Old.Int64(in)
		ni, okNew := New.Int64(in)
		if okNew && len(in) > 0 && string(in) != "-" && (!okOld || oi != ni) {
			t.Fatalf("%q: old %d %v, new %d", in, oi, okOld, ni)
		}
		if v, ok := New.Uint32(in); ok && uint64(v) != n {
			t.Fatalf("%q: %d, %d", in, v, n)
		}
		if v, ok := New.Int32(in); ok && int64(v) != ni {
			t.Fatalf("%q: %d, %d", in, v, ni)
		}
	})
}
