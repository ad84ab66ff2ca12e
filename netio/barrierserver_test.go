package netio_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// journal is a log that becomes durable up to a number now and then, as its owner says.
type journal struct {
	appended atomic.Uint64
	durable  atomic.Uint64
	more     chan struct{} // something was appended
	late     bool          // append wakes nobody
}

func newJournal() *journal { return &journal{more: make(chan struct{}, 1)} }

// append returns the number of what it appends.
func (j *journal) append() uint64 {
	n := j.appended.Add(1)
	if !j.late {
		j.wake()
	}
	return n
}

// wake has the writer look.
func (j *journal) wake() {
	select {
	case j.more <- struct{}{}:
	default:
	}
}

// sync makes all that was appended durable, and says so to s.
func (j *journal) sync(s *netio.Server) {
	n := j.appended.Load()
	j.durable.Store(n)
	s.Passed()
}

// writer makes what is appended durable as soon as it can, until end is closed.
func (j *journal) writer(s *netio.Server, end chan struct{}) {
	for {
		select {
		case <-j.more:
			j.sync(s)
		case <-end:
			return
		}
	}
}

// recorder appends every line to a journal, and answers its number once that
// is durable. "quit" closes.
type recorder struct{ journal *journal }

func (s *recorder) Feed(in []byte, out *wire.Out) (n int, next wire.Next) {
	for {
		i := bytes.IndexByte(in[n:], '\n')
		if i < 0 {
			return n, wire.More
		}
		line := in[n : n+i+1]
		n += i + 1
		if string(line) == "quit\n" {
			return n, wire.Close
		}
		number := s.journal.append()
		out.Buf = append(strconv.AppendUint(out.Buf, number, 10), '\n')
		out.Barrier = max(out.Barrier, number)
	}
}

func (*recorder) Body(v [][]byte) [][]byte        { return v }
func (*recorder) Filled(int, *wire.Out) wire.Next { return wire.More }
func (*recorder) Close(wire.Reason)               {}

func (j *journal) open(int, wire.Peer) wire.Session { return &recorder{j} }

// record sends lines in pipelines of depth, and checks that each reply came
// when it was durable, and in order.
func (j *journal) record(c net.Conn, rounds, depth int) error {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	r, last := bufio.NewReader(c), uint64(0)
	for range rounds {
		if _, err := io.WriteString(c, strings.Repeat("line\n", depth)); err != nil {
			return err
		}
		for range depth {
			line, err := r.ReadString('\n')
			if err != nil {
				return err
			}
			n, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
			if durable := j.durable.Load(); err != nil || n > durable || n <= last {
				return fmt.Errorf("reply %q behind %d, durable is %d: %w", line, last, durable, err)
			}
			last = n
		}
	}
	return nil
}

// TestBarrierOnSockets: a goroutine moves the barrier while two loops serve. A
// wake-up that is lost leaves a client waiting.
func TestBarrierOnSockets(t *testing.T) {
	for _, encrypted := range []int{0, 2, 6} { // of 6
		t.Run(fmt.Sprint(encrypted, " over TLS"), func(t *testing.T) { barrierOnSockets(t, encrypted) })
	}
}

func barrierOnSockets(t *testing.T, encrypted int) {
	j := newJournal()
	j.late = true // only behind a batch
	s, secure, plain := serveTLS(t, netio.Config{Barrier: &j.durable, TickEvery: time.Hour, BeganToWait: func(int) { j.wake() }}, j.open)
	end := make(chan struct{})
	var writer, clients sync.WaitGroup
	writer.Go(func() { j.writer(s, end) })
	for i := range 6 {
		c := dial(t, "tcp", plain)
		if i < encrypted {
			c = dialTLS(t, secure, clientTLS())
		}
		clients.Go(func() {
			if err := j.record(c, 300, 1+i%3*7); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	clients.Wait()
	close(end)
	writer.Wait()
	until(t, "nothing is barred", func() bool { return s.Transport().BarredConnections == 0 })
}

// barredServer is a server of one loop with a connection that waits for its
// reply, and another that is quiet.
func barredServer(t *testing.T) (j *journal, s *netio.Server, barred, quiet net.Conn) {
	t.Helper()
	j = newJournal()
	s, addr := serve(t, netio.Config{Loops: 1, Barrier: &j.durable}, j.open)
	barred, quiet = dial(t, "tcp", addr), dial(t, "tcp", addr)
	send(t, barred, "line\nline\n")
	until(t, "both are there, and one waits", func() bool {
		return s.Transport().BarredConnections == 1 && connections(s) == 2
	})
	return j, s, barred, quiet
}

func TestStopWaitsForTheBarrier(t *testing.T) {
	for name, end := range map[string]func(*netio.Server, context.Context) error{"stop": (*netio.Server).Stop, "leave": (*netio.Server).Leave} {
		t.Run(name, func(t *testing.T) {
			j, s, barred, quiet := barredServer(t)
			stopped := make(chan error, 1)
			go func() { stopped <- end(s, timeLimit(t)) }()
			if b, err := io.ReadAll(quiet); len(b) > 0 || err != nil {
				t.Errorf("the quiet one got %q, %v", b, err)
			}
			select {
			case err := <-stopped:
				t.Fatalf("did not wait: %v", err)
			default:
			}
			j.sync(s)
			if b, err := io.ReadAll(barred); string(b) != "1\n2\n" || err != nil {
				t.Errorf("the barred one got %q, %v", b, err)
			}
			barred.Close()
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			j.sync(s) // the loops are gone
		})
	}
}

func TestStopOfBarredEndsWithItsContext(t *testing.T) {
	j, s, barred, quiet := barredServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(ctx) }()
	_, _ = io.ReadAll(quiet) // the loop has begun to stop
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with %v", err)
	}
	if b, err := io.ReadAll(barred); len(b) > 0 {
		t.Errorf("got %q, %v, which was not durable", b, err)
	}
	j.sync(s)
}

// TestPassedDuringStop: whoever moves the barrier need not know that the server ends.
func TestPassedDuringStop(t *testing.T) {
	for range 20 {
		j, s, barred, quiet := barredServer(t)
		barred.Close()
		quiet.Close()
		end := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
					j.sync(s)
				}
			}
		})
		if err := s.Stop(timeLimit(t)); err != nil {
			t.Fatal(err)
		}
		close(end)
		writer.Wait()
		j.sync(s)
	}
}

// TestResetWhileBarredOnSockets: peers that die while they wait leave nothing behind.
func TestResetWhileBarredOnSockets(t *testing.T) {
	j := newJournal()
	s, addr := serve(t, netio.Config{Barrier: &j.durable}, j.open)
	const peers = 50
	for i := range peers {
		c := dial(t, "tcp", addr)
		send(t, c, "line\nline\nquit\n"[:5+5*(i%3)])
		until(t, "it waits", func() bool { return s.Transport().BarredConnections == int64(i+1) })
		if i%2 == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	j.sync(s)
	until(t, "all have gone", func() bool {
		return s.Transport().BarredConnections == 0 && connections(s) == 0
	})
}
