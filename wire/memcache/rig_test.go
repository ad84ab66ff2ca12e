package memcache

import (
	"testing"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

// startMS is when the tests' clock begins: 2026-11-24 12:00:00 UTC.
const startMS = 1795521600_000

// rig is a server in memory, with a clock that stands still.
type rig struct {
	t      testing.TB
	store  *slab.Store
	server *Server
	nowMS  int64
}

func newRig(t testing.TB, config Config) *rig {
	t.Helper()
	return newRigOf(t, config, 64<<20, true)
}

func newRigOf(t testing.TB, config Config, limit int64, evict bool) *rig {
	t.Helper()
	if config.Settings == (Settings{}) {
		config.Settings = DefaultSettings()
	}
	config.Settings.MaxBytes = limit
	store, err := slab.New(slab.Config{
		LimitBytes: limit, Shards: 64, Loops: 2, Seed: 1, Evict: evict, StartMS: startMS, Groups: Groups(config),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	server, err := New(config, Env{Store: store, Loops: 2, StartedAtMS: startMS, PID: 42})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, store, server, startMS}
}

// peer is a connection to a rig's server, as netio would drive it.
type peer struct {
	r       *rig
	session wire.Session
	out     wire.Out
	unread  []byte
	closed  bool
	parked  bool
}

func (r *rig) dial() *peer {
	p := &peer{r: r, session: r.server.Open(0, wire.Peer{FD: 7, Network: "tcp"})}
	r.t.Cleanup(p.close)
	return p
}

func (p *peer) close() {
	if !p.closed {
		p.closed = true
		p.session.Close(wire.ByPeer)
		p.out.Drop()
	}
}

// send gives the session more bytes and returns what it answers; "<EOF>" stands
// for a closed connection.
func (p *peer) send(in string) string {
	p.unread = append(p.unread, in...)
	reply := ""
	for !p.closed {
		p.out.NowMS = p.r.nowMS
		n, next := p.session.Feed(p.unread, &p.out)
		if n < 0 || n > len(p.unread) {
			p.r.t.Fatalf("consumed %d of %d bytes", n, len(p.unread))
		}
		p.unread = p.unread[n:]
		reply += p.drain()
		p.parked = next == wire.Wait
		switch next {
		case wire.Close, wire.Cut:
			p.close()
			return reply + "<EOF>"
		case wire.More, wire.Park, wire.Wait:
			return reply
		}
	}
	return reply
}

// drain takes what waits to be written.
func (p *peer) drain() string {
	text := ""
	for _, piece := range p.out.AppendVectors(nil, 1<<20) {
		text += string(piece)
	}
	p.out.Advance(p.out.Len())
	return text
}

// want sends in and compares the reply.
func (p *peer) want(in, reply string) {
	p.r.t.Helper()
	if got := p.send(in); got != reply {
		p.r.t.Errorf("%q\n  got  %q\n  want %q", in, got, reply)
	}
}
