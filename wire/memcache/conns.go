package memcache

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// connection is what `stats conns` shows of a session, whichever loop asks.
type connection struct {
	peer      wire.Peer
	datagrams *datagrams    // of a socket of UDP
	status    atomic.Uint64 // the second of the last command << statusShift | what comes next
}

const statusShift = 8

// connections are those of all loops, by file descriptor.
type connections = xsync.MapOf[int, *connection]

// stateNames are memcached's, by what a session does with the next bytes.
var stateNames = [...]string{
	stateLine:      "conn_read",
	stateBody:      "conn_nread",
	stateSkip:      "conn_swallow",
	stateKeys:      "conn_parse_cmd",
	stateDiscard:   "conn_read",
	stateDump:      "conn_parse_cmd",
	stateWatch:     "conn_watch",
	stateToken:     "conn_read",
	stateTokenData: "conn_read",
	stateFirst:     "conn_read",
	statePacket:    "conn_read",
	stateLongKey:   "conn_read",
	stateSASL:      "conn_nread",
}

// enter makes a session known.
func (s *session) enter(peer wire.Peer, nowMS int64) {
	s.conn = &connection{peer: peer}
	s.status = statusOf(nowMS, s.state)
	s.conn.status.Store(s.status)
	s.worker.server.connections.Store(peer.FD, s.conn)
}

// leave makes it unknown. Its descriptor is still open, and so nobody else's.
func (s *session) leave() { s.worker.server.connections.Delete(s.conn.peer.FD) }

func statusOf(nowMS int64, st state) uint64 { return uint64(nowMS/1000)<<statusShift | uint64(st) }

// note tells what a turn left the session at, once a second at most if that is
// the same. In the middle of a data block no command has begun.
func (s *session) note(nowMS int64) {
	status := statusOf(nowMS, s.state)
	if status == s.status || s.state == stateBody && state(s.status&(1<<statusShift-1)) == stateBody {
		return
	}
	s.status = status
	s.conn.status.Store(status)
}

// appendConns appends `stats conns`, asked by the connection of descriptor own.
func (s *Server) appendConns(w *worker, own int) {
	var listeners []wire.Peer
	if f := s.env.Listeners; f != nil {
		listeners = f()
	}
	fds := make([]int, 0, s.connections.Size()+len(listeners))
	s.connections.Range(func(fd int, _ *connection) bool {
		fds = append(fds, fd)
		return true
	})
	for _, l := range listeners {
		fds = append(fds, l.FD)
	}
	slices.Sort(fds)
	now := w.out.NowMS / 1000
	for _, fd := range fds {
		if c, ok := s.connections.Load(fd); ok {
			w.appendConn(c, now, fd == own)
			continue
		}
		for i := range listeners {
			if l := &listeners[i]; l.FD == fd {
				w.appendListener(l, now)
			}
		}
	}
}

func (w *worker) appendConn(c *connection, now int64, own bool) {
	l := connList{w.out.Buf, c.peer.FD}
	status := c.status.Load()
	name, since := stateNames[state(status&(1<<statusShift-1))], now-int64(status>>statusShift)
	if own {
		name, since = "conn_parse_cmd", 0
	}
	if c.datagrams != nil {
		c.datagrams.appendConn(&l, c, own, since)
		w.out.Buf = l.buf
		return
	}
	if c.peer.Network == "unix" {
		l.line("addr", "", "?:<AF 0>") // memcached's words for a peer without an address
	} else {
		l.line("addr", networkOf(c.peer.Network, c.peer.Remote), c.peer.Remote)
	}
	l.line("listen_addr", networkOf(c.peer.Network, c.peer.Local), c.peer.Local)
	l.line("state", "", name)
	l.since(since)
	w.out.Buf = l.buf
}

func (w *worker) appendListener(p *wire.Peer, now int64) {
	l := connList{w.out.Buf, p.FD}
	l.line("addr", networkOf(p.Network, p.Local), p.Local)
	l.line("state", "", "conn_listening")
	l.since(now - w.server.env.StartedAtMS/1000)
	w.out.Buf = l.buf
}

// networkOf is what stands before an address.
func networkOf(network, address string) string {
	switch {
	case network == "unix":
		return "unix:"
	case strings.HasPrefix(address, "["):
		return "tcp6:"
	}
	return "tcp:"
}

// connList is a list of lines of `stats conns`.
type connList struct {
	buf []byte
	fd  int
}

func (l *connList) head(name string) {
	l.buf = ascii.AppendUint(append(l.buf, "STAT "...), uint64(l.fd))
	l.buf = append(append(append(l.buf, ':'), name...), ' ')
}

func (l *connList) line(name, prefix, value string) {
	l.head(name)
	l.buf = append(append(append(l.buf, prefix...), value...), '\r', '\n')
}

func (l *connList) since(seconds int64) {
	l.head("secs_since_last_cmd")
	l.buf = append(ascii.AppendUint(l.buf, uint64(max(seconds, 0))), '\r', '\n')
}
