package netio

import (
	"container/list"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// handshakeTimeout is for all of a handshake, which takes two round trips
	// and a millisecond of computing.
	handshakeTimeout = 10 * time.Second

	// handshakesMax is how many peers are waited for at once. Each costs 20 KB.
	// One more cuts off the one that was waited for longest.
	handshakesMax = 1024

	// handshakeHurry is how long a peer is waited for when the connection limit
	// keeps others out: whoever stalls must not. The slowest networks' round trip
	// takes less.
	handshakeHurry = time.Second
)

// handshakes are those under way. Each has a goroutine, since crypto/tls waits
// for its peer in the middle of one. The Server owns them; they end in Stop.
type handshakes struct {
	timeout time.Duration
	most    int
	hurry   time.Duration

	mu      sync.Mutex
	open    list.List // of *handshake
	waiting list.List // those of them that wait for their peer, longest first
	stopped bool

	turns    chan struct{} // holds as many as compute now: loops must not wait for them
	running  sync.WaitGroup
	errors   Counter
	sessions Counter // that were not resumed
}

// init makes room for one that computes at a time for every four loops. The
// process has a thread more than loops, and so the loops keep theirs.
func (h *handshakes) init(loops int) {
	h.timeout, h.most, h.hurry = handshakeTimeout, handshakesMax, handshakeHurry
	h.turns = make(chan struct{}, max(1, loops/4))
}

// handshake is one handshake: the socket of a TLSConn for that long.
type handshake struct {
	of       *handshakes
	file     *os.File // another descriptor of the socket, which Go's own poller waits for
	deadline time.Time
	place    *list.Element // in open
	waits    *list.Element // in waiting, nil when it is not there
	since    time.Time     // it waits
	isCut    atomic.Bool
	heard    bool // the peer has sent something
}

// startHandshake has a goroutine shake hands, and then gives the connection to
// the loop that is to serve it.
func (s *Server) startHandshake(a *accepted, to *loop) {
	h, err := s.handshakes.begin(a.fd)
	if err != nil {
		s.handshakeFailed(a, to, err)
		return
	}
	go func() {
		defer s.handshakes.running.Done()
		a.tls = NewTLSConn(h, a.from.tls)
		err := h.run(a.tls)
		if err == nil {
			to.poller.post(to.addTask, a)
		} else {
			s.handshakeFailed(a, to, err)
		}
	}()
}

// handshakeFailed closes a connection that never was one.
func (s *Server) handshakeFailed(a *accepted, to *loop, err error) {
	s.log.Debug("TLS handshake failed", "peer", a.peer.Remote, "error", err)
	closeFD(a.fd)
	to.forget()
}

// begin counts a handshake on fd.
func (h *handshakes) begin(fd int) (*handshake, error) {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		h.errors.Add(1)
		return nil, os.NewSyscallError("fcntl", err)
	}
	one := &handshake{of: h, file: os.NewFile(uintptr(other), "TLS"), deadline: time.Now().Add(h.timeout)}
	_ = one.file.SetDeadline(one.deadline) // it is a socket, and open
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		one.file.Close()
		return nil, errStopped
	}
	one.place = h.open.PushBack(one)
	h.running.Add(1)
	return one, nil
}

// run does it.
func (h *handshake) run(c *TLSConn) error {
	h.of.turns <- struct{}{}
	err := c.Handshake()
	<-h.of.turns
	h.of.mu.Lock()
	h.of.open.Remove(h.place)
	h.of.mu.Unlock()
	h.file.Close()
	switch {
	case err == nil && !c.Resumed():
		h.of.sessions.Add(1)
	case err != nil && h.heard: // who only looks whether somebody listens makes no error
		h.of.errors.Add(1)
	}
	return err
}

// Read implements io.Reader. Whoever waits for its peer lets others compute. It
// may be late when its turn comes again, with many before it: computing for a
// peer that has left would make the others late, too.
func (h *handshake) Read(p []byte) (int, error) {
	<-h.of.turns
	h.of.enter(h)
	n, err := h.file.Read(p)
	h.of.leave(h)
	h.of.turns <- struct{}{}
	if n > 0 {
		h.heard = true
	}
	if err == nil && (h.isCut.Load() || time.Now().After(h.deadline)) {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// enter: one begins to wait for its peer.
func (h *handshakes) enter(one *handshake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting.Len() >= h.most {
		h.cutFirst()
	}
	one.since = time.Now()
	one.waits = h.waiting.PushBack(one)
}

// leave: it waits no longer.
func (h *handshakes) leave(one *handshake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(one)
}

// cutFirst cuts the one that waits longest; h.mu is held.
func (h *handshakes) cutFirst() {
	first := h.waiting.Front().Value.(*handshake)
	h.remove(first)
	first.cut()
}

// makeRoom cuts those that keep others out for too long.
func (h *handshakes) makeRoom() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.waiting.Len() > 0 && time.Since(h.waiting.Front().Value.(*handshake).since) > h.hurry {
		h.cutFirst()
	}
}

// remove takes one out of those that wait; h.mu is held.
func (h *handshakes) remove(one *handshake) {
	if one.waits != nil {
		h.waiting.Remove(one.waits)
		one.waits = nil
	}
}

// Write implements io.Writer. A flight fits into the socket's buffer.
func (h *handshake) Write(p []byte) (int, error) { return h.file.Write(p) }

var _ io.ReadWriter = (*handshake)(nil)

// cut has it fail soon.
func (h *handshake) cut() {
	h.isCut.Store(true)
	_ = h.file.SetDeadline(time.Unix(1, 0)) // it may be closed
}

// stop ends all handshakes, and waits until they have ended.
func (h *handshakes) stop() {
	h.mu.Lock()
	h.stopped = true
	for e := h.open.Front(); e != nil; e = e.Next() {
		e.Value.(*handshake).cut()
	}
	h.mu.Unlock()
	h.running.Wait()
}

// openTLS prepares the loops for connections of TLS, before Start.
func (s *Server) openTLS() {
	for _, l := range s.loops {
		if l.tls == nil {
			l.tls = NewTLS(l, s.coreConfig())
		}
	}
}
