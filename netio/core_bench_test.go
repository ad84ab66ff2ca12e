package netio_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pandabeardb/panda/netio"
)

// frozen is a clock that stands.
type frozen struct{}

func (frozen) NowMS() int64 { return 0 }

// BenchmarkCore is what a wake-up costs between the socket and the session.
func BenchmarkCore(b *testing.B) {
	h := &replay{in: []byte("request\n")}
	core := netio.NewCore(h, netio.CoreConfig{Clock: frozen{}})
	c := core.Add(7, &constant{reply: strings.Repeat("r", 100)}, true)
	b.ReportAllocs()
	for b.Loop() {
		core.Event(c, netio.Readable)
	}
}

// BenchmarkBarred is the same for a reply that waits for the barrier, which is
// passed at once.
func BenchmarkBarred(b *testing.B) {
	h := &replay{in: []byte("request\n")}
	barrier := new(atomic.Uint64)
	core := netio.NewCore(h, netio.CoreConfig{Clock: frozen{}, Barrier: barrier})
	c := core.Add(7, &numbered{reply: strings.Repeat("r", 100)}, true)
	b.ReportAllocs()
	for b.Loop() {
		core.Event(c, netio.Readable)
		barrier.Add(1)
		core.Passed()
	}
	if n := core.Counts.BytesWritten.Load(); n < int64(100*b.N) {
		b.Fatalf("%d bytes were answered", n)
	}
}
