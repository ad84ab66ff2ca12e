package netio

import (
	"sync/atomic"

	"github.com/pandabeardb/panda/internal/invariant"
	"github.com/pandabeardb/panda/wire"
)

// Limits of a Core. Each has its reason.
const (
	readBufferSize  = 16 << 10  // a pipeline of 64 sets of 200 bytes; more of a large value would be copied twice
	outCapDefault   = 256 << 10 // from here another write costs less than the memory of waiting longer
	bodyDirectMin   = 4 << 10   // below it the copy costs less than the second vector
	bodyReadMax     = 1 << 20   // one read into a body: about 0.2 ms of copying
	turnSteps       = 4         // reads or feeds a connection gets before the others have theirs
	heldTurnsMax    = 8         // turns for which a yielding session's small output is held back
	heldBytesMax    = 16 << 10  // output that is written at once although the session yielded
	restMax         = 1 << 20   // bytes a session may leave unconsumed; then reading pauses
	vectorsMax      = 64        // pieces of one vectored write (the kernel takes 1,024)
	idleScanMax     = 4096      // connections looked at for idleness on one tick: about 20 µs
	lingerMS        = 2000      // after the last byte was sent, for the peer to close
	stopLingerMS    = 200       // likewise at a stop, and after the last byte that came in: round trips of any network
	lingerBytesMax  = 16 << 20  // input thrown away while a connection closes, but at a stop
	closeStallMSMax = 60_000    // a closing connection whose peer takes no byte for so long is cut
)

// Results of Host.Read and Host.Write besides byte counts.
const (
	Again  = -1 // nothing now; an event will say when to come back
	Broken = -2 // the connection is gone
)

// Host is the world of a Core: sockets, or netiotest's pretence of them.
type Host interface {
	// Read reads into p: bytes read, 0 at the end of the stream, Again or Broken.
	Read(fd int, p []byte) int
	// ReadVectors reads into the pieces of v in order, as Read does.
	ReadVectors(fd int, v [][]byte) int
	// Write writes p: bytes written, Again or Broken.
	Write(fd int, p []byte) int
	// WriteVectors writes the pieces of v in order, as Write does.
	WriteVectors(fd int, v [][]byte) int
	// WantWrite asks for, or no longer for, an event when fd can be written.
	WantWrite(fd int, on bool)
	// CloseWrite tells the peer that no more bytes come.
	CloseWrite(fd int)
	// Close closes fd; the Core has forgotten it.
	Close(fd int)
	// Ready asks for a call of RunReady after the events that are at hand.
	Ready()
}

// Counts is what a Core counts; the Host reads them from other goroutines.
type Counts struct {
	Current      Counter // connections with a session
	Total        Counter
	IdleKicks    Counter
	BytesRead    Counter
	BytesWritten Counter
	Barred       Counter // connections that wait for the barrier, now
}

// CoreConfig of a Core.
type CoreConfig struct {
	OutCap        int   // 0: default
	IdleTimeoutMS int64 // 0: none
	Clock         Clock

	// Barrier is the number that wire.Out.Barrier waits for (barrier.go). It only grows; who
	// makes it grow calls Passed after that. nil: nothing ever waits.
	Barrier *atomic.Uint64
}

// Core is the connections of one loop: everything that is decided between a
// socket's event and a session's bytes. It does no system call itself and
// starts nothing; all calls come from one goroutine.
type Core struct {
	_      [64]byte // other loops' memory lies elsewhere than what this one counts
	Counts Counts
	_      [64]byte

	host  Host
	clock Clock
	out   wire.Out // lent to the connection whose turn it is
	in    []byte   // likewise
	vecs  [][]byte

	outCap        int
	idleTimeoutMS int64
	barrier       *atomic.Uint64

	conns    []*Conn // all, closing ones included
	closing  []*Conn // those that Tick looks after
	ready    []*Conn // want a turn
	running  []*Conn // ready's other half, while it runs
	parked   []*Conn // those that Resume looks after, and some that are no longer parked
	barred   []*Conn // those that Passed looks after, and some that are gone
	barBegan bool    // see BeganToWait
	passing  []*Conn // barred's other half, while Passed runs
	passMore bool    // RunReady goes on with Passed
	idleScan int     // where in conns the next tick looks
	stopping bool
	leaving  bool // connections end with their next reply (leave.go)

	buffers bufferPool
	outs    outPool
}

// NewCore returns a Core without connections.
func NewCore(h Host, c CoreConfig) *Core {
	if c.OutCap == 0 {
		c.OutCap = outCapDefault
	}
	return &Core{
		host: h, clock: c.Clock,
		in:     make([]byte, readBufferSize),
		vecs:   make([][]byte, 0, vectorsMax),
		outCap: c.OutCap, idleTimeoutMS: c.IdleTimeoutMS, barrier: c.Barrier,
	}
}

// Len is the number of connections that still have a file descriptor.
func (l *Core) Len() int { return len(l.conns) }

// Add takes over a connected, non-blocking fd. Nothing is read before an event
// says that there is something. kick: the idle timeout applies.
func (l *Core) Add(fd int, s wire.Session, kick bool) *Conn {
	c := &Conn{session: s, fd: int32(fd), index: int32(len(l.conns)), activeMS: l.clock.NowMS(), flags: unheard}
	if kick && l.idleTimeoutMS > 0 {
		c.flags |= kickable
	}
	l.conns = append(l.conns, c)
	l.Counts.Current.Add(1)
	l.Counts.Total.Add(1)
	return c
}

// Events of a socket.
type Events uint8

const (
	Readable Events = 1 << iota
	Writable
	Hangup // the peer closed its side, or the socket has an error: read to the end
)

// Event says what happened to c's socket. Events may be late or false: each
// is tried, none is believed.
func (l *Core) Event(c *Conn, e Events) {
	if e&(Readable|Hangup) != 0 {
		c.flags |= readable
	}
	if e&Hangup != 0 {
		c.flags |= hangup
	}
	if c.flags&(stalled|barred|queued|closing|gone) == 0 {
		l.turn(c, turnSteps)
		return
	}
	l.eventAside(c, e)
}

// eventAside is Event for a connection that is not simply waiting for input.
func (l *Core) eventAside(c *Conn, e Events) {
	if c.flags&(gone|barred) != 0 {
		return // what happened to a barred one is found once the barrier is passed
	}
	if c.flags&stalled != 0 && e&(Writable|Hangup) != 0 && !l.drain(c) {
		return
	}
	switch {
	case c.flags&closing != 0:
		l.discard(c)
	case c.flags&(stalled|queued) == 0:
		l.turnAside(c, turnSteps)
	}
}

// RunReady gives every connection that waits for a turn one.
func (l *Core) RunReady() {
	l.running, l.ready = l.ready, l.running[:0]
	for i, c := range l.running {
		l.running[i] = nil
		c.flags &^= queued
		switch {
		case c.flags&(gone|barred) != 0:
		case c.flags&closing != 0:
			l.discard(c)
		case c.flags&stalled == 0:
			l.turnAside(c, 1)
		}
	}
	if l.passMore {
		l.passMore = false
		l.Passed()
	}
}

// queue puts c on the ready list.
func (l *Core) queue(c *Conn) {
	if c.flags&queued != 0 {
		return
	}
	c.flags |= queued
	l.ready = append(l.ready, c)
	if len(l.ready) == 1 {
		l.host.Ready()
	}
}

// turn is what one wake-up gives to c: at most so many steps.
func (l *Core) turn(c *Conn, steps int) {
	now := l.clock.NowMS()
	l.out.NowMS, l.out.Cap = now, l.outCap
	for range steps {
		if !l.step(c, now) {
			return
		}
	}
	l.queue(c)
}

// step feeds the session once. It reports whether c could go on at once.
func (l *Core) step(c *Conn, now int64) bool {
	out := &l.out
	if c.out != nil {
		out = c.out
		out.NowMS = now
	}
	if len(c.rest) > 0 && c.flags&hungry == 0 {
		n, next := c.session.Feed(c.rest, out)
		invariant.That(n >= 0 && n <= len(c.rest), "a session consumed more than it was fed")
		l.keep(c, c.rest[n:])
		return l.after(c, next, out)
	}
	if c.flags&waiting != 0 {
		return false
	}
	if c.flags&readable == 0 || l.stopping {
		if l.stopping {
			l.finish(c, wire.ByStop)
		}
		return false
	}
	if len(c.rest) == 0 {
		body := c.session.Body(l.vecs[: 0 : vectorsMax-1])
		if len(body) > 1 || len(body) == 1 && len(body[0]) >= bodyDirectMin {
			return l.stepBody(c, len(body), out, now)
		}
	}
	in, ok := l.read(c)
	if !ok {
		return false
	}
	c.activeMS = now
	n, next := c.session.Feed(in, out)
	invariant.That(n >= 0 && n <= len(in), "a session consumed more than it was fed")
	l.keep(c, in[n:])
	return l.after(c, next, out)
}

// read gets more bytes behind what the session left. The result lies in the
// loop's buffer, or in c's own when the rest is large.
func (l *Core) read(c *Conn) (in []byte, ok bool) {
	buf, base := l.in, 0
	if rest := len(c.rest); rest > 0 {
		if rest > len(l.in)/2 {
			if rest >= restMax {
				return nil, l.readPaused(c)
			}
			l.grow(c)
			buf = c.own
		}
		base = copy(buf, c.rest)
	}
	n := l.host.Read(int(c.fd), buf[base:])
	if n <= 0 {
		l.readNothing(c, n)
		return nil, false
	}
	if n < len(buf)-base && c.flags&hangup == 0 {
		c.flags &^= readable
	}
	if base > 0 && base <= len(l.in)/2 {
		l.keep(c, nil) // it lies in the loop's buffer now
	}
	l.Counts.BytesRead.Add(int64(n))
	return buf[:base+n], true
}

// readPaused: the session wants more although it holds restMax bytes already.
// It gets none, so its connection ends when the peer or the idle timeout says.
func (l *Core) readPaused(c *Conn) bool {
	if c.flags&hangup != 0 {
		l.finish(c, wire.ByPeer)
	}
	return false
}

// readNothing deals with a read that returned no byte.
func (l *Core) readNothing(c *Conn, n int) {
	switch n {
	case Again:
		c.flags &^= readable
	case Broken:
		l.kill(c, wire.ByError)
	default:
		c.flags |= ended
		l.finish(c, wire.ByPeer)
	}
}

// stepBody reads straight into the memory that a session has for its body, the
// first pieces of l.vecs, and what follows it into the loop's buffer, in one
// system call.
func (l *Core) stepBody(c *Conn, pieces int, out *wire.Out, now int64) bool {
	v, body, want := l.cutBody(pieces)
	n := l.host.ReadVectors(int(c.fd), v)
	clear(v)
	if n <= 0 {
		l.readNothing(c, n)
		return false
	}
	if n < want && c.flags&hangup == 0 {
		c.flags &^= readable
	}
	l.Counts.BytesRead.Add(int64(n))
	c.activeMS = now
	next := c.session.Filled(min(n, body), out)
	if n > body {
		in, used := l.in[:n-body], 0
		if next == wire.More && out.Barrier > 0 {
			next = wire.Full // the rest is fed when the barrier is passed
		}
		if next == wire.More {
			used, next = c.session.Feed(in, out)
			invariant.That(used >= 0 && used <= len(in), "a session consumed more than it was fed")
		}
		l.keep(c, in[used:])
	}
	return l.after(c, next, out)
}

// cutBody returns what one read may fill: bodyReadMax bytes of the body, or all
// of it and the loop's buffer behind; and the bytes of the body, and of both.
func (l *Core) cutBody(pieces int) (v [][]byte, body, want int) {
	v = l.vecs[:pieces]
	for i, p := range v {
		if body+len(p) >= bodyReadMax {
			v[i] = p[:bodyReadMax-body]
			clear(v[i+1:])
			return v[:i+1], bodyReadMax, bodyReadMax
		}
		body += len(p)
	}
	if pieces == vectorsMax-1 {
		return v, body, body // there may be more of it
	}
	return append(v, l.in), body, body + len(l.in)
}

// after does what the session wants. It reports whether c could go on at once.
func (l *Core) after(c *Conn, next wire.Next, out *wire.Out) bool {
	c.flags &^= hungry | parked | waiting | unheard
	switch next {
	case wire.More:
		if len(c.rest) > 0 {
			c.flags |= hungry
			l.settle(c)
		}
		if !l.flush(c, out) {
			return false
		}
		if l.stopping {
			l.finish(c, wire.ByStop)
			return false
		}
		if l.leaving {
			return l.leaveAfter(c)
		}
		return c.flags&readable != 0
	case wire.Yield:
		if l.hold(c, out) || l.flush(c, out) {
			l.queue(c)
		}
		return false
	case wire.Full:
		return l.flush(c, out)
	case wire.Park:
		again := l.after(c, wire.More, out)
		l.park(c)
		return again
	case wire.Wait:
		if len(c.rest) > 0 {
			c.flags |= hungry
			l.settle(c)
		}
		c.flags |= waiting
		l.park(c)
		l.flush(c, out)
		return false
	case wire.Cut:
		c.flags |= cut
		fallthrough
	default:
		if l.flush(c, out) {
			l.finish(c, wire.BySession)
		} else if c.flags&gone == 0 {
			l.startClosing(c, wire.BySession)
		}
		return false
	}
}

// hold keeps a yielding session's small output back, so that the turns that
// belong to one read need one write. It reports false when it is time to write.
func (l *Core) hold(c *Conn, out *wire.Out) bool {
	if c.heldTurns >= heldTurnsMax || out.Len() > heldBytesMax || len(c.rest) == 0 || out.Barrier > 0 {
		return false
	}
	c.heldTurns++
	if out == &l.out && out.Len() > 0 {
		c.out = l.outs.get(l.outCap)
		out.MoveTo(c.out)
	}
	return true
}

// flush writes what is in out. It reports false when something is left, which
// then waits in c.out for the socket or the barrier, or when c died.
func (l *Core) flush(c *Conn, out *wire.Out) bool {
	c.heldTurns = 0
	if out.Barrier > 0 && l.bar(c, out) {
		return false
	}
	n := l.write(c, out)
	switch {
	case n == Broken:
		l.kill(c, wire.ByError)
		return false
	case out.Len() == 0:
		out.Advance(0) // empty pieces at the end
		if out == c.out {
			l.releaseOut(c)
		} else if cap(out.Buf) > 2*l.outCap+heldBytesMax {
			out.Buf = nil // one huge reply must not stay for ever
		}
		return true
	}
	if c.out == nil {
		c.out = l.outs.get(l.outCap)
		out.MoveTo(c.out)
	}
	if c.flags&stalled == 0 {
		c.flags |= stalled
		l.host.WantWrite(int(c.fd), true)
	}
	return false
}

// write writes until out is empty or the socket takes no more. It returns
// Broken, or something else.
func (l *Core) write(c *Conn, out *wire.Out) int {
	for out.Len() > 0 {
		var n, want int
		if b, plain := out.Plain(); plain {
			want = len(b)
			n = l.host.Write(int(c.fd), b)
		} else {
			l.vecs = out.AppendVectors(l.vecs[:0], vectorsMax)
			for _, v := range l.vecs {
				want += len(v)
			}
			n = l.host.WriteVectors(int(c.fd), l.vecs)
			clear(l.vecs)
		}
		if n < 0 {
			return n
		}
		l.Counts.BytesWritten.Add(int64(n))
		out.Advance(n)
		if n < want {
			return Again
		}
	}
	return 0
}

// drain writes what had to wait for c's socket or the barrier. It reports whether
// all of it is out, and c alive.
func (l *Core) drain(c *Conn) bool {
	before := c.out.Len()
	if !l.flush(c, c.out) {
		if c.flags&gone == 0 && c.out.Len() < before && c.flags&closing != 0 {
			c.deadlineMS = l.clock.NowMS() + closeStallMSMax
		}
		return false
	}
	if c.flags&stalled != 0 {
		c.flags &^= stalled
		l.host.WantWrite(int(c.fd), false)
	}
	if c.flags&closing != 0 {
		l.finish(c, wire.BySession)
		return false
	}
	c.activeMS = l.clock.NowMS()
	if l.stopping && c.flags&waiting == 0 && (len(c.rest) == 0 || c.flags&hungry != 0) {
		l.finish(c, wire.ByStop)
		return false
	}
	return true
}

// releaseOut gives c's own Out back to the loop.
func (l *Core) releaseOut(c *Conn) {
	l.outs.put(c.out)
	c.out = nil
}
