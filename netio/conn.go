package netio

import "github.com/pandabeardb/panda/wire"

// Conn is one connection of a Core. While it is idle it owns no buffer.
type Conn struct {
	session wire.Session
	out     *wire.Out // output that waits: the socket is full, the barrier not passed, or the session yielded
	rest    []byte    // bytes that the session has not consumed, in own
	own     []byte    // a buffer of the loop's pool, nil most of the time

	activeMS   int64 // of the last byte that came in
	deadlineMS int64 // of a closing connection
	discarded  int32 // bytes thrown away while closing
	fd         int32
	index      int32 // in Core.conns
	flags      connFlags
	heldTurns  uint8 // for which a yielding session's output was held back
}

type connFlags uint16

const (
	readable  connFlags = 1 << iota // the socket may have more
	hangup                          // read on to the end of the stream
	ended                           // the end of the stream was read
	hungry                          // the session has seen rest, and wants more behind it
	stalled                         // the socket took only a part of out
	queued                          // on the ready list
	closing                         // the session is done: write what waits, then close
	lingering                       // closing, all is written, and the peer was told
	kickable                        // the idle timeout applies
	gone                            // closed
	parked                          // the session is to be resumed
	waiting                         // before anything else: it answered Wait
	inParked                        // among Core.parked, perhaps no longer parked
	unheard                         // the session has been fed nothing yet
	cut                             // when all is written it is closed without lingering
	barred                          // out, which may be empty, waits for the barrier
)

// FD is the file descriptor.
func (c *Conn) FD() int { return int(c.fd) }

// Gone reports whether the connection is closed.
func (c *Conn) Gone() bool { return c.flags&gone != 0 }

// keep makes rest what c's session is fed next. It lies in c's own buffer when
// c has one, else in the loop's, which is lent only for this turn.
func (l *Core) keep(c *Conn, rest []byte) {
	switch {
	case len(rest) == 0:
		if c.own != nil {
			l.buffers.put(c.own)
			c.own, c.rest = nil, nil
		}
	case c.own != nil:
		c.rest = rest
	default:
		c.own = l.buffers.get(len(rest))
		c.rest = c.own[:copy(c.own, rest)]
	}
}

// settle moves c's rest to a smaller buffer, since it may wait there for long.
func (l *Core) settle(c *Conn) {
	if len(c.own) < 4*len(c.rest) || len(c.own) == 1<<bufferShiftMin {
		return
	}
	old := c.own
	c.own = l.buffers.get(len(c.rest))
	c.rest = c.own[:copy(c.own, c.rest)]
	l.buffers.put(old)
}

// grow moves c's rest to the front of a buffer with room behind it: half of
// it at least.
func (l *Core) grow(c *Conn) {
	if 2*len(c.rest) <= len(c.own) {
		c.rest = c.own[:copy(c.own, c.rest)]
		return
	}
	old := c.own
	c.own = l.buffers.get(2 * len(c.rest))
	c.rest = c.own[:copy(c.own, c.rest)]
	l.buffers.put(old)
}
