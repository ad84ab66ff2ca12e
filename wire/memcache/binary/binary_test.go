package binary

import (
	"bytes"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

// request makes one of these lengths; the bytes of its extras and key count up.
func request(o Opcode, extras, key, value int) []byte {
	body := extras + key + value
	b := []byte{
		RequestMagic, byte(o), byte(key >> 8), byte(key), byte(extras), 0, 0, 0,
		byte(body >> 24), byte(body >> 16), byte(body >> 8), byte(body), 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9,
	}
	for i := range body {
		b = append(b, byte(i))
	}
	return b
}

func TestParse(t *testing.T) {
	in := request(Set, 8, 3, 5)
	var r Request
	for n := range HeaderLen + 11 {
		if got, err := r.Parse(in[:n]); got != 0 || err != nil {
			t.Fatalf("%d bytes: %d, %v", n, got, err)
		}
	}
	n, err := r.Parse(in)
	if n != HeaderLen+11 || err != nil {
		t.Fatal(n, err)
	}
	if r.Opcode != Set || r.Opaque != 0x01020304 || r.CAS != 9 || r.ValueLen() != 5 || !bytes.Equal(r.Key, []byte{8, 9, 10}) {
		t.Errorf("%+v", r)
	}
	if r.Flags() != 0x00010203 || r.Expiry() != 0x04050607 || r.NewExpiry() != r.Flags() {
		t.Errorf("%x", r.Extras)
	}
	key, next := Peek(in)
	if !bytes.Equal(key, r.Key) || next != len(in) {
		t.Errorf("Peek: %x, %d", key, next)
	}
}

func TestParseNumber(t *testing.T) {
	var r Request
	r.Parse(request(Increment, 20, 1, 0))
	if r.Delta() != 0x0001020304050607 || r.Initial() != 0x08090a0b0c0d0e0f || r.SeedExpiry() != 0x10111213 {
		t.Errorf("%x", r.Extras)
	}
}

func TestParseRefuses(t *testing.T) {
	var r Request
	bad := request(Get, 0, 1, 0)
	bad[0] = ReplyMagic
	if n, err := r.Parse(bad); n != 0 || err != ErrMagic {
		t.Error(n, err)
	}
	if n, err := r.Parse(request(Get, 0, MaxKey+1, 0)[:HeaderLen]); n != 0 || err != ErrLongKey || r.KeyLen != MaxKey+1 {
		t.Error(n, err)
	}
	if n, err := r.Parse(request(Get, 0, MaxKey, 0)); n != HeaderLen+MaxKey || err != nil {
		t.Error(n, err)
	}
}

// TestFits: for each command, all lengths that it takes are among these.
func TestFits(t *testing.T) {
	takes := map[Opcode][][3]int{
		Get: {{0, 1, 0}}, Delete: {{0, 1, 0}}, Touch: {{4, 1, 0}, {4, 1, 1}}, GAT: {{4, 1, 0}, {4, 1, 1}},
		Set: {{8, 1, 0}, {8, 1, 1}}, Add: {{8, 1, 0}, {8, 1, 1}}, Replace: {{8, 1, 0}, {8, 1, 1}},
		Append: {{0, 1, 0}, {0, 1, 1}}, Prepend: {{0, 1, 0}, {0, 1, 1}},
		Increment: {{20, 1, 0}}, Decrement: {{20, 1, 0}},
		Stat:  {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}},
		Flush: {{0, 0, 0}, {4, 0, 0}}, Noop: {{0, 0, 0}}, Version: {{0, 0, 0}}, Quit: {{0, 0, 0}},
		SASLList: {{0, 0, 0}}, SASLAuth: {{0, 1, 0}, {0, 1, 1}}, SASLStep: {{0, 1, 0}, {0, 1, 1}},
	}
	for o := range 256 {
		c := Opcode(o).Command()
		if c.Name == "" {
			continue
		}
		want := takes[c.Base]
		if len(want) == 0 {
			t.Errorf("%s is not in the list", c.Name)
		}
		for _, extras := range []int{0, 1, 4, 8, 20} {
			for key := range 2 {
				for value := range 2 {
					var r Request
					r.Parse(request(Opcode(o), extras, key, value))
					fits := false
					for _, w := range want {
						fits = fits || w == [3]int{extras, key, value}
					}
					if c.Fits(&r) != fits {
						t.Errorf("%s with %d extras, %d key, %d value: %v", c.Name, extras, key, value, !fits)
					}
				}
			}
		}
	}
}

func TestReplies(t *testing.T) {
	r := Reply{Opaque: 0xdeadbeef, Opcode: GetK}
	const head = "\x81\x0c\x00\x01\x04\x00\x00\x00\x00\x00\x00\x08\xde\xad\xbe\xef\x00\x00\x00\x00\x00\x00\x00\x07"
	if got := r.AppendItemHeader(nil, 5, []byte("k"), 3, 7); string(got) != head+"\x00\x00\x00\x05k" {
		t.Errorf("%q", got)
	}
	if got := r.AppendText(nil, NotFound, NotFound.Text()); string(got[6:8]) != "\x00\x01" || string(got[24:]) != "Not found" || got[11] != 9 {
		t.Errorf("%q", got)
	}
	if got := r.AppendNumber(nil, 258, 7); string(got[24:]) != "\x00\x00\x00\x00\x00\x00\x01\x02" || got[11] != 8 {
		t.Errorf("%q", got)
	}
	if got := AppendStat(r, nil, "pid", "42"); string(got[24:]) != "pid42" || got[3] != 3 || got[11] != 5 {
		t.Errorf("%q", got)
	}
	late := r.AppendHeader(nil, Success, 0, 0, 0, 0)
	if PatchBody(late, 0x01020304); string(late[8:12]) != "\x01\x02\x03\x04" {
		t.Errorf("%q", late)
	}
}

func TestNothingAllocates(t *testing.T) {
	in := request(Set, 8, 3, 5)
	var r Request
	dst := make([]byte, 0, 128)
	alloctest.Zero(t, "a request and its replies", func() {
		if n, err := r.Parse(in); n == 0 || err != nil || !r.Opcode.Command().Fits(&r) {
			t.Fatal(n, err)
		}
		dst = r.AppendText(dst[:0], NotFound, NotFound.Text())
		dst = r.AppendItemHeader(dst, 5, r.Key, 3, 7)
	})
}

// FuzzRequest: a parse says the same of any longer input, what it hands out is
// what the bytes of the header say, read here one by one, and what fits has the
// extras that handlers read.
func FuzzRequest(f *testing.F) {
	f.Add(request(Set, 8, 3, 5), uint16(30))
	f.Add(request(Increment, 20, 1, 0), uint16(24))
	f.Add(request(Get, 0, 300, 0), uint16(100))
	f.Add([]byte("get a\r\nget b\r\nget c\r\nget d\r\n"), uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		var whole, part Request
		n, err := whole.Parse(in)
		m, early := part.Parse(in[:min(int(cut), len(in))])
		if m != 0 && (m != n || !bytes.Equal(part.Key, whole.Key)) || early != nil && early != err {
			t.Fatalf("%d, %v; of %d bytes: %d, %v", n, err, cut, m, early)
		}
		key, next := Peek(in)
		if next != 0 && n != 0 && (!bytes.Equal(key, whole.Key) || next != HeaderLen+int(whole.BodyLen)) {
			t.Fatalf("Peek: %x, %d", key, next)
		}
		if len(in) < HeaderLen {
			if n != 0 || err != nil || next != 0 {
				t.Fatalf("%d, %v, %d of %d bytes", n, err, next, len(in))
			}
			return
		}
		asHeader(t, in, &whole, n, err)
		if c := whole.Opcode.Command(); n != 0 && c.Name != "" && whole.Consistent() && c.Fits(&whole) {
			switch c.Base {
			case Set, Add, Replace:
				whole.Expiry()
			case Increment, Decrement:
				whole.SeedExpiry()
			case Touch, GAT:
				whole.NewExpiry()
			}
		}
	})
}

// asHeader compares what Parse made of a header with its bytes.
func asHeader(t *testing.T, in []byte, r *Request, n int, err error) {
	t.Helper()
	number := func(at, size int) (v uint64) {
		for _, b := range in[at : at+size] {
			v = v<<8 | uint64(b)
		}
		return v
	}
	key, extras := int(number(2, 2)), int(number(4, 1))
	switch {
	case in[0] != 0x80:
		if n != 0 || err != ErrMagic {
			t.Fatalf("%d, %v", n, err)
		}
		return
	case key > 250:
		if n != 0 || err != ErrLongKey {
			t.Fatalf("%d, %v", n, err)
		}
	case len(in) < 24+extras+key:
		if n != 0 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		return
	case n != 24+extras+key || err != nil || !bytes.Equal(r.Extras, in[24:24+extras]) || !bytes.Equal(r.Key, in[24+extras:n]):
		t.Fatalf("%d, %v: %+v", n, err, r)
	}
	if uint64(r.Opcode) != number(1, 1) || int(r.KeyLen) != key || int(r.ExtrasLen) != extras || uint64(r.BodyLen) != number(8, 4) ||
		uint64(r.Opaque) != number(12, 4) || r.CAS != number(16, 8) {
		t.Fatalf("%+v of %x", r, in[:24])
	}
}
