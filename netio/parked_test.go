package netio_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/netio/netiotest"
	"github.com/pandabeardb/panda/wire"
)

// sleeper is a session that can be parked. It echoes lines; on "park" it goes
// to sleep, and says what it is told to, as it is told, when it is resumed. While
// it sleeps it keeps its input, or, after "watch", drops it.
type sleeper struct {
	asleep  bool
	drops   bool
	resumes int
	closes  int
	why     wire.Reason
	lines   []string    // to say, one at each call
	answers []wire.Next // of those calls, Park when there is none left
}

func (s *sleeper) Feed(in []byte, out *wire.Out) (n int, next wire.Next) {
	if s.asleep {
		if s.drops {
			return len(in), wire.Park
		}
		return 0, wire.Park
	}
	for n < len(in) {
		end := bytes.IndexByte(in[n:], '\n')
		if end < 0 {
			break
		}
		line := string(in[n : n+end])
		n += end + 1
		switch line {
		case "park", "watch":
			s.asleep, s.drops = true, line == "watch"
			out.Buf = append(out.Buf, "OK\n"...)
			return n, wire.Park
		}
		out.Buf = append(append(out.Buf, line...), '\n')
	}
	return n, wire.More
}

func (s *sleeper) Resume(out *wire.Out) wire.Next {
	s.resumes++
	if len(s.lines) > 0 {
		out.Buf = append(append(out.Buf, s.lines[0]...), '\n')
		s.lines = s.lines[1:]
	}
	next := wire.Park
	if len(s.answers) > 0 {
		next, s.answers = s.answers[0], s.answers[1:]
	}
	s.asleep = next != wire.More && next != wire.Close
	return next
}

func (*sleeper) Body(v [][]byte) [][]byte        { return v }
func (*sleeper) Filled(int, *wire.Out) wire.Next { return wire.More }
func (s *sleeper) Close(why wire.Reason)         { s.closes, s.why = s.closes+1, why }

func newSleepers(t testing.TB, o netiotest.Options) *netiotest.Loop {
	return netiotest.New(t, func(wire.Peer) wire.Session { return &sleeper{} }, o)
}

func TestParkedIsResumedOnTicks(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	s := c.Session().(*sleeper)
	wantString(t, "reply", c.Request("a\npark\n"), "a\nOK\n")
	wantInt(t, "resumes", s.resumes, 0)
	l.Advance(300 * time.Millisecond)
	wantInt(t, "resumes", s.resumes, 3)
	wantInt(t, "writes", c.Writes(), 1)
	s.lines = []string{"news"}
	l.Wake()
	wantString(t, "news", c.Recv(), "news\n")
	wantInt(t, "resumes", s.resumes, 4)
	wantInt(t, "writes", c.Writes(), 2)
}

func TestParkedKeepsItsInput(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	s := c.Session().(*sleeper)
	wantString(t, "reply", c.Request("park\nb\n"), "OK\n")
	wantString(t, "reply", c.Request("c\n"), "")
	l.Advance(200 * time.Millisecond)
	wantString(t, "reply", c.Recv(), "")
	s.lines, s.answers = []string{"awake"}, []wire.Next{wire.More}
	l.Wake()
	wantString(t, "replies", c.Recv(), "awake\nb\nc\n")
	resumes := s.resumes
	l.Advance(time.Second)
	wantInt(t, "resumes", s.resumes, resumes)
	wantString(t, "reply", c.Request("d\npark\n"), "d\nOK\n")
	l.Advance(100 * time.Millisecond)
	wantInt(t, "resumes", s.resumes, resumes+1)
}

func TestParkedDropsItsInput(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	wantString(t, "reply", c.Request("watch\nb\n"), "OK\n")
	wantString(t, "reply", c.Request(strings.Repeat("anything\n", 10_000)), "")
	wantInt(t, "unread", c.Unread(), 0)
	c.CloseWrite()
	if s := c.Session().(*sleeper); s.closes != 1 || s.why != wire.ByPeer {
		t.Errorf("closed %d times, why %d", s.closes, s.why)
	}
}

func TestParkedWithManyBytesIsPaused(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	s := c.Session().(*sleeper)
	c.Send("park\n")
	for range 20 {
		c.Send(strings.Repeat("0123456\n", 1<<17))
	}
	if c.Unread() < 17<<20 {
		t.Errorf("only %d bytes are unread", c.Unread())
	}
	s.answers = []wire.Next{wire.More}
	l.Wake()
	if got := len(c.Recv()); got != 3+20<<20 {
		t.Errorf("%d bytes of replies", got)
	}
}

func TestParkedAndFull(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	s := c.Session().(*sleeper)
	c.Request("park\n")
	c.SetWindow(10)
	long := strings.Repeat("x", 99)
	s.lines = []string{long, long, long, long, long, long, "end"}
	for range 6 {
		s.answers = append(s.answers, wire.Full)
	}
	l.Wake()
	wantInt(t, "resumes", s.resumes, 1)
	l.Advance(time.Second)
	wantInt(t, "resumes while output waits", s.resumes, 1)
	wantString(t, "lines", c.Recv(), strings.Repeat(long+"\n", 6)+"end\n")
	resumes := s.resumes
	l.Advance(100 * time.Millisecond)
	wantInt(t, "resumes", s.resumes, resumes+1)
	if resumes > 8 {
		t.Errorf("%d resumes for 7 lines", resumes)
	}
}

func TestParkedYields(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	s := c.Session().(*sleeper)
	c.Request("watch\n")
	s.lines = []string{"1", "2", "3"}
	s.answers = []wire.Next{wire.Yield, wire.Yield, wire.Close}
	signals := l.Signals()
	l.Wake()
	wantString(t, "lines", c.Recv(), "1\n2\n3\n")
	wantInt(t, "signals", l.Signals()-signals, 2)
	if !c.Ended() || s.closes != 1 || s.why != wire.BySession {
		t.Errorf("ended %v, closed %d times, why %d", c.Ended(), s.closes, s.why)
	}
}

func TestParkedIsNotIdle(t *testing.T) {
	l := newSleepers(t, netiotest.Options{IdleTimeout: time.Second})
	c, d := l.Dial(), l.Dial()
	c.Request("park\n")
	d.Request("echo\n")
	l.Advance(5 * time.Second)
	if c.Closed() || !d.Closed() {
		t.Errorf("parked closed: %v, idle closed: %v", c.Closed(), d.Closed())
	}
	if s := d.Session().(*sleeper); s.why != wire.ByIdle {
		t.Errorf("why %d", s.why)
	}
}

func TestParkedMeetsStop(t *testing.T) {
	for _, window := range []int{-1, 1} {
		l := newSleepers(t, netiotest.Options{})
		c := l.Dial()
		s := c.Session().(*sleeper)
		c.Request("park\nunread\n")
		c.SetWindow(window)
		s.lines = []string{"last words"}
		l.Wake()
		l.Stop()
		wantString(t, "lines", c.Recv(), "last words\n")
		l.Advance(10 * time.Second)
		if !c.Closed() || s.closes != 1 || s.why != wire.ByStop {
			t.Errorf("window %d: closed %v, %d times, why %d", window, c.Closed(), s.closes, s.why)
		}
		wantInt(t, "connections", l.Core.Len(), 0)
		l.Wake()
	}
}

func TestParkedIsReset(t *testing.T) {
	l := newSleepers(t, netiotest.Options{})
	c := l.Dial()
	s := c.Session().(*sleeper)
	c.Request("park\n")
	c.Reset()
	s.lines = []string{"nobody hears"}
	l.Wake()
	if s.resumes != 0 || s.why != wire.ByError {
		t.Errorf("%d resumes, why %d", s.resumes, s.why)
	}
	d := l.Dial() // dies by its own line
	s = d.Session().(*sleeper)
	d.Request("park\n")
	d.SetWindow(0)
	s.lines = []string{"a", "b"}
	l.Wake()
	d.Reset()
	l.Wake()
	wantInt(t, "connections", l.Core.Len(), 0)
}

// TestReasons: a session is told why it ends.
func TestReasons(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	quits, leaves, breaks, stays := l.Dial(), l.Dial(), l.Dial(), l.Dial()
	quits.Send("quit\n")
	leaves.CloseWrite()
	breaks.Reset()
	l.Stop()
	for i, want := range []wire.Reason{wire.BySession, wire.ByPeer, wire.ByError, wire.ByStop} {
		c := []*netiotest.Client{quits, leaves, breaks, stays}[i]
		if got := c.Session().(*toy).why; got != want {
			t.Errorf("connection %d: why %d, want %d", i, got, want)
		}
	}
}

// TestWake: any goroutine may wake a loop of a real server, and a tick resumes too.
func TestWake(t *testing.T) {
	var said atomic.Int64
	s, err := netio.New(netio.Config{Loops: 2, TickEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen(netio.Listener{Network: "tcp", Address: "127.0.0.1:0", Open: func(int, wire.Peer) wire.Session {
		return &teller{said: &said}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	if list := s.Listeners(); len(list) != 1 || list[0].Local != addr.String() || list[0].FD <= 0 {
		t.Errorf("listeners %v", list)
	}
	for range 3 {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "park\n")
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != "OK\n" {
			t.Fatalf("%q, %v", b[:n], err)
		}
		for range 100 {
			said.Add(1)
			s.Wake(0)
			s.Wake(1)
			for got, want := "", fmt.Sprintf("%d\n", said.Load()); got != want; {
				n, err := c.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				got = string(b[max(0, n-len(want)):n])
			}
		}
	}
}

// teller says a number that others change, when it is resumed.
type teller struct {
	sleeper
	said *atomic.Int64
	last int64
}

func (s *teller) Resume(out *wire.Out) wire.Next {
	if n := s.said.Load(); n != s.last {
		s.last = n
		out.Buf = fmt.Appendf(out.Buf, "%d\n", n)
	}
	return wire.Park
}

// waiter is a sleeper in the middle of a request: "wait" is answered when it is
// resumed and has something to say.
type waiter struct {
	sleeper
	come    bool
	barrier uint64 // of the first reply
}

func (s *waiter) Feed(in []byte, out *wire.Out) (n int, next wire.Next) {
	for n < len(in) {
		end := bytes.IndexByte(in[n:], '\n')
		if end < 0 {
			break
		}
		line := string(in[n : n+end])
		if line == "wait" && !s.come {
			s.asleep = true
			return n, wire.Wait
		}
		s.come = false
		out.Barrier, s.barrier = max(out.Barrier, s.barrier), 0
		out.Buf = append(append(out.Buf, line...), '\n')
		n += end + 1
	}
	return n, wire.More
}

func (s *waiter) Resume(*wire.Out) wire.Next {
	if !s.come {
		return wire.Wait
	}
	s.asleep = false
	return wire.More
}

// One that waits is not read, and what comes then is answered in order: also the rest
// of a peer that has ended, and while the loop stops.
func TestWaiting(t *testing.T) {
	for _, how := range []string{"", "ended", "stopping"} {
		l := netiotest.New(t, func(wire.Peer) wire.Session { return &waiter{} }, netiotest.Options{})
		c := l.Dial()
		s := c.Session().(*waiter)
		wantString(t, "reply", c.Request("a\nwait\nb\n"), "a\n")
		c.Send("c\n")
		wantInt(t, "unread", c.Unread(), 2)
		switch how {
		case "ended":
			c.CloseWrite()
		case "stopping":
			l.Stop()
		}
		l.Advance(300 * time.Millisecond)
		wantString(t, "reply", c.Recv(), "")
		wantInt(t, how+": closes", s.closes, 0)
		s.come = true
		l.Wake()
		want := "wait\nb\nc\n"
		if how == "stopping" {
			want = "wait\nb\n"
		}
		wantString(t, how+": replies", c.Recv(), want)
		wantInt(t, how+": closes", s.closes, map[string]int{"": 0, "ended": 1, "stopping": 1}[how])
	}
}

// A stop does not end one that waits because its output, which was stalled or barred, has
// drained: the reply that it waits for comes behind that.
func TestWaitingWithOutputMeetsStop(t *testing.T) {
	for _, how := range []string{"barred", "stalled", "stalled twice"} {
		barrier := new(atomic.Uint64)
		l := netiotest.New(t, func(wire.Peer) wire.Session { return &waiter{} }, netiotest.Options{Barrier: barrier})
		c := l.Dial()
		s := c.Session().(*waiter)
		switch how {
		case "barred":
			s.barrier = 1
		default:
			c.SetWindow(1)
		}
		c.Send("abcdef\nwait\nb\n")
		l.Stop()
		if how == "stalled twice" { // the peer takes a part
			c.SetWindow(3)
			l.Wake()
		}
		l.Pass(1)
		wantString(t, how+": reply", c.Recv(), "abcdef\n")
		wantInt(t, how+": closes", s.closes, 0)
		s.come = true
		l.Wake()
		wantString(t, how+": replies", c.Recv(), "wait\nb\n")
		wantInt(t, how+": closes", s.closes, 1)
	}
}
