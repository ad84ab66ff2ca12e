package ascii

import (
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

func TestNothingAllocates(t *testing.T) {
	var r Request
	var f Flags
	line := []byte("mg Zm9v b v k Oopaque T30 N30 C123 ME F5\r\n")
	key := []byte("a-key-of-twenty-byte")
	dst := make([]byte, 0, 256)
	alloctest.Zero(t, "parse", func() {
		l, _ := Line(line)
		r.Parse(l)
		if f.Parse(&r, 2, New) != "" {
			t.Fatal("flags")
		}
	})
	alloctest.Zero(t, "numbers", func() {
		Old.Uint64([]byte("12345678901234567"))
		New.Int32([]byte("-12345"))
	})
	alloctest.Zero(t, "replies", func() {
		dst = AppendValueHeadCAS(dst[:0], key, 5, 12345, 1<<63)
		dst = AppendFlagKey(dst, key, true)
	})
}

func BenchmarkParse(b *testing.B) {
	var r Request
	line := []byte("set key:0000000000001234 0 0 100")
	b.ReportAllocs()
	for b.Loop() {
		r.Parse(line)
	}
}

func BenchmarkFlags(b *testing.B) {
	var r Request
	var f Flags
	r.Parse([]byte("mg key:0000000000001234 v t f k Oabc"))
	for b.Loop() {
		f.Parse(&r, 2, New)
	}
}
