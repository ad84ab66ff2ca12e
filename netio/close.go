package netio

import "github.com/pandabeardb/panda/wire"

// How a connection ends.
//
//	Close from the session, or the end of the stream
//	  -> closing: write what waits, throw input away
//	  -> lingering: the peer was told that no more comes; throw input away
//	  -> gone
//
// A socket that is closed with unread input answers with a reset, which makes
// the kernel drop replies that are on their way. Hence input is read to its
// end, for a while. A peer that has closed its side, or is dead, needs none of it.
// One that is cut off (wire.Cut) is not worth it: it is closed once its reply is written.
//
// A stop does the same, for a shorter while behind the last byte, however many
// there are, and up to the context of Server.Stop: a peer in the middle of a
// pipeline gets what was answered, and then the end. One that sent nothing for
// as long is closed at once.

// finish ends c, whose output is written.
func (l *Core) finish(c *Conn, why wire.Reason) {
	if c.flags&(ended|cut) != 0 {
		l.kill(c, why)
		return
	}
	l.startClosing(c, why)
	c.flags |= lingering
	c.deadlineMS = l.clock.NowMS() + lingerMS
	if l.stopping {
		c.deadlineMS += stopLingerMS - lingerMS
	}
	l.host.CloseWrite(int(c.fd))
	c.flags |= readable
	l.discard(c)
}

// startClosing gives the session's part of c back. Its output, if any, waits.
func (l *Core) startClosing(c *Conn, why wire.Reason) {
	if c.flags&closing != 0 {
		return
	}
	c.flags |= closing
	c.deadlineMS = l.clock.NowMS() + closeStallMSMax
	l.closing = append(l.closing, c)
	l.endSession(c, why)
	l.Counts.Current.Add(-1)
}

func (l *Core) endSession(c *Conn, why wire.Reason) {
	l.keep(c, nil)
	c.session.Close(why)
	c.session = nil
}

// discard throws away what comes in at a closing connection.
func (l *Core) discard(c *Conn) {
	for range turnSteps {
		if c.flags&readable == 0 {
			return
		}
		n := l.host.Read(int(c.fd), l.in)
		switch {
		case n == Again:
			c.flags &^= readable
			return
		case n == 0 && c.flags&lingering == 0:
			c.flags = c.flags&^readable | ended // only our output is missing
			return
		case n <= 0:
			l.kill(c, wire.ByPeer)
			return
		}
		c.discarded = min(c.discarded+int32(n), lingerBytesMax+1)
		if c.discarded > lingerBytesMax && !l.stopping { // a stop has its end without that
			l.kill(c, wire.BySession)
			return
		}
		if l.stopping && c.flags&lingering != 0 {
			c.deadlineMS = l.clock.NowMS() + stopLingerMS
		}
		if n < len(l.in) && c.flags&hangup == 0 {
			c.flags &^= readable
		}
	}
	l.queue(c)
}

// kill closes c now, whatever waits.
func (l *Core) kill(c *Conn, why wire.Reason) {
	if c.flags&gone != 0 {
		return
	}
	open := c.flags&closing == 0
	if open {
		l.endSession(c, why)
	}
	c.flags |= gone
	if c.flags&barred != 0 {
		l.unbar(c)
	}
	if c.out != nil {
		c.out.Drop()
		l.releaseOut(c)
	}
	l.out.Drop() // when it is c's turn: a reply that cannot be written any more
	last := len(l.conns) - 1
	moved := l.conns[last]
	l.conns[c.index], l.conns[last] = moved, nil
	moved.index = c.index
	l.conns = l.conns[:last]
	l.host.Close(int(c.fd))
	if open {
		l.Counts.Current.Add(-1) // last: who sees it may count on the place being free
	}
}

// Tick looks after what needs the clock: idle and closing connections.
func (l *Core) Tick() {
	now := l.clock.NowMS()
	l.buffers.trim()
	l.outs.trim()
	l.tickClosing(now)
	if l.leaving {
		l.tickLeaving(now)
	}
	if l.idleTimeoutMS > 0 {
		l.tickIdle(now)
	}
}

func (l *Core) tickClosing(now int64) {
	kept := l.closing[:0]
	for _, c := range l.closing {
		if c.flags&(gone|barred) == 0 && now >= c.deadlineMS {
			l.kill(c, wire.BySession)
		}
		if c.flags&gone == 0 {
			kept = append(kept, c)
		}
	}
	clear(l.closing[len(kept):])
	l.closing = kept
}

// tickIdle closes connections that sent nothing for too long. One whose output
// waits is not idle, as with memcached, nor is one that is barred, in the middle of a
// body, or parked.
func (l *Core) tickIdle(now int64) {
	for range min(len(l.conns), idleScanMax) {
		if l.idleScan >= len(l.conns) {
			l.idleScan = 0
		}
		if len(l.conns) == 0 {
			return
		}
		c := l.conns[l.idleScan]
		if c.flags&(kickable|stalled|barred|queued|closing|parked) == kickable && now-c.activeMS > l.idleTimeoutMS && !l.inBody(c) {
			l.Counts.IdleKicks.Add(1)
			l.kill(c, wire.ByIdle) // another connection stands in its place now
			continue
		}
		l.idleScan++
	}
}

// inBody reports whether c's session waits for bytes of a body.
func (l *Core) inBody(c *Conn) bool {
	v := c.session.Body(l.vecs[: 0 : vectorsMax-1])
	clear(v)
	return len(v) > 0
}

// Stop ends every connection in order: what was read is answered, what was
// answered is written and not lost. Len is 0 when all have ended; Tick must
// still be called until then.
func (l *Core) Stop() {
	l.stopping = true
	now := l.clock.NowMS()
	for i := len(l.conns) - 1; i >= 0; i-- {
		c := l.conns[i]
		switch {
		case c.flags&lingering != 0:
			c.deadlineMS = min(c.deadlineMS, now+stopLingerMS)
		case c.flags&(stalled|barred|queued|closing|waiting) == 0:
			quiet := now-c.activeMS >= stopLingerMS
			l.finish(c, wire.ByStop)
			if quiet && c.discarded == 0 {
				l.kill(c, wire.ByStop) // it waits for nothing, and was not asking
			}
		}
	}
}

// Abort closes every connection now.
func (l *Core) Abort() {
	for len(l.conns) > 0 {
		l.kill(l.conns[len(l.conns)-1], wire.ByStop)
	}
}
