package memcache

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

// TestLoopsTogether: two loops work on the same few keys, while their counters
// are read and reset. The race detector watches.
func TestLoopsTogether(t *testing.T) {
	r := newRig(t, Config{StatsDetail: true})
	script := strings.Join([]string{
		"set %[1]s 0 0 1\r\n1\r\nget %[1]s n\r\nincr %[1]s 1\r\nappend %[1]s 0 0 1\r\n0\r\n",
		"ms %[1]s 2 T90\r\n77\r\nmg %[1]s v t l h\r\nma n N0 J13 v\r\nmd %[1]s I\r\nms %[1]s 1 I C1\r\n5\r\n",
		"set big 0 0 20000\r\n" + strings.Repeat("x", 20000) + "\r\nget big big\r\nappend big 0 0 1\r\ny\r\n",
		"touch %[1]s 10\r\ngat 10 %[1]s\r\ndelete %[1]s\r\nstats\r\nstats detail dump\r\nflush_all\r\n",
	}, "")
	var wg sync.WaitGroup
	for loop := range 2 {
		s := r.server.Open(loop, wire.Peer{})
		wg.Go(func() {
			out := &wire.Out{NowMS: startMS}
			for i := range 300 {
				feedAll(t, s, fmt.Appendf(nil, script, fmt.Sprint("k", i%3)), out)
				if i%50 == 0 {
					feedAll(t, s, []byte("stats reset\r\nflush_all 1\r\n"), out)
				}
				out.NowMS += 10
				r.server.Tick(loop, out.NowMS)
			}
			s.Close(wire.ByPeer)
		})
	}
	wg.Wait()
}

// TestCountersAddUp: concurrent increments lose nothing.
func TestCountersAddUp(t *testing.T) {
	const each = 2000
	r := newRig(t, Config{})
	r.dial().want("set n 0 0 1\r\n0\r\nset a 0 0 0\r\n\r\n", "STORED\r\nSTORED\r\n")
	var wg sync.WaitGroup
	for loop := range 2 {
		s := r.server.Open(loop, wire.Peer{})
		wg.Go(func() {
			out := &wire.Out{NowMS: startMS}
			for range each {
				feedAll(t, s, []byte("incr n 1\r\nma n\r\nappend a 0 0 1\r\nx\r\n"), out)
			}
			s.Close(wire.ByPeer)
		})
	}
	wg.Wait()
	r.dial().want("get n\r\n", fmt.Sprintf("VALUE n 0 4\r\n%d\r\nEND\r\n", 4*each))
	r.dial().want("mg a s\r\n", fmt.Sprintf("HD s%d\r\n", 2*each))
	if got := r.stat("incr_hits"); got != fmt.Sprint(4*each) {
		t.Errorf("incr_hits %s", got)
	}
}
