package netio_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
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

func (e *echo) Body() []byte                    { return nil }
func (e *echo) Filled(int, *wire.Out) wire.Next { return wire.More }
func (e *echo) Close() {
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
