package netio

import (
	"github.com/pandabeardb/panda/internal/invariant"
	"github.com/pandabeardb/panda/wire"
)

// park notes that c's session is to be resumed.
func (l *Core) park(c *Conn) {
	if c.flags&(closing|gone) != 0 {
		return
	}
	c.flags |= parked
	if c.flags&inParked == 0 {
		c.flags |= inParked
		l.parked = append(l.parked, c)
	}
}

// Resume resumes every parked session whose output does not wait.
func (l *Core) Resume() {
	kept := l.parked[:0]
	for _, c := range l.parked {
		if c.flags&(parked|closing|gone|stalled|barred|queued) == parked {
			l.resume(c)
		}
		if c.flags&(closing|gone) == 0 && c.flags&parked != 0 {
			kept = append(kept, c)
		} else {
			c.flags &^= inParked
		}
	}
	clear(l.parked[len(kept):])
	l.parked = kept
}

// turnAside is turn for a connection that waited for something else than an
// event: a parked session is resumed before its input is looked at.
func (l *Core) turnAside(c *Conn, steps int) {
	if c.flags&parked != 0 && !l.resume(c) {
		return
	}
	l.turn(c, steps)
}

// resume resumes c's session, at most turnSteps times. It reports whether c's
// input can be looked at now.
func (l *Core) resume(c *Conn) bool {
	if l.stopping && c.flags&waiting == 0 {
		l.finish(c, wire.ByStop)
		return false
	}
	s, ok := c.session.(wire.Parked)
	invariant.That(ok, "a session that cannot be resumed answered Park")
	out := &l.out
	if c.out != nil {
		out = c.out
	}
	out.NowMS, out.Cap = l.clock.NowMS(), l.outCap
	for range turnSteps {
		next := s.Resume(out)
		if next == wire.Close || next == wire.Cut {
			l.after(c, next, out)
			return false
		}
		if next == wire.More {
			c.flags &^= parked | waiting | hungry
		}
		if !l.flush(c, out) {
			return false
		}
		out = &l.out // c's own went back to the loop
		out.NowMS, out.Cap = l.clock.NowMS(), l.outCap
		switch next {
		case wire.Full:
			continue
		case wire.Yield:
			l.queue(c)
			return true
		case wire.More:
			l.queue(c) // for what was not consumed
			return false
		}
		return true
	}
	l.queue(c)
	return true
}
