package memcache

import (
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

func TestStatsConns(t *testing.T) {
	r := newRig(t, Config{})
	r.server.env.Listeners = func() []wire.Peer {
		return []wire.Peer{
			{FD: 5, Network: "tcp", Local: "0.0.0.0:11211"},
			{FD: 6, Network: "tcp", Local: "[::]:11211"},
			{FD: 12, Network: "unix", Local: "/run/panda"},
		}
	}
	open := func(loop int, p wire.Peer) *peer {
		c := &peer{r: r, session: r.server.Open(loop, p)}
		t.Cleanup(c.close)
		return c
	}
	r.nowMS += 100_000
	r.server.Tick(0, r.nowMS)
	r.server.Tick(1, r.nowMS)
	idle := open(1, wire.Peer{FD: 11, Network: "tcp", Remote: "[::1]:7000", Local: "[::1]:11211"})
	asks := open(0, wire.Peer{FD: 10, Network: "tcp", Remote: "127.0.0.1:7001", Local: "127.0.0.1:11211"})
	sends := open(1, wire.Peer{FD: 9, Network: "unix", Local: "/run/panda"})
	watches := open(0, wire.Peer{FD: 8, Network: "unix", Local: "/run/panda"})
	gone := open(0, wire.Peer{FD: 7, Network: "unix", Local: "/run/panda"})
	sends.want("set a 0 0 10\r\nabc", "")
	watches.want("watch\r\n", "OK\r\n")
	gone.close()
	r.nowMS += 3000
	sends.want("def", "")
	idle.want("get a\r\n", "END\r\n")
	r.nowMS += 1000
	want := `
5:addr tcp:0.0.0.0:11211
5:state conn_listening
5:secs_since_last_cmd 104
6:addr tcp6:[::]:11211
6:state conn_listening
6:secs_since_last_cmd 104
8:addr ?:<AF 0>
8:listen_addr unix:/run/panda
8:state conn_watch
8:secs_since_last_cmd 4
9:addr ?:<AF 0>
9:listen_addr unix:/run/panda
9:state conn_nread
9:secs_since_last_cmd 4
10:addr tcp:127.0.0.1:7001
10:listen_addr tcp:127.0.0.1:11211
10:state conn_parse_cmd
10:secs_since_last_cmd 0
11:addr tcp6:[::1]:7000
11:listen_addr tcp6:[::1]:11211
11:state conn_read
11:secs_since_last_cmd 1
12:addr unix:/run/panda
12:state conn_listening
12:secs_since_last_cmd 104
`
	want = strings.ReplaceAll(strings.TrimPrefix(want, "\n"), "\n", "\r\nSTAT ")
	asks.want("stats conns\r\n", "STAT "+strings.TrimSuffix(want, "STAT ")+"END\r\n")
}

// TestDescriptorIsUsedAgain: what a connection leaves behind is nobody else's.
func TestDescriptorIsUsedAgain(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 3 {
		s := r.server.Open(i%2, wire.Peer{FD: 9, Network: "unix"})
		if n := r.server.connections.Size(); n != 1 {
			t.Errorf("%d connections are known", n)
		}
		s.Close(wire.ByPeer)
	}
	if n := r.server.connections.Size(); n != 0 {
		t.Errorf("%d connections are known when none is left", n)
	}
}
