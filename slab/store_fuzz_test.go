package slab

import (
	"bytes"
	"fmt"
	"testing"
)

// FuzzStore runs operations that the input chooses on a small store and on a
// model of it: what is found must be what was put last; what eviction may not take
// must be found; and memory must add up, whatever was moved.
func FuzzStore(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Add(bytes.Repeat([]byte{0, 7, 200, 0, 8, 255, 1, 7}, 40))
	f.Add(append([]byte{1}, bytes.Repeat([]byte{0, 3, 250, 0, 4, 90, 5, 3, 9, 2}, 60)...))
	f.Add(append([]byte{0}, bytes.Repeat([]byte{0, 1, 252, 0, 2, 253, 10, 1, 13, 12, 1, 4, 11, 1, 0, 13, 2, 9, 7, 1, 9}, 40)...))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 900 { // a longer one finds little more
			return
		}
		m := newMachine(t, program[0]&1 == 0)
		for p := program[1:]; len(p) >= 3; p = p[3:] {
			m.step(p[0], p[1], p[2])
		}
		m.end()
	})
}

// machine is a store and what it should hold.
type machine struct {
	t      *testing.T
	s      *Store
	evicts bool
	nowMS  int64
	seed   uint64
	want   map[string]wanted
	pins   []pinned
	held   []held // reserved, as for a client that is slow to send
	cursor Cursor
}

type wanted struct {
	seed      uint64
	n         int
	expiresMS int64
	fixed     bool // eviction may not take it
}

type held struct {
	Item
	wanted
	key string
}

type pinned struct {
	Pinned
	wanted
}

// machineSizes are of values: small, on both sides of what is large, of one run
// and of several.
var machineSizes = [16]int{0, 1, 30, 100, 101, 700, 4000, 15_000, largeMin - 1, largeMin, 22_000, 33_000, 65_000, 70_000, 200_000, 600_000}

const (
	machineLimit = 4 << 20
	machineKeys  = 32        // between those that two values of an operation's argument name
	machineFill  = 128 << 10 // bytes that one operation stores, if more than one item
)

func newMachine(t *testing.T, evicts bool) *machine {
	s := newStore(t, Config{LimitBytes: machineLimit, Loops: 2, Shards: 4, Seed: 1, Evict: evicts})
	return &machine{t: t, s: s, evicts: evicts, nowMS: testStartMS, want: map[string]wanted{}}
}

func (m *machine) step(op, a, b byte) {
	h := m.s.Handle(int(a >> 7))
	first := int(a) * machineKeys
	switch op % 14 {
	case 0, 1:
		m.fill(h, first, machineSizes[b&15], 1+int(b>>4)*8)
	case 2:
		for i := range 32 {
			m.get(h, fmt.Sprint(first+i))
		}
	case 3:
		m.remove(h, fmt.Sprint(first))
	case 4:
		m.touch(h, fmt.Sprint(first), int64(b)*100)
	case 5:
		m.pin(h, fmt.Sprint(first))
	case 6:
		m.unpin(int(a))
	case 7:
		m.nowMS += int64(b) * 10
		h.Tick(m.nowMS)
	case 8:
		m.limit(1 + int(a)%4)
	case 10:
		m.hold(h, fmt.Sprint(first+int(b>>4)), machineSizes[b&15])
	case 11:
		m.letGo(h, int(a), b&1 == 0)
	case 12:
		m.mark(h, fmt.Sprint(first+int(b>>4)), uint64(b))
	case 13:
		m.walk(h, int(b))
	default:
		if a == 0 {
			m.s.FlushAll()
			clear(m.want)
		} else {
			m.s.Crawl(^uint64(0))
		}
	}
}

// fill puts keys from first on: count, or as many as have machineFill bytes.
func (m *machine) fill(h *Handle, first, n, count int) {
	for i := range min(count, 1+machineFill/(n+1)) {
		key := fmt.Sprint(first + i)
		if it, w, ok := m.reserve(h, key, n); ok {
			m.put(h, it, w, key)
		}
	}
}

// reserve makes an item of which every fifth expires and every seventh is exempt
// from eviction.
func (m *machine) reserve(h *Handle, key string, n int) (it Item, w wanted, ok bool) {
	m.seed++
	w = wanted{seed: m.seed, n: n, fixed: m.seed%7 == 0}
	if m.seed%5 == 0 {
		w.expiresMS = m.nowMS + int64(m.seed%97)*100 + 1
	}
	k := h.Key(0, []byte(key))
	it, err := h.Reserve(&k, Spec{ValueLen: n, ExpiresAtMS: w.expiresMS, Evictable: !w.fixed})
	if err != nil {
		return it, w, false // what was there stays
	}
	it.WriteAt(value(w.seed, n), 0)
	return it, w, true
}

func (m *machine) put(h *Handle, it Item, w wanted, key string) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if l.Put(it, m.nowMS) != 0 {
		m.want[key] = w
	}
	l.Unlock()
}

// hold reserves an item that is put much later, if ever.
func (m *machine) hold(h *Handle, key string, n int) {
	if len(m.held) < 5 {
		if it, w, ok := m.reserve(h, key, n); ok {
			m.held = append(m.held, held{it, w, key})
		}
	}
}

func (m *machine) letGo(h *Handle, i int, put bool) {
	if len(m.held) == 0 {
		return
	}
	i %= len(m.held)
	it := m.held[i]
	m.held = append(m.held[:i], m.held[i+1:]...)
	if got := it.AppendValue(nil); !bytes.Equal(got, value(it.seed, it.n)) {
		m.t.Fatalf("a reserved value of %d bytes changed", it.n)
	}
	if put {
		m.put(h, it.Item, it.wanted, it.key)
	} else {
		h.Discard(it.Item)
	}
}

// mark gives an item a token, for which it may have to move.
func (m *machine) mark(h *Handle, key string, cas uint64) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(m.nowMS); found == Hit {
		if it, ok := l.MarkStale(it, cas); ok && cas != 0 && it.CAS() != cas {
			m.t.Fatalf("%q: token %d, not %d", key, it.CAS(), cas)
		}
	}
	l.Unlock()
}

// walk goes on with a walk over the store: what it shows was put last.
func (m *machine) walk(h *Handle, buckets int) {
	done := h.Walk(&m.cursor, m.nowMS, 1+buckets, func(it Item) bool {
		w, there := m.want[string(it.Key())]
		if !there || it.ValueLen() != w.n {
			m.t.Fatalf("%q: the walk shows %d bytes, not %d", it.Key(), it.ValueLen(), w.n)
		}
		return true
	})
	if done {
		m.cursor = Cursor{}
	}
}

func (m *machine) get(h *Handle, key string) {
	got, w := get(h, key, m.nowMS), m.want[key]
	_, there := m.want[key]
	there = there && (w.expiresMS == 0 || w.expiresMS > m.nowMS)
	switch {
	case got == nil && there && (!m.evicts || w.fixed):
		m.t.Fatalf("%q: lost", key)
	case got != nil && !there:
		m.t.Fatalf("%q: it is not there any more", key)
	case got != nil && !bytes.Equal(got, value(w.seed, w.n)):
		m.t.Fatalf("%q: %d bytes, not what was put", key, len(got))
	}
}

func (m *machine) remove(h *Handle, key string) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(m.nowMS); found == Hit {
		l.Remove(it)
	}
	l.Unlock()
	delete(m.want, key)
}

func (m *machine) touch(h *Handle, key string, ms int64) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(m.nowMS); found == Hit {
		if _, ok := l.Touch(it, m.nowMS+ms); ok {
			w := m.want[key]
			w.expiresMS = m.nowMS + ms
			m.want[key] = w
		}
	}
	l.Unlock()
}

func (m *machine) pin(h *Handle, key string) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(m.nowMS); found == Hit && it.Large() && len(m.pins) < 3 {
		m.pins = append(m.pins, pinned{l.Pin(it), m.want[key]})
	}
	l.Unlock()
}

// unpin checks that a pinned value is what it was, whatever became of its item.
func (m *machine) unpin(i int) {
	if len(m.pins) == 0 {
		return
	}
	i %= len(m.pins)
	p := m.pins[i]
	var got []byte
	for len(got) < p.Len() {
		got = append(got, p.Segment(len(got))...)
	}
	if !bytes.Equal(got, value(p.seed, p.n)) {
		m.t.Fatalf("a pinned value of %d bytes changed", p.n)
	}
	m.s.Handle(0).Release(p.Token())
	m.pins = append(m.pins[:i], m.pins[i+1:]...)
}

func (m *machine) limit(quarters int) {
	if err := m.s.SetLimit(int64(quarters) * machineLimit / 4); err != nil {
		m.t.Fatal(err)
	}
	for range 20 {
		m.s.Handle(0).Tick(m.nowMS)
	}
}

// end looks at everything, removes it, and checks that no memory is left out.
func (m *machine) end() {
	h := m.s.Handle(1)
	for len(m.pins) > 0 {
		m.unpin(0)
	}
	for len(m.held) > 0 {
		m.letGo(h, 0, len(m.held)&1 == 0)
	}
	checkRuns(m.t, m.s)
	checkGroups(m.t, m.s)
	for key := range m.want {
		m.get(h, key)
		m.remove(h, key)
	}
	m.s.FlushAll()
	m.s.Crawl(^uint64(0))
	for m.s.Crawling() {
		m.s.Handle(0).Tick(m.nowMS)
		h.Tick(m.nowMS)
	}
	checkEmpty(m.t, m.s)
}

// checkRuns verifies that each run stands in the queue that it says, and that its
// chunks are free, or an item's in the index or a piece of one. Nothing is reserved
// or pinned.
func checkRuns(t testing.TB, s *Store) {
	t.Helper()
	for i := range s.handles {
		s.handles[i].freeSpare()
	}
	used := map[uint32]int{}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		for _, table := range []*table{&sh.index.cur, &sh.index.old} {
			for at := range table.n {
				usedBy(s, sh.index.bucket(table, at), used)
			}
		}
		sh.mu.Unlock()
	}
	s.arena.mu.Lock() // the populator may be at work
	defer s.arena.mu.Unlock()
	var queued [queueCount]int
	for id := range s.arena.runs[:s.arena.fresh] {
		r := &s.arena.runs[id]
		if r.class < maxClasses {
			if out := int(s.classes.cap[r.class] - r.free); out != used[uint32(id)] {
				t.Errorf("run %d: %d chunks are out, %d in use", id, out, used[uint32(id)])
			}
		}
		if r.queue < queueCount && (r.class < maxClasses || r.class == classPiece) {
			queued[r.queue]++
		}
	}
	for q := range queueCount {
		n := 0
		for id := s.arena.queues[q].oldest; id != 0; id = s.arena.runs[id].newer {
			n++
		}
		if n != queued[q] || n != s.arena.queues[q].runs {
			t.Errorf("queue %d: %d runs linked, %d counted, %d say so", q, n, s.arena.queues[q].runs, queued[q])
		}
	}
}

// usedBy counts the chunks of the items of a bucket by their runs.
func usedBy(s *Store, b bucket, used map[uint32]int) {
	for i := range bucketSlots {
		v := *slot(b, i)
		if v == 0 {
			continue
		}
		it := s.item(ref(v & refMask))
		used[it.ref().run()]++
		if it.Large() {
			p := it.pieces()
			_, all := pieceCount(p.n)
			for j := range all {
				used[p.ref(j).run()]++
			}
		}
	}
}
