package netio

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
)

// parrot answers a datagram "n word" with n datagrams of that word, and a
// datagram "yield n word" the same way with a Yield behind each.
type parrot struct {
	left   int
	word   []byte
	yields bool
	asked  int
	drops  int
	closes int
	froms  []netip.AddrPort
}

func (p *parrot) Datagram(in []byte, from netip.AddrPort) {
	p.asked++
	if cap(p.froms) > len(p.froms) {
		p.froms = append(p.froms, from)
	}
	in, p.yields = bytes.CutPrefix(in, []byte("yield "))
	number, word, _ := bytes.Cut(in, []byte{' '})
	p.left = 0
	for _, c := range number {
		p.left = p.left*10 + int(c-'0')
	}
	p.word = word
}

func (p *parrot) Reply(dst []byte, _ int64) (n int, next wire.Next) {
	if p.left == 0 {
		return 0, wire.More
	}
	p.left--
	n = copy(dst, p.word)
	switch {
	case p.left == 0:
		return n, wire.More
	case p.yields:
		return n, wire.Yield
	}
	return n, wire.Full
}

func (p *parrot) Drop()  { p.left = 0; p.drops++ }
func (p *parrot) Close() { p.closes++ }

// pretender is a datagramHost without sockets.
type pretender struct {
	came   []letter // what is to be received
	went   []letter // what was sent
	window int      // how many more are taken; -1: all
	broken map[string]bool
	wants  bool
	again_ int
	calls  int // of receive and send
	blind  bool
}

type letter struct {
	source netip.AddrPort
	text   string
}

func (h *pretender) receive(_ int, d []datagram) int {
	h.calls++
	n := min(len(d), len(h.came))
	if n == 0 {
		return Again
	}
	for i, l := range h.came[:n] {
		d[i].n, d[i].source = copy(d[i].bytes, l.text), l.source
	}
	h.came = h.came[n:]
	return n
}

func (h *pretender) send(_ int, f []frame) int {
	h.calls++
	if h.window == 0 {
		return Again
	}
	for i := range f {
		text := f[i].bytes[:f[i].n]
		if len(h.broken) > 0 && h.broken[string(text)] {
			if i == 0 {
				return Broken
			}
			return i
		}
		if h.window == 0 {
			return i
		}
		if h.window > 0 {
			h.window--
		}
		if !h.blind {
			h.went = append(h.went, letter{f[i].to.source, string(text)})
		}
	}
	return len(f)
}

func (h *pretender) wantSend(_ int, on bool) { h.wants = on }
func (h *pretender) again()                  { h.again_++ }

// stillClock stands still unless a test moves it.
type stillClock struct{ ms int64 }

func (c *stillClock) NowMS() int64 { return c.ms }

type datagramRig struct {
	t      *testing.T
	host   *pretender
	clock  *stillClock
	parrot *parrot
	core   *datagramCore
	socket *datagramSocket
}

func newDatagramRig(t *testing.T, clients ...string) *datagramRig {
	r := &datagramRig{t: t, host: &pretender{window: -1}, clock: &stillClock{sourceTestMS}, parrot: &parrot{froms: make([]netip.AddrPort, 0, 64)}}
	r.core = newDatagramCore(r.host, r.clock, clientsOf(clients...), new(Counts))
	r.socket = &datagramSocket{fd: 3, port: 11211, session: r.parrot}
	return r
}

// comes has datagrams come from a source.
func (r *datagramRig) comes(source string, texts ...string) {
	for _, text := range texts {
		r.host.came = append(r.host.came, letter{netip.MustParseAddrPort(source), text})
	}
	r.core.event(r.socket, Readable)
}

// settle runs the turns that were asked for.
func (r *datagramRig) settle() (turns int) {
	for r.core.queued {
		r.core.turn()
		if turns++; turns > 10_000 {
			r.t.Fatal("the turns do not end")
		}
	}
	return turns
}

func (r *datagramRig) wantWent(texts ...string) {
	r.t.Helper()
	var got []string
	for _, l := range r.host.went {
		got = append(got, l.text)
	}
	if fmt.Sprint(got) != fmt.Sprint(texts) {
		r.t.Errorf("sent %q, want %q", got, texts)
	}
	r.host.went = nil
}

const local1, local2 = "127.0.0.1:1001", "127.0.0.1:1002"

// TestDatagramsInBatches: what came together is received with one call, and
// answered with one.
func TestDatagramsInBatches(t *testing.T) {
	r := newDatagramRig(t)
	r.host.came = []letter{{netip.MustParseAddrPort(local2), "2 b"}}
	r.comes(local1, "1 a", "0 x", "3 c")
	r.wantWent("b", "b", "a", "c", "c", "c")
	if r.host.calls != 2 {
		t.Errorf("%d calls, want one to receive and one to send", r.host.calls)
	}
	if c := &r.core.counts; c.read.Load() != 4 || c.written.Load() != 6 {
		t.Errorf("%d read, %d written", c.read.Load(), c.written.Load())
	}
	if b := r.core.bytes; b.BytesRead.Load() != 12 || b.BytesWritten.Load() != 6 {
		t.Errorf("%d bytes read, %d written", b.BytesRead.Load(), b.BytesWritten.Load())
	}
}

// TestReplyGoesToWhoAsked, though frames of several wait together.
func TestReplyGoesToWhoAsked(t *testing.T) {
	r := newDatagramRig(t)
	for i := range 40 {
		r.host.came = append(r.host.came, letter{netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", 2000+i)), fmt.Sprintf("5 %d", 2000+i)})
	}
	r.core.event(r.socket, Readable)
	r.settle()
	if len(r.host.went) != 200 {
		t.Fatalf("%d sent", len(r.host.went))
	}
	for _, l := range r.host.went {
		if fmt.Sprint(l.source.Port()) != l.text {
			t.Fatalf("%s went to %s", l.text, l.source)
		}
	}
}

// TestTurnIsBounded: who sends without end leaves the loop's others their turn.
func TestTurnIsBounded(t *testing.T) {
	r := newDatagramRig(t)
	for range 1000 {
		r.host.came = append(r.host.came, letter{netip.MustParseAddrPort(local1), "1 a"})
	}
	r.core.event(r.socket, Readable)
	if r.parrot.asked > datagramsTurn || r.host.again_ != 1 {
		t.Errorf("%d in a turn, want at most %d; %d more turns asked for", r.parrot.asked, datagramsTurn, r.host.again_)
	}
	if turns := r.settle(); turns < 10 || r.parrot.asked != 1000 || len(r.host.went) != 1000 {
		t.Errorf("%d asked in %d turns, %d answered", r.parrot.asked, turns, len(r.host.went))
	}
	r.host.went = nil
	r.comes(local1, "1000 long")
	if len(r.host.went) > datagramsTurn {
		t.Errorf("%d of a reply in a turn", len(r.host.went))
	}
	if r.settle(); len(r.host.went) != 1000 {
		t.Errorf("%d of a reply of 1000", len(r.host.went))
	}
	r.host.went = nil
	r.comes(local1, "yield 3 y", "1 z")
	r.wantWent("y")
	r.settle()
	r.wantWent("y", "y", "z")
}

// TestStrangersAreDroppedUnread, and so is what comes from a server's port: two
// would answer each other for ever.
func TestStrangersAreDroppedUnread(t *testing.T) {
	r := newDatagramRig(t, "10.0.0.0/8")
	r.comes("192.0.2.1:5", "1 a")
	r.comes("127.0.0.1:11211", "1 a")
	r.comes("10.0.0.1:11211", "1 a")
	if r.parrot.asked != 0 || r.core.counts.refused.Load() != 3 || r.core.counts.read.Load() != 0 {
		t.Errorf("%d asked, %d refused, %d read", r.parrot.asked, r.core.counts.refused.Load(), r.core.counts.read.Load())
	}
	r.comes("10.0.0.1:11212", "1 a")
	r.wantWent("a")
}

// TestSourceIsCapped: behind its share a source gets nothing, its requests are not
// run, and others are served; time brings more.
func TestSourceIsCapped(t *testing.T) {
	r := newDatagramRig(t, "10.0.0.0/8")
	const flooder, other = "10.0.0.1:5", "10.0.0.2:5"
	word := strings.Repeat("w", 1400)
	share := sourceBurst / len(word)
	r.comes(flooder, fmt.Sprintf("%d %s", share+100, word), "1 "+word, "1 w")
	r.settle()
	if len(r.host.went) != share+1 || r.parrot.drops != 2 {
		t.Errorf("%d sent, want %d and a small one; %d dropped", len(r.host.went), share, r.parrot.drops)
	}
	if c := r.core.counts.capped.Load(); c != 2 {
		t.Errorf("%d capped, want 2", c)
	}
	takeAll(r.core.sources, r.core.sources.bucketOf(netip.MustParseAddr("10.0.0.1")), 1, r.clock.ms)
	asked := r.parrot.asked
	r.comes(flooder, "1 w")
	if r.parrot.asked != asked || r.core.counts.capped.Load() != 3 {
		t.Error("the request of a source that has had its share was run")
	}
	r.host.went = nil
	if r.core.sources.bucketOf(netip.MustParseAddr("10.0.0.2")) != r.core.sources.bucketOf(netip.MustParseAddr("10.0.0.1")) {
		r.comes(other, "1 b")
		r.wantWent("b")
	}
	r.clock.ms++
	r.comes(flooder, "1 w")
	r.wantWent("w")
}

// TestSendIsTriedAgain: what the system does not take waits for room, in order.
func TestSendIsTriedAgain(t *testing.T) {
	r := newDatagramRig(t)
	r.host.window = 2
	r.comes(local1, "3 a", "1 b")
	r.wantWent("a", "a")
	if !r.host.wants {
		t.Fatal("nobody waits for room")
	}
	r.comes(local1, "1 c") // while it waits, nothing is received
	r.host.window = 1
	r.core.event(r.socket, Writable)
	r.wantWent("a")
	r.host.window = -1
	r.core.event(r.socket, Writable)
	r.settle()
	r.wantWent("b", "c")
	if r.host.wants {
		t.Error("it still waits for room")
	}
}

// TestStallEnds: what the system takes nothing of for a second is dropped.
func TestStallEnds(t *testing.T) {
	r := newDatagramRig(t)
	r.host.window = 0
	r.comes(local1, "100 a", "1 b")
	r.clock.ms += stallMSMax - 1
	r.core.tick()
	if r.core.counts.unsent.Load() != 0 {
		t.Error("dropped too soon")
	}
	r.clock.ms++
	r.host.window = -1
	r.core.tick()
	r.settle()
	r.wantWent("b")
	if c := r.core.counts.unsent.Load(); c != framesMax || r.parrot.drops != 1 || r.host.wants {
		t.Errorf("%d unsent, %d dropped", c, r.parrot.drops)
	}
}

// TestBrokenSendIsSkipped: a peer that cannot be reached costs nobody else a reply.
func TestBrokenSendIsSkipped(t *testing.T) {
	r := newDatagramRig(t)
	r.host.broken = map[string]bool{"x": true}
	r.comes(local1, "1 a", "2 x", "1 b")
	r.wantWent("a", "b")
	if c := r.core.counts.unsent.Load(); c != 2 {
		t.Errorf("%d unsent, want 2", c)
	}
}

// TestStopSendsWhatIsMade, and forgets the rest.
func TestStopSendsWhatIsMade(t *testing.T) {
	r := newDatagramRig(t)
	r.comes(local1, "1000 a", "1 b")
	r.core.stop()
	if n := len(r.host.went); n < datagramsTurn-2 || n > datagramsTurn {
		t.Errorf("%d sent", n)
	}
	if r.parrot.drops != 1 || r.core.queued {
		t.Error("something is left")
	}
}

// TestDatagramsAllocateNothing, from the event to the reply.
func TestDatagramsAllocateNothing(t *testing.T) {
	alloctest.SkipUnderRace(t)
	r := newDatagramRig(t, "10.0.0.0/8")
	r.host.blind = true
	batch := make([]letter, 8)
	for i := range batch {
		batch[i] = letter{netip.MustParseAddrPort([]string{local1, "10.0.0.1:5", "192.0.2.1:5"}[i%3]), "3 a"}
	}
	n := testing.AllocsPerRun(100, func() {
		r.clock.ms += 10
		r.host.came = batch
		r.core.event(r.socket, Readable)
	})
	if n != 0 {
		t.Errorf("%v allocations for %d datagrams", n, len(batch))
	}
	if r.parrot.asked == 0 {
		t.Error("nothing was asked")
	}
}
