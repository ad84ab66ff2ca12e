package netio

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pandabeardb/panda/wire"
)

// stalling is a server of TLS to which nobody speaks.
func stalling(t *testing.T, timeout time.Duration, most int) (*Server, string) {
	t.Helper()
	s, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.handshakes.timeout, s.handshakes.most = timeout, most
	open := func(int, wire.Peer) wire.Session {
		t.Error("a session was opened")
		return nil
	}
	addr, err := s.Listen(Listener{Network: "tcp", Address: "127.0.0.1:0", Open: open, TLS: &tls.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if n := s.conns.Load(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return s, addr.String()
}

func dialStalling(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte{22, 3, 1}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLSHandshakeTimeout(t *testing.T) {
	s, addr := stalling(t, 50*time.Millisecond, handshakesMax)
	if _, err := io.ReadAll(dialStalling(t, addr)); err != nil {
		t.Error(err)
	}
	if n := s.Transport().TLSHandshakeErrors; n != 1 {
		t.Errorf("%d errors", n)
	}
}

// TestTLSOldestHandshakeIsCut: one more than there may be ends the first.
func TestTLSOldestHandshakeIsCut(t *testing.T) {
	_, addr := stalling(t, time.Hour, 3)
	var open []net.Conn
	for range 6 {
		open = append(open, dialStalling(t, addr))
	}
	for _, c := range open[:3] {
		_, _ = io.ReadAll(c) // it returns
	}
	for _, c := range open[3:] {
		_ = c.SetReadDeadline(time.Now())
		if _, err := c.Read(make([]byte, 1)); err == io.EOF {
			t.Error("one of the last three was cut")
		}
	}
}

// TestTLSLayout: what crypto/tls has allocated for records is found, and taken
// from a connection that does not use it.
func TestTLSLayout(t *testing.T) {
	if !tlsLayout.known {
		t.Fatalf("the fields of a tls.Conn are others: %+v", tlsLayout)
	}
	c := NewTLSConn(nil, &tls.Config{})
	raw := c.rawInput()
	raw.WriteString("a record")
	c.shrink()
	if raw.String() != "a record" {
		t.Errorf("a buffer in use was taken, and has %q", raw.String())
	}
	raw.Next(8)
	c.shrink()
	if raw.Cap() != 0 {
		t.Errorf("%d bytes are left", raw.Cap())
	}
}

// TestTLSWithoutLayout: a crypto/tls whose inside is unknown serves as well.
func TestTLSWithoutLayout(t *testing.T) {
	tlsLayout.known = false
	defer func() { tlsLayout = newTLSFields() }()
	const requests, reply = 100, 1000
	l, _, h := sealed(t, tls.VersionTLS13, 300, reply, requests)
	for range requests {
		l.Event(0, Readable)
		l.Tick()
	}
	if min, max := requests*reply, requests*(reply+100); h.written < min || h.written > max {
		t.Errorf("%d bytes were answered", h.written)
	}
}
