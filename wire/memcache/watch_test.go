package memcache

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

// What watch says to a real client's commands is in wire/compat's transcripts.

// watcherOf opens a connection that watches.
func (r *rig) watcherOf(streams string) *peer {
	r.t.Helper()
	p := r.dial()
	p.want("watch"+streams+"\r\n", "OK\r\n")
	return p
}

// hear is what a watcher is told by the next tick, without times and numbers.
func (p *peer) hear() string {
	p.r.t.Helper()
	p.r.server.Tick(0, p.r.nowMS)
	if next := p.session.(wire.Parked).Resume(&p.out); next != wire.Park {
		p.r.t.Fatalf("Resume says %d", next)
	}
	return stampPattern.ReplaceAllString(p.drain(), "")
}

var stampPattern = regexp.MustCompile(`(?m)^ts=\d+\.\d{1,6} gid=\d+ `)

func wantLines(t *testing.T, what, got string, lines ...string) {
	t.Helper()
	want := ""
	for _, l := range lines {
		want += l + "\n"
	}
	if got != want {
		t.Errorf("%s:\n%swanted\n%s", what, got, want)
	}
}

func TestWatchRefuses(t *testing.T) {
	for _, compat := range []Compat{Compat1645, Compat1618} {
		r := newRig(t, Config{Compat: compat})
		r.dial().want("get a\r\nwatch\r\n", "END\r\nERROR cannot pipeline other commands before watch\r\n")
		r.dial().want("set a 0 0 1 noreply\r\nx\r\nwatch\r\n", "ERROR cannot pipeline other commands before watch\r\n")
		r.dial().want("mn\r\nwatch\r\nget a\r\n", "MN\r\nOK\r\n")
		r.dial().want("watch nothing\r\n", "ERROR\r\n")
		r.dial().want("watch fetchers nothing\r\n", "ERROR\r\n")
		refuses := newRig(t, Config{Compat: compat, WatchDisabled: true})
		refuses.dial().want("watch\r\n", "CLIENT_ERROR watch commands not allowed\r\n")
	}
	old, now := newRig(t, Config{Compat: Compat1618}), newRig(t, Config{})
	old.dial().want("watch deletions\r\n", "ERROR\r\n")
	now.dial().want("watch deletions\r\n", "OK\r\n")
	old.dial().want("watch e\r\n", "ERROR\r\n")
	now.dial().want("watch e\r\n", "OK\r\n")
	old.dial().want("watch fetchers noreply\r\n", "")
	now.dial().want("watch fetchers noreply\r\n", "ERROR\r\n")
}

func TestWatchersAreCounted(t *testing.T) {
	r := newRig(t, Config{})
	var watchers []*peer
	for range watchersMax {
		watchers = append(watchers, r.watcherOf(""))
	}
	p := r.dial()
	p.want("watch\r\n", "WATCHER_TOO_MANY log watcher limit reached\r\n")
	p.want("mn\r\n", "MN\r\n")
	if got := r.stat("log_watchers"); got != "20" {
		t.Errorf("log_watchers %s", got)
	}
	watchers[7].close()
	r.dial().want("watch\r\n", "OK\r\n")
	for _, w := range watchers {
		w.close()
	}
	if got := r.stat("log_watchers"); got != "1" {
		t.Errorf("log_watchers %s", got)
	}
}

// TestWatchedStreams: a watcher hears what it asked for, from when it asked.
func TestWatchedStreams(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dial()
	fetchers, mutations := r.watcherOf(""), r.watcherOf(" mutations deletions")
	c.want("set a#b 0 100 3\r\nabc\r\n", "STORED\r\n")
	late := r.watcherOf(" mutations")
	c.want("delete a#b\r\nadd x 5 0 0\r\n\r\n", "DELETED\r\nSTORED\r\n")
	wantLines(t, "fetchers", fetchers.hear(),
		"type=item_get key=a%23b status=not_found clsid=0 cfd=7 size=0",
		"type=item_get key=a%23b status=found clsid=1 cfd=7 size=3",
		"type=item_get key=x status=not_found clsid=0 cfd=7 size=0")
	wantLines(t, "mutations", mutations.hear(),
		"type=item_store key=a%23b status=stored cmd=set ttl=100 clsid=1 cfd=7 size=3",
		"type=deleted key=a%23b cmd=delete clsid=1 size=3",
		"type=item_store key=x status=stored cmd=add ttl=0 clsid=1 cfd=7 size=0")
	wantLines(t, "late", late.hear(), "type=item_store key=x status=stored cmd=add ttl=0 clsid=1 cfd=7 size=0")
	if s := []string{r.stat("log_worker_written"), r.stat("log_watcher_sent"), r.stat("log_worker_dropped"), r.stat("log_watcher_skipped")}; fmt.Sprint(s) != "[6 7 0 0]" {
		t.Errorf("counts %v", s)
	}
	c.want("stats reset\r\n", "RESET\r\n")
	if got := r.stat("log_watcher_sent"); got != "0" {
		t.Errorf("log_watcher_sent %s after a reset", got)
	}
}

// TestWatcherHearsNothing: what it says is dropped, whatever it is.
func TestWatcherHearsNothing(t *testing.T) {
	r := newRig(t, Config{})
	w := r.watcherOf(" fetchers")
	for _, text := range []string{"get a\r\n", "quit\r\n", "set a 0 0 10\r\nabc", strings.Repeat("x", 5000)} {
		w.want(text, "")
	}
	wantLines(t, "nothing", w.hear())
	if len(w.unread) > 0 {
		t.Errorf("%q is left unread", w.unread)
	}
}

var numberPattern = regexp.MustCompile(`ts=\d+\.\d+ gid=(\d+) `)

// TestSkippedLines: a watcher that takes nothing is told how many lines it
// missed, in the place where they are missing.
func TestSkippedLines(t *testing.T) {
	settings := DefaultSettings()
	settings.WatcherLogbufSize = 8 << 10
	r := newRig(t, Config{Settings: settings})
	c, w := r.dial(), r.watcherOf(" fetchers")
	key := strings.Repeat("k", 250)
	const gets = 1000
	for range gets {
		c.want("get "+key+"\r\n", "END\r\n")
	}
	first := w.hear()
	lines := strings.Count(first, "\n")
	if len(first) > watcherBufferMin || lines < watcherBufferMin/2/len(key) {
		t.Fatalf("%d lines of %d bytes", lines, len(first))
	}
	c.want("get b\r\n", "END\r\n")
	want := fmt.Sprintf("skipped=%d\ntype=item_get key=b status=not_found clsid=0 cfd=7 size=0\n", gets-lines)
	if got := w.hear(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := r.stat("log_watcher_skipped"); got != fmt.Sprint(gets-lines) {
		t.Errorf("log_watcher_skipped %s", got)
	}
}

// TestLongTurn: more lines than a loop's buffer holds, in one turn: none is lost,
// and they are numbered in order.
func TestLongTurn(t *testing.T) {
	settings := DefaultSettings()
	settings.WatcherLogbufSize = 1 << 20
	r := newRig(t, Config{Settings: settings})
	c, w := r.dial(), r.watcherOf(" fetchers")
	const keys = 2000
	c.send("get" + strings.Repeat(" "+strings.Repeat("k", 99), keys) + "\r\n")
	r.server.Tick(0, r.nowMS)
	w.session.(wire.Parked).Resume(&w.out)
	last := 0
	numbers := numberPattern.FindAllStringSubmatch(w.drain(), -1)
	for _, m := range numbers {
		n := number(t, m[1])
		if n <= last {
			t.Fatalf("line %d follows line %d", n, last)
		}
		last = n
	}
	if len(numbers) != keys {
		t.Errorf("%d lines", len(numbers))
	}
}

// TestWake: the loop of a watcher is told when many lines wait, and on a tick
// when any does, once until it has come.
func TestWake(t *testing.T) {
	r := newRig(t, Config{})
	var woken []int
	r.server.env.Wake = func(loop int) { woken = append(woken, loop) }
	c := r.dial()
	other := &peer{r: r, session: r.server.Open(1, wire.Peer{FD: 8})}
	t.Cleanup(other.close)
	other.want("watch\r\n", "OK\r\n")
	c.want("get a\r\n", "END\r\n")
	if len(woken) != 0 {
		t.Errorf("woken %v for a line", woken)
	}
	r.server.Tick(0, r.nowMS)
	r.server.Tick(0, r.nowMS)
	if fmt.Sprint(woken) != "[1]" {
		t.Errorf("woken %v by two ticks", woken)
	}
	other.session.(wire.Parked).Resume(&other.out)
	for range 2 * traceWake / 64 {
		c.want("get a\r\n", "END\r\n")
	}
	if fmt.Sprint(woken) != "[1 1]" {
		t.Errorf("woken %v by many lines", woken)
	}
}

// TestWatchedEvictions: every evicted item has its line, while somebody watches.
func TestWatchedEvictions(t *testing.T) {
	r := newRigOf(t, Config{}, 2<<20, true)
	c := r.dial()
	set := func(from, to int) {
		for i := from; i < to; i++ {
			c.want(fmt.Sprintf("set key%d 0 %d 1000\r\n%01000d\r\n", i, i%2*1000, i), "STORED\r\n")
		}
	}
	set(0, 4000)
	c.want("get key3999\r\n", fmt.Sprintf("VALUE key3999 0 1000\r\n%01000d\r\nEND\r\n", 3999))
	w := r.watcherOf(" evictions")
	r.nowMS += 50_000
	r.server.Tick(0, r.nowMS)
	before := number(t, r.stat("evictions"))
	set(4000, 4300)
	evicted := number(t, r.stat("evictions")) - before
	lines := strings.SplitAfter(w.hear(), "\n")
	lines = lines[:len(lines)-1]
	if len(lines) != evicted || evicted < 100 {
		t.Errorf("%d lines of %d evictions", len(lines), evicted)
	}
	for _, l := range lines {
		if !evictionPattern.MatchString(l) {
			t.Fatalf("%q", l)
		}
	}
	w.close()
	set(5000, 6000)
	if got := r.watcherOf(" evictions").hear(); got != "" {
		t.Errorf("%q from before", got)
	}
}

// evictionPattern: items lie there for 50 s or not at all, of 1,000 if they have an end.
var evictionPattern = regexp.MustCompile(
	`^type=eviction key=key\d*([02468] fetch=no ttl=-1 la=(50|0)|[13579] fetch=(no|yes) ttl=(950 la=50|1000 la=0)) clsid=12 size=1000\n$`)

func TestWatchedConnections(t *testing.T) {
	r := newRig(t, Config{ShutdownEnabled: true})
	r.server.env.Shutdown = func(bool) {}
	w := r.watcherOf(" connevents")
	for _, c := range []struct {
		peer   wire.Peer
		say    string
		why    wire.Reason
		lines  string
		reason string
	}{
		{wire.Peer{FD: 8, Network: "tcp", Remote: "127.0.0.1:5000"}, "", wire.ByPeer, "rip=127.0.0.1 rport=5000 transport=tcp", "normal"},
		{wire.Peer{FD: 9, Network: "tcp", Remote: "[::1]:5000"}, "quit\r\n", wire.BySession, "rip=::1 rport=5000 transport=tcp", "normal"},
		{wire.Peer{FD: 9, Network: "unix"}, "GET / HTTP/1.1\r\n", wire.BySession, "rip=unix rport=0 transport=local", "error"},
		{wire.Peer{FD: 9, Network: "unix"}, "", wire.ByIdle, "rip=unix rport=0 transport=local", "idle_timeout"},
		{wire.Peer{FD: 9, Network: "unix"}, "", wire.ByError, "rip=unix rport=0 transport=local", "error"},
		{wire.Peer{FD: 9, Network: "unix"}, "", wire.ByStop, "rip=unix rport=0 transport=local", "shutdown"},
		{wire.Peer{FD: 9, Network: "unix"}, "shutdown\r\n", wire.BySession, "rip=unix rport=0 transport=local", "shutdown"},
		{wire.Peer{FD: 9, Network: "unix"}, "watch mutations\r\n", wire.ByPeer, "rip=unix rport=0 transport=local", "error"},
	} {
		s := r.server.Open(0, c.peer)
		s.Feed([]byte(c.say), &wire.Out{NowMS: startMS})
		s.Close(c.why)
		wantLines(t, c.reason, w.hear(),
			fmt.Sprintf("type=conn_new %s cfd=%d", c.lines, c.peer.FD),
			fmt.Sprintf("type=conn_close %s reason=%s cfd=%d", c.lines, c.reason, c.peer.FD))
	}
}

// TestNobodyWatches: what is left of the trace then is a word.
func TestNobodyWatches(t *testing.T) {
	r := newRig(t, Config{})
	c, w := r.dial(), r.watcherOf(" fetchers evictions")
	c.want("get a\r\n", "END\r\n")
	w.close()
	c.want("get a\r\n", "END\r\n")
	r.server.Tick(0, r.nowMS)
	if trace := &r.server.workers[0].trace; trace.streams != 0 || len(trace.lines) != 0 {
		t.Errorf("streams %b, %d bytes of lines", trace.streams, len(trace.lines))
	}
}

func TestTraceAllocatesNothing(t *testing.T) {
	r := newRig(t, Config{})
	s := r.server.Open(0, wire.Peer{FD: 8})
	w := r.watcherOf(" fetchers mutations deletions")
	out, lines := &wire.Out{NowMS: startMS}, &wire.Out{NowMS: startMS}
	in := []byte("set a 0 100 1\r\nx\r\nget a b c\r\nappend a 0 0 1\r\ny\r\nincr a 1\r\ndelete a\r\nms a 1\r\nx\r\nmg a v\r\n")
	alloctest.Zero(t, "watched commands", func() {
		s.Feed(in, out)
		out.Advance(out.Len())
		r.server.Tick(0, startMS)
		w.session.(wire.Parked).Resume(lines)
		lines.Advance(lines.Len())
	})
}

// TestEvictionsFromAnywhere: lines of evictions that nobody delivers are dropped,
// and counted.
func TestEvictionsFromAnywhere(t *testing.T) {
	r := newRig(t, Config{})
	r.watcherOf(" evictions")
	h := r.store.Handle(1)
	key := h.Key(0, []byte("k"))
	it, err := h.Reserve(&key, slab.Spec{ValueLen: 3, ExpiresAtMS: time.Now().UnixMilli() + 5500})
	if err != nil {
		t.Fatal(err)
	}
	e := &r.server.trace.evictions
	for range 10_000 {
		e.Effect(slab.Effect{Kind: slab.KindEvict, Item: it})
		e.Effect(slab.Effect{Kind: slab.KindSet, Item: it})
	}
	h.Discard(it)
	r.server.Tick(0, r.nowMS)
	written, dropped := number(t, r.stat("log_worker_written")), number(t, r.stat("log_worker_dropped"))
	if written+dropped != 10_000 || written < 100 || dropped < 100 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
}
