package slab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// shelf is a Tier in Go memory that keeps so many values, and then drops the oldest.
type shelf struct {
	mu      sync.Mutex
	most    int
	refuses bool
	serial  uint32
	values  map[TierRef]shelved
	order   []TierRef
	sent    int
	kinds   [3]int
	dropped int
}

type shelved struct {
	head, key, value []byte
}

func newShelf(most int) *shelf { return &shelf{most: most, values: map[TierRef]shelved{}} }

func (s *shelf) Append(kind TierKind, head, key []byte, pieces [][]byte) (TierRef, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses {
		return TierRef{}, false
	}
	s.serial++
	s.sent++
	s.kinds[kind]++
	ref := TierRef{s.serial % 7, s.serial, s.serial * 3}
	s.values[ref] = shelved{bytes.Clone(head), bytes.Clone(key), slices.Concat(pieces...)}
	s.order = append(s.order, ref)
	for len(s.values) > s.most {
		if _, ok := s.values[s.order[0]]; ok {
			s.dropped++
			delete(s.values, s.order[0])
		}
		s.order = s.order[1:]
	}
	return ref, true
}

func (s *shelf) Delete(ref TierRef, headLen, keyLen, valueLen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[ref]
	if ok && (len(v.head) != headLen || len(v.key) != keyLen || len(v.value) != valueLen) {
		panic("another value's size")
	}
	delete(s.values, ref)
}

func (s *shelf) Live(ref TierRef) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.values[ref]
	return ok
}

// get is the value of an item; nil when it has been dropped since it was found.
func (s *shelf) get(it Item) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[it.TierRef()]
	if !ok {
		return nil
	}
	if !bytes.Equal(v.key, it.Key()) || len(v.value) != it.ValueLen() {
		panic("another item's value")
	}
	return v.value
}

// move gives a value another place, as compaction does.
func (s *shelf) move(from TierRef) (to TierRef, v shelved, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok = s.values[from]; !ok {
		return to, v, false
	}
	s.serial++
	to = TierRef{1000, s.serial, 8}
	s.values[to] = v
	s.order = append(s.order, to)
	return to, v, true
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

var quietRules = TierRules{LeastBytes: 100, LargeBytes: 100_000, ShortMS: 60_000, AgeS: -1}

func tierStore(t testing.TB, limit int64, most int, rules TierRules) (*Store, *shelf) {
	t.Helper()
	s := newStore(t, Config{LimitBytes: limit, Loops: 1, Evict: true})
	tier := newShelf(most)
	s.UseTier(tier, rules)
	return s, tier
}

// Values that memory has no room for are all still there.
func TestPressureMovesValuesOut(t *testing.T) {
	s, tier := tierStore(t, 8<<20, 1<<30, quietRules)
	h := s.Handle(0)
	count := int64(20_000)
	if brief() {
		count = 6000
	}
	tokens := map[string]uint64{}
	for i := range count { // 40 MB
		key := fmt.Sprint("key", i)
		spec := Spec{Evictable: true, Flags: uint32(i % 3)}
		if i%5 == 0 {
			spec.ExpiresAtMS = testStartMS + 3_600_000
		}
		if i%7 == 0 {
			spec.CAS = uint64(i) + 99
		}
		tokens[key] = set(t, h, key, value(uint64(i), 2000+int(i%100)), spec)
	}
	if n := s.Stats(); n.Evictions != 0 || n.Items != count || int64(tier.sent) < count/4 {
		t.Fatalf("%+v, %d sent", n, tier.sent)
	}
	onTier := 0
	for i := range count {
		key := fmt.Sprint("key", i)
		if v := get(h, key, testStartMS); !bytes.Equal(v, value(uint64(i), 2000+int(i%100))) {
			t.Fatalf("%s: %d bytes", key, len(v))
		}
		k := h.Key(0, []byte(key))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		if it.OnTier() {
			onTier++
		}
		if it.CAS() != tokens[key] || it.Flags() != uint32(i%3) || (it.ExpiresAtMS() != 0) != (i%5 == 0) || it.ValueLen() != 2000+int(i%100) {
			t.Fatalf("%s is another: token %d, flags %d, expiry %d, %d bytes", key, it.CAS(), it.Flags(), it.ExpiresAtMS(), it.ValueLen())
		}
		if i%2 == 0 {
			l.Remove(it)
		}
		l.Unlock()
		if i%2 == 1 {
			set(t, h, key, []byte("short"), Spec{Evictable: true})
		}
	}
	if onTier != tier.sent || tier.count() != 0 {
		t.Errorf("%d on the tier, %d sent, %d left there", onTier, tier.sent, tier.count())
	}
	if n := s.Stats(); n.Items != count/2 {
		t.Errorf("%+v", n)
	}
	for i := int64(1); i < count; i += 2 {
		k := h.Key(0, fmt.Append(nil, "key", i))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		l.Remove(it)
		l.Unlock()
	}
	checkEmpty(t, s)
	for i, g := range s.GroupStats(nil) {
		if g.Items() != 0 || g.Weight != 0 {
			t.Errorf("group %d: %+v", i+1, g)
		}
	}
}

// A tier that takes nothing changes nothing: what is cold goes.
func TestTierRefuses(t *testing.T) {
	s, tier := tierStore(t, 4<<20, 1<<30, quietRules)
	tier.refuses = true
	h := s.Handle(0)
	for i := range 3000 {
		set(t, h, fmt.Sprint(i), value(1, 2000), Spec{Evictable: true})
		set(t, h, fmt.Sprint("large", i%100), value(1, 50_000), Spec{Evictable: true})
	}
	if n := s.Stats(); n.Evictions < 1000 || tier.sent != 0 {
		t.Errorf("%+v, %d sent", n, tier.sent)
	}
}

// Small values and those of other protocols stay; items whose values are out have
// their part of the memory, and no more.
func TestHeadsHaveTheirPart(t *testing.T) {
	s, tier := tierStore(t, 4<<20, 1<<30, quietRules)
	h := s.Handle(0)
	for i := range 100_000 {
		set(t, h, fmt.Sprintf("a key that is rather long, %d", i), value(1, 150+i%2*300), Spec{Evictable: true})
		set(t, h, fmt.Sprint("small", i%1000), value(1, 20), Spec{Evictable: true})
	}
	a := &s.arena
	a.mu.Lock()
	fixed, limit := a.queues[queueFixed].runs, a.limit
	a.mu.Unlock()
	n := s.Stats()
	if n.Evictions < 50_000 || fixed > limit*3/4 || fixed < limit/2 || tier.kinds[TierPlain] < 50_000 {
		t.Errorf("%d of %d runs, %+v, %d sent", fixed, limit, n, tier.kinds[TierPlain])
	}
	on := 0
	for i := range 100_000 {
		if get(h, fmt.Sprintf("a key that is rather long, %d", i), testStartMS) != nil {
			on++
		}
	}
	if on < tier.count() || tier.count() < 20_000 {
		t.Errorf("%d found, %d on the tier", on, tier.count())
	}
}

// Short values stay, whatever the rules say.
func TestShortValuesStay(t *testing.T) {
	rules := quietRules
	rules.LeastBytes, rules.AgeS = 0, 0
	s, tier := tierStore(t, 4<<20, 1<<30, rules)
	h := s.Handle(0)
	for n := range 2 * tierLeast {
		set(t, h, fmt.Sprint(n), value(1, n), Spec{Evictable: true})
	}
	for range 50 { // each looks at a few runs
		h.Tick(testStartMS)
	}
	if tier.sent != tierLeast {
		t.Errorf("%d went, want %d", tier.sent, tierLeast)
	}
}

// What was not used for a while goes, without any need of memory; what is read stays.
func TestAging(t *testing.T) {
	rules := quietRules
	rules.AgeS = 2
	s, tier := tierStore(t, 16<<20, 1<<30, rules)
	h := s.Handle(0)
	for i := range 200 {
		set(t, h, fmt.Sprint("s", i), value(uint64(i), 1000), Spec{Evictable: true})
		set(t, h, fmt.Sprint("l", i), value(uint64(i), 20_000), Spec{Evictable: true, ExpiresAtMS: testStartMS + 30_000})
		set(t, h, fmt.Sprint("fixed", i), value(uint64(i), 1000), Spec{})
	}
	set(t, h, "huge", value(1, 300_000), Spec{Evictable: true})
	h.Tick(testStartMS + 2999) // 2 seconds that are over, and not more than 2
	if tier.sent != 0 {
		t.Fatalf("%d went at once", tier.sent)
	}
	k := h.Key(0, []byte("s7"))
	l := h.Lock(&k)
	it, _ := l.Find(testStartMS)
	l.Accessed(it, testStartMS+3000)
	l.Unlock()
	used := s.Stats().UsedBytes
	for i := range 20 {
		h.Tick(testStartMS + 3000 + int64(i))
	}
	if n := s.Stats(); tier.sent != 400 || n.Evictions != 0 || n.UsedBytes > used/4 {
		t.Errorf("%d went, %+v, before %d", tier.sent, n, used)
	}
	if tier.kinds != [3]int{199, 1, 200} {
		t.Errorf("kinds %v", tier.kinds)
	}
	for i := range 200 {
		for _, c := range []struct {
			name string
			n    int
		}{{"s", 1000}, {"l", 20_000}, {"fixed", 1000}} {
			if v := get(h, fmt.Sprint(c.name, i), testStartMS); !bytes.Equal(v, value(uint64(i), c.n)) {
				t.Fatalf("%s%d", c.name, i)
			}
		}
	}
}

// Comes back what was read twice before, and the last time before so long that memory
// had it still.
func TestRecalls(t *testing.T) {
	for _, c := range []struct {
		age    int64 // the rule's
		idleS  int64 // between the second read and this one
		stayed int   // seconds that values stay in memory; 0: there is room
		reads  int
		want   bool
	}{
		{-1, 100, 0, 2, true},
		{-1, 0, 0, 1, false},
		{-1, 5, 5, 2, true},
		{-1, 8, 5, 2, false},
		{0, 100, 0, 2, true},
		{3, 3, 0, 2, true},
		{3, 4, 0, 2, false},
	} {
		rules := quietRules
		rules.AgeS = 0
		s, _ := tierStore(t, 16<<20, 1<<30, rules)
		h := s.Handle(0)
		set(t, h, "key", value(1, 300), Spec{Evictable: true})
		h.Tick(testStartMS)
		rules.AgeS = c.age
		s.SetTierRules(rules)
		k := h.Key(0, []byte("key"))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		for range 500 * min(c.stayed, 1) { // mean of those that went
			s.stayed(&victim{now: it.accessed() + uint32(c.stayed)}, it)
		}
		for range c.reads {
			l.Accessed(it, testStartMS)
		}
		if got := l.Recalls(it, testStartMS+1000*c.idleS); got != c.want || !it.OnTier() {
			t.Errorf("%+v: %v", c, got)
		}
		l.Unlock()
	}
}

// How long values stay in memory is what those that pressure moves out were not used.
func TestStay(t *testing.T) {
	for _, size := range []int{2000, 50_000} {
		s, _ := tierStore(t, 8<<20, 1<<30, quietRules)
		h := s.Handle(0)
		fill := func(kind string, bytes int) {
			for i := range bytes / size {
				set(t, h, fmt.Sprint(kind, i), value(1, size), Spec{Evictable: true})
			}
		}
		fill("first", 4<<20)
		if got := s.tiering.stay.Load(); got != 0 {
			t.Fatalf("%d/%d s, and memory has room", got, stayPart)
		}
		h.Tick(testStartMS + 10_000)
		fill("second", 8<<20)
		if got := s.tiering.stay.Load() / stayPart; got < 3 || got > 10 {
			t.Errorf("values of %d bytes: %d s, want about 8", size, got)
		}
	}
}

// A value that comes back is the same item in memory again.
func TestRefill(t *testing.T) {
	rules := quietRules
	rules.AgeS = 0
	s, tier := tierStore(t, 16<<20, 1<<30, rules)
	h := s.Handle(0)
	for i, n := range []int{200, 5000, 100_000} {
		key := fmt.Sprint("key", i)
		cas := set(t, h, key, value(7, n), Spec{Evictable: true, Flags: 5, ExpiresAtMS: testStartMS + 5000})
		h.Tick(testStartMS)
		k := h.Key(0, []byte(key))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		if !it.OnTier() || it.CAS() != cas || l.Reads() != 0 {
			t.Fatalf("%s did not go", key)
		}
		l.Accessed(it, testStartMS)
		it.SetStale(true)
		l.Unlock()
		full, err := h.Reserve(&k, Spec{ValueLen: n, Flags: 5, ExpiresAtMS: testStartMS + 5000, Evictable: true})
		if err != nil {
			t.Fatal(err)
		}
		full.WriteAt(value(7, n), 0)
		l = h.Lock(&k)
		it, _ = l.Find(testStartMS)
		it, _ = l.Touch(it, testStartMS+9000)
		if !l.Refill(it, full) {
			t.Fatal("no refill")
		}
		it, _ = l.Find(testStartMS)
		if it.OnTier() || it.CAS() != cas || it.Flags() != 5 || it.ExpiresAtMS() != testStartMS+9000 || !it.Fetched() || !it.Stale() || l.Reads() != 1 {
			t.Errorf("%s: %v, %d, %d", key, it.OnTier(), it.CAS(), it.ExpiresAtMS())
		}
		l.Unlock()
		if v := get(h, key, testStartMS); !bytes.Equal(v, value(7, n)) {
			t.Errorf("%s: another value", key)
		}
		l = h.Lock(&k)
		it, _ = l.Find(testStartMS)
		l.Remove(it)
		l.Unlock()
	}
	if tier.count() != 0 {
		t.Errorf("%d left", tier.count())
	}
	checkEmpty(t, s)
}

// A value in the tier whose item recovery replaces or removes is not wanted any more.
func TestRestoreReleases(t *testing.T) {
	rules := quietRules
	rules.AgeS = 0
	s, tier := tierStore(t, 4<<20, 1<<30, rules)
	h := s.Handle(0)
	value := bytes.Repeat([]byte("v"), 1000)
	for i, again := range []func(k *Key, stamp uint64) error{
		func(k *Key, stamp uint64) error {
			return restore(h, k, KindSet, &Past{Stamp: stamp, Value: []byte("short"), Marks: MarkEvictable})
		},
		func(k *Key, stamp uint64) error { return restore(h, k, KindDelete, &Past{Stamp: stamp}) },
	} {
		k := h.Key(0, []byte(fmt.Sprintf("key%d", i)))
		past := Past{Stamp: 1<<slotBits | uint64(k.Slot), Value: value, Marks: MarkEvictable}
		if err := restore(h, &k, KindSet, &past); err != nil {
			t.Fatal(err)
		}
		h.Tick(1000)
		if tier.count() != 1 {
			t.Fatalf("%d: %d values are in the tier", i, tier.count())
		}
		if err := again(&k, past.Stamp+1<<slotBits); err != nil {
			t.Fatal(err)
		}
		if tier.count() != 0 {
			t.Errorf("%d: the tier keeps the value", i)
		}
	}
}

// What the tier dropped is a miss, once.
func TestLost(t *testing.T) {
	rules := quietRules
	rules.AgeS = 0
	s, tier := tierStore(t, 16<<20, 50, rules)
	h := s.Handle(0)
	for i := range 100 {
		set(t, h, fmt.Sprint(i), value(uint64(i), 1000), Spec{Evictable: true})
		h.Tick(testStartMS)
	}
	lost := 0
	for i := range 100 {
		k := h.Key(0, fmt.Append(nil, i))
		l := h.Lock(&k)
		if _, found := l.Find(testStartMS); found == Lost {
			lost++
			if _, found = l.Find(testStartMS); found != Miss {
				t.Error("it is still there")
			}
		}
		l.Unlock()
	}
	if lost != 50 || tier.count() != 50 || s.Stats().Evictions != 0 {
		t.Errorf("%d lost, %d there", lost, tier.count())
	}
	k := h.Key(0, []byte("99"))
	l := h.Lock(&k)
	it, _ := l.Find(testStartMS)
	l.Lose(it)
	l.Unlock()
	if s.Stats().Items != 49 || tier.count() != 49 {
		t.Errorf("%+v", s.Stats())
	}
}

func TestTierOwner(t *testing.T) {
	rules := quietRules
	rules.AgeS = 0
	s, tier := tierStore(t, 16<<20, 50, rules)
	h := s.Handle(0)
	set(t, h, "key", value(1, 1000), Spec{Evictable: true})
	h.Tick(testStartMS)
	from := tier.order[0]
	to, v, _ := tier.move(from)
	if holds, read := s.TierHolds(v.head, v.key, from); !holds || read {
		t.Error("it is the one, and was not read")
	}
	get(h, "key", testStartMS)
	if holds, read := s.TierHolds(v.head, v.key, from); !holds || !read {
		t.Error("it was read")
	}
	if holds, _ := s.TierHolds(v.head, v.key, to); holds {
		t.Error("it is not there yet")
	}
	if holds, _ := s.TierHolds(v.head[:1], v.key, from); holds {
		t.Error("a head of another's")
	}
	if s.TierMoved(v.head, []byte("other"), from, to) || s.TierMoved(v.head, v.key, to, from) || !s.TierMoved(v.head, v.key, from, to) {
		t.Error("moved what is not, or not what is")
	}
	tier.Delete(from, tierHeadLen, 3, 1000)
	if !bytes.Equal(get(h, "key", testStartMS), value(1, 1000)) {
		t.Error("another value")
	}
	s.FlushAll()
	if holds, _ := s.TierHolds(v.head, v.key, to); holds {
		t.Error("it is flushed")
	}
}

// TestLoopsWithATier is the model's loops over a store whose values come and go, with
// a compactor beside them, and a tier that refuses and forgets.
func TestLoopsWithATier(t *testing.T) {
	rules := quietRules
	rules.AgeS = 0
	s := newStore(t, Config{LimitBytes: 4 << 20, Loops: 3, Evict: true})
	tier := newShelf(300)
	s.UseTier(tier, rules)
	ops := modelOps(30_000)
	var loops sync.WaitGroup
	for i := range 3 {
		loops.Go(func() {
			runModel(t, s, i, ops/2)
			for j := range 300 {
				refill(t, s.Handle(i), tier, fmt.Sprintf("key-%d", j*7))
			}
			runModel(t, s, i, ops/2)
		})
	}
	stop := make(chan struct{})
	var compactor sync.WaitGroup
	compactor.Go(func() {
		r := rand.New(rand.NewPCG(5, 5))
		for {
			select {
			case <-stop:
				return
			default:
			}
			tier.mu.Lock()
			var ref TierRef
			if len(tier.order) > 0 {
				ref = tier.order[r.IntN(len(tier.order))]
			}
			tier.refuses = r.IntN(10) == 0
			tier.mu.Unlock()
			if to, v, ok := tier.move(ref); ok {
				if s.TierMoved(v.head, v.key, ref, to) {
					tier.Delete(ref, len(v.head), len(v.key), len(v.value))
				} else {
					tier.Delete(to, len(v.head), len(v.key), len(v.value))
				}
			}
		}
	})
	loops.Wait()
	close(stop)
	compactor.Wait()
	if tier.sent == 0 || tier.dropped == 0 {
		t.Errorf("%d sent, %d dropped", tier.sent, tier.dropped)
	}
	h := s.Handle(0)
	for i := range 3000 {
		key := fmt.Sprintf("key-%d", i)
		if v := get(h, key, testStartMS); v != nil && !unsealed(key, v) {
			t.Errorf("%s: wrong bytes", key)
		}
		k := h.Key(0, []byte(key))
		l := h.Lock(&k)
		if it, found := l.Find(testStartMS); found == Hit {
			l.Remove(it)
		}
		l.Unlock()
	}
	if tier.count() != 0 {
		t.Errorf("%d values that nobody has", tier.count())
	}
	checkEmpty(t, s)
}

// refill brings a key's value back to memory, as a session does.
func refill(t *testing.T, h *Handle, tier *shelf, key string) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	it, found := l.Find(testStartMS)
	if found != Hit || !it.OnTier() {
		l.Unlock()
		return
	}
	v, stamp := tier.get(it), it.Version()
	spec := Spec{ValueLen: it.ValueLen(), Flags: it.Flags(), ExpiresAtMS: it.ExpiresAtMS(), Evictable: true}
	l.Unlock()
	full, err := h.Reserve(&k, spec)
	if err != nil || v == nil {
		if err == nil {
			h.Discard(full)
		}
		return
	}
	full.WriteAt(v, 0)
	l = h.Lock(&k)
	it, found = l.Find(testStartMS)
	if found == Hit && it.OnTier() && it.Version() == stamp {
		l.Refill(it, full)
		l.Unlock()
		return
	}
	l.Unlock()
	h.Discard(full)
}
