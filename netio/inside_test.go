//go:build linux

package netio

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
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
	last.poller.post(last.addTask, &accepted{fd: fds[0], from: &listener{network: "tcp", open: open}})
	s.close() // panicked: the other loop's poller is closed
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	if n, err := unix.Read(fds[1], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the connection was not closed: %d, %v", n, err)
	}
}

// TestOneLoopIsWokenToAccept: every loop watches the listener in a way that a
// connection wakes one of them.
func TestOneLoopIsWokenToAccept(t *testing.T) {
	s, err := New(Config{Loops: 3})
	if err != nil {
		t.Fatal(err)
	}
	open := func(int, wire.Peer) wire.Session { return nil }
	if _, err := s.Listen(Listener{Network: "tcp", Address: "127.0.0.1:0", Open: open}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	for i, l := range s.loops {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", l.poller.epollFD))
		if err != nil {
			t.Fatal(err)
		}
		var events uint32
		for line := range strings.Lines(string(text)) {
			var fd int
			var e uint32
			if n, _ := fmt.Sscanf(line, "tfd: %d events: %x", &fd, &e); n == 2 && fd == s.listeners[0].fd {
				events = e
			}
		}
		if events&unix.EPOLLEXCLUSIVE == 0 || events&unix.EPOLLET == 0 {
			t.Errorf("loop %d watches for %x:\n%s", i, events, text)
		}
	}
}

// TestBarredOnTheReadyList: TLS has put a connection there whose parked session
// has said something meanwhile that must wait.
func TestBarredOnTheReadyList(t *testing.T) {
	s := &waiter{}
	h := &canned{records: []byte("abcdef"), each: 1}
	core := NewCore(h, CoreConfig{Clock: still{}, Barrier: new(atomic.Uint64)})
	c := core.Add(0, s, false)
	core.Event(c, Readable)
	core.Event(c, Readable) // noted
	core.queue(c)
	core.RunReady()
	if s.fed != 1 || h.written > 0 {
		t.Errorf("fed %d times, %d bytes written while barred", s.fed, h.written)
	}
	core.barrier.Store(1)
	core.Passed()
	if h.written != 1 {
		t.Errorf("%d bytes written", h.written)
	}
	core.RunReady() // what was put off
	core.Abort()
	if s.fed < 2 || core.Counts.Barred.Load() != 0 {
		t.Errorf("fed %d times in all, %d are barred", s.fed, core.Counts.Barred.Load())
	}
}

// TestBarrierMovesDuringPass: the number grows while the loop writes what waited for
// the one before. The task that runs has looked at who waits for it already.
func TestBarrierMovesDuringPass(t *testing.T) {
	barrier := new(atomic.Uint64)
	s, err := New(Config{Loops: 1, Barrier: barrier})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	l := s.loops[0]
	move := func() {
		barrier.Add(1)
		s.Passed()
	}
	if move(); len(l.poller.tasks) > 0 {
		t.Error("a loop on which nothing waits was woken")
	}
	var peers [2]int
	for i, w := range []*waiter{{before: 2}, {before: 1, closed: move}} { // the first waits for 3, the second for 2
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		peers[i] = fds[1]
		s.conns.Add(1)
		l.add(&accepted{fd: fds[0], from: &listener{network: "unix", open: func(int, wire.Peer) wire.Session { return w }}})
		if _, err := unix.Write(fds[1], []byte("a")); err != nil {
			t.Fatal(err)
		}
		l.event(fds[0], Readable)
	}
	defer unix.Close(peers[0])
	if n := l.core.Counts.Barred.Load(); n != 2 {
		t.Fatalf("%d are barred", n)
	}
	unix.Close(peers[1]) // so that writing to it ends its session
	move()
	l.poller.runTasks()
	l.poller.runTasks()
	if n, err := unix.Read(peers[0], make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("%d bytes, %v: the reply waits for ever", n, err)
	}
	l.core.Abort()
}

// waiter answers each input with a byte that waits for its number.
type waiter struct {
	before int // numbers that others have had
	fed    int
	closed func() // nil: nothing
}

func (s *waiter) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	s.fed++
	out.Buf = append(out.Buf, 'w')
	out.Barrier = uint64(s.before + s.fed)
	return len(in), wire.More
}
func (*waiter) Body(v [][]byte) [][]byte        { return v }
func (*waiter) Filled(int, *wire.Out) wire.Next { return wire.More }
func (s *waiter) Close(wire.Reason) {
	if s.closed != nil {
		s.closed()
	}
}
