package slab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/internal/invariant"
)

// mirror is an effect reader that keeps what the store should hold, and checks
// that every slot's sequence grows by one.
type mirror struct {
	t      testing.TB
	mu     sync.Mutex // effects of different shards come from different loops
	values map[string]uint32
	seqs   [Slots]uint64
}

func (m *mirror) Effect(e Effect) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seqs[e.Slot]++; m.seqs[e.Slot] != e.Seq {
		m.t.Errorf("slot %d: sequence %d follows %d", e.Slot, e.Seq, m.seqs[e.Slot]-1)
	}
	key := string(e.Item.Key())
	if e.Kind == KindSet || e.Kind == KindTouch || e.Kind == KindMark {
		m.values[key] = crc32.ChecksumIEEE(e.Item.AppendValue(nil))
	} else if _, ok := m.values[key]; ok {
		delete(m.values, key)
	} else {
		m.t.Errorf("effect %d for %q, which is not there", e.Kind, key)
	}
}

// sealed returns a value of n bytes or a little more that carries its own checksum.
func sealed(key string, n int, seed uint64) []byte {
	b := append(value(seed, n), key...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func unsealed(key string, b []byte) bool {
	n := len(b) - 4
	return n >= len(key) && bytes.HasSuffix(b[:n], []byte(key)) && crc32.ChecksumIEEE(b[:n]) == binary.LittleEndian.Uint32(b[n:])
}

// TestLoopsAgainstMirror runs random operations on several loops at once, in a
// store that is too small for them, and compares what is left with what the
// effects said. Under the race detector it is the test of every lock.
func TestLoopsAgainstMirror(t *testing.T) {
	for _, c := range []struct {
		evict bool
		loops int
		limit int64
	}{{true, 1, 4 << 20}, {true, 3, 4 << 20}, {false, 3, 8 << 20}} {
		t.Run(fmt.Sprintf("evict=%v/loops=%d", c.evict, c.loops), func(t *testing.T) {
			m := &mirror{t: t, values: map[string]uint32{}}
			s := newStore(t, Config{LimitBytes: c.limit, Loops: c.loops, Evict: c.evict, Effects: m})
			ops := modelOps(30_000)
			var wg sync.WaitGroup
			for i := range c.loops {
				wg.Go(func() { runModel(t, s, i, ops) })
			}
			wg.Wait()
			m.compare(t, s)
		})
	}
}

// modelOps is n operations of a loop, or as many as tell enough: the race detector
// sees every pair of accesses long before counts have had time to drift.
func modelOps(n int) int {
	switch {
	case testing.Short():
		return n / 10
	case invariant.On:
		return n / 5
	}
	return n
}

func (m *mirror) compare(t *testing.T, s *Store) {
	h := s.Handle(0)
	if n := s.Stats().Items; n != int64(len(m.values)) {
		t.Errorf("%d items, the effects leave %d", n, len(m.values))
	}
	for key, sum := range m.values {
		v := get(h, key, testStartMS)
		if _, there := m.values[key]; there != (v != nil) { // a flushed item goes when it is found
			t.Fatalf("%q: found %v, the effects say %v", key, v != nil, there)
		}
		if v != nil && crc32.ChecksumIEEE(v) != sum {
			t.Fatalf("%q: %d bytes differ from the effects'", key, len(v))
		}
	}
	for _, key := range slices.Collect(maps.Keys(m.values)) {
		k := h.Key(0, []byte(key))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		l.Remove(it)
		l.Unlock()
	}
	checkEmpty(t, s)
}

func runModel(t *testing.T, s *Store, loop, ops int) {
	h := s.Handle(loop)
	r := rand.New(rand.NewPCG(uint64(loop), 7))
	nowMS := int64(testStartMS)
	for i := range ops {
		key := fmt.Sprintf("key-%d", r.IntN(3000))
		switch p := r.IntN(100); {
		case p < 45:
			modelSet(t, h, r, key, nowMS)
		case p < 75:
			modelGet(t, h, key, nowMS)
		case p < 82:
			modelTouch(t, h, key, nowMS)
		case p < 85:
			modelMark(h, key, nowMS, uint64(i)<<7*uint64(i%2))
		case p < 95:
			k := h.Key(0, []byte(key))
			l := h.Lock(&k)
			if it, found := l.Find(nowMS); found == Hit {
				l.Remove(it)
			}
			l.Unlock()
		case p < 98:
			modelPinned(t, h, key, nowMS)
		default:
			h.Tick(nowMS)
			if i%1000 == 999 {
				s.FlushAll()
			}
		}
	}
}

func modelSet(t *testing.T, h *Handle, r *rand.Rand, key string, nowMS int64) {
	n := r.IntN(400)
	if r.IntN(50) == 0 {
		n = r.IntN(200_000)
	}
	v := sealed(key, n, r.Uint64())
	k := h.Key(0, []byte(key))
	spec := Spec{ValueLen: len(v), Flags: uint32(r.IntN(2)), Evictable: true}
	if r.IntN(3) == 0 {
		spec.ExpiresAtMS = nowMS + 3_600_000
	}
	it, err := h.Reserve(&k, spec)
	if err != nil {
		return
	}
	it.WriteAt(v, 0)
	if r.IntN(20) == 0 {
		h.Discard(it)
		return
	}
	l := h.Lock(&k)
	l.Put(it, nowMS)
	l.Unlock()
}

func modelGet(t *testing.T, h *Handle, key string, nowMS int64) {
	if v := get(h, key, nowMS); v != nil && !unsealed(key, v) {
		t.Errorf("%q: %d wrong bytes", key, len(v))
	}
}

func modelTouch(t *testing.T, h *Handle, key string, nowMS int64) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	defer l.Unlock()
	it, found := l.Find(nowMS)
	if found != Hit {
		return
	}
	it, ok := l.Touch(it, nowMS+7_200_000)
	if ok && it.ExpiresAtMS() != nowMS+7_200_000 {
		t.Errorf("%q: expiry %d", key, it.ExpiresAtMS())
	}
}

// modelMark marks an item stale, with a token of the client's or without.
func modelMark(h *Handle, key string, nowMS int64, cas uint64) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	defer l.Unlock()
	if it, found := l.Find(nowMS); found == Hit {
		l.MarkStale(it, cas)
	}
}

// modelPinned reads a large value without the lock, while others replace it.
func modelPinned(t *testing.T, h *Handle, key string, nowMS int64) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	it, found := l.Find(nowMS)
	if found != Hit || !it.Large() {
		l.Unlock()
		return
	}
	p := l.Pin(it)
	l.Unlock()
	var v []byte
	for len(v) < p.Len() {
		v = append(v, p.Segment(len(v))...)
	}
	if !unsealed(key, v) {
		t.Errorf("%q: %d wrong bytes, pinned", key, len(v))
	}
	h.Release(p.Token())
}

// TestPinnedValueIsReadWithoutALock while other loops read, touch and replace
// the item: the race detector is the judge.
func TestPinnedValueIsReadWithoutALock(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 16 << 20, Loops: 2})
	set(t, s.Handle(0), "k", sealed("k", 100_000, 1), Spec{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 300 {
			modelPinned(t, s.Handle(0), "k", testStartMS)
		}
	})
	wg.Go(func() {
		for i := range 300 {
			modelGet(t, s.Handle(1), "k", testStartMS)
			modelTouch(t, s.Handle(1), "k", testStartMS)
			if i%10 == 0 {
				set(t, s.Handle(1), "k", sealed("k", 100_000, uint64(i)), Spec{})
			}
		}
	})
	wg.Wait()
}

// TestForeseeWhileIndexesGrow: a hint takes no lock, so the race detector looks.
func TestForeseeWhileIndexesGrow(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 16 << 20, Shards: 4, Loops: 2, Evict: true})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 30_000 {
			set(t, s.Handle(0), fmt.Sprint(i), []byte("v"), Spec{Evictable: true})
		}
	})
	wg.Go(func() {
		h := s.Handle(1)
		for i := range 3_000 {
			h.Foresee([]Key{h.Key(0, fmt.Append(nil, i)), h.Key(0, fmt.Append(nil, 3*i))})
		}
	})
	wg.Wait()
}
