package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/wire"
)

// shaking is a server of TLS whose handshakes are as set says.
func shaking(t *testing.T, c Config, set func(*handshakes)) (*Server, string) {
	t.Helper()
	c.Loops = 1
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	set(&s.handshakes)
	open := func(int, wire.Peer) wire.Session { return &answering{[]byte("hello")} }
	own := &tls.Config{Certificates: []tls.Certificate{ownCertificate(t)}}
	addr, err := s.Listen(Listener{Network: "tcp", Address: "127.0.0.1:0", Open: open, TLS: own})
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

// waitingPeers is the number of those that are waited for.
func waitingPeers(s *Server) int {
	s.handshakes.mu.Lock()
	defer s.handshakes.mu.Unlock()
	return s.handshakes.waiting.Len()
}

// dialStalling connects a peer that says text and no more, and returns when it
// is waited for: n of them are.
func dialStalling(t *testing.T, s *Server, addr, text string, n int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); waitingPeers(s) != n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d peers are waited for, want %d", waitingPeers(s), n)
		}
	}
	return c
}

func TestTLSHandshakeTimeout(t *testing.T) {
	s, addr := shaking(t, Config{}, func(h *handshakes) { h.timeout = 50 * time.Millisecond })
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_, err = c.Write([]byte{22, 3, 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
	if n := s.Transport().TLSHandshakeErrors; n != 1 {
		t.Errorf("%d errors", n)
	}
}

// TestTLSLongestWaitIsCut: one more than there may be ends the first.
func TestTLSLongestWaitIsCut(t *testing.T) {
	s, addr := shaking(t, Config{}, func(h *handshakes) { h.timeout, h.most = time.Hour, 3 })
	var open []net.Conn
	for i := range 6 {
		open = append(open, dialStalling(t, s, addr, "", min(i+1, 3)))
		if i >= 3 {
			_, _ = io.ReadAll(open[i-3]) // it returns
		}
	}
	for _, c := range open[3:] {
		_ = c.SetReadDeadline(time.Now())
		if _, err := c.Read(make([]byte, 1)); err == io.EOF {
			t.Error("one of the last three was cut")
		}
	}
}

// TestTLSStallingKeepsNobodyOut: the connection limit is reached by peers that
// stall, and somebody comes who does not.
func TestTLSStallingKeepsNobodyOut(t *testing.T) {
	for _, fast := range []bool{false, true} {
		c := Config{MaxConns: 3, MaxConnsFast: fast, TickEvery: 10 * time.Millisecond}
		s, addr := shaking(t, c, func(h *handshakes) { h.timeout, h.hurry = time.Hour, 50*time.Millisecond })
		for i := range 3 {
			dialStalling(t, s, addr, "\x16\x03\x01", i+1)
		}
		served := false
		for deadline := time.Now().Add(10 * time.Second); !served && time.Now().Before(deadline); {
			served = greeted(addr)
		}
		if !served {
			t.Errorf("fast %v: not served", fast)
		}
	}
}

// greeted reports whether the server answers to a request.
func greeted(addr string) bool {
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return false
	}
	defer c.Close()
	_, _ = io.WriteString(c, "request")
	var reply [5]byte
	_, err = io.ReadFull(c, reply[:])
	return err == nil && string(reply[:]) == "hello"
}

// TestTLSLateHandshakeIsNotComputed: many were before it, and its peer has
// most likely left.
func TestTLSLateHandshakeIsNotComputed(t *testing.T) {
	for timeout := 100 * time.Millisecond; !lateHandshake(t, timeout); timeout *= 4 {
		if timeout > 10*time.Second {
			t.Fatal("the machine is too busy")
		}
	}
}

// lateHandshake is false if the deadline passed before the peer was read from.
func lateHandshake(t *testing.T, timeout time.Duration) bool {
	var h handshakes
	h.init(1)
	h.timeout = timeout
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	one, err := h.begin(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	defer one.file.Close()
	unix.Close(fds[0])
	if _, err := unix.Write(fds[1], []byte("hello")); err != nil {
		t.Fatal(err)
	}
	h.turns <- struct{}{}
	failed := make(chan error, 1)
	go func() {
		_, err := one.Read(make([]byte, 5))
		failed <- err
	}()
	select {
	case h.turns <- struct{}{}: // another has its turn
	case <-failed:
		return false
	}
	<-time.After(2 * h.timeout) // its deadline passes
	<-h.turns
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it goes on: %v", err)
	}
	<-h.turns
	return true
}

// TestTLSSocketsThatBreak: at once, or with records that wait.
func TestTLSSocketsThatBreak(t *testing.T) {
	for _, reply := range []int{8, 100_000} {
		l, _, h := sealed(t, tls.VersionTLS13, 100, reply, 3)
		l.Event(0, Readable)
		h.refusal = Broken
		if l.Event(0, Readable); !h.closed || l.Core.Len() != 0 {
			t.Errorf("a reply of %d: closed %v", reply, h.closed)
		}
		l.Event(0, Readable|Writable|Hangup) // late ones

		l, c, h := sealed(t, tls.VersionTLS13, 100, reply, 3)
		h.refusal = Again
		l.Event(0, Readable)
		if c.waits() == 0 || h.closed {
			t.Fatalf("%d bytes wait, closed %v", c.waits(), h.closed)
		}
		h.refusal = Broken
		if l.Event(0, Writable); !h.closed || l.Core.Len() != 0 || l.Errors.Load() != 0 {
			t.Errorf("a reply of %d that waits: closed %v, %d errors", reply, h.closed, l.Errors.Load())
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

// TestTLSIdleBuffers: a connection that was not used from one look to the next
// has none of crypto/tls's buffers, those of its handshake included.
func TestTLSIdleBuffers(t *testing.T) {
	l, c, _ := sealed(t, tls.VersionTLS13, 1000, 1000, 10)
	check := func(when string, want bool) {
		t.Helper()
		if has := c.rawInput().Cap() > 0; has != want {
			t.Errorf("%s: %d bytes", when, c.rawInput().Cap())
		}
	}
	check("behind the handshake", true)
	l.Tick()
	check("after one look", true)
	l.Tick()
	check("after two", false)
	for range 3 {
		l.Event(0, Readable)
		l.Tick()
		check("in use", true)
	}
	l.Tick()
	check("idle", false)
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
