package netio

import (
	"sync/atomic"

	"github.com/pandabeardb/panda/wire"
)

// loop is one goroutine with its poller: the Host of a Core on real sockets.
type loop struct {
	server *Server
	id     int
	poller *poller
	core   *Core
	tls    *TLS    // nil without a listener of TLS
	table  []*Conn // by file descriptor
	sys    sysState

	datagrams       *datagramCore // nil without a listener of UDP
	datagramSockets []*datagramSocket
	sysDatagrams    *sysDatagrams

	watched     *Watched // nil: nothing
	acceptWaits bool     // a listener may have more; the ready list, a tick or a resume will tell
	stopping    bool
	done        bool // the poller returns
	latency     latency

	_         [64]byte     // what follows is written by other loops
	count     atomic.Int64 // connections placed here
	tickWaits atomic.Bool
	wakeWaits atomic.Bool
	passWaits atomic.Bool
	passTask  func(any) // pass, made once: posting it allocates nothing
}

func newLoop(s *Server, id int) (*loop, error) {
	p, err := openPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{server: s, id: id, poller: p}
	l.passTask = l.pass
	l.core = NewCore(l, s.coreConfig())
	return l, nil
}

// coreConfig is that of every loop's Core.
func (s *Server) coreConfig() CoreConfig {
	return CoreConfig{
		OutCap:        s.config.OutCap,
		IdleTimeoutMS: s.config.IdleTimeout.Milliseconds(),
		Clock:         s.clock,
		Barrier:       s.config.Barrier,
	}
}

// run is the goroutine of the loop.
func (l *loop) run() {
	if err := l.poller.run(l); err != nil {
		panic("FATAL: poller: " + err.Error())
	}
	if l.watched != nil && l.watched.Ended != nil {
		l.watched.Ended()
	}
}

// event is called by the poller for every event of a batch.
func (l *loop) event(fd int, e Events) {
	if uint(fd) < uint(len(l.table)) {
		if c := l.table[fd]; c != nil {
			l.core.Event(c, e)
			if l.latency.on {
				l.latency.turned()
			}
			return
		}
	}
	l.eventOther(fd, e)
}

// eventOther: no plain connection, so one of TLS, a listener, or a descriptor that was closed
// earlier in this batch.
func (l *loop) eventOther(fd int, e Events) {
	if l.tls != nil && l.tls.conn(fd) != nil {
		l.tls.Event(fd, e)
		if l.latency.on {
			l.latency.turned()
		}
		return
	}
	if l.datagrams != nil && l.datagramEvent(fd, e) {
		return
	}
	if l.watched != nil && l.watched.FD == fd {
		l.cameWatched()
		return
	}
	for _, ln := range l.server.listeners {
		if ln.fd == fd && !l.core.leaving {
			l.accept(ln)
			return
		}
	}
}

// ready is called by the poller behind a batch, when Ready or accept asked.
func (l *loop) ready() {
	l.core.RunReady()
	if l.tls != nil {
		l.tls.Core.RunReady()
	}
	if l.datagrams != nil && l.datagrams.queued {
		l.datagrams.turn()
	}
	if l.acceptWaits {
		l.acceptAll()
	}
	began := l.core.BeganToWait()
	if l.tls != nil {
		began = l.tls.Core.BeganToWait() || began
	}
	if began && l.server.config.BeganToWait != nil {
		l.server.config.BeganToWait(l.id)
	}
}

// add takes over a connection.
func (l *loop) add(a *accepted) {
	if l.stopping {
		l.forget()
		closeFD(a.fd)
		return
	}
	for len(l.table) <= a.fd {
		l.table = append(l.table, nil)
	}
	s, core := a.from.open(l.id, a.peer), l.core
	var c *Conn
	if a.tls == nil {
		c = core.Add(a.fd, s, a.from.network != "unix")
		l.table[a.fd] = c
	} else {
		core = l.tls.Core
		c = l.tls.Add(a.fd, s, true, a.tls)
	}
	if err := l.poller.watch(a.fd); err != nil {
		l.server.log.Error("connection not watched", "fd", a.fd, "error", err)
		core.kill(c, wire.ByError)
	}
}

// resume gives parked sessions their turn.
func (l *loop) resume() {
	l.core.Resume()
	if l.tls != nil {
		l.tls.Core.Resume()
	}
}

// The tasks that other goroutines post.

func (l *loop) addTask(argument any) { l.add(argument.(*accepted)) }

func (l *loop) acceptTask(any) {
	if !l.core.leaving {
		l.acceptAll()
	}
}

func (l *loop) tick(any) {
	l.tickWaits.Store(false)
	l.core.Tick()
	if l.tls != nil {
		l.tls.Tick()
	}
	if l.datagrams != nil {
		l.datagrams.tick()
	}
	if l.acceptWaits && !l.server.paused.Load() && !l.core.leaving {
		l.acceptAll()
	}
	if l.server.config.Tick != nil {
		l.server.config.Tick(l.id, l.server.clock.NowMS())
	}
	l.resume()
}

func (l *loop) wake(any) {
	l.wakeWaits.Store(false)
	l.resume()
}

// pass: the barrier has moved.
func (l *loop) pass(any) {
	l.passWaits.Store(false)
	l.core.Passed()
	if l.tls != nil {
		l.tls.Core.Passed()
	}
}

// anyBarred reports whether a connection waits for the barrier. Any goroutine may call it.
func (l *loop) anyBarred() bool {
	return l.core.Counts.Barred.Load() > 0 || l.tls != nil && l.tls.Core.Counts.Barred.Load() > 0
}

func (l *loop) stop(any) {
	l.stopping = true
	l.stopDatagrams()
	l.core.Stop()
	if l.tls != nil {
		l.tls.Core.Stop()
	}
	l.checkDone()
}

func (l *loop) abort(any) {
	l.core.Abort()
	if l.tls != nil {
		l.tls.Core.Abort()
	}
	l.checkDone()
}

func (l *loop) checkDone() {
	l.done = l.stopping && l.core.Len() == 0 && (l.tls == nil || l.tls.Core.Len() == 0)
}

// forget uncounts a connection, and lets the listeners go on if its being
// there held them back.
func (l *loop) forget() {
	l.count.Add(-1)
	if l.server.conns.Add(-1) == 0 && l.server.leaving.Load() {
		select {
		case l.server.emptied <- struct{}{}:
		default:
		}
	}
	if l.server.paused.Load() {
		l.server.resume()
	}
}

// loop as Host.

// WantWrite implements Host. Only a connection whose output waits has the
// kernel watch for room: a unix socket, and any socket under kqueue, would
// otherwise wake the loop whenever the peer has taken a reply.
func (l *loop) WantWrite(fd int, on bool) {
	if err := l.poller.wantWrite(fd, on); err != nil {
		panic("FATAL: poller: " + err.Error())
	}
}

// Close implements Host.
func (l *loop) Close(fd int) {
	l.table[fd] = nil
	closeFD(fd)
	l.forget()
	l.checkDone()
}

// Ready implements Host.
func (l *loop) Ready() { l.poller.ready() }
