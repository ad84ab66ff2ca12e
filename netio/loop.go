package netio

import (
	"sync/atomic"

	errorx "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
)

// loop is one goroutine with its poller: the Host of a Core on real sockets.
type loop struct {
	server *Server
	id     int
	poller *netpoll.Poller
	core   *Core
	signal signal  // raised while the ready list or an accept waits
	table  []*Conn // by file descriptor
	sys    sysState
	exit   error // what the poller is told after each event: nil until the end

	acceptWaits bool // a listener may have more; the signal, a tick or a resume will tell
	stopping    bool

	_         [64]byte     // what follows is written by other loops
	count     atomic.Int64 // connections placed here
	tickWaits atomic.Bool
}

func newLoop(s *Server, id int) (*loop, error) {
	p, err := netpoll.OpenPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{server: s, id: id, poller: p}
	if err := l.signal.open(); err != nil {
		_ = p.Close()
		return nil, err
	}
	if err := p.AddRead(&netpoll.PollAttachment{FD: l.signal.fd()}, true); err != nil {
		l.close()
		return nil, err
	}
	l.core = NewCore(l, CoreConfig{
		OutCap:        s.config.OutCap,
		IdleTimeoutMS: s.config.IdleTimeout.Milliseconds(),
		Clock:         s.clock,
	})
	return l, nil
}

// run is the loop. It ends when a callback returns l.exit not nil.
func (l *loop) run() {
	err := l.poller.Polling(l.event)
	if l.exit == nil {
		panic("FATAL: poller: " + err.Error())
	}
}

// event is called by the poller for every event of a batch.
func (l *loop) event(fd int, e netpoll.IOEvent, flags netpoll.IOFlags) error {
	if uint(fd) < uint(len(l.table)) {
		if c := l.table[fd]; c != nil {
			l.core.Event(c, eventsOf(e, flags))
			return l.exit
		}
	}
	l.eventOther(fd)
	return l.exit
}

// eventOther: no connection, so the signal, a listener, or a descriptor that
// was closed earlier in this batch.
func (l *loop) eventOther(fd int) {
	if fd == l.signal.fd() {
		l.signal.lower()
		l.core.RunReady()
		if l.acceptWaits {
			l.acceptAll()
		}
		return
	}
	for _, ln := range l.server.listeners {
		if ln.fd == fd {
			l.accept(ln)
			return
		}
	}
}

// watch makes the loop accept from ln. Edge triggered: a loop that must not
// accept now need not tell the kernel, only remember.
func (l *loop) watch(ln *listener) error {
	return l.poller.AddRead(&netpoll.PollAttachment{FD: ln.fd}, true)
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
	s := a.from.open(l.id, a.peer)
	c := l.core.Add(a.fd, s, a.from.network != "unix")
	l.table[a.fd] = c
	if err := l.poller.AddRead(&netpoll.PollAttachment{FD: a.fd}, true); err != nil {
		l.server.log.Error("connection not watched", "fd", a.fd, "error", err)
		l.core.kill(c)
	}
}

// The tasks that other goroutines post.

func (l *loop) addTask(argument any) error {
	l.add(argument.(*accepted))
	return l.exit
}

func (l *loop) tick(any) error {
	l.tickWaits.Store(false)
	l.core.Tick()
	if l.acceptWaits && !l.server.paused.Load() {
		l.acceptAll()
	}
	if l.server.config.Tick != nil {
		l.server.config.Tick(l.id, l.server.clock.NowMS())
	}
	return l.exit
}

func (l *loop) acceptTask(any) error {
	l.acceptAll()
	return l.exit
}

func (l *loop) stop(any) error {
	l.stopping = true
	l.core.Stop()
	l.checkExit()
	return l.exit
}

func (l *loop) abort(any) error {
	l.core.Abort()
	l.checkExit()
	return l.exit
}

func (l *loop) checkExit() {
	if l.stopping && l.core.Len() == 0 {
		l.exit = errorx.ErrEngineShutdown
	}
}

// forget uncounts a connection, and lets the listeners go on if its being
// there held them back.
func (l *loop) forget() {
	l.count.Add(-1)
	l.server.conns.Add(-1)
	if l.server.paused.Load() {
		l.server.resume()
	}
}

func (l *loop) close() {
	l.signal.close()
	_ = l.poller.Close()
}

// loop as Host.

// WantWrite implements Host. Only a connection whose output waits has the
// kernel watch for room: a unix socket, and any socket under kqueue, would
// otherwise wake the loop whenever the peer has taken a reply.
func (l *loop) WantWrite(fd int, on bool) {
	a := netpoll.PollAttachment{FD: fd}
	var err error
	if on {
		err = l.poller.ModReadWrite(&a, true)
	} else {
		err = l.poller.ModRead(&a, true)
	}
	if err != nil {
		panic("FATAL: poller: " + err.Error())
	}
}

// Close implements Host.
func (l *loop) Close(fd int) {
	l.table[fd] = nil
	closeFD(fd)
	l.forget()
	l.checkExit()
}

// Ready implements Host.
func (l *loop) Ready() { l.signal.raise() }
