package netio_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// echo answers every line with itself; "quit" closes.
type echo struct{ closed *int }

func (e *echo) Feed(in []byte, out *wire.Out) (n int, next wire.Next) {
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
		out.Buf = append(out.Buf, line...)
		if out.Full() {
			return n, wire.Full
		}
	}
}

func (e *echo) Body(v [][]byte) [][]byte        { return v }
func (e *echo) Filled(int, *wire.Out) wire.Next { return wire.More }
func (e *echo) Close(wire.Reason) {
	if e.closed != nil {
		*e.closed++
	}
}

func openEcho(int, wire.Peer) wire.Session { return &echo{} }

// serve starts a server with one listener on loopback, and stops it when the test ends.
func serve(t *testing.T, c netio.Config, open func(int, wire.Peer) wire.Session) (*netio.Server, string) {
	t.Helper()
	if c.Loops == 0 {
		c.Loops = 2
	}
	s, err := netio.New(c)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen(netio.Listener{Network: "tcp", Address: "127.0.0.1:0", Open: open})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Stop(ctx) // a test that stops it itself has checked the result
	})
	return s, addr.String()
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func TestEcho(t *testing.T) {
	s, addr := serve(t, netio.Config{}, openEcho)
	c := dial(t, "tcp", addr)
	r := bufio.NewReader(c)
	for range 3 {
		send(t, c, "hello\n")
		if line, err := r.ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	send(t, c, "last\nquit\nmore\n")
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "last\n" {
		t.Fatalf("after quit: %q, %v", rest, err)
	}
	if got := s.Transport(); got.TotalConnections != 1 || got.BytesRead < 18 || got.BytesWritten != 23 {
		t.Errorf("transport %+v", got)
	}
}

func TestAddressInUse(t *testing.T) {
	_, addr := serve(t, netio.Config{}, openEcho)
	s, err := netio.New(netio.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Listen(netio.Listener{Network: "tcp", Address: addr, Open: openEcho})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("second listener: %v", err)
	}
	if _, err := s.Listen(netio.Listener{Network: "sctp", Address: addr, Open: openEcho}); err == nil {
		t.Error("no error for an unknown network")
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := netio.New(netio.Config{}); err == nil {
		t.Error("a server without loops")
	}
}

func TestSeveralAddresses(t *testing.T) {
	s, err := netio.New(netio.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	peers := make(chan wire.Peer, 1)
	open := func(_ int, p wire.Peer) wire.Session {
		peers <- p
		return &echo{}
	}
	addrs := map[string]net.Addr{}
	for network, address := range map[string]string{"tcp4": "0.0.0.0:0", "tcp6": "[::1]:0"} {
		a, err := s.Listen(netio.Listener{Network: network, Address: address, Open: open})
		if err != nil {
			t.Skipf("skipped: this machine has no %s: %v", network, err)
		}
		addrs[network] = a
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err == nil {
		t.Error("started twice")
	}
	port := addrs["tcp4"].(*net.TCPAddr).Port
	for network, address := range map[string]string{"tcp4": fmt.Sprint("127.0.0.1:", port), "tcp6": addrs["tcp6"].String()} {
		c := dial(t, network, address)
		send(t, c, "hi\nquit\n")
		if got, err := io.ReadAll(c); err != nil || string(got) != "hi\n" {
			t.Errorf("%s: %q, %v", network, got, err)
		}
		if p := <-peers; p.Local != address || p.Remote != c.LocalAddr().String() || p.Network != "tcp" {
			t.Errorf("%s: peer %+v, dialled %s from %s", network, p, address, c.LocalAddr())
		}
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Stop(context.Background()); err == nil {
		t.Error("stopped twice")
	}
}

func TestLimitRejects(t *testing.T) {
	const text = "ERROR Too many open connections\r\n"
	s, addr := serve(t, netio.Config{MaxConns: 2, MaxConnsFast: true, Reject: []byte(text)}, openEcho)
	first, second := dial(t, "tcp", addr), dial(t, "tcp", addr)
	expect(t, first, "a\n")
	expect(t, second, "b\n")
	third := dial(t, "tcp", addr)
	_, _ = io.WriteString(third, "too late\n") // it may be closed already
	if got, err := io.ReadAll(third); string(got) != text {
		t.Errorf("third connection: %q, %v", got, err)
	}
	if got := s.Transport(); got.RejectedConnections != 1 || got.CurrentConnections != 2 || got.TotalConnections != 2 || got.AcceptingPaused {
		t.Errorf("transport %+v", got)
	}
	first.Close()
	until(t, "one gone", func() bool { return connections(s) == 1 })
	expect(t, dial(t, "tcp", addr), "c\n")
}

func TestLimitWaits(t *testing.T) {
	s, addr := serve(t, netio.Config{MaxConns: 2}, openEcho)
	first, second := dial(t, "tcp", addr), dial(t, "tcp", addr)
	expect(t, first, "a\n")
	expect(t, second, "b\n")
	third, fourth := dial(t, "tcp", addr), dial(t, "tcp", addr)
	send(t, third, "c\n")
	until(t, "accepting paused", func() bool { return s.Transport().AcceptingPaused })
	if got := s.Transport(); got.ListenDisabled == 0 || got.CurrentConnections != 2 || got.RejectedConnections != 0 {
		t.Errorf("transport %+v", got)
	}
	first.Close()
	if got, err := bufio.NewReader(third).ReadString('\n'); err != nil || got != "c\n" {
		t.Errorf("third connection: %q, %v", got, err)
	}
	second.Close()
	expect(t, fourth, "d\n")
	third.Close()
	until(t, "one left", func() bool { return connections(s) == 1 })
}

func TestManyComeAndGo(t *testing.T) {
	t.Run("at the limit", func(t *testing.T) { comeAndGo(t, netio.Config{MaxConns: 5}) })
	t.Run("many loops", func(t *testing.T) { comeAndGo(t, netio.Config{Loops: 8}) }) // nobody is left in the backlog
}

func comeAndGo(t *testing.T, config netio.Config) {
	s, addr := serve(t, config, openEcho)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				_, err = io.WriteString(c, "x\nquit\n")
				got, err2 := io.ReadAll(c)
				if err != nil || err2 != nil || string(got) != "x\n" {
					t.Errorf("%q, %v, %v", got, err, err2)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	until(t, "all gone", func() bool { return connections(s) == 0 })
	if got := s.Transport(); got.TotalConnections != 400 {
		t.Errorf("transport %+v", got)
	}
}

func TestStop(t *testing.T) {
	s, addr := serve(t, netio.Config{}, openToys(1))
	idle, busy := dial(t, "tcp", addr), dial(t, "tcp", addr)
	expect(t, idle, "echo a\n")
	pipeline := strings.Repeat("echo abc\n", 5000)
	send(t, busy, pipeline)
	until(t, "read", func() bool { return s.Transport().BytesRead == int64(len(pipeline))+7 })
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]net.Conn{"idle": idle, "busy": busy} {
		got, err := io.ReadAll(c)
		want := map[string]string{"idle": "", "busy": strings.Repeat("abc\n", 5000)}[name]
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
		}
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("connected after Stop")
	}
	if n := connections(s); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestStopCutsOff(t *testing.T) {
	s, addr := serve(t, netio.Config{}, openToys(0))
	c := dial(t, "tcp", addr)
	send(t, c, strings.Repeat("big 8000000\n", 10)) // more than the socket takes
	until(t, "stalled", func() bool { return s.Transport().BytesWritten > 0 })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
}

func TestTicks(t *testing.T) {
	var ticks [2]atomic.Int64
	serve(t, netio.Config{TickEvery: time.Millisecond, Tick: func(loop int, nowMS int64) {
		if d := time.Since(time.UnixMilli(nowMS)); d.Abs() > time.Minute {
			t.Errorf("the clock is off by %v", d)
		}
		ticks[loop].Add(1)
	}}, openEcho)
	until(t, "ticks on both loops", func() bool { return ticks[0].Load() > 3 && ticks[1].Load() > 3 })
}

// manualClock is set by a test.
type manualClock struct{ ms atomic.Int64 }

func (c *manualClock) NowMS() int64 { return c.ms.Load() }

func TestIdleTimeoutOnSockets(t *testing.T) {
	clock := &manualClock{}
	s, addr := serve(t, netio.Config{IdleTimeout: time.Hour, TickEvery: time.Millisecond, Clock: clock}, openEcho)
	c := dial(t, "tcp", addr)
	expect(t, c, "a\n")
	clock.ms.Store(-1e6) // the system's clock may jump; ours may only not crash
	expect(t, c, "b\n")
	clock.ms.Store(time.Hour.Milliseconds() * 2)
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	if got := s.Transport().IdleKicks; got != 1 {
		t.Errorf("%d kicks", got)
	}
}

// expect sends a line and reads one back, without "echo " in front.
func expect(t *testing.T, c net.Conn, line string) {
	t.Helper()
	send(t, c, line)
	want := strings.TrimPrefix(line, "echo ")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}
