package netio_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// successor is a started server that adopts the listeners of another one, as a
// new process would that was given duplicates of their descriptors.
func successor(t *testing.T, of *netio.Server) *netio.Server {
	t.Helper()
	s, err := netio.New(netio.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range of.Listeners() {
		fd, err := unix.Dup(l.FD)
		if err != nil {
			t.Fatal(err)
		}
		addr, err := s.Adopt(fd, netio.Listener{Open: openEcho})
		if err != nil || addr.String() != l.Local {
			t.Fatalf("adopted %v (%v), want %s", addr, err, l.Local)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(timeLimit(t)) })
	return s
}

func timeLimit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// converse connects, asks and reads the reply, until done: whatever happens to
// it is an error.
func converse(network, addr string, done *atomic.Bool) (n int, err error) {
	for ; !done.Load(); n++ {
		c, err := net.Dial(network, addr)
		if err != nil {
			return n, err
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		question := fmt.Sprintf("question %d\n", n)
		if _, err := c.Write([]byte(question)); err != nil {
			return n, err
		}
		reply, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || reply != question {
			return n, fmt.Errorf("asked %q, got %q: %w", question, reply, err)
		}
		_ = c.Close()
	}
	return n, nil
}

// TestLeaveRefusesNobody: clients connect and ask all the time while one server
// after the other takes the listeners over.
func TestLeaveRefusesNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := netio.New(netio.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen(netio.Listener{Network: "tcp", Address: "127.0.0.1:0", Open: openEcho})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(netio.Listener{Network: "unix", Address: path, Open: openEcho}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var clients sync.WaitGroup
	for i := range 6 {
		network, address := "tcp", addr.String()
		if i%3 == 0 {
			network, address = "unix", path
		}
		clients.Go(func() {
			if n, err := converse(network, address, &done); err != nil || n == 0 {
				t.Errorf("%s: after %d conversations: %v", network, n, err)
			}
		})
	}
	for range 3 {
		next := successor(t, s)
		if err := s.Leave(timeLimit(t)); err != nil {
			t.Fatal(err)
		}
		s = next
	}
	done.Store(true)
	clients.Wait()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the unix socket is gone: %v", err)
	}
}

// TestLeaveAnswersWhoConnected: a client that had connected and not asked yet is
// answered, and told that there is no more; one that is between two requests is
// told at once.
func TestLeaveAnswersWhoConnected(t *testing.T) {
	s, addr := serve(t, netio.Config{}, openEcho)
	fresh, pooled := dial(t, "tcp", addr), dial(t, "tcp", addr)
	_, _ = pooled.Write([]byte("one\n"))
	pooledReader := bufio.NewReader(pooled)
	if reply, err := pooledReader.ReadString('\n'); reply != "one\n" {
		t.Fatal(reply, err)
	}
	for s.Transport().CurrentConnections < 2 { // fresh is accepted, too
		<-time.After(time.Millisecond) // polling: nothing tells that a connection was accepted
	}
	successor(t, s)
	left := make(chan error, 1)
	go func() { left <- s.Leave(timeLimit(t)) }()
	if rest, err := pooledReader.ReadString('\n'); rest != "" || err == nil {
		t.Errorf("a quiet connection got %q, %v", rest, err)
	}
	_, _ = fresh.Write([]byte("two\n"))
	var all strings.Builder
	if _, err := bufio.NewReader(fresh).WriteTo(&all); all.String() != "two\n" || err != nil {
		t.Errorf("a fresh connection got %q, %v", all.String(), err)
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
	if c := dial(t, "tcp", addr); c != nil { // the successor's
		_, _ = c.Write([]byte("three\n"))
		if reply, err := bufio.NewReader(c).ReadString('\n'); reply != "three\n" {
			t.Error(reply, err)
		}
	}
}

func TestAdoptRefuses(t *testing.T) {
	s, err := netio.New(netio.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(timeLimit(t))
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, fd := range map[string]int{"connected": pair[0], "datagram": datagrams, "no socket": null, "no descriptor": 1 << 20} {
		if addr, err := s.Adopt(fd, netio.Listener{Open: func(int, wire.Peer) wire.Session { return nil }}); err == nil {
			t.Errorf("%s: adopted as %v", name, addr)
		}
		_ = unix.Close(fd)
	}
	_ = unix.Close(pair[1])
}

// TestForeignSocketOutlivesServer: what somebody else bound goes on listening
// when the server stops.
func TestForeignSocketOutlivesServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	owner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	file, err := owner.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	s, err := netio.New(netio.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if _, err := s.Adopt(fd, netio.Listener{Foreign: true, Open: openEcho}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(timeLimit(t)); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the socket of somebody else does not listen any more: %v", err)
	}
	c.Close()
}
