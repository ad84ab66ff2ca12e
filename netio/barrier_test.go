package netio_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/netio/netiotest"
	"github.com/pandabeardb/panda/wire"
)

// newBarred is a loop of toys whose replies can wait.
func newBarred(t testing.TB, perTurn int, o netiotest.Options) (*netiotest.Loop, *ledger) {
	o.Barrier = new(atomic.Uint64)
	l, ledger := newToys(t, perTurn, o)
	t.Cleanup(func() {
		l.Core.Abort()
		if n := l.Core.Counts.Barred.Load(); n != 0 {
			t.Errorf("%d are barred in the end", n)
		}
	})
	return l, ledger
}

func wantBarred(t *testing.T, l *netiotest.Loop, want int) {
	t.Helper()
	wantInt(t, "barred", int(l.Core.Counts.Barred.Load()), want)
}

func TestReplyWaitsForTheBarrier(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c, other := l.Dial(), l.Dial()
	wantString(t, "early", c.Request("echo a\nafter 5\necho b\n"), "")
	wantBarred(t, l, 1)
	wantInt(t, "reads", c.Reads(), 1)
	wantString(t, "more input", c.Request("echo c\n"), "")
	wantInt(t, "reads", c.Reads(), 1)
	wantString(t, "another connection", other.Request("echo o\n"), "o\n")
	l.Pass(4)
	wantString(t, "at 4", c.Recv(), "")
	l.Pass(5)
	wantString(t, "at 5", c.Recv(), "a\nafter 5\nb\nc\n")
	wantBarred(t, l, 0)
	wantInt(t, "writes", c.Writes(), 2)
	wantString(t, "of a number that was passed", c.Request("after 3\nafter 5\n"), "after 3\nafter 5\n")
	wantString(t, "the next", c.Request("after 6\n"), "")
	l.Pass(100)
	wantString(t, "at 100", c.Recv(), "after 6\n")
}

// TestBeganToWait: it is told once for all that began since.
func TestBeganToWait(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	a, b := l.Dial(), l.Dial()
	want := func(when string, want bool) {
		t.Helper()
		if got := l.Core.BeganToWait(); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	want("at first", false)
	a.Request("echo a\n")
	want("without a number", false)
	a.Request("after 1\n")
	b.Request("after 2\n")
	want("two have begun", true)
	want("again", false)
	l.Pass(1)
	want("one goes on", false)
	l.Pass(2)
	a.Request("after 2\n")
	want("of a number that was passed", false)
}

// TestBarrierWithoutOutput: a session that can take no byte until the log has
// taken what is there is fed the same bytes again.
func TestBarrierWithoutOutput(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c := l.Dial()
	wantString(t, "early", c.Request("wait 2\necho a\nwait 3\nafter 4\n"), "")
	l.Pass(2)
	wantString(t, "at 2", c.Recv(), "")
	wantBarred(t, l, 1)
	l.Pass(3)
	wantString(t, "at 3", c.Recv(), "a\n")
	l.Pass(4)
	wantString(t, "at 4", c.Recv(), "after 4\n")
	wantInt(t, "commands", c.Session().(*toy).ran, 4)
}

// TestBodyEndsBeforeABarrier: what came in one read with the end of a body is
// not fed before the body's answer may leave.
func TestBodyEndsBeforeABarrier(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c := l.Dial()
	body := strings.Repeat("b", 10_000)
	c.Send("hold 2\nput 10000\n")
	wantString(t, "early", c.Request(body+"echo x\nafter 3\n"), "")
	wantInt(t, "commands", c.Session().(*toy).ran, 2)
	l.Pass(2)
	wantInt(t, "commands", c.Session().(*toy).ran, 4)
	wantString(t, "at 2", c.Recv(), stored([]byte(body)))
	l.Pass(3)
	wantString(t, "at 3", c.Recv(), "x\nafter 3\n")
}

// TestNoBarrier: where the number is nobody's, nothing waits, and what one session asked
// for is not asked of the next.
func TestNoBarrier(t *testing.T) {
	l, _ := newToys(t, 1, netiotest.Options{})
	c := l.Dial()
	wantString(t, "replies", c.Request("wait 7\nafter 9\necho a\n"), "after 9\na\n")
	wantInt(t, "barred", int(l.Core.Counts.Barred.Load()), 0)
}

// TestBarredYielderLeavesNothingBehind: a session that yields without output, but with
// a barrier, does not bar whose turn is next.
func TestBarredYielderLeavesNothingBehind(t *testing.T) {
	l, _ := newBarred(t, 1, netiotest.Options{Manual: true})
	c, other := l.Dial(), l.Dial()
	c.Send("hold 5\nput 0\necho a\n")
	other.Send("echo o\n")
	l.Run()
	wantString(t, "the other one", other.RecvOnce(), "o\n")
	wantInt(t, "commands", c.Session().(*toy).ran, 2)
	l.Pass(5)
	l.Run()
	wantString(t, "replies", c.RecvOnce(), expected("put 0\necho a\n", nil))
}

// occasion is how a connection came to be barred up to 5.
type occasion struct {
	perTurn int
	script  string // of which whole commands, but for what more ends
	more    string // what the client sends behind it
}

var occasions = []occasion{
	{0, "after 5\n", "echo more\n"},
	{0, "big 50000\nafter 5\nbig 9\n", "big 3\n"},
	{1, "after 5\necho x\necho y\n", "echo more\n"},
	{1, "echo x\nafter 5\nbig 9\nafter 5\n", "after 4\n"},
	{0, "wait 5\necho x\n", "echo more\n"},
	{0, "big 10\nwait 5\nwait 3\necho x\n", "echo more\n"},
	{0, "after 5\nquit\n", "echo more\n"},
	{0, "big 40000\nafter 5\nquit\necho late\n", "echo more\n"},
	{0, "wait 5\nquit\n", "echo more\n"},
	{0, "after 5\ncut\n", "echo more\n"},
	{0, "hold 5\nput 10000\n" + strings.Repeat("b", 10000) + "echo x\n", "echo more\n"},
	{0, "after 5\nput 9\nabc", "defghiecho more\n"},
	{0, "big 20000\nafter 5\necho unfini", "shed\n"},
}

// incident is what happens to a barred connection.
type incident struct {
	name string
	f    func(l *netiotest.Loop, c *netiotest.Client, o occasion)
}

var incidents = []incident{
	{"nothing", func(*netiotest.Loop, *netiotest.Client, occasion) {}},
	{"more", func(_ *netiotest.Loop, c *netiotest.Client, o occasion) { c.Send(o.more) }},
	{"false events", func(_ *netiotest.Loop, c *netiotest.Client, _ occasion) {
		for e := range netio.Events(8) {
			c.Pretend(e)
		}
	}},
	{"window", func(_ *netiotest.Loop, c *netiotest.Client, _ occasion) { c.SetWindow(100) }},
	{"wake", func(l *netiotest.Loop, _ *netiotest.Client, _ occasion) { l.Wake(); l.Passed(); l.Core.RunReady() }},
	{"end", func(_ *netiotest.Loop, c *netiotest.Client, _ occasion) { c.CloseWrite() }},
	{"idle", func(l *netiotest.Loop, _ *netiotest.Client, _ occasion) { l.Advance(5 * time.Second) }},
	{"minutes", func(l *netiotest.Loop, _ *netiotest.Client, _ occasion) { l.Advance(2 * time.Minute) }},
	{"reset", func(_ *netiotest.Loop, c *netiotest.Client, _ occasion) { c.Reset() }},
	{"leave", func(l *netiotest.Loop, _ *netiotest.Client, _ occasion) { l.Core.Leave() }},
	{"stop", func(l *netiotest.Loop, _ *netiotest.Client, _ occasion) { l.Stop() }},
	{"abort", func(l *netiotest.Loop, _ *netiotest.Client, _ occasion) { l.Core.Abort() }},
}

// TestBarredMeetsEverything: whatever happens while a connection is barred, and
// whatever after that, its replies come whole and in order, unless it is cut.
func TestBarredMeetsEverything(t *testing.T) {
	for i, o := range occasions {
		for _, first := range incidents {
			for _, second := range incidents {
				t.Run(fmt.Sprintf("%d/%s/%s", i, first.name, second.name), func(t *testing.T) {
					meet(t, o, first, second)
				})
			}
		}
	}
}

func meet(t *testing.T, o occasion, first, second incident) {
	l, ledger := newBarred(t, o.perTurn, netiotest.Options{IdleTimeout: time.Second})
	c := l.Dial()
	c.Send(o.script)
	wantBarred(t, l, 1)
	reads := c.Reads()
	happened := func(name string) bool { return first.name == name || second.name == name }
	first.f(l, c, o)
	if second.name != first.name {
		second.f(l, c, o)
	}
	wantString(t, "early", c.RecvOnce(), "")
	wantInt(t, "reads while barred", c.Reads(), reads)
	if !happened("abort") {
		wantBarred(t, l, 1)
	}
	l.Pass(5)
	cutOff := strings.HasSuffix(o.script, "cut\n") && c.Unread() > 0 // answered by a reset, which overtakes
	if happened("reset") || happened("abort") || cutOff {
		if !c.Closed() {
			t.Error("not closed")
		}
		return
	}
	if strings.HasSuffix(o.script, "cut\n") {
		wantString(t, "replies", c.Recv(), answers(o.script, ledger))
		return
	}
	ordered := happened("stop") || happened("leave")
	if ordered { // what was sent meanwhile need not be read, and what is sent now not be answered
		l.Advance(200 * time.Millisecond)
	} else if !happened("end") && !happened("more") {
		c.Send(o.more)
	}
	got := c.Recv()
	l.Advance(3 * time.Second)
	all := answers(o.script+o.more, ledger)
	if ordered || happened("end") && !happened("more") {
		if len(got) != c.Session().(*toy).said || len(got) < len(answers(o.script, ledger)) {
			t.Errorf("%d bytes, %d were answered, %d is the least", len(got), c.Session().(*toy).said, len(answers(o.script, ledger)))
		}
		all = all[:min(len(got), len(all))]
	}
	wantString(t, "replies", got, all)
	inBody := strings.HasSuffix(o.script, "put 9\nabc") && happened("leave") && !happened("more")
	if !c.Closed() && !inBody {
		t.Error("not closed, though idle at the least")
	}
	if !happened("more") && c.WasReset() {
		t.Error("reset")
	}
}

// answers is expected, of the whole commands at the beginning of script.
func answers(script string, l *ledger) string {
	if name, body, ok := strings.Cut(script, "put 9\n"); ok && len(body) < 9 {
		script = name
	}
	return expected(script[:strings.LastIndexByte(script, '\n')+1], l)
}

// TestQuitBehindABarrierDeliversEverything: much lies unread behind the held reply.
func TestQuitBehindABarrierDeliversEverything(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c := l.Dial()
	c.Send("after 1\nquit\n")
	for range 10 {
		c.Send(strings.Repeat("x", 1<<20))
	}
	wantInt(t, "sessions", int(l.Core.Counts.Current.Load()), 0)
	l.Advance(2 * time.Minute)
	if c.Closed() {
		t.Fatal("cut, though it waits for us")
	}
	l.Pass(1)
	wantString(t, "reply", c.Recv(), "after 1\n")
	if !c.Ended() {
		t.Error("not ended")
	}
}

// TestBarredCloserThenDeafPeer: the deadline of a peer that takes nothing begins
// when there is something to take.
func TestBarredCloserThenDeafPeer(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c := l.Dial()
	c.SetWindow(0)
	c.Send("big 100\nafter 1\nquit\n")
	l.Advance(5 * time.Minute)
	l.Pass(1)
	l.Advance(59 * time.Second)
	if c.Closed() {
		t.Error("cut too early")
	}
	l.Advance(2 * time.Second)
	if !c.Closed() {
		t.Error("not cut")
	}
}

func TestPartialWritesBehindTheBarrier(t *testing.T) {
	l, ledger := newBarred(t, 3, netiotest.Options{OutCap: 5000, WriteMax: 700})
	c := l.Dial()
	c.SetWindow(1000)
	script := "echo a\nbig 30000\nafter 3\nbig 5000\nafter 4\necho b\nbig 1000\nafter 4\necho c\n"
	c.Send(script)
	l.Pass(3)
	got := c.Recv()
	if want := expected("echo a\nbig 30000\n", ledger); !strings.HasPrefix(got, want) || strings.Contains(got, "after 4") {
		t.Errorf("%d bytes at 3, want at least %d", len(got), len(want))
	}
	l.Pass(4)
	wantString(t, "replies", got+c.Recv(), expected(script, ledger))
}

// lateSleeper is a sleeper all of whose answers wait for a number.
type lateSleeper struct {
	sleeper
	barrier uint64
}

func (s *lateSleeper) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	n, next := s.sleeper.Feed(in, out)
	out.Barrier = max(out.Barrier, s.barrier)
	return n, next
}

func (s *lateSleeper) Resume(out *wire.Out) wire.Next {
	next := s.sleeper.Resume(out)
	out.Barrier = max(out.Barrier, s.barrier)
	return next
}

func TestParkedAndBarred(t *testing.T) {
	for i := range 10 {
		next := []wire.Next{wire.Park, wire.Full, wire.Yield, wire.More, wire.Close}[i/2]
		rest := []string{"", "first\n"}[i%2] // not consumed
		l := netiotest.New(t, func(wire.Peer) wire.Session { return &lateSleeper{} }, netiotest.Options{Barrier: new(atomic.Uint64)})
		c := l.Dial()
		s := c.Session().(*lateSleeper)
		s.barrier = 1
		wantString(t, "early", c.Request("park\n"+rest), "")
		l.Wake()
		l.Advance(time.Second)
		wantInt(t, "resumes while barred", s.resumes, 0)
		s.lines, s.answers, s.barrier = []string{"late"}, []wire.Next{next}, 2
		l.Pass(1) // resumes it
		wantInt(t, "resumes", s.resumes, 1)
		wantString(t, "at 1", c.Recv(), "OK\n")
		l.Wake()
		c.Send("second\n")
		wantInt(t, "resumes while barred again", s.resumes, 1)
		l.Pass(2)
		want := "late\n"
		if next == wire.More {
			want = "late\n" + rest + "second\n"
		}
		wantString(t, fmt.Sprint("answer ", next), c.Recv(), want)
		if next == wire.Close != c.Ended() {
			t.Errorf("answer %d: ended %v", next, c.Ended())
		}
		wantInt(t, "barred", int(l.Core.Counts.Barred.Load()), 0)
	}
}

// TestCrowdBehindABarrier: two thousand replies that waited for one number do not
// keep a neighbour waiting until all of them are written, nor one another.
func TestCrowdBehindABarrier(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{Manual: true})
	crowd := make([]*netiotest.Client, 2000)
	for i := range crowd {
		crowd[i] = l.Dial()
		crowd[i].Send(fmt.Sprintf("after %d\n", 1+i%2*4)) // every other one waits on
	}
	quiet := l.Dial()
	l.Run()
	wantBarred(t, l, 2000)
	l.Pass(1)
	wantBarred(t, l, 2000-256)
	quiet.Send("echo q\n")
	l.Step()
	wantString(t, "the quiet one", quiet.RecvOnce(), "q\n")
	if n := l.Core.Counts.Barred.Load(); n <= 1000 {
		t.Errorf("%d wait, so all were written before", n)
	}
	l.Run()
	wantBarred(t, l, 1000)
	l.Pass(5)
	l.Run()
	for i, c := range crowd {
		wantString(t, fmt.Sprint("connection ", i), c.RecvOnce(), fmt.Sprintf("after %d\n", 1+i%2*4))
	}
}

func TestBarredOverTLS(t *testing.T) {
	l, ledger := newBarred(t, 1, netiotest.Options{TLS: serverTLS()})
	c, d := l.DialTLS(clientTLS()), l.DialTLS(clientTLS())
	c.SetWindow(1000)
	script := "after 5\nbig 50000\nafter 6\nquit\n"
	c.Send(script)
	d.Send("after 5\n")
	c.Goodbye()
	d.Reset()
	l.Advance(time.Minute)
	wantString(t, "early", c.Recv(), "")
	wantBarred(t, l, 2)
	l.Pass(5)
	if !d.Closed() {
		t.Error("a broken connection is open")
	}
	got := c.Recv()
	wantString(t, "at 5", got, expected("after 5\nbig 50000\n", ledger))
	l.Pass(6)
	wantString(t, "replies", got+c.Recv(), expected(script, ledger))
}

// TestBarringAllocatesNothing: a reply that waits and leaves.
func TestBarringAllocatesNothing(t *testing.T) {
	s := &numbered{reply: strings.Repeat("r", 100)}
	h := &replay{in: []byte("request\n")}
	barrier := new(atomic.Uint64)
	core := netio.NewCore(h, netio.CoreConfig{Clock: frozen{}, Barrier: barrier})
	c, d := core.Add(7, s, true), core.Add(8, s, true)
	alloctest.Zero(t, "two replies that wait", func() {
		core.Event(c, netio.Readable)
		core.Event(d, netio.Readable)
		if core.Counts.Barred.Load() != 2 {
			t.Fatal("not barred")
		}
		barrier.Add(1)
		core.Passed()
		barrier.Add(1)
		core.Passed()
		core.RunReady()
		if core.Counts.Barred.Load() != 0 {
			t.Fatal("still barred")
		}
	})
}

// TestNoWakeUpIsLost: a number that is reached while a connection begins to wait
// for it is either seen by the loop, or the loop's count by who moved it.
func TestNoWakeUpIsLost(t *testing.T) {
	const rounds = 20_000
	h := &replay{in: []byte("request\n")}
	barrier := new(atomic.Uint64)
	core := netio.NewCore(h, netio.CoreConfig{Clock: frozen{}, Barrier: barrier})
	c := core.Add(7, &numbered{reply: "r"}, true)
	var begun, seen, unseen atomic.Uint64 // rounds
	wait := func(n *atomic.Uint64, other *atomic.Uint64, round uint64) {
		for i := 1; n.Load() < round && other.Load() < round; i++ {
			if i%1000 == 0 {
				runtime.Gosched() // there may be one processor
			}
		}
	}
	var mover sync.WaitGroup
	mover.Go(func() {
		for round := uint64(1); round <= rounds; round++ {
			wait(&begun, &begun, round)
			for i := uint64(0); i < round%64; i++ { // the moment is another one each time
				begun.Load()
			}
			barrier.Store(round)
			if core.Counts.Barred.Load() > 0 {
				seen.Store(round)
			} else {
				unseen.Store(round)
			}
		}
	})
	waited, lost := 0, 0
	for round := uint64(1); round <= rounds; round++ {
		begun.Store(round)
		core.Event(c, netio.Readable)
		wait(&seen, &unseen, round)
		if core.Counts.Barred.Load() > 0 {
			waited++
			if unseen.Load() == round {
				lost++
			}
			core.Passed()
		}
	}
	mover.Wait()
	if lost > 0 {
		t.Errorf("%d of %d connections that waited would do so for ever", lost, waited)
	}
}

// numbered answers everything with the same bytes, which wait for the next number.
type numbered struct {
	constant
	reply  string
	number uint64
}

func (s *numbered) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	s.number++
	out.Buf = append(out.Buf, s.reply...)
	out.Barrier = max(out.Barrier, s.number)
	return len(in), wire.More
}

// lateScript makes commands out of random numbers, some of which wait for numbers up to most.
func lateScript(r *rand.Rand, commands, most int) string {
	var s strings.Builder
	for i := range commands {
		number := min(most, i*most/commands+r.IntN(4)) // mostly one that is to come
		switch r.IntN(8) {
		case 0:
			n := r.IntN(12_000)
			fmt.Fprintf(&s, "put %d\n%s", n, strings.Repeat("p", n))
		case 1:
			fmt.Fprintf(&s, "big %d\n", r.IntN(60_000))
		case 2:
			fmt.Fprintf(&s, "hold %d\n", number)
		case 3:
			fmt.Fprintf(&s, "wait %d\n", number)
		case 4, 5:
			fmt.Fprintf(&s, "after %d\n", number)
		default:
			fmt.Fprintf(&s, "echo %d\n", r.Uint32())
		}
	}
	return s.String()
}

// lateSide is one connection of runBarred.
type lateSide struct {
	c      *netiotest.Client
	secure *netiotest.TLSClient // nil: plain text
	todo   string
	sent   string
	got    strings.Builder
	broken bool // what it has not received may be lost
}

func (s *lateSide) send(n int) {
	n = min(n, len(s.todo))
	if n == 0 {
		return
	}
	b := s.todo[:n]
	s.sent, s.todo = s.sent+b, s.todo[n:]
	if s.secure != nil {
		s.secure.Send(b)
	} else {
		s.c.Send(b)
	}
}

// receive checks that nothing came that had to wait.
func (s *lateSide) receive(t *testing.T, passed uint64) {
	t.Helper()
	b := s.c.RecvOnce()
	if s.secure != nil {
		b = s.secure.Open(b)
	}
	from := strings.LastIndexByte(s.got.String(), '\n') + 1
	s.got.WriteString(b)
	for line := range strings.Lines(s.got.String()[from:]) {
		if number, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "after "); ok && strings.HasSuffix(line, "\n") {
			if n, err := strconv.ParseUint(number, 10, 64); err != nil || n > passed {
				t.Fatalf("%q came when the barrier was at %d", line, passed)
			}
		}
	}
}

// runBarred shuffles everything that can happen to connections whose replies wait,
// and compares all that comes back.
func runBarred(t *testing.T, seed uint64) {
	const most = 40
	r := rand.New(rand.NewPCG(seed, 5))
	o := netiotest.Options{OutCap: 1 + r.IntN(50_000), Manual: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		o.ReadMax, o.WriteMax = 1+r.IntN(10_000), 1+r.IntN(10_000)
	}
	if r.IntN(4) == 0 {
		o.TLS = serverTLS()
	}
	if r.IntN(4) == 0 {
		o.IdleTimeout = 300 * time.Millisecond
	}
	o.Barrier = new(atomic.Uint64)
	l, ledger := newToys(t, r.IntN(5), o)
	sides := make([]lateSide, 1+r.IntN(4))
	for i := range sides {
		s := &sides[i]
		if o.TLS != nil {
			s.secure = l.DialTLS(clientTLS())
			s.c = s.secure.Client
		} else {
			s.c = l.Dial()
		}
		s.todo = lateScript(r, 1+r.IntN(60), most)
		if r.IntN(3) == 0 {
			s.todo += "quit\n"
		}
	}
	ended := r.IntN(4) // 0: nobody ends it
	quiet := shuffle(t, r, l, sides, o.Barrier)
	switch ended {
	case 1:
		l.Stop()
	case 2:
		l.Core.Leave()
	}
	for i := range sides {
		s := &sides[i]
		if ended == 0 {
			s.send(len(s.todo))
		}
		s.c.SetWindow(-1)
	}
	for range most + 30 { // 3 s and more of time: nobody lingers
		l.Pass(o.Barrier.Load() + 1)
		l.Run()
		for i := range sides {
			for ; sides[i].c.Waiting() > 0; l.Run() {
				sides[i].receive(t, o.Barrier.Load())
			}
		}
		if ended != 0 {
			l.Advance(100 * time.Millisecond)
			l.Run()
		}
	}
	for i := range sides {
		s := &sides[i]
		s.judge(t, fmt.Sprintf("seed %d, connection %d", seed, i), ledger, ended == 0 && quiet)
	}
	wantInt(t, "barred", int(l.Core.Counts.Barred.Load()), 0)
}

// shuffle has things happen in a random order. It reports whether all that was sent
// is to be answered.
func shuffle(t *testing.T, r *rand.Rand, l *netiotest.Loop, sides []lateSide, barrier *atomic.Uint64) (quiet bool) {
	quiet = true
	for range 600 {
		s := &sides[r.IntN(len(sides))]
		switch r.IntN(40) {
		case 0:
			if r.IntN(8) == 0 {
				s.broken = true
				s.c.Reset()
			}
		case 1:
			if r.IntN(8) == 0 && len(s.todo) == 0 && s.secure == nil {
				s.c.CloseWrite()
			}
		case 2, 3:
			s.c.Pretend(netio.Events(r.IntN(8)))
		case 4:
			if r.IntN(5) == 0 {
				l.Advance(time.Duration(r.IntN(400)) * time.Millisecond)
				quiet = quiet && l.Core.Counts.IdleKicks.Load() == 0
			}
		case 5:
			barrier.Add(1) // and nobody has said so yet
		case 6, 7:
			l.Passed()
		case 8, 9, 10:
			l.Pass(barrier.Load() + uint64(r.IntN(3)))
		case 11:
			l.Wake()
		case 12, 13, 14:
			s.c.SetWindow(r.IntN(50_000) - 1)
		case 15, 16, 17, 18, 19, 20:
			s.receive(t, barrier.Load())
		case 21, 22, 23, 24, 25:
			l.Step()
		default:
			s.send(1 + r.IntN(1+r.IntN(8000)))
		}
	}
	return quiet && l.Core.Counts.IdleKicks.Load() == 0
}

// judge compares what came with what was to come. all: everything that was sent is answered.
func (s *lateSide) judge(t *testing.T, name string, l *ledger, all bool) {
	t.Helper()
	if s.broken || s.c.WasReset() {
		return
	}
	want, got := expected(s.sent, l), s.got.String()
	said := s.c.Session().(*toy).said
	if len(got) != said {
		t.Fatalf("%s: %d bytes came, %d were answered", name, len(got), said)
	}
	if !all {
		want = want[:min(len(got), len(want))]
	}
	wantString(t, name, got, want)
}

func TestRandomBarriers(t *testing.T) {
	for seed := range uint64(200) {
		t.Run("", func(t *testing.T) { runBarred(t, seed) })
	}
}

func FuzzBarrier(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(runBarred)
}
