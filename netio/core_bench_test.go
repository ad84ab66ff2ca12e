package netio_test

import (
	"strings"
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
