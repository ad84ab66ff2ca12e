package netio

import (
	"context"
	"time"

	"github.com/pandabeardb/panda/wire"
)

const (
	// leaveMSMax is how long connections may go on after the listeners were
	// left: a client that has connected has that long to send its first request.
	leaveMSMax = 1000

	// leaveQuietMS: one that was served, and has been quiet for so long, is
	// between two requests, and is closed.
	leaveQuietMS = 100

	// leaveBatches bounds what a loop accepts in the end: the largest backlog.
	leaveBatches = 4096 / acceptBatch
)

// Leave is a Stop that leaves the listeners, and the paths of unix sockets, to
// another process, which accepts at them already or will soon: nobody is
// refused meanwhile, and datagrams wait for it. Connections that were accepted here
// are served on until their next reply is written, or they are quiet: a client that
// asked is answered.
func (s *Server) Leave(ctx context.Context) error {
	if !s.started || !s.leaving.CompareAndSwap(false, true) {
		return errStopped
	}
	left := make(chan struct{}, len(s.loops))
	for _, l := range s.loops {
		l.poller.post(func(any) { l.leave(); left <- struct{}{} }, nil)
	}
	for range s.loops {
		<-left
	}
	limit := time.NewTimer(leaveMSMax * time.Millisecond)
	defer limit.Stop()
	for waiting := true; waiting && s.conns.Load() > 0; {
		select {
		case <-s.emptied:
		case <-ctx.Done():
			waiting = false
		case <-limit.C:
			waiting = false
		}
	}
	return s.Stop(ctx)
}

// leave ends accepting, on the loop, and receiving datagrams. A connection or
// datagram that was announced to this loop may be announced to nobody else: what waits
// is taken once more.
func (l *loop) leave() {
	for _, ln := range l.server.listeners {
		if err := l.poller.unwatchListener(ln.fd); err != nil {
			l.server.log.Error("a listener is still watched", "address", ln.local, "error", err)
		}
	}
	l.leaveDatagrams()
	for range leaveBatches {
		if l.acceptAll(); !l.acceptWaits {
			break
		}
	}
	l.acceptWaits = false
	l.core.Leave()
	if l.tls != nil {
		l.tls.Core.Leave()
	}
}

// leaveDatagrams answers what waits, and receives no more.
func (l *loop) leaveDatagrams() {
	for _, s := range l.datagramSockets {
		l.datagrams.event(s, Readable)
	}
	for i := 0; i < leaveBatches && l.datagrams != nil && l.datagrams.queued; i++ {
		l.datagrams.turn()
	}
	l.stopDatagrams()
}

// Leave makes every connection end with its next reply, or when it is quiet.
// Tick must still be called.
func (l *Core) Leave() {
	l.leaving = true
	l.tickLeaving(l.clock.NowMS())
}

// leaveAfter ends c, whose session has answered all that came, unless more has come.
func (l *Core) leaveAfter(c *Conn) bool {
	if c.flags&readable == 0 && len(c.rest) == 0 && !l.inBody(c) {
		l.finish(c, wire.ByStop)
		return false
	}
	return c.flags&readable != 0
}

// tickLeaving ends connections that are between two requests. One that has not
// sent a byte yet has until leaveMSMax.
func (l *Core) tickLeaving(now int64) {
	for i := len(l.conns) - 1; i >= 0; i-- {
		c := l.conns[i]
		if c.flags&(stalled|barred|queued|closing|parked|unheard) == 0 && now-c.activeMS >= leaveQuietMS && len(c.rest) == 0 && !l.inBody(c) {
			l.finish(c, wire.ByStop)
		}
	}
}
