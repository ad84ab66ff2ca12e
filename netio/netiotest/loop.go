package netiotest

import (
	"crypto/tls"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

const (
	stepsMax  = 1_000_000              // batches of one Run
	startMS   = 1_800_000_000_000      // where the clock stands at first
	tickEvery = 100 * time.Millisecond // as a server's
	fdFirst   = 100                    // the first connection's descriptor
)

// Options say how a Loop and its sockets behave. The zero value is a server
// with its defaults and sockets without limits.
type Options struct {
	OutCap      int
	IdleTimeout time.Duration
	Tick        func(nowMS int64)
	ReadMax     int       // bytes that one read returns at most; 0: no limit
	WriteMax    int       // bytes that one write takes at most; 0: no limit
	Peer        wire.Peer // of every connection, but for FD; default: TCP on loopback
	Manual      bool      // nothing runs but by Step and Run

	Barrier *atomic.Uint64 // a netio.Config's; nil: nothing ever waits

	TLS *tls.Config // of a server: connections are DialTLS's; nil: plain text
}

// Loop is one loop over pretended sockets.
type Loop struct {
	Core *netio.Core
	TLS  *netio.TLS // below it; nil: plain text

	t       testing.TB
	open    func(wire.Peer) wire.Session
	options Options
	nowMS   int64
	clients []*Client // by fd - fdFirst
	events  []event   // at hand, in order
	batch   []event   // being handled
	signals int
}

type event struct {
	client *Client // nil: the ready list
	what   netio.Events
}

// New returns a Loop whose connections get their sessions from open.
func New(t testing.TB, open func(wire.Peer) wire.Session, o Options) *Loop {
	if o.Peer.Network == "" {
		o.Peer = wire.Peer{Network: "tcp", Remote: "127.0.0.1:50000", Local: "127.0.0.1:11211"}
	}
	l := &Loop{t: t, open: open, options: o, nowMS: startMS}
	c := netio.CoreConfig{
		OutCap:        o.OutCap,
		IdleTimeoutMS: o.IdleTimeout.Milliseconds(),
		Clock:         l,
		Barrier:       o.Barrier,
	}
	if o.TLS == nil {
		l.Core = netio.NewCore((*host)(l), c)
	} else {
		l.TLS = netio.NewTLS((*host)(l), c)
		l.Core = l.TLS.Core
	}
	t.Cleanup(l.check)
	return l
}

// check holds sessions and connections to the contract when the test ends.
func (l *Loop) check() {
	l.Core.Abort()
	for _, c := range l.clients {
		if n := c.session.closes; n != 1 {
			l.t.Errorf("session of fd %d was closed %d times", c.fd, n)
		}
		if !c.closed {
			l.t.Errorf("fd %d was not closed", c.fd)
		}
	}
}

// NowMS implements netio.Clock.
func (l *Loop) NowMS() int64 { return l.nowMS }

// Signals is how often the loop asked for a turn of its ready list.
func (l *Loop) Signals() int { return l.signals }

// Dial opens a connection.
func (l *Loop) Dial() *Client { return l.dial(nil) }

func (l *Loop) dial(secure *netio.TLSConn) *Client {
	c := &Client{loop: l, fd: fdFirst + len(l.clients), window: -1}
	peer := l.options.Peer
	peer.FD = c.fd
	c.session = &watched{Session: l.open(peer), t: l.t, passed: l.options.Barrier}
	l.clients = append(l.clients, c)
	kick := peer.Network != "unix"
	if secure == nil {
		c.conn = l.Core.Add(c.fd, c.session, kick)
	} else {
		c.conn = l.TLS.Add(c.fd, c.session, kick, secure)
	}
	return c
}

// Advance moves the clock in a server's ticks.
func (l *Loop) Advance(d time.Duration) {
	for d > 0 {
		step := min(d, tickEvery)
		d -= step
		l.nowMS += step.Milliseconds()
		if l.TLS == nil {
			l.Core.Tick()
		} else {
			l.TLS.Tick()
		}
		if l.options.Tick != nil {
			l.options.Tick(l.nowMS)
		}
		l.Core.Resume()
		l.runAuto()
	}
}

// Wake resumes the parked sessions, as Server.Wake does.
func (l *Loop) Wake() {
	l.t.Helper()
	l.Core.Resume()
	l.runAuto()
}

// Passed writes what waited for the barrier, as Server.Passed does.
func (l *Loop) Passed() {
	l.t.Helper()
	l.Core.Passed()
	l.runAuto()
}

// Pass lets the barrier grow to number, and says so.
func (l *Loop) Pass(number uint64) {
	l.t.Helper()
	l.options.Barrier.Store(number)
	l.Passed()
}

// SetClock sets the clock, to any time, without a tick.
func (l *Loop) SetClock(nowMS int64) { l.nowMS = nowMS }

// Step handles the events that are at hand now, as one batch. It reports
// whether there were any.
func (l *Loop) Step() bool {
	l.batch, l.events = l.events, l.batch[:0]
	for _, e := range l.batch {
		switch {
		case e.client == nil:
			l.Core.RunReady()
		case e.client.closed:
		case l.TLS != nil:
			l.TLS.Event(e.client.fd, e.what)
		default:
			l.Core.Event(e.client.conn, e.what)
		}
	}
	return len(l.batch) > 0
}

// Run handles events until there are none.
func (l *Loop) Run() {
	l.t.Helper()
	for range stepsMax {
		if !l.Step() {
			return
		}
	}
	l.t.Fatalf("the loop is not done after %d batches", stepsMax)
}

// Stop ends all connections in order, as Server.Stop does: Advance must end
// those that were active a moment ago.
func (l *Loop) Stop() {
	l.t.Helper()
	l.Core.Stop()
	l.runAuto()
}

func (l *Loop) runAuto() {
	l.t.Helper()
	if !l.options.Manual {
		l.Run()
	}
}

func (l *Loop) raise(c *Client, what netio.Events) {
	l.events = append(l.events, event{c, what})
}

// watched is a session under the eyes of the contract.
type watched struct {
	wire.Session
	t      testing.TB
	closes int

	barrier uint64         // what the connection waits for
	passed  *atomic.Uint64 // nil: it does not
}

func (w *watched) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	w.called("Feed")
	n, next := w.Session.Feed(in, out)
	w.returned(out)
	if n < 0 || n > len(in) {
		w.t.Fatalf("Feed consumed %d of %d bytes", n, len(in))
	}
	return n, next
}

func (w *watched) Body(v [][]byte) [][]byte {
	w.alive("Body")
	return w.Session.Body(v)
}

func (w *watched) Filled(n int, out *wire.Out) wire.Next {
	w.called("Filled")
	next := w.Session.Filled(n, out)
	w.returned(out)
	return next
}

func (w *watched) Close(why wire.Reason) {
	w.closes++
	w.Session.Close(why)
}

func (w *watched) Resume(out *wire.Out) wire.Next {
	w.called("Resume")
	s, ok := w.Session.(wire.Parked)
	if !ok {
		w.t.Fatal("a session that cannot be parked answered Park")
	}
	if out.Len() > 0 {
		w.t.Errorf("Resume with %d bytes waiting", out.Len())
	}
	next := s.Resume(out)
	w.returned(out)
	return next
}

// called notes a call that may only come when nothing waits for the barrier.
func (w *watched) called(call string) {
	w.alive(call)
	if w.bars() {
		w.t.Errorf("%s before the barrier came to %d", call, w.barrier)
	}
}

func (w *watched) returned(out *wire.Out) { w.barrier = max(w.barrier, out.Barrier) }

// bars reports whether what the session said must wait.
func (w *watched) bars() bool { return w.passed != nil && w.barrier > w.passed.Load() }

func (w *watched) alive(call string) {
	if w.closes > 0 {
		w.t.Errorf("%s after Close", call)
	}
}
