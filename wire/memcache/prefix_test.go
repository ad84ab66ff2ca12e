package memcache

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
)

// TestDumpInTurns: a long dump gives way to other connections and to a full
// output, and is the same in the end.
func TestDumpInTurns(t *testing.T) {
	const prefixes = 5000
	r := newRig(t, Config{StatsDetail: true})
	var want strings.Builder
	for i := range prefixes {
		r.server.prefixes.set(':', fmt.Appendf(nil, "%d:x", i))
		fmt.Fprintf(&want, "PREFIX %d get 0 hit 0 set 1 del 0\r\n", i)
	}
	for _, limit := range []int{0, 10_000} {
		s := r.server.Open(0, wire.Peer{})
		in := []byte("stats detail dump\r\nversion\r\n")
		out := &wire.Out{NowMS: startMS, Cap: limit}
		p := &peer{r: r}
		got, turns := "", 0
		for len(in) > 0 {
			n, next := s.Feed(in, out)
			if lines := strings.Count(string(out.Buf), "PREFIX"); lines > turnWork+prefixesPerPage || limit > 0 && out.Len() > limit+prefixesPerPage*50 {
				t.Fatalf("a turn of %d lines, %d bytes", lines, out.Len())
			}
			p.out, out.Buf = *out, nil
			got += p.drain()
			in = in[n:]
			turns++
			if limit > 0 && len(in) > 15 && next != wire.Full || limit == 0 && len(in) > 15 && next != wire.Yield {
				t.Fatalf("next %d", next)
			}
		}
		if got != want.String()+replyEnd+"VERSION 1.6.45\r\n" {
			t.Errorf("a reply of %d bytes, want %d", len(got), want.Len())
		}
		if turns < prefixes/(turnWork+prefixesPerPage) {
			t.Errorf("%d turns", turns)
		}
	}
}

// TestDumpReset: a reset in the middle of a dump ends it.
func TestDumpReset(t *testing.T) {
	r := newRig(t, Config{StatsDetail: true})
	for i := range 5000 {
		r.server.prefixes.set(':', fmt.Appendf(nil, "%d:x", i))
	}
	p := r.dial()
	n, next := p.session.Feed([]byte("stats detail dump\r\n"), &p.out)
	if next != wire.Yield {
		t.Fatalf("next %d", next)
	}
	p.drain()
	r.dial().want("stats reset\r\n", "RESET\r\n")
	p.want("stats detail dump\r\n"[n:]+"version\r\n", "END\r\nVERSION 1.6.45\r\n")
}

// TestPrefixMemory: what clients can fill it with is bounded.
func TestPrefixMemory(t *testing.T) {
	alloctest.SkipUnderRace(t)
	const most = 12 << 20
	for _, length := range []int{8, 64, 240} {
		var p prefixStats
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range prefixesMax * 2 {
			p.set(':', fmt.Appendf(nil, "%0*d:x", length, i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > most {
			t.Errorf("prefixes of %d bytes take %d bytes", length, grown)
		}
		if len(p.counts) > prefixesMax || p.bytes > prefixBytesMax {
			t.Errorf("%d prefixes of %d bytes", len(p.counts), p.bytes)
		}
	}
}
