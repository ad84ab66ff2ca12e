package netio

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/wire"
)

const tickEveryDefault = 100 * time.Millisecond

// Config of a Server.
type Config struct {
	Loops        int                         // one goroutine, one poller each
	MaxConns     int                         // 0: no limit
	MaxConnsFast bool                        // over the limit: true: answer Reject and close; false: stop accepting until one closes
	Reject       []byte                      // what a connection over the limit is told
	IdleTimeout  time.Duration               // of TCP connections; 0: none
	OutCap       int                         // wire.Out.Cap of each connection; 0: 256 KiB
	TickEvery    time.Duration               // 0: 100 ms
	Tick         func(loop int, nowMS int64) // on the loop's goroutine; may be nil
	Barrier      *atomic.Uint64              // what replies wait for, of streams; see Passed; nil: nothing ever waits
	BeganToWait  func(loop int)              // behind a batch of events in which connections began to wait for Barrier; on the loop's goroutine; may be nil
	Clock        Clock                       // nil: the system's
	Log          *slog.Logger                // nil: none
}

// Server is loops, and the listeners that they share.
type Server struct {
	config    Config
	clock     Clock
	log       *slog.Logger
	loops     []*loop
	listeners []*listener
	started   bool
	running   sync.WaitGroup // the loops
	ticking   sync.WaitGroup // the ticker
	tickEnd   chan struct{}

	handshakes handshakes

	datagramListeners []*datagramListener
	datagramClients   []netip.Prefix

	accepting      sync.Mutex   // held to accept where MaxConns must not be exceeded
	conns          atomic.Int64 // open file descriptors of connections
	rejected       atomic.Int64
	listenDisabled atomic.Int64
	paused         atomic.Bool // the connection limit holds the listeners back
	stopping       atomic.Bool
	leaving        atomic.Bool   // the listeners are another process's
	emptied        chan struct{} // while leaving: there was no connection left
	acceptErrorLog atomic.Bool   // an accept error was logged, none has succeeded since

	passing sync.Mutex // held by Passed, which may be late
	closed  bool       // under passing: the pollers are no more
}

// New returns a Server that listens nowhere yet.
func New(c Config) (*Server, error) {
	if c.Loops < 1 {
		return nil, errLoops
	}
	s := &Server{config: c, clock: c.Clock, log: c.Log, tickEnd: make(chan struct{}), emptied: make(chan struct{}, 1)}
	if s.clock == nil {
		s.clock = newSystemClock()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.config.TickEvery <= 0 {
		s.config.TickEvery = tickEveryDefault
	}
	s.handshakes.init(c.Loops)
	for i := range c.Loops {
		l, err := newLoop(s, i)
		if err != nil {
			s.close()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// Start starts the loops and the ticker.
func (s *Server) Start() error {
	if s.started {
		return errStarted
	}
	for _, l := range s.loops {
		for _, ln := range s.listeners {
			if err := l.poller.watchListener(ln.fd); err != nil {
				return err
			}
		}
	}
	if err := s.startDatagrams(); err != nil {
		return err
	}
	s.started = true
	for _, l := range s.loops {
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			l.run()
		}()
	}
	s.ticking.Add(1)
	go s.tick()
	return nil
}

// tick wakes every loop up now and then. One that has not run its last tick
// yet is left alone.
func (s *Server) tick() {
	defer s.ticking.Done()
	t := time.NewTicker(s.config.TickEvery)
	defer t.Stop()
	for {
		select {
		case <-s.tickEnd:
			return
		case <-t.C:
			if limit := int64(s.config.MaxConns); limit > 0 && s.conns.Load() >= limit {
				s.handshakes.makeRoom()
			}
			for _, l := range s.loops {
				if l.tickWaits.CompareAndSwap(false, true) {
					l.poller.post(l.tick, nil)
				}
			}
		}
	}
}

// Wake has a loop resume its parked sessions soon. Any goroutine may call it;
// calls that come before the loop got to it are one.
func (s *Server) Wake(loop int) {
	if l := s.loops[loop]; l.wakeWaits.CompareAndSwap(false, true) {
		l.poller.post(l.wake, nil)
	}
}

// Passed is to be called after Config.Barrier's number has grown: the replies that
// waited for it are written soon. Loops on which nothing waits are left alone. Any
// goroutine may call it, also when the server has stopped; calls that come before a
// loop got to it are one.
func (s *Server) Passed() {
	s.passing.Lock()
	defer s.passing.Unlock()
	if s.closed {
		return
	}
	for _, l := range s.loops {
		if l.anyBarred() && l.passWaits.CompareAndSwap(false, true) {
			l.poller.post(l.passTask, nil)
		}
	}
}

// Stop ends in order: no connection is accepted any more, what was read is
// answered, what was answered is written (also what waits for the barrier, so
// whoever calls Passed must go on until Stop returns), and connections are closed, those
// whose peers still send after a moment, lest replies are lost (close.go). When
// ctx ends first, they are cut off, and its error is returned.
func (s *Server) Stop(ctx context.Context) (err error) {
	if !s.started {
		s.close()
		return nil
	}
	if !s.stopping.CompareAndSwap(false, true) {
		return errStopped
	}
	for _, ln := range s.listeners {
		if !s.leaving.Load() && !ln.foreign {
			_ = unix.Shutdown(ln.fd, unix.SHUT_RD) // refuses new peers where the system can; close does everywhere
		}
	}
	for _, l := range s.loops {
		l.poller.post(l.stop, nil)
	}
	s.handshakes.stop()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		for _, l := range s.loops {
			l.poller.post(l.abort, nil)
		}
		<-done
	}
	close(s.tickEnd)
	s.ticking.Wait()
	s.close()
	return err
}

// close gives back what the system lent. Nothing runs any more.
func (s *Server) close() {
	for _, ln := range s.listeners {
		_ = unix.Close(ln.fd)
		if ln.network == "unix" && !ln.foreign && !s.leaving.Load() {
			if err := os.Remove(ln.local); err != nil && !errors.Is(err, os.ErrNotExist) {
				s.log.Warn("unix socket not removed", "path", ln.local, "error", err)
			}
		}
	}
	s.listeners = nil
	for _, ln := range s.datagramListeners {
		ln.close()
	}
	s.datagramListeners = nil
	s.passing.Lock()
	s.closed = true
	s.passing.Unlock()
	for _, l := range s.loops {
		l.poller.runTasks() // a connection may have been on its way to a loop that was done
	}
	for _, l := range s.loops {
		l.poller.close()
	}
	s.loops = nil
}

// Listeners are the addresses that are listened on, each with its descriptor.
// Start must have been called.
func (s *Server) Listeners() (list []wire.Peer) {
	for _, ln := range s.listeners {
		list = append(list, wire.Peer{FD: ln.fd, Network: ln.network, Local: ln.local})
	}
	return list
}

// Transport sums over the loops.
func (s *Server) Transport() wire.Transport {
	t := wire.Transport{
		RejectedConnections: s.rejected.Load(),
		AcceptingPaused:     s.paused.Load(),
		ListenDisabled:      s.listenDisabled.Load(),
		TLSHandshakeErrors:  s.handshakes.errors.Load(),
		TLSNewSessions:      s.handshakes.sessions.Load(),
	}
	for _, l := range s.loops {
		l.core.Counts.addTo(&t)
		if l.tls != nil {
			l.tls.Core.Counts.addTo(&t)
			t.TLSRecordErrors += l.tls.Errors.Load()
		}
		if l.datagrams != nil {
			l.datagrams.counts.addTo(&t.Datagrams)
		}
	}
	return t
}

func (c *Counts) addTo(t *wire.Transport) {
	t.CurrentConnections += c.Current.Load()
	t.TotalConnections += c.Total.Load()
	t.IdleKicks += c.IdleKicks.Load()
	t.BytesRead += c.BytesRead.Load()
	t.BytesWritten += c.BytesWritten.Load()
	t.BarredConnections += c.Barred.Load()
}
