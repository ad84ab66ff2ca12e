package netio

import (
	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/wire"
)

// acceptBatch is how many connections a loop accepts before it looks after
// those it has: about 0.5 ms.
const acceptBatch = 32

// accepted is a connection on its way to the loop that will serve it.
type accepted struct {
	fd   int
	from *listener
	peer wire.Peer
	tls  *TLSConn // nil: plain
}

func (l *loop) acceptAll() {
	l.acceptWaits = false
	for _, ln := range l.server.listeners {
		l.accept(ln)
	}
}

// accept takes connections from ln until there are none, or something says to
// come back later: acceptWaits then, since the kernel will not say it again.
func (l *loop) accept(ln *listener) {
	for range acceptBatch {
		if l.stopping || l.server.stopping.Load() {
			return
		}
		fd, from, n, err := l.server.acceptFrom(ln)
		if err != nil {
			if !l.acceptGoesOn(ln, err) {
				return
			}
			continue
		}
		l.server.acceptErrorLog.Store(false)
		if limit := l.server.config.MaxConns; limit > 0 && n > int64(limit) {
			l.reject(fd)
			continue
		}
		l.place(&accepted{fd: fd, from: ln, peer: ln.peerOf(fd, from)})
	}
	l.acceptWaits = true
	l.poller.ready()
}

// acceptGoesOn deals with an accept that failed.
func (l *loop) acceptGoesOn(ln *listener, err error) bool {
	switch err {
	case unix.EAGAIN:
		return false
	case errHeldBack:
		l.acceptWaits = true
		return false
	case unix.EINTR, unix.ECONNABORTED:
		return true
	}
	// No descriptors or no memory, most likely. The next tick tries again.
	l.acceptWaits = true
	if !l.server.stopping.Load() && l.server.acceptErrorLog.CompareAndSwap(false, true) {
		l.server.log.Error("accept fails, trying again on every tick", "address", ln.local, "error", err)
	}
	return false
}

// acceptFrom accepts a connection, unless the limit holds the listeners back,
// and counts it: n of them are open then. Where the limit is not to be
// exceeded at all, one loop at a time looks and accepts.
func (s *Server) acceptFrom(ln *listener) (fd int, from unix.Sockaddr, n int64, err error) {
	if limit := int64(s.config.MaxConns); limit > 0 && !s.config.MaxConnsFast {
		s.accepting.Lock()
		defer s.accepting.Unlock()
		if s.conns.Load() >= limit {
			if s.paused.CompareAndSwap(false, true) {
				s.listenDisabled.Add(1)
			}
			if s.conns.Load() < limit {
				s.resume() // one was closed meanwhile, and did not see the pause
			}
			return 0, nil, 0, errHeldBack
		}
	}
	if fd, from, err = socket.Accept(ln.fd); err == nil {
		n = s.conns.Add(1)
	}
	return fd, from, n, err
}

// resume lets the listeners go on after a pause, unless the server stops: a
// loop may be gone then, and nobody accepts any more.
func (s *Server) resume() {
	if !s.stopping.Load() && s.paused.CompareAndSwap(true, false) {
		for _, l := range s.loops {
			l.poller.post(l.acceptTask, nil)
		}
	}
}

// reject tells a connection over the limit so, and closes it.
func (l *loop) reject(fd int) {
	l.server.rejected.Add(1)
	if len(l.server.config.Reject) > 0 {
		writeFD(fd, l.server.config.Reject)
		l.CloseWrite(fd)
		l.Read(fd, l.core.in) // what it has sent would turn the close into a reset
	}
	closeFD(fd)
	l.server.conns.Add(-1)
}

// place gives a connection to the loop with the fewest; to this one, if it is
// among them.
func (l *loop) place(a *accepted) {
	to, fewest := l, l.count.Load()
	for _, other := range l.server.loops {
		if n := other.count.Load(); n < fewest {
			to, fewest = other, n
		}
	}
	to.count.Add(1)
	switch {
	case a.from.tls != nil:
		l.server.startHandshake(a, to)
	case to == l:
		l.add(a)
	default:
		to.poller.post(to.addTask, a)
	}
}

// peerOf says who is at the other end.
func (ln *listener) peerOf(fd int, from unix.Sockaddr) wire.Peer {
	p := wire.Peer{FD: fd, Network: ln.network, Local: ln.local}
	if ln.network == "unix" {
		return p
	}
	if a := socket.SockaddrToTCPOrUnixAddr(from); a != nil {
		p.Remote = a.String()
	}
	if ln.wildcard {
		if sa, err := unix.Getsockname(fd); err == nil {
			p.Local = socket.SockaddrToTCPOrUnixAddr(sa).String()
		}
	}
	return p
}
