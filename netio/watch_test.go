//go:build linux

package netio_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// asker parks until what it asked for has come, and answers with a line then.
type asker struct {
	echo
	ask func()
	has func() bool
}

func (a *asker) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	if !a.has() {
		a.ask()
		return 0, wire.Park
	}
	out.Buf = append(out.Buf, in...)
	return len(in), wire.More
}

func (a *asker) Resume(*wire.Out) wire.Next {
	if !a.has() {
		return wire.Park
	}
	return wire.More
}

// A loop tells of what it watches, resumes who waits for it, and says when a batch is over:
// what a session asks for there comes without another event. A Wake from Ready is no task.
func TestWatch(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	s, err := netio.New(netio.Config{Loops: 1, TickEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var asked, came bool // the loop's
	var readies, behinds, ends atomic.Int64
	check(t, s.Watch(0, netio.Watched{
		FD: fd,
		Ready: func() {
			readies.Add(1)
			came = true
			s.Wake(0)
		},
		Ended: func() { ends.Add(1) },
		Behind: func() {
			behinds.Add(1)
			if asked {
				asked = false
				one := [8]byte{1}
				if _, err := unix.Write(fd, one[:]); err != nil {
					t.Error(err)
				}
			}
		},
	}))
	open := func(int, wire.Peer) wire.Session {
		return &asker{ask: func() { asked = true }, has: func() bool { return came }}
	}
	address, err := s.Listen(netio.Listener{Network: "tcp", Address: "127.0.0.1:0", Open: open})
	check(t, err)
	check(t, s.Start())
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // no tick ends what lingers
		defer cancel()
		_ = s.Stop(ctx)
		if ends.Load() != 1 {
			t.Errorf("the loop's end was told %d times", ends.Load())
		}
	}()
	if s.Watch(0, netio.Watched{FD: fd}) == nil {
		t.Error("a server that runs took a descriptor")
	}
	c := dial(t, "tcp", address.String())
	expect(t, c, "line\n")
	if readies.Load() != 1 || behinds.Load() == 0 {
		t.Errorf("%d edges, %d batches", readies.Load(), behinds.Load())
	}
	c.Close()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
