package load

import (
	"errors"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// readSize is the read buffer of a worker: a whole reply of depth 64, and half
// of the largest values.
const readSize = 256 << 10

// tick bounds one wait, so that a worker notices a cancelled run.
const tick = 100 * time.Millisecond

// worker drives its connections from one goroutine.
type worker struct {
	c        *Config
	poll     *poller
	conns    []*conn
	plan     schedule // open loop
	buf      []byte
	records  []byte // TLS: what a read brought
	latency  *hdrhistogram.Histogram
	start    time.Time
	deadline int64 // when no further request may start
	heard    int64 // when the last bytes came
	busy     int   // closed loop: connections that have not finished
	stop     *atomic.Bool
}

func newWorker(c *Config, stop *atomic.Bool) (*worker, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &worker{c: c, poll: p, buf: make([]byte, readSize), deadline: math.MaxInt64, stop: stop}
	if c.TLS != nil {
		w.records = make([]byte, readSize)
	}
	if c.Latency {
		w.latency = newHistogram()
	}
	return w, nil
}

// dial connects a stream and gives it to the worker.
func (w *worker) dial(s *stream) error {
	d := net.Dialer{Timeout: StallLimit}
	nc, err := d.Dial(w.c.Network, w.c.Address)
	if err != nil {
		return err
	}
	defer nc.Close()
	c, err := w.open(nc, s)
	if err != nil {
		return err
	}
	w.conns = append(w.conns, c)
	return w.poll.add(c.fd, len(w.conns)-1)
}

func (w *worker) close() {
	for _, c := range w.conns {
		c.file.Close()
	}
	w.poll.close()
}

func (w *worker) now() int64 { return int64(time.Since(w.start)) }

// run sends and receives until every request that was made has its reply.
func (w *worker) run() error {
	w.heard = w.now()
	if w.c.Rate > 0 {
		return w.openLoop()
	}
	w.busy = len(w.conns)
	for _, c := range w.conns {
		if err := w.nextBatch(c, w.now()); err != nil {
			return err
		}
	}
	for w.busy > 0 {
		if err := w.turn(); err != nil {
			return err
		}
	}
	return nil
}

// openLoop sends each request when it is due, and waits for the last replies.
func (w *worker) openLoop() error {
	for {
		for c := w.issue(); c != nil; c = w.issue() {
			if err := c.flush(); err != nil {
				return err
			}
		}
		if w.plan.done() && w.outstanding() == 0 {
			return nil
		}
		// A plan that is behind waits for replies, not for the time.
		if wait := w.plan.due() - w.now(); wait > 0 && !w.plan.done() {
			if err := w.poll.wake(time.Duration(wait)); err != nil {
				return err
			}
		}
		if err := w.turn(); err != nil {
			return err
		}
	}
}

// issue makes the next requests that are due together, if any, and returns where.
func (w *worker) issue() *conn {
	c := w.conns[w.plan.index/w.plan.burst%int64(len(w.conns))]
	now := w.now()
	if !w.plan.issue(c.stream, now) {
		return nil
	}
	for !w.plan.begins() && w.plan.issue(c.stream, now) {
	}
	return c
}

func (w *worker) outstanding() (n int) {
	for _, c := range w.conns {
		n += c.outstanding()
	}
	return n
}

// turn waits for events and serves them, and ends a run that is cancelled or
// stalled.
func (w *worker) turn() error {
	n, err := w.poll.wait(tick)
	switch {
	case err != nil:
		return err
	case w.stop.Load():
		return errStopped
	case n == 0 && w.now()-w.heard > int64(StallLimit):
		return ErrStalled
	}
	for i := range n {
		id, readable, writable := w.poll.ready(i)
		if id == timerID {
			continue
		}
		if err := w.serve(w.conns[id], readable, writable); err != nil {
			return err
		}
	}
	return nil
}

// serve moves what a socket has or takes.
func (w *worker) serve(c *conn, readable, writable bool) error {
	if writable && c.waits() {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if !readable {
		return nil
	}
	now, err := w.read(c)
	if err != nil || w.c.Rate > 0 || c.outstanding() > 0 {
		return err
	}
	return w.nextBatch(c, now)
}

// nextBatch starts the next batch of a closed loop, or finishes the connection.
func (w *worker) nextBatch(c *conn, now int64) error {
	n := min(int64(w.c.Depth), c.left)
	if n == 0 || now >= w.deadline {
		c.left = 0
		w.busy--
		return nil
	}
	c.batch(int(n), now)
	return c.flush()
}

// read takes all that the socket has. A read that did not fill the buffer
// emptied the socket: whatever comes later is a new edge.
func (w *worker) read(c *conn) (now int64, err error) {
	for {
		have := copy(w.buf, c.carry)
		n, more, err := w.receive(c, w.buf[have:])
		now = w.now()
		w.heard = now
		switch {
		case errors.Is(err, ErrClosed) && c.outstanding() == 0 && c.left == 0:
			return now, nil
		case err != nil:
			return now, err
		case n == 0:
			return now, nil
		}
		got := w.buf[:have+n]
		used, err := c.replies(got, now)
		if err != nil {
			return now, err
		}
		c.carry = append(c.carry[:0], got[used:]...)
		if !more {
			return now, nil
		}
	}
}

func (w *worker) receive(c *conn, p []byte) (n int, more bool, err error) {
	if c.secure != nil {
		return c.receiveSecure(w.records, p)
	}
	return c.receive(p)
}
