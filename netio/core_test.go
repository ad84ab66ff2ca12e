package netio_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/netio/netiotest"
	"github.com/pandabeardb/panda/wire"
)

// toys opens toys that share a ledger.
func toys(t testing.TB, perTurn int) (func(wire.Peer) wire.Session, *ledger) {
	l := newLedger()
	t.Cleanup(func() {
		if err := l.err(); err != nil {
			t.Error(err)
		}
	})
	return func(wire.Peer) wire.Session { return &toy{perTurn: perTurn, pinned: l} }, l
}

func newToys(t testing.TB, perTurn int, o netiotest.Options) (*netiotest.Loop, *ledger) {
	open, ledger := toys(t, perTurn) // its check runs after the loop's
	return netiotest.New(t, open, o), ledger
}

func wantString(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	t.Fatalf("%s: %d bytes, want %d; they differ at %d: %.40q, want %.40q", what, len(got), len(want), i, got[i:], want[i:])
}

func wantInt(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func TestOneReadOneWrite(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	for range 10 {
		wantString(t, "reply", c.Request("echo a\n"), "a\n")
	}
	wantInt(t, "reads", c.Reads(), 10)
	wantInt(t, "writes", c.Writes(), 10)
	wantString(t, "pipeline", c.Request(strings.Repeat("echo b\n", 1000)), strings.Repeat("b\n", 1000))
	wantInt(t, "reads", c.Reads(), 11)
	wantInt(t, "writes", c.Writes(), 11)
	wantInt(t, "signals", l.Signals(), 0)
}

func TestYieldingPipelineIsOneWrite(t *testing.T) {
	l, _ := newToys(t, 20, netiotest.Options{})
	c := l.Dial()
	wantString(t, "replies", c.Request(strings.Repeat("echo b\n", 64)), strings.Repeat("b\n", 64))
	wantInt(t, "reads", c.Reads(), 1)
	wantInt(t, "writes", c.Writes(), 1)
	wantInt(t, "yields", c.Session().(*toy).yields, 3)
	wantInt(t, "signals", l.Signals(), 3)
}

func TestBytesOneAtATime(t *testing.T) {
	l, ledger := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	script := "echo hello\nput 5\nabcdebig 100\necho x\nput 0\necho y\n"
	c.SendSplit(script, 1)
	wantString(t, "replies", c.Recv(), expected(script, ledger))
	for split := range len(script) {
		c := l.Dial()
		c.SendSplit(script, split+1, len(script))
		wantString(t, fmt.Sprint("split at ", split), c.Recv(), expected(script, ledger))
	}
}

func TestBodyIsReadInPlace(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	body := strings.Repeat("0123456789abcdef", 5<<20/16)
	c.Send(fmt.Sprintf("put %d\n", len(body)))
	before := c.Reads()
	wantString(t, "reply", c.Request(body+"echo next\n"), stored([]byte(body))+"next\n")
	if reads := c.Reads() - before; reads > 8 {
		t.Errorf("%d reads for a body of 5 MiB", reads)
	}
}

func TestFullWaitsForTheReader(t *testing.T) {
	l, ledger := newToys(t, 0, netiotest.Options{OutCap: 1000})
	c := l.Dial()
	c.SetWindow(100)
	script := strings.Repeat("echo 0123456789\n", 5000) + "big 3000\necho last\n"
	c.Send(script)
	if c.Waiting() != 100 {
		t.Errorf("%d bytes in a window of 100", c.Waiting())
	}
	fulls := c.Session().(*toy).fulls
	if fulls > 2 {
		t.Errorf("fed %d times although nobody reads", fulls)
	}
	unread := c.Unread()
	c.Send(script)
	wantInt(t, "unread", c.Unread(), unread+len(script))
	wantString(t, "replies", c.Recv(), expected(script+script, ledger))
}

func TestGluttonIsPaused(t *testing.T) {
	g := &glutton{}
	l := netiotest.New(t, func(wire.Peer) wire.Session { return g }, netiotest.Options{})
	c := l.Dial()
	chunk := strings.Repeat("x", 1<<20)
	for range 20 {
		c.Send(chunk)
	}
	if g.most > 2<<20 || c.Unread() < 17<<20 {
		t.Errorf("a session that consumes nothing was given %d bytes, %d are unread", g.most, c.Unread())
	}
	c.CloseWrite()
	if !c.Closed() {
		t.Error("not closed, though nothing can come any more")
	}
}

func TestQuitDeliversEverything(t *testing.T) {
	for _, window := range []int{-1, 1, 100_000} {
		l, ledger := newToys(t, 20, netiotest.Options{})
		c := l.Dial()
		c.SetWindow(window)
		script := strings.Repeat("echo some reply\n", 3000) + "quit\n"
		c.Send(script + strings.Repeat("echo too late\n", 10_000))
		c.Send("echo later still\n")
		wantString(t, "pipeline", c.Recv(), expected(script, ledger))
		if !c.Ended() || c.WasReset() {
			t.Errorf("window %d: ended %v, reset %v", window, c.Ended(), c.WasReset())
		}
		c.CloseWrite()
		if !c.Closed() {
			t.Errorf("window %d: not closed", window)
		}
	}
}

func TestQuitAfterBigReplyToSlowReader(t *testing.T) {
	l, ledger := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	c.SetWindow(64 << 10)
	script := "big 8000000\nquit\n"
	c.Send(script + "echo unread\n")
	var got strings.Builder
	for !c.Ended() {
		got.WriteString(c.RecvOnce())
		l.Advance(30 * time.Second) // slow, but alive
	}
	wantString(t, "reply", got.String(), expected(script, ledger))
	if !c.Closed() {
		t.Error("lingers for ever")
	}
}

func TestClosingPeerThatReadsNothingIsCut(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	c.SetWindow(10)
	c.Send("big 1000\nquit\n")
	wantInt(t, "sessions", int(l.Core.Counts.Current.Load()), 0)
	l.Advance(59 * time.Second)
	if c.Closed() {
		t.Error("cut too early")
	}
	l.Advance(2 * time.Second)
	if !c.Closed() {
		t.Error("not cut")
	}
}

func TestLingerEnds(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	c.Send("quit\n")
	if !c.Ended() || c.Closed() {
		t.Errorf("ended %v, closed %v", c.Ended(), c.Closed())
	}
	l.Advance(3 * time.Second)
	if !c.Closed() {
		t.Error("not closed")
	}
	d := l.Dial()
	d.Send("quit\n" + strings.Repeat("x", 20<<20))
	if !d.Closed() {
		t.Error("20 MB were thrown away, and still not closed")
	}
}

// TestCut: who is cut off has its reply, and is closed at once.
func TestCut(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	c.Send("cut\nmore of it")
	wantString(t, "reply", c.Recv(), "go\n")
	if !c.Closed() || c.WasReset() {
		t.Errorf("closed %v, reset %v", c.Closed(), c.WasReset())
	}
	wantInt(t, "connections", l.Core.Len(), 0)
	wantInt(t, "counted", int(l.Core.Counts.Current.Load()), 0)
}

func TestEndOfStream(t *testing.T) {
	l, ledger := newToys(t, 1, netiotest.Options{Manual: true})
	c := l.Dial()
	c.SetWindow(10)
	script := strings.Repeat("echo half open\n", 100)
	c.Send(script + "echo unfini")
	c.CloseWrite()
	l.Run()
	var got strings.Builder
	for range 1000 {
		got.WriteString(c.RecvOnce())
		l.Run()
	}
	wantString(t, "replies", got.String(), expected(script, ledger))
	if !c.Closed() || c.WasReset() {
		t.Errorf("closed %v, reset %v", c.Closed(), c.WasReset())
	}
}

func TestResetCleansUp(t *testing.T) {
	l, _ := newToys(t, 3, netiotest.Options{})
	states := []string{
		"", "echo a", "put 100000\nabc", "big 100000\n", "big 100000\nquit\n", "quit\n",
		strings.Repeat("echo abcdefgh\n", 100), "big 50000\nbig 20000\necho a\n",
	}
	for _, s := range states {
		c := l.Dial()
		c.SetWindow(100)
		c.Send(s)
		c.Reset()
		if !c.Closed() {
			t.Errorf("after %.20q: not closed", s)
		}
	}
	wantInt(t, "connections", l.Core.Len(), 0)
	wantInt(t, "current", int(l.Core.Counts.Current.Load()), 0)
	wantInt(t, "total", int(l.Core.Counts.Total.Load()), len(states))
}

func TestFalseEventsDoNothing(t *testing.T) {
	l, _ := newToys(t, 1, netiotest.Options{})
	c := l.Dial()
	c.SetWindow(10)
	c.Send("echo 0123456789\necho b\nech")
	for e := range netio.Events(8) {
		c.Pretend(e)
	}
	c.Send("o c\n")
	wantString(t, "replies", c.Recv(), "0123456789\nb\nc\n")
}

func TestYieldStarvesNobody(t *testing.T) {
	l, _ := newToys(t, 1, netiotest.Options{Manual: true})
	busy, quiet := l.Dial(), l.Dial()
	busy.Send(strings.Repeat("echo b\n", 5000))
	l.Step()
	quiet.Send("echo q\n")
	l.Step()
	wantInt(t, "bytes for the quiet one after a batch", quiet.Waiting(), 2)
	steps := 0
	for l.Step() {
		steps++
	}
	if steps < 4000 {
		t.Errorf("the busy one had its turns in %d batches", steps)
	}
	wantInt(t, "bytes for the busy one", busy.Waiting(), 10000)
}

// TestNeighbourWaitsOneTurnOfEach: however long the pipelines of others, a
// request is answered before any of them has had a second turn.
func TestNeighbourWaitsOneTurnOfEach(t *testing.T) {
	const others, perTurn = 20, 7
	l, _ := newToys(t, perTurn, netiotest.Options{Manual: true})
	busy := make([]*netiotest.Client, others)
	for i := range busy {
		busy[i] = l.Dial()
		busy[i].Send(strings.Repeat("echo b\n", 5000))
	}
	quiet := l.Dial()
	for round := range 50 {
		l.Step()
		var before [others]int
		for i, c := range busy {
			before[i] = c.Session().(*toy).ran
		}
		quiet.Send("echo q\n")
		for quiet.Waiting() == 0 {
			if !l.Step() {
				t.Fatalf("round %d: nothing left to do, and no reply", round)
			}
		}
		quiet.RecvOnce()
		for i, c := range busy {
			if ran := c.Session().(*toy).ran - before[i]; ran > perTurn || ran == 0 {
				t.Errorf("round %d: %d commands of neighbour %d ran before the reply, a turn is %d", round, ran, i, perTurn)
			}
		}
	}
}

// TestTurnIsAFewReads: a pusher whose requests cost nothing has its turn, too.
func TestTurnIsAFewReads(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{Manual: true})
	busy := l.Dial()
	busy.Send(strings.Repeat("echo 0123456789abcdef\n", 200_000))
	l.Step()
	wantInt(t, "reads at an event", busy.Reads(), 4)
	l.Step()
	wantInt(t, "reads at a turn of the ready list", busy.Reads(), 5)
}

func TestPusherStarvesNobody(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{Manual: true})
	busy, quiet := l.Dial(), l.Dial()
	busy.Send(strings.Repeat("echo 0123456789abcdef\n", 200_000))
	l.Step()
	quiet.Send("echo q\n")
	l.Step()
	wantInt(t, "bytes for the quiet one after a batch", quiet.Waiting(), 2)
	if busy.Unread() < 2<<20 {
		t.Errorf("one turn read all but %d bytes", busy.Unread())
	}
	l.Run()
	wantInt(t, "unread", busy.Unread(), 0)
}

func TestHundredThousandNeverRead(t *testing.T) {
	l, _ := newToys(t, 20, netiotest.Options{})
	deaf, other := l.Dial(), l.Dial()
	deaf.SetWindow(200 << 10)
	deaf.Send(strings.Repeat("echo "+strings.Repeat("v", 100)+"\n", 100_000))
	wantString(t, "the other one", other.Request("echo hi\n"), "hi\n")
	written := int(l.Core.Counts.BytesWritten.Load())
	if written > 201<<10 {
		t.Errorf("%d bytes written into a window of 200 KiB", written)
	}
	if deaf.Unread() < 9<<20 {
		t.Errorf("only %d bytes are left in the socket", deaf.Unread())
	}
	deaf.SetWindow(-1)
	wantInt(t, "replies", len(deaf.Recv()), 101*100_000)
}

func TestIdleTimeout(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{IdleTimeout: 3 * time.Second})
	idle, active, waiting := l.Dial(), l.Dial(), l.Dial()
	waiting.SetWindow(1)
	waiting.Send("echo slow\n")
	for range 5 {
		l.Advance(2 * time.Second)
		active.Request("echo a\n")
	}
	if !idle.Closed() || active.Closed() || waiting.Closed() {
		t.Errorf("closed: idle %v, active %v, waiting %v", idle.Closed(), active.Closed(), waiting.Closed())
	}
	waiting.Recv()
	l.Advance(2900 * time.Millisecond)
	wantInt(t, "kicks", int(l.Core.Counts.IdleKicks.Load()), 1)
	l.Advance(200 * time.Millisecond)
	wantInt(t, "kicks", int(l.Core.Counts.IdleKicks.Load()), 3)
}

// TestIdleTimeoutSparesABody: memcached kicks between commands only.
func TestIdleTimeoutSparesABody(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{IdleTimeout: time.Second})
	body, line := l.Dial(), l.Dial()
	body.Send("put 10\nabc")
	line.Send("echo unfini")
	l.Advance(time.Minute)
	if body.Closed() || !line.Closed() {
		t.Errorf("closed: in a body %v, in a line %v", body.Closed(), line.Closed())
	}
	body.Send("defghij")
	wantString(t, "reply", body.Recv(), stored([]byte("abcdefghij")))
	l.Advance(2 * time.Second)
	if !body.Closed() {
		t.Error("not kicked behind its body")
	}
}

func TestIdleTimeoutSparesUnixSockets(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{IdleTimeout: time.Second, Peer: wire.Peer{Network: "unix"}})
	c := l.Dial()
	l.Advance(time.Minute)
	if c.Closed() {
		t.Error("kicked")
	}
}

func TestIdleScanFindsAll(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{IdleTimeout: time.Second})
	for range 10_000 {
		l.Dial()
	}
	l.Advance(1500 * time.Millisecond)
	wantInt(t, "kicks", int(l.Core.Counts.IdleKicks.Load()), 10_000)
}

func TestStopFinishesWhatWasRead(t *testing.T) {
	l, ledger := newToys(t, 1, netiotest.Options{Manual: true})
	idle := l.Dial()
	l.Advance(time.Second)
	busy, slow, half := l.Dial(), l.Dial(), l.Dial()
	script := strings.Repeat("echo abc\n", 50)
	busy.Send(script)
	slow.SetWindow(10)
	slow.Send("big 1000\necho after\n")
	half.Send("echo unfini")
	l.Step()
	half.Send("shed\n") // comes too late
	l.Stop()
	l.Run()
	if !idle.Closed() || slow.Ended() {
		t.Errorf("idle: closed %v; slow: ended %v", idle.Closed(), slow.Ended())
	}
	wantString(t, "busy", busy.RecvOnce(), expected(script, ledger))
	wantString(t, "half", half.RecvOnce(), "")
	if !busy.Ended() || !half.Ended() {
		t.Errorf("ended: busy %v, half %v", busy.Ended(), half.Ended())
	}
	busy.CloseWrite()
	l.Run()
	if !busy.Closed() {
		t.Error("busy has closed its side, and is kept")
	}
	var got strings.Builder
	for !slow.Ended() {
		got.WriteString(slow.RecvOnce())
		l.Run()
	}
	wantString(t, "slow", got.String(), expected("big 1000\necho after\n", ledger))
	l.Advance(300 * time.Millisecond)
	wantInt(t, "connections", l.Core.Len(), 0)
	if busy.WasReset() || slow.WasReset() || half.WasReset() {
		t.Errorf("reset: busy %v, slow %v, half %v", busy.WasReset(), slow.WasReset(), half.WasReset())
	}
}

// TestStopLosesNoReply: a peer goes on sending its pipeline while the server
// stops. What was answered arrives, then the end, and no reset.
func TestStopLosesNoReply(t *testing.T) {
	for name, window := range map[string]int{"roomy": -1, "narrow": 5000} {
		l, _ := newToys(t, 20, netiotest.Options{Manual: true})
		c := l.Dial()
		c.SetWindow(window)
		c.Send(strings.Repeat("echo some reply\n", 20_000))
		l.Step()
		l.Stop()
		var got strings.Builder
		for range 200 { // 6 s: longer than any fixed wait
			l.Advance(30 * time.Millisecond)
			c.Send("echo more\n")
			got.WriteString(c.RecvOnce())
			l.Run()
		}
		if c.WasReset() || c.Closed() {
			t.Errorf("%s: reset %v, closed %v while the peer sends", name, c.WasReset(), c.Closed())
		}
		for !c.Ended() {
			got.WriteString(c.RecvOnce())
			l.Run()
		}
		if n := got.Len() / len("some reply\n"); n < 100 || got.String() != strings.Repeat("some reply\n", n) {
			t.Errorf("%s: %d replies, and not only whole ones", name, n)
		}
		l.Advance(300 * time.Millisecond)
		if !c.Closed() || c.WasReset() {
			t.Errorf("%s: closed %v, reset %v after the peer fell silent", name, c.Closed(), c.WasReset())
		}
	}
}

// TestStopTakesAnyPipeline: more input lies unread than an ordinary close
// throws away.
func TestStopTakesAnyPipeline(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{Manual: true})
	c := l.Dial()
	c.SetWindow(5000)
	c.Send(strings.Repeat("echo some reply\n", 2_000_000))
	l.Step()
	l.Stop()
	var got strings.Builder
	for !c.Ended() {
		got.WriteString(c.RecvOnce())
		l.Run()
	}
	if n := got.Len() / len("some reply\n"); n < 100 || got.String() != strings.Repeat("some reply\n", n) {
		t.Errorf("%d replies, and not only whole ones", n)
	}
	if c.WasReset() || c.Unread() > 0 {
		t.Errorf("reset %v, %d bytes unread", c.WasReset(), c.Unread())
	}
}

func TestStopShortensALinger(t *testing.T) {
	l, _ := newToys(t, 0, netiotest.Options{})
	c := l.Dial()
	c.Send("quit\n")
	l.Stop()
	if c.Closed() {
		t.Error("cut at once")
	}
	l.Advance(300 * time.Millisecond)
	if !c.Closed() {
		t.Error("kept as long as without a stop")
	}
}

func TestNoAllocations(t *testing.T) {
	alloctest.SkipUnderRace(t)
	l, _ := newToys(t, 0, netiotest.Options{})
	quiet := &constant{reply: strings.Repeat("r", 100)}
	h := &replay{in: []byte("request\n")}
	zero := func(what string, f func()) {
		h.reads = 0
		alloctest.Zero(t, what, f)
		if h.reads < alloctest.Runs {
			t.Errorf("%s: %d reads", what, h.reads)
		}
	}
	core := netio.NewCore(h, netio.CoreConfig{Clock: l})
	c := core.Add(7, quiet, true)
	zero("wake-up", func() { core.Event(c, netio.Readable) })
	quiet.yields = true
	zero("wake-up with two turns", func() {
		core.Event(c, netio.Readable)
		core.RunReady()
	})
	quiet.yields, quiet.keeps = false, true
	zero("wake-up with a rest", func() { core.Event(c, netio.Readable) })
	quiet.keeps = false
	zero("stalled write", func() {
		h.full = true
		core.Event(c, netio.Readable)
		h.full = false
		core.Event(c, netio.Writable)
	})
}

// constant answers everything with the same bytes.
type constant struct {
	reply         string
	yields, keeps bool
}

func (s *constant) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	out.Buf = append(out.Buf, s.reply...)
	switch {
	case s.yields && len(in) > 1:
		return len(in) - 1, wire.Yield
	case s.keeps:
		return max(len(in)-1, 1), wire.More
	}
	return len(in), wire.More
}
func (*constant) Body(v [][]byte) [][]byte        { return v }
func (*constant) Filled(int, *wire.Out) wire.Next { return wire.More }
func (*constant) Close(wire.Reason)               {}

// replay is a Host whose peer sends the same bytes whenever it is asked.
type replay struct {
	in    []byte
	reads int
	full  bool
}

func (h *replay) Read(_ int, p []byte) int {
	h.reads++
	return copy(p, h.in)
}
func (h *replay) ReadVectors(fd int, v [][]byte) int { return h.Read(fd, v[0]) }
func (h *replay) Write(_ int, p []byte) int {
	if h.full {
		return netio.Again
	}
	return len(p)
}
func (h *replay) WriteVectors(int, [][]byte) int { return netio.Broken }
func (h *replay) WantWrite(int, bool)            {}
func (h *replay) CloseWrite(int)                 {}
func (h *replay) Close(int)                      {}
func (h *replay) Ready()                         {}

// script makes commands out of random numbers.
func script(r *rand.Rand, commands int) string {
	var s strings.Builder
	for range commands {
		switch r.IntN(8) {
		case 0:
			n := r.IntN(20_000)
			fmt.Fprintf(&s, "put %d\n%s", n, strings.Repeat("p", n))
		case 1:
			fmt.Fprintf(&s, "big %d\n", r.IntN(60_000))
		case 2:
			fmt.Fprintf(&s, "echo %s\n", strings.Repeat("long", r.IntN(500)))
		default:
			fmt.Fprintf(&s, "echo %d\n", r.Uint32())
		}
	}
	return s.String()
}

// runRandom sends a random script in random pieces through sockets with random
// limits, and compares all that comes back.
func runRandom(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 4))
	o := netiotest.Options{OutCap: 1 + r.IntN(50_000), Manual: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		o.ReadMax = 1 + r.IntN(10_000)
	}
	if r.IntN(2) == 0 {
		o.WriteMax = 1 + r.IntN(10_000)
	}
	l, ledger := newToys(t, r.IntN(5), o)
	type side struct {
		c    *netiotest.Client
		sent string
		got  strings.Builder
		todo string
	}
	sides := make([]side, 1+r.IntN(4))
	for i := range sides {
		s := &sides[i]
		s.c = l.Dial()
		s.todo = script(r, r.IntN(60))
		if r.IntN(3) == 0 {
			s.todo += "quit\n"
		}
		s.sent = s.todo
		s.todo += "echo unfinished"
	}
	for range 5000 {
		s := &sides[r.IntN(len(sides))]
		switch r.IntN(5) {
		case 0:
			s.c.SetWindow(r.IntN(50_000) - 1)
		case 1:
			s.got.WriteString(s.c.RecvOnce())
		case 2:
			l.Step()
		default:
			n := min(1+r.IntN(1+r.IntN(30_000)), len(s.todo))
			s.c.Send(s.todo[:n])
			s.todo = s.todo[n:]
		}
	}
	for i := range sides {
		s := &sides[i]
		s.c.SetWindow(-1)
		s.c.Send(s.todo)
		l.Run()
		s.got.WriteString(s.c.Recv())
		for l.Run(); s.c.Waiting() > 0; l.Run() {
			s.got.WriteString(s.c.RecvOnce())
		}
		wantString(t, fmt.Sprintf("seed %d, connection %d", seed, i), s.got.String(), expected(s.sent, ledger))
	}
}

func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		t.Run("", func(t *testing.T) { runRandom(t, seed) })
	}
}

func FuzzCore(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(runRandom)
}
