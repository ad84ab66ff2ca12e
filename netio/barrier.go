package netio

import "github.com/pandabeardb/panda/wire"

// How output waits for the barrier.
//
// A session says by wire.Out.Barrier which number must have been reached before
// its replies may be seen. Until then the connection is barred: its output lies in Conn.out,
// and it is left alone, whatever events come, since a peer that has hung up or died
// is found by the write that follows. So it costs no event, does not spin, and
// nobody waits for it: a slow disk holds its descriptor at most until Stop's context
// ends.
//
// The number is another goroutine's, which makes it grow and then looks at
// Counts.Barred; a loop counts the connection and then looks at the number again.
// Both are sequentially consistent, so that one of them sees the other: no
// connection waits for a number that was reached before it began to wait.

// passMax is how many connections one call of Passed lets go on: as many as a batch
// of events has, about 1 ms of writes. The others have their turn behind the
// events that came meanwhile.
const passMax = 256

// bar has c wait if the barrier that out is to wait for has not been passed. It
// reports whether c waits.
func (l *Core) bar(c *Conn, out *wire.Out) bool {
	if l.passed(out.Barrier) {
		out.Barrier = 0
		return false
	}
	l.Counts.Barred.Add(1)
	if l.passed(out.Barrier) {
		l.Counts.Barred.Add(-1)
		out.Barrier = 0
		return false
	}
	if out != c.out {
		c.out = l.outs.get(l.outCap)
		out.MoveTo(c.out)
	}
	c.flags |= barred
	l.barred = append(l.barred, c)
	if !l.barBegan {
		l.barBegan = true
		l.host.Ready()
	}
	return true
}

// BeganToWait reports whether a connection began to wait for the barrier since it was
// last asked. Behind a batch of events it is the moment to make the number grow: all
// of the batch's replies wait for the same.
func (l *Core) BeganToWait() (began bool) {
	began, l.barBegan = l.barBegan, false
	return began
}

// passed reports whether the barrier has come to number.
func (l *Core) passed(number uint64) bool {
	return l.barrier == nil || l.barrier.Load() >= number
}

// unbar ends c's waiting.
func (l *Core) unbar(c *Conn) {
	c.flags &^= barred
	c.out.Barrier = 0
	l.Counts.Barred.Add(-1)
}

// Passed is to be called after the barrier's number has grown: what waited for
// it is written. What the connections do next they do in a turn of the ready list,
// so that a crowd that waited for one number delays the others by passMax writes only.
func (l *Core) Passed() {
	l.passing, l.barred = l.barred, l.passing[:0]
	left := passMax
	for i, c := range l.passing {
		switch {
		case c.flags&gone != 0:
		case !l.passed(c.out.Barrier):
			l.barred = append(l.barred, c)
		case left == 0:
			l.barred = append(l.barred, l.passing[i:]...)
			clear(l.passing)
			l.passMore = true
			l.host.Ready()
			return
		default:
			left--
			l.pass(c)
		}
	}
	clear(l.passing)
}

// pass writes what c held, and has it go on.
func (l *Core) pass(c *Conn) {
	l.unbar(c)
	if c.flags&closing != 0 {
		c.deadlineMS = l.clock.NowMS() + closeStallMSMax // the peer could take nothing until now
	}
	if l.drain(c) && (len(c.rest) > 0 || c.flags&(readable|parked) != 0) {
		l.queue(c)
	}
}
