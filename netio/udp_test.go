package netio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// repeater answers a datagram with itself, as many times as its first byte says.
type repeater struct {
	in     []byte
	left   int
	closed *int
}

func (r *repeater) Datagram(in []byte, _ netip.AddrPort) {
	r.in, r.left = in, 0
	if len(in) > 0 {
		r.left = int(in[0])
	}
}

func (r *repeater) Reply(dst []byte, _ int64) (int, wire.Next) {
	if r.left == 0 {
		return 0, wire.More
	}
	r.left--
	return copy(dst, r.in), wire.Full
}

func (r *repeater) Drop()  { r.left = 0 }
func (r *repeater) Close() { *r.closed++ }

// serveDatagrams starts a server of some loops at an address, and returns where it
// is; its sessions must be closed, each once, when it has stopped.
func serveDatagrams(t *testing.T, loops int, l netio.DatagramListener) (*netio.Server, string) {
	t.Helper()
	s, err := netio.New(netio.Config{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	closed := make([]int, loops)
	l.Open = func(loop int, peer wire.Peer) wire.Datagrams {
		if peer.Network != "udp" || peer.FD <= 2 {
			t.Errorf("loop %d: %+v", loop, peer)
		}
		return &repeater{closed: &closed[loop]}
	}
	addr, err := s.ListenDatagrams(l)
	if err != nil {
		s.Stop(t.Context())
		if l.Network == "udp6" {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(context.Background()) // an error where a test has ended it
		for loop, n := range closed {
			if n != 1 {
				t.Errorf("loop %d: a session was closed %d times", loop, n)
			}
		}
	})
	return s, addr.String()
}

// askAll sends numbered datagrams, some at a time, and wants each to come back twice.
// One that is lost is sent again.
func askAll(t *testing.T, address string, count int) {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const together = 40
	b := make([]byte, 2048)
	for i := 0; i < count; i += together {
		missing := map[string]int{}
		for j := range together {
			missing[fmt.Sprintf("\x02%d", i+j)] = 2
		}
		for deadline := time.Now().Add(patience); len(missing) > 0 && time.Now().Before(deadline); {
			for text := range missing {
				if _, err := c.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			for len(missing) > 0 {
				c.SetReadDeadline(time.Now().Add(time.Second))
				n, err := c.Read(b)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				text := string(b[:n])
				if missing[text]--; missing[text] <= 0 {
					delete(missing, text)
				}
			}
		}
		if len(missing) > 0 {
			t.Fatalf("without an answer: %v", missing)
		}
	}
}

// TestDatagramsOverSockets: several loops share a socket, and all is answered.
func TestDatagramsOverSockets(t *testing.T) {
	for _, l := range []netio.DatagramListener{{Network: "udp4", Address: "127.0.0.1:0"}, {Network: "udp6", Address: "[::1]:0"}} {
		t.Run(l.Network, func(t *testing.T) {
			s, address := serveDatagrams(t, 3, l)
			askAll(t, address, 800)
			until(t, "all of it counted", func() bool { // which it is behind the system call
				counts := s.Transport().Datagrams
				return counts.Read >= 800 && counts.Written >= 1600 && counts.Refused == 0
			})
			if sockets := s.DatagramSockets(); len(sockets) != 1 || sockets[0].Local != address {
				t.Errorf("sockets %+v, want one at %s", sockets, address)
			}
		})
	}
}

// TestDatagramPortIsTaken: two servers at one port are an error.
func TestDatagramPortIsTaken(t *testing.T) {
	_, address := serveDatagrams(t, 1, netio.DatagramListener{Network: "udp4", Address: "127.0.0.1:0"})
	s, err := netio.New(netio.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	if _, err := s.ListenDatagrams(netio.DatagramListener{Network: "udp4", Address: address}); err == nil {
		t.Error("a second server is at the port")
	}
}

// TestAdoptDatagrams: a server serves a socket that was bound before, and leaves it
// to the next one, which answers what has come meanwhile.
func TestAdoptDatagrams(t *testing.T) {
	first, address := serveDatagrams(t, 2, netio.DatagramListener{Network: "udp4", Address: "127.0.0.1:0"})
	askAll(t, address, 40)
	fd, err := unix.Dup(first.DatagramSockets()[0].FD)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("\x01meanwhile")); err != nil {
		t.Fatal(err)
	}
	next, err := netio.New(netio.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	closed := make([]int, 2)
	open := func(loop int, _ wire.Peer) wire.Datagrams { return &repeater{closed: &closed[loop]} }
	addr, err := next.AdoptDatagrams(fd, netio.DatagramListener{Open: open})
	if err != nil || addr.String() != address {
		t.Fatalf("adopted %v (%v), want %s", addr, err, address)
	}
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	defer next.Stop(t.Context())
	b := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(b); err != nil || string(b[:n]) != "\x01meanwhile" {
		t.Errorf("%q (%v)", b[:n], err)
	}
	askAll(t, address, 40)
}

// TestAdoptDatagramsOfNoKind: what is no socket of UDP is refused.
func TestAdoptDatagramsOfNoKind(t *testing.T) {
	s, err := netio.New(netio.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := s.AdoptDatagrams(int(f.Fd()), netio.DatagramListener{}); err == nil {
		t.Error("a listener of TCP was adopted")
	}
}
