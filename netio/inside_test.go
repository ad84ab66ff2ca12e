//go:build linux

package netio

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/wire"
)

// What cannot be brought about from outside without luck.

// TestStopMeetsALatePlacement: a connection was on its way to a loop that was
// done when it came, while the connection limit held the listeners back.
func TestStopMeetsALatePlacement(t *testing.T) {
	s, err := New(Config{Loops: 2, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	s.stopping.Store(true)
	s.paused.Store(true)
	s.conns.Store(1)
	for _, l := range s.loops {
		l.stopping, l.done = true, true
	}
	last := s.loops[1]
	last.count.Store(1)
	open := func(int, wire.Peer) wire.Session {
		t.Error("a session was opened")
		return nil
	}
	last.poller.post(last.addTask, &accepted{fds[0], &listener{network: "tcp", open: open}, wire.Peer{}})
	s.close() // panicked: the other loop's poller is closed
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	if n, err := unix.Read(fds[1], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the connection was not closed: %d, %v", n, err)
	}
}
