package memcache

import (
	"strings"
	"testing"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// fakeLog is a log on which everything waits that saw or did something.
type fakeLog struct {
	open    uint64 // epoch
	full    bool
	durable map[uint64]bool // stamps
	waits   uint64
	last    map[uint16]uint64 // stamp of a slot's last effect
	state   string
	changes []string // of the state and flushes, in order
}

func (f *fakeLog) Append(e slab.Effect) {
	f.last[e.Slot] = e.Stamp()
	f.waits = f.open
}

func (f *fakeLog) AppendFlush([]uint64) { f.changes = append(f.changes, "flush") }

func (f *fakeLog) keep(change string, state []byte) {
	f.changes = append(f.changes, change)
	f.state = string(state)
}

func (f *fakeLog) Observe(slot uint16, stamp uint64) {
	if stamp == 0 {
		stamp = f.last[slot]
	}
	if stamp != 0 && !f.durable[stamp] {
		f.waits = f.open
	}
}

func (f *fakeLog) ObserveAll() { f.waits = f.open }

func (f *fakeLog) BeginTurn() {}

func (f *fakeLog) EndTurn() (barrier uint64) {
	barrier, f.waits = f.waits, 0
	return barrier
}

func (f *fakeLog) Full() (uint64, bool) { return f.open, f.full }

// sync makes all durable.
func (f *fakeLog) sync() {
	for _, stamp := range f.last {
		f.durable[stamp] = true
	}
	f.open++
}

func newLogRig(t *testing.T, compat Compat) (*rig, *fakeLog) {
	t.Helper()
	r := newRig(t, Config{Compat: compat})
	log := &fakeLog{open: 5, durable: map[uint64]bool{}, last: map[uint16]uint64{}}
	var err error
	r.server, err = New(r.server.config, Env{Store: r.store, Loops: 2, StartedAtMS: startMS, PID: 42, Durable: &Durability{
		Loop:     func(int) Log { return log },
		Observes: true,
		SetState: func(state []byte) { log.keep("state", state) },
		FlushAll: func(state []byte) {
			log.keep("state with", state)
			r.store.FlushAll()
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.store.LogEffects(log)
	return r, log
}

// wantBarrier feeds in and looks at what its replies wait for.
func (p *peer) wantBarrier(in, reply string, barrier uint64) {
	p.r.t.Helper()
	p.out.NowMS = p.r.nowMS
	n, next := p.session.Feed([]byte(in), &p.out)
	if n != len(in) || next != wire.More {
		p.r.t.Errorf("%q: %d bytes used, then %v", in, n, next)
	}
	if p.out.Barrier != barrier {
		p.r.t.Errorf("%q: barrier %d, want %d", in, p.out.Barrier, barrier)
	}
	p.out.Barrier = 0
	if got := p.drain(); got != reply {
		p.r.t.Errorf("%q: %q, want %q", in, got, reply)
	}
}

// TestRepliesWait: those that tell of what is not durable, and no others.
func TestRepliesWait(t *testing.T) {
	r, log := newLogRig(t, Compat1645)
	writer, reader := r.dial(), r.dial()
	writer.wantBarrier("set a 0 0 1\r\n1\r\n", "STORED\r\n", 5)
	reader.wantBarrier("get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n", 5)
	reader.wantBarrier("add a 0 0 1\r\n2\r\n", "NOT_STORED\r\n", 5)
	reader.wantBarrier("get b\r\n", "END\r\n", 0)
	log.sync()
	reader.wantBarrier("get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n", 0)
	reader.wantBarrier("mg a v\r\n", "VA 1\r\n1\r\n", 0)
	reader.wantBarrier("replace b 0 0 1\r\n1\r\n", "NOT_STORED\r\n", 0)
	reader.wantBarrier("version\r\n", reader.send("version\r\n"), 0)
	writer.wantBarrier("delete a\r\n", "DELETED\r\n", 6)
	reader.wantBarrier("get b a\r\n", "END\r\n", 6)
	reader.wantBarrier("incr a 1\r\n", "NOT_FOUND\r\n", 6)
	log.sync()
	reader.wantBarrier("get a\r\n", "END\r\n", 0)
	writer.wantBarrier("flush_all\r\n", "OK\r\n", 7)
	reader.wantBarrier("lru_crawler metadump all\r\n", "OK\r\nEND\r\n", 7)
	r.nowMS += 1500
	writer.wantBarrier("flush_all 100\r\n", "OK\r\n", 7)
	for _, f := range KeptState([]byte(log.state)) {
		if f.Name == stateFlush && f.Value == "0" {
			t.Errorf("the flush to come is not kept: %q", log.state)
		}
	}
}

// TestStatisticsDoNotWait: numbers and watchers tell also of what is not durable yet, at
// once; a list of keys waits.
func TestStatisticsDoNotWait(t *testing.T) {
	r, _ := newLogRig(t, Compat1645)
	watcher, writer, reader := r.watcherOf(" mutations"), r.dial(), r.dial()
	writer.wantBarrier("set a 0 0 1\r\n1\r\n", "STORED\r\n", 5)
	r.server.Tick(0, r.nowMS)
	if watcher.session.(wire.Parked).Resume(&watcher.out); watcher.out.Barrier != 0 {
		t.Errorf("the watcher waits for %d", watcher.out.Barrier)
	}
	if line := watcher.drain(); !strings.Contains(line, "key=a ") {
		t.Errorf("the watcher hears %q", line)
	}
	for request, barrier := range map[string]uint64{
		"stats": 0, "stats items": 0, "stats slabs": 0, "stats settings": 0, "stats conns": 0, "stats cachedump 1 0": 5,
	} {
		reply, got := "", uint64(0)
		for in := request + "\r\n"; in != ""; {
			n, _ := reader.session.Feed([]byte(in), &reader.out)
			in, got = in[n:], max(got, reader.out.Barrier)
			reply += reader.drain()
		}
		if got != barrier || !strings.HasSuffix(reply, "END\r\n") {
			t.Errorf("%s: barrier %d, %q", request, got, reply)
		}
	}
	if n := r.stat("curr_items"); n != "1" {
		t.Errorf("%s items", n)
	}
}

// TestFlushGoesWithItsState: what is kept of a flush_all becomes another in the same step
// as all is flushed: a crash between would do a flush twice, or undo the end of its delay.
func TestFlushGoesWithItsState(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r, log := newLogRig(t, compat)
		c := r.dial()
		flushSecond := func() string {
			for _, f := range KeptState([]byte(log.state)) {
				if f.Name == stateFlush {
					return f.Value
				}
			}
			return ""
		}
		want := func(changes string, pending bool) {
			t.Helper()
			if got := strings.Join(log.changes, ", "); got != changes || pending != (flushSecond() != "0") {
				t.Errorf("%q, want %q; covers %s", got, changes, flushSecond())
			}
			log.changes = nil
		}
		want("state", false)
		c.send("set a 0 0 1\r\nx\r\n")
		want("", false)
		c.send("flush_all 2\r\n")
		want("state", true)
		r.nowMS += 3000
		c.send("set b 0 0 1\r\nx\r\n")
		want("state with, flush", false)
		if got := c.send("get a\r\nget b\r\n"); got != "END\r\nVALUE b 0 1\r\nx\r\nEND\r\n" {
			t.Errorf("%q", got)
		}
		c.send("flush_all 20\r\n")
		want("state", true)
		c.send("flush_all\r\n")
		want("state with, flush", false)
		r.server.Tick(0, r.nowMS+30_000)
		want("", false)
	}
}

// TestChangesWaitForTheLog: while it is full, and then are done as if nothing had been.
func TestChangesWaitForTheLog(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		for i := range table {
			row := &table[i]
			request := changeRequests[row.name]
			if (request != "") != (row.flags&changes != 0) {
				t.Errorf("%s: the flag says otherwise", row.name)
			}
			if request != "" {
				testComesAgain(t, compat, request)
			}
		}
		testComesAgain(t, compat, "get k\r\n")
		testComesAgain(t, compat, "mg k T100\r\n")
		testComesAgain(t, compat, "mg n N100 t\r\n")
		for _, packet := range changePackets {
			testComesAgain(t, compat, packet)
		}
	}
}

// changeRequests are a request for every command that changes something.
var changeRequests = map[string]string{
	"set": "set k 0 0 1\r\n2\r\n", "add": "add n 0 0 1\r\n2\r\n", "replace": "replace k 0 0 1\r\n2\r\n",
	"append": "append k 0 0 1\r\n2\r\n", "prepend": "prepend k 0 0 1\r\n2\r\n", "cas": "cas k 0 0 1 1\r\n2\r\n",
	"delete": "delete k\r\n", "incr": "incr k 1\r\n", "decr": "decr k 1\r\n", "touch": "touch k 100\r\n",
	"gat": "gat 100 k\r\n", "gats": "gats 100 k\r\n", "ms": "ms k 1\r\n2\r\n", "md": "md k\r\n", "ma": "ma k\r\n",
	"flush_all": "flush_all\r\n",
}

// changePackets are the same of the binary protocol, with extras of every length.
var changePackets = []string{
	packetOf(binary.Set, storeExtras, "k", "2"),
	packetOf(binary.Append, noExtras, "k", "2"),
	packetOf(binary.Delete, noExtras, "k", ""),
	packetOf(binary.Increment, strings.Repeat("\x00", 20), "k", ""),
	packetOf(binary.GAT, strings.Repeat("\x00", 4), "k", ""),
	packetOf(binary.Flush, noExtras, "", ""),
}

// testComesAgain has a request come while the log is full, and again when it is not.
func testComesAgain(t *testing.T, compat Compat, request string) {
	t.Helper()
	const before = "set k 0 0 1\r\n1\r\n"
	plain, _ := newLogRig(t, compat)
	plain.dial().want(before, "STORED\r\n")
	want := plain.dial().send(request)
	r, log := newLogRig(t, compat)
	r.dial().want(before, "STORED\r\n")
	p := r.dial()
	log.full = true
	p.out.Barrier = 0
	n, next := p.session.Feed([]byte(request), &p.out)
	if strings.HasPrefix(request, "get") {
		if n != len(request) {
			t.Errorf("%q: a read waits", request)
		}
		return
	}
	if n != 0 || next != wire.Full || p.out.Barrier != log.open || p.out.Len() > 0 {
		t.Errorf("%q: %d bytes used, then %v, barrier %d, %q", request, n, next, p.out.Barrier, p.drain())
	}
	log.full = false
	p.out.Barrier = 0
	if got := p.send(request); got != want {
		t.Errorf("%q: %q, want %q", request, got, want)
	}
}

// TestListWaitsForTheLog: the keys of a gat go on when the log has room again.
func TestListWaitsForTheLog(t *testing.T) {
	r, log := newLogRig(t, Compat1645)
	r.dial().want("set k 0 0 1\r\n1\r\n", "STORED\r\n")
	p := r.dial()
	request := "gat 100" + strings.Repeat(" k", 3*turnWork) + "\r\n"
	n, next := p.session.Feed([]byte(request), &p.out)
	if next != wire.Yield || n == len(request) {
		t.Fatalf("%d bytes, then %v", n, next)
	}
	log.full = true
	if m, next := p.session.Feed([]byte(request[n:]), &p.out); m != 0 || next != wire.Full || p.out.Barrier != log.open {
		t.Errorf("%d bytes used, then %v, barrier %d", m, next, p.out.Barrier)
	}
	log.full = false
	for n < len(request) {
		m, _ := p.session.Feed([]byte(request[n:]), &p.out)
		n += m
	}
	if got := strings.Count(p.drain(), "VALUE"); got != 3*turnWork {
		t.Errorf("%d values", got)
	}
}

// TestDatagramsAreLost: those that change something, while the log is full.
func TestDatagramsAreLost(t *testing.T) {
	r, log := newLogRig(t, Compat1645)
	r.dial().want("set k 0 0 1\r\n1\r\n", "STORED\r\n")
	c := r.correspond()
	log.full = true
	for _, request := range append(changePackets, "set k 0 0 1\r\n2\r\n", "mg k T100\r\n", "get k\r\ngat 100 k k\r\n") {
		got := c.ask(framed(1, request))
		if want := strings.Count(request, "get"); len(got) != want {
			t.Errorf("%q: %q", request, got)
		}
	}
	log.full = false
	c.want("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n")
	c.want("set k 0 0 1\r\n2\r\n", "STORED\r\n")
}
