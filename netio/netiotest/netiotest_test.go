package netiotest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pandabeardb/panda/wire"
)

// upper answers in capitals, and closes after "!".
type upper struct{ now []int64 }

func (u *upper) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	u.now = append(u.now, out.NowMS)
	if i := bytes.IndexByte(in, '!'); i >= 0 {
		out.Buf = append(out.Buf, bytes.ToUpper(in[:i])...)
		return i + 1, wire.Close
	}
	out.Buf = append(out.Buf, bytes.ToUpper(in)...)
	return len(in), wire.More
}
func (*upper) Body(v [][]byte) [][]byte        { return v }
func (*upper) Filled(int, *wire.Out) wire.Next { return wire.More }
func (*upper) Close(wire.Reason)               {}

func openUpper(wire.Peer) wire.Session { return &upper{} }

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRequest(t *testing.T) {
	l := New(t, openUpper, Options{})
	c := l.Dial()
	want(t, "reply", c.Request("abc"), "ABC")
	c.SendSplit("defghi", 1, 2)
	want(t, "reads", c.Reads(), 5)
	want(t, "reply", c.Recv(), "DEFGHI")
	want(t, "second reply", c.Recv(), "")
}

func TestWindow(t *testing.T) {
	l := New(t, openUpper, Options{})
	c := l.Dial()
	c.SetWindow(2)
	c.Send("abcde")
	want(t, "waiting", c.Waiting(), 2)
	want(t, "first piece", c.RecvOnce(), "AB")
	c.SetWindow(3)
	want(t, "the rest", c.Recv(), "CDE")
}

func TestLimitedCalls(t *testing.T) {
	l := New(t, openUpper, Options{ReadMax: 2, WriteMax: 1})
	c := l.Dial()
	want(t, "reply", c.Request("abcde"), "ABCDE")
	want(t, "reads", c.Reads(), 3)
	want(t, "writes", c.Writes(), 5)
}

func TestEnds(t *testing.T) {
	l := New(t, openUpper, Options{})
	c := l.Dial()
	c.Send("ab!cd")
	want(t, "ended before all is received", c.Ended(), false)
	want(t, "reply", c.Recv(), "AB")
	want(t, "ended", c.Ended(), true)
	c.CloseWrite()
	want(t, "closed", c.Closed(), true)
	want(t, "reset", c.WasReset(), false)
	c.Send("more")
	want(t, "reset", c.WasReset(), true)

	d := l.Dial()
	d.Send("ab")
	d.Reset()
	want(t, "closed", d.Closed(), true)
}

func TestManualAndClock(t *testing.T) {
	ticks := 0
	l := New(t, openUpper, Options{Manual: true, IdleTimeout: time.Second, Tick: func(int64) { ticks++ }})
	c := l.Dial()
	start := l.NowMS()
	c.Send("a")
	want(t, "waiting", c.Waiting(), 0)
	l.Advance(250 * time.Millisecond)
	want(t, "ticks", ticks, 3)
	l.Run()
	want(t, "waiting", c.Waiting(), 1)
	want(t, "time", c.Session().(*upper).now[0], start+250)
	l.SetClock(start + 5000)
	l.Advance(time.Millisecond)
	want(t, "closed", c.Closed(), true)
}

func TestStop(t *testing.T) {
	l := New(t, openUpper, Options{})
	c := l.Dial()
	l.Advance(time.Second)
	l.Stop()
	want(t, "closed", c.Closed(), true)
}

// failures is a TB that notes what a test would report.
type failures struct {
	testing.TB
	text    []string
	cleanup func()
}

func (f *failures) Helper()          {}
func (f *failures) Cleanup(g func()) { f.cleanup = g }
func (f *failures) Errorf(format string, a ...any) {
	f.text = append(f.text, fmt.Sprintf(format, a...))
}
func (f *failures) Fatalf(format string, a ...any) {
	f.Errorf(format, a...)
	panic(f)
}

// greedy says that it consumed more than it got.
type greedy struct{ upper }

func (*greedy) Feed(in []byte, _ *wire.Out) (int, wire.Next) { return len(in) + 1, wire.More }

// restless yields for ever.
type restless struct{ upper }

func (*restless) Feed(in []byte, _ *wire.Out) (int, wire.Next) { return 0, wire.Yield }

func TestBrokenSessionsAreFound(t *testing.T) {
	for name, s := range map[string]wire.Session{"greedy": &greedy{}, "restless": &restless{}} {
		f := &failures{TB: t}
		l := New(f, func(wire.Peer) wire.Session { return s }, Options{})
		func() {
			defer func() {
				if r := recover(); r != any(f) {
					t.Errorf("%s: %v", name, r)
				}
			}()
			l.Dial().Send("x")
		}()
		want(t, name, len(f.text), 1)
		f.cleanup()
		want(t, name, len(f.text), 1)
	}
}
