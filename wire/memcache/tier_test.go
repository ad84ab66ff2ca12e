package memcache

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

// tierRig is a rig with a tier, whose reads wait until they are let go.
type tierRig struct {
	*rig
	tier  *tier.Tier
	disk  *diotest.FS
	woken chan struct{}

	mu    sync.Mutex
	held  bool
	go_   sync.Cond
	reads int
}

func newTierRig(t testing.TB, change func(*Settings)) *tierRig {
	t.Helper()
	config := Config{Compat: Compat1618, Settings: DefaultSettings()}
	set := &config.Settings
	set.MaxBytes = 16 << 20
	set.ExtItemAge, set.ExtItemSize, set.ExtRecacheRate = 0, 100, 0
	if change != nil {
		change(set)
	}
	store, err := slab.New(slab.Config{
		LimitBytes: set.MaxBytes, Shards: 64, Loops: 2, Seed: 1, Evict: true, StartMS: startMS, Groups: Groups(config),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &tierRig{disk: diotest.New(), woken: make(chan struct{}, 1000)}
	r.go_.L = &r.mu
	r.disk.Before(r.before)
	r.tier, err = tier.Open(tier.Config{
		Files:    []tier.File{{FS: r.disk, Name: "flash", Size: 64 << 20}},
		PageSize: 1 << 20, BufferSize: 256 << 10, Readers: 4, Owner: TierOwner(store), Policy: TierPolicy(set),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.hold(false)
		if err := r.tier.Close(); err != nil {
			t.Error(err)
		}
		if n := r.tier.Stats().ReadQueue; n != 0 {
			t.Errorf("%d reads are still on their way", n)
		}
		store.Close()
	})
	server, err := New(config, Env{
		Store: store, Loops: 2, StartedAtMS: startMS, PID: 42, Tier: r.tier, Wake: func(int) { r.woken <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.rig = &rig{t, store, server, startMS}
	return r
}

func (r *tierRig) before(e diotest.Event) error {
	if e.Call != "read" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	for r.held {
		r.go_.Wait()
	}
	return nil
}

// hold has reads wait from here on, or lets them go.
func (r *tierRig) hold(on bool) {
	r.mu.Lock()
	r.held = on
	r.mu.Unlock()
	r.go_.Broadcast()
}

func (r *tierRig) readCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads
}

// out moves all values to the tier, and those of before to the disk.
func (r *tierRig) out(p *peer) {
	r.t.Helper()
	r.server.Tick(0, r.nowMS)
	filler := strings.Repeat("f", 100_000)
	for i := range 8 {
		p.want(fmt.Sprintf("set filler%d 0 0 %d\r\n%s\r\n", i, len(filler), filler), "STORED\r\n")
		r.server.Tick(0, r.nowMS)
	}
	for written := false; !written; { // 3 fit into a buffer: all but the last fillers are on the disk
		written = r.onDisk("filler0") && r.onDisk("filler3")
	}
}

// onDisk reports whether a key's value has to be read from the disk.
func (r *tierRig) onDisk(key string) bool {
	h := r.store.Handle(0)
	k := h.Key(0, []byte(key))
	v, ok := h.OnTier(&k, r.nowMS)
	if !ok {
		r.t.Fatalf("%s is not in the tier", key)
	}
	read := tier.Read{Ref: tier.Ref(v.Ref), Size: tier.RecordSize(v.HeadLen, len(key), v.ValueLen)}
	came := make(chan struct{})
	read.Done = func(*tier.Read) { close(came) }
	if r.tier.Read(&read) {
		read.Release()
		return false
	}
	<-came
	read.Release()
	return true
}

// await resumes a parked session as often as it is woken, until it has nothing to wait
// for, and returns what it answers.
func (p *peer) await(woken chan struct{}) string {
	reply := ""
	for !p.closed {
		<-woken
		next := p.session.(wire.Parked).Resume(&p.out)
		if next == wire.Wait {
			continue
		}
		if next != wire.More {
			p.r.t.Fatalf("resumed: %v", next)
		}
		reply += p.send("")
		if !p.parked {
			return reply
		}
	}
	return reply
}

// await1 is await up to the next value that is waited for.
func (p *peer) await1(woken chan struct{}) string {
	for {
		<-woken
		if p.session.(wire.Parked).Resume(&p.out) == wire.More {
			return p.send("")
		}
	}
}

// ask sends what has to wait, and returns all that is answered.
func (p *peer) ask(in string, woken chan struct{}) string {
	reply := p.send(in)
	if p.parked {
		reply += p.await(woken)
	}
	return reply
}

func filled(c byte, n int) string { return strings.Repeat(string(c), n) }

// Every way to ask for a value that is on flash, with others before and behind it.
func TestFlashReplies(t *testing.T) {
	for _, n := range []int{200, 5000, 50_000} {
		r := newTierRig(t, nil)
		p := r.dial()
		a, b := filled('a', n), filled('b', n)
		p.want(fmt.Sprintf("set a 5 0 %d\r\n%s\r\nset b 0 0 %d\r\n%s\r\n", n, a, n, b), "STORED\r\nSTORED\r\n")
		r.out(p)
		p.want("set m 0 0 1\r\nm\r\n", "STORED\r\n")
		cas := strings.Fields(p.send("mg a c\r\n"))[1][1:]
		valueA, valueB := fmt.Sprintf("VALUE a 5 %d\r\n%s\r\n", n, a), fmt.Sprintf("VALUE b 0 %d\r\n%s\r\n", n, b)
		for _, c := range []struct{ in, want string }{
			{"get a\r\n", valueA + "END\r\n"},
			{"get a b m a\r\n", valueA + valueB + "VALUE m 0 1\r\nm\r\n" + valueA + "END\r\n"},
			{"get m x a\r\nget m\r\n", "VALUE m 0 1\r\nm\r\n" + valueA + "END\r\nVALUE m 0 1\r\nm\r\nEND\r\n"},
			{"gets a\r\n", fmt.Sprintf("VALUE a 5 %d %s\r\n%s\r\nEND\r\n", n, cas, a)},
			{"gat 100 a b\r\n", valueA + valueB + "END\r\n"},
			{"mg a s v t k\r\n", fmt.Sprintf("VA %d s%d t100 ka\r\n%s\r\n", n, n, a)},
			{"mg a v q\r\nmg b v\r\nmn\r\n", fmt.Sprintf("VA %d\r\n%s\r\nVA %d\r\n%s\r\nMN\r\n", n, a, n, b)},
			{"mg a s\r\n", fmt.Sprintf("HD s%d\r\n", n)},
			{"mg a v T200\r\nmg a t\r\n", fmt.Sprintf("VA %d\r\n%s\r\nHD t200\r\n", n, a)},
			{"touch a 0\r\nget a\r\nset a 0 0 1\r\nz\r\nget a\r\n", "TOUCHED\r\n" + valueA + "END\r\nSTORED\r\nVALUE a 0 1\r\nz\r\nEND\r\n"},
			{"append b 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
			{"prepend b 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
			{"incr b 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
			{"ms b 1 MA\r\nx\r\n", "NS\r\n"},
			{"md b q\r\nget b\r\n", "END\r\n"},
		} {
			if got := p.ask(c.in, r.woken); got != c.want {
				t.Errorf("%d bytes, %q\n  got  %.200q\n  want %.200q", n, c.in, got, c.want)
			}
		}
	}
}

// The same by the binary protocol, whose quiet gets overlap.
func TestFlashPackets(t *testing.T) {
	r := newTierRig(t, nil)
	text := r.dial()
	text.want(fmt.Sprintf("set aa 0 0 300\r\n%s\r\nset bb 0 0 300\r\n%s\r\n", filled('a', 300), filled('b', 300)), "STORED\r\nSTORED\r\n")
	r.out(text)
	p := r.dial()
	get := func(opcode byte, key string) string {
		b := make([]byte, 24, 24+len(key))
		b[0], b[1], b[3], b[11] = 0x80, opcode, byte(len(key)), byte(len(key))
		return string(append(b, key...))
	}
	r.hold(true)
	r.mu.Lock()
	r.reads = 0
	r.mu.Unlock()
	if got := p.send(get(0x09, "aa") + get(0x09, "bb") + get(0x09, "cc") + get(0x0a, "")); got != "" {
		t.Fatalf("answers %q at once", got)
	}
	for n := 0; n < 2; { // both are asked for
		r.mu.Lock()
		n = r.reads
		r.mu.Unlock()
	}
	r.hold(false)
	got := p.await(r.woken)
	a, b := strings.Index(got, filled('a', 300)), strings.Index(got, filled('b', 300))
	if a != 28 || b != 28+300+28 || len(got) != 2*328+24 || got[2*328+1] != 0x0a {
		t.Errorf("%d bytes, at %d and %d", len(got), a, b)
	}
}

// The reads of a get's keys, and of the gets behind it, overlap.
func TestFlashReadsOverlap(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	var in, want string
	for i := range 12 {
		p.want(fmt.Sprintf("set key%02d 0 0 300\r\n%s\r\n", i, filled(byte('a'+i), 300)), "STORED\r\n")
		want += fmt.Sprintf("VALUE key%02d 0 300\r\n%s\r\n", i, filled(byte('a'+i), 300))
		if i%3 == 2 {
			in += fmt.Sprintf("get key%02d key%02d key%02d\r\n", i-2, i-1, i)
			want += "END\r\n"
		}
	}
	r.out(p)
	r.hold(true)
	if got := p.send(in); got != "" {
		t.Errorf("answers %q at once", got)
	}
	if x := p.session.(*session).fetches; x.count != 12 {
		t.Errorf("%d values are asked for", x.count)
	}
	if n, next := p.session.Feed([]byte("more"), &p.out); n != 0 || next != wire.Wait {
		t.Errorf("fed while it waits: %d, %v", n, next)
	}
	other := r.dial()
	other.want("get x\r\n", "END\r\n")
	r.hold(false)
	if got := p.await(r.woken); got != want {
		t.Errorf("got %.300q\nwant %.300q", got, want)
	}
}

// What happens to a key while its value is on its way is seen.
func TestFlashChangesMeanwhile(t *testing.T) {
	for _, c := range []struct{ change, want string }{
		{"set a 0 0 3 noreply\r\nnew\r\n", "VALUE a 0 3\r\nnew\r\nEND\r\n"},
		{"delete a noreply\r\n", "END\r\n"},
		{"touch a 100 noreply\r\n", "VALUE a 0 300\r\n" + filled('a', 300) + "\r\nEND\r\n"},
		{"flush_all noreply\r\n", "END\r\n"},
	} {
		r := newTierRig(t, nil)
		p, other := r.dial(), r.dial()
		p.want(fmt.Sprintf("set a 0 0 300\r\n%s\r\n", filled('a', 300)), "STORED\r\n")
		r.out(p)
		r.hold(true)
		p.want("get a\r\n", "")
		other.want(c.change, "")
		r.hold(false)
		if got := p.await(r.woken); got != c.want {
			t.Errorf("%q: got %q", c.change, got)
		}
	}
}

// The value that an append adds to goes to flash while memory is found for the longer one:
// it is looked up again, and is one on flash then.
func TestFlashAppendMeanwhile(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	p.want(fmt.Sprintf("set a 0 0 300\r\n%s\r\n", filled('a', 300)), "STORED\r\n")
	w := r.server.workers[0]
	w.now = r.nowMS
	key := w.handle.Key(0, []byte("a"))
	item, err := w.handle.Reserve(&key, slab.Spec{ValueLen: 3, Evictable: true})
	if err != nil {
		t.Fatal(err)
	}
	item.WriteAt([]byte("new"), 0)
	st := &store{item: item, len: 3, mode: modeAppend}
	var x extension
	if o, _ := w.extendLook(st, &key, &x); o != retry {
		t.Fatalf("before: %v", o)
	}
	r.out(p)
	if o, _ := w.extendPut(st, &key, &x); o != retry {
		t.Errorf("the value that is on flash was added to: %v", o)
	}
	if o, _ := w.extendLook(st, &key, &x); o != notStored {
		t.Errorf("behind: %v", o)
	}
	if got, want := p.ask("get a\r\n", r.woken), fmt.Sprintf("VALUE a 0 300\r\n%s\r\nEND\r\n", filled('a', 300)); got != want {
		t.Errorf("got %q", got)
	}
}

// A value that cannot be read is a miss, counted, and gone.
func TestFlashMisses(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	for _, key := range []string{"a", "b", "c"} {
		p.want(fmt.Sprintf("set %s 0 0 300\r\n%s\r\n", key, filled('a', 300)), "STORED\r\n")
	}
	r.out(p)
	f, err := r.disk.Open("flash", 0)
	if err != nil {
		t.Fatal(err)
	}
	var block [4096]byte
	f.ReadAt(block[:], 0)
	for i := range block {
		if i%64 == 0 {
			block[i] ^= 1
		}
	}
	f.WriteAt(block[:], 0)
	if got := p.ask("get a b\r\nmg c v\r\ngat 0 a\r\n", r.woken); got != "END\r\nEN\r\nEND\r\n" {
		t.Errorf("got %q", got)
	}
	stats := p.send("stats\r\n")
	for _, line := range []string{"get_extstore 3", "miss_from_extstore 3", "badcrc_from_extstore 3", "get_misses 3", "touch_misses 1", "evictions 0"} {
		if !strings.Contains(stats, "STAT "+line+"\r\n") {
			t.Errorf("no %s in %s", line, stats)
		}
	}
	p.want("get a b c\r\n", "END\r\n")
}

// An error of the disk that passes costs a miss, and no value; one that stays does.
func TestFlashErrorPasses(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	p.want(fmt.Sprintf("set a 0 0 300\r\n%s\r\nset b 0 0 300\r\n%s\r\n", filled('a', 300), filled('b', 300)), "STORED\r\nSTORED\r\n")
	r.out(p)
	var fails atomic.Bool
	r.disk.Before(func(e diotest.Event) error {
		if e.Call == "read" && fails.Load() {
			return syscall.EIO
		}
		return nil
	})
	value := "VALUE a 0 300\r\n" + filled('a', 300) + "\r\nEND\r\n"
	for range 3 {
		fails.Store(true)
		if got := p.ask("get a x\r\nmg a v\r\ngat 0 a\r\n", r.woken); got != "END\r\nEN\r\nEND\r\n" {
			t.Errorf("while the disk fails: %q", got)
		}
		fails.Store(false)
		if got := p.ask("get a\r\n", r.woken); got != value {
			t.Errorf("behind that: %.60q", got)
		}
	}
	fails.Store(true)
	if got := p.ask("mg b v N100\r\nmg b v\r\n", r.woken); got != "VA 0 W\r\n\r\nVA 0 Z\r\n\r\n" {
		t.Errorf("made anew: %q", got)
	}
	for range 20 { // seconds
		p.ask("get a\r\n", r.woken)
		for range 10 {
			r.tier.Tick()
		}
	}
	fails.Store(false)
	p.want("get a\r\n", "END\r\n")
}

// A connection that ends while it waits leaves nothing behind, nor does one whose
// reply cannot be written.
func TestFlashCloses(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	p.want(fmt.Sprintf("set a 0 0 50000\r\n%s\r\nset b 0 0 300\r\n%s\r\n", filled('a', 50_000), filled('b', 300)), "STORED\r\nSTORED\r\n")
	r.out(p)
	for i := range 100 {
		q := r.dial()
		r.hold(true)
		q.want("get a b\r\nget b a\r\n", "")
		if i%2 == 0 {
			q.close()
			r.hold(false)
			continue
		}
		r.hold(false)
		for q.session.(*session).awaits() {
			<-r.woken
		}
		q.session.Feed(q.unread, &q.out) // large values are pinned now
		q.close()
	}
}

// A line that turns out to be wrong gives up what it asked for.
func TestFlashAborts(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	p.want(fmt.Sprintf("set a 0 0 300\r\n%s\r\nset b 0 0 300\r\n%s\r\n", filled('a', 300), filled('b', 300)), "STORED\r\nSTORED\r\n")
	r.out(p)
	p.want("get a b "+filled('x', 300)+"\r\n", replyFormat)
	if got := p.send("stats\r\n"); !strings.Contains(got, "STAT get_aborted_extstore 2\r\n") {
		t.Error(got)
	}
	if got := p.ask("get a\r\n", r.woken); got != "VALUE a 0 300\r\n"+filled('a', 300)+"\r\nEND\r\n" {
		t.Errorf("%q", got)
	}
	// Of large values one is asked for at a time, and all of the line are counted.
	for _, key := range []string{"c", "d", "e"} {
		p.want(fmt.Sprintf("set %s 0 0 200000\r\n%s\r\n", key, filled('c', 200_000)), "STORED\r\n")
	}
	r.out(p)
	p.want("get c d none e "+filled('x', 300)+" a b\r\n", replyFormat)
	if got := p.send("stats\r\n"); !strings.Contains(got, "STAT get_aborted_extstore 5\r\n") {
		t.Error(got)
	}
}

// Values go back to memory as ext_recache_rate says, and those that are read again and
// again.
func TestFlashRecache(t *testing.T) {
	for _, c := range []struct{ rate, reads int }{{0, 1000}, {1, 1}, {10, 3}} {
		for _, n := range []int{300, 50_000} {
			r := newTierRig(t, func(s *Settings) { s.ExtRecacheRate = c.rate })
			p := r.dial()
			p.want(fmt.Sprintf("set a 7 0 %d\r\n%s\r\n", n, filled('a', n)), "STORED\r\n")
			r.out(p)
			want := fmt.Sprintf("VALUE a 7 %d\r\n%s\r\nEND\r\n", n, filled('a', n))
			reads := 0
			h := r.store.Handle(0)
			k := h.Key(0, []byte("a"))
			for reads < 20 {
				if _, ok := h.OnTier(&k, r.nowMS); !ok {
					break
				}
				reads++
				if got := p.ask("get a\r\n", r.woken); got != want {
					t.Fatalf("%.100q", got)
				}
			}
			if reads != min(c.reads, 20) {
				t.Errorf("rate %d: it came back after %d reads, want %d", c.rate, reads, c.reads)
			}
			if c.rate == 0 {
				continue
			}
			p.want("get a\r\n", want)
			if got := p.send("stats\r\n"); !strings.Contains(got, "STAT recache_from_extstore 1\r\n") || !strings.Contains(got, "STAT extstore_objects_used 8\r\n") {
				t.Error(got)
			}
		}
	}
}

// However the input is cut, the replies are the same.
func TestFlashCuts(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	p.want(fmt.Sprintf("set a 0 0 300\r\n%s\r\nset b 0 0 300\r\n%s\r\n", filled('a', 300), filled('b', 300)), "STORED\r\nSTORED\r\n")
	r.out(p)
	in := "get a b x\r\nmg a v\r\nget b\r\n"
	want := p.ask(in, r.woken)
	if len(want) < 4*300 {
		t.Fatalf("%q", want)
	}
	for cut := 1; cut < len(in); cut++ {
		q := r.dial()
		got := q.send(in[:cut])
		got += q.send(in[cut:])
		if q.parked {
			got += q.await(r.woken)
		}
		if got != want {
			t.Errorf("cut at %d: %.300q", cut, got)
		}
		q.close()
		for drained := false; !drained; {
			select {
			case <-r.woken:
			default:
				drained = true
			}
		}
	}
}

func TestFlashStats(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	p.want("extstore compact_under 4\r\n", "OK\r\n")
	names := []string{}
	for line := range strings.SplitSeq(p.send("stats\r\n"), "\r\n") {
		if f := strings.Fields(line); len(f) == 3 && strings.Contains(f[1], "extstore") {
			names = append(names, strings.TrimPrefix(f[1], "extstore_"))
		}
	}
	want := "get_extstore get_aborted_extstore get_oom_extstore recache_from_extstore miss_from_extstore badcrc_from_extstore " +
		"compact_lost compact_rescues compact_skipped page_allocs page_evictions page_reclaims pages_free pages_used " +
		"objects_evicted objects_read objects_written objects_used bytes_evicted bytes_written bytes_read bytes_used " +
		"bytes_fragmented limit_maxbytes io_queue"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := p.send("stats extstore\r\n"); strings.Count(got, "STAT ") != 4*64 || !bytes.HasSuffix([]byte(got), []byte("STAT 63:free_bucket 0\r\nEND\r\n")) {
		t.Errorf("%.300q", got)
	}
}

// A get of a value on flash allocates nothing, whether it waits or not.
func TestFlashAllocatesNothing(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	for i, n := range []int{300, 50_000} {
		p.want(fmt.Sprintf("set disk%d 0 0 %d\r\n%s\r\n", i, n, filled('a', n)), "STORED\r\n")
	}
	r.out(p)
	p.want(fmt.Sprintf("set memory 0 0 300\r\n%s\r\n", filled('b', 300)), "STORED\r\n")
	r.server.Tick(0, r.nowMS)
	r.disk.Before(nil) // which would allocate
	for _, in := range []string{"get memory\r\n", "get disk0\r\n", "get disk1\r\n", "get disk0 memory disk1\r\nmg disk0 v\r\n"} {
		request := []byte(in)
		alloctest.Zero(t, in, func() {
			p.out.NowMS = r.nowMS
			for rest := request; ; {
				n, next := p.session.Feed(rest, &p.out)
				rest = rest[n:]
				if next != wire.Park {
					break
				}
				for p.session.(*session).awaits() {
					<-r.woken
				}
			}
			for more := true; more; {
				select {
				case <-r.woken:
				default:
					more = false
				}
			}
			p.out.Advance(p.out.Len())
		})
	}
}

// A list of large values has no more of them asked for than their bytes may be.
func TestFlashAheadBytes(t *testing.T) {
	r := newTierRig(t, nil)
	p := r.dial()
	in, want := "get", ""
	const n, count = 100_000, 12
	for i := range count {
		v := filled(byte('a'+i), n)
		p.want(fmt.Sprintf("set large%d 0 0 %d\r\n%s\r\n", i, n, v), "STORED\r\n")
		r.server.Tick(0, r.nowMS)
		in += fmt.Sprintf(" large%d", i)
		want += fmt.Sprintf("VALUE large%d 0 %d\r\n%s\r\n", i, n, v)
	}
	r.out(p)
	reply, most := p.send(in+"\r\n"), 0
	for p.parked {
		x := p.session.(*session).fetches
		most = max(most, x.bytes())
		reply += p.await1(r.woken)
	}
	if reply != want+"END\r\n" {
		t.Errorf("the reply has %d bytes of %d", len(reply), len(want)+5)
	}
	if most > aheadBytes+n || most < 2*n {
		t.Errorf("%d bytes are asked for", most)
	}
}

// A value on flash gets its new expiry though no memory is free for it, and is read once.
func TestFlashTouchesInFullMemory(t *testing.T) {
	for _, c := range [][2]string{{"gat 100 key15000\r\n", "VALUE key15000 0 1011\r\n"}, {"mg key15000 T100 t v\r\n", "VA 1011 t100\r\n"}} {
		r := newTierRig(t, nil)
		p := r.dial()
		value := filled('v', 1011) // fills its chunk: there is no room for an expiry
		for i := range 20_000 {    // SetLimit wants a megabyte to be used
			p.want(fmt.Sprintf("set key%05d 0 0 %d\r\n%s\r\n", i, len(value), value), "STORED\r\n")
			if i%100 == 0 {
				r.server.Tick(0, r.nowMS)
			}
		}
		if err := r.store.SetLimit(r.store.Stats().UsedBytes - 64<<10); err != nil {
			t.Fatal(err)
		}
		reads := r.readCount()
		if got := p.ask(c[0], r.woken); !strings.HasPrefix(got, c[1]) || len(got) < len(value) {
			t.Errorf("%q: got %.100q", c[0], got)
		}
		if n := r.readCount() - reads; n != 1 {
			t.Errorf("%q: the value was read %d times", c[0], n)
		}
		p.want("mg key15000 t\r\n", "HD t100\r\n")
	}
}
