package slab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/pandabeardb/panda/internal/invariant"
)

const testStartMS = 1_700_000_000_000

func newStore(t testing.TB, c Config) *Store {
	t.Helper()
	c.StartMS = testStartMS
	if c.Seed == 0 {
		c.Seed = 1
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// set stores a value and returns its token.
func set(t testing.TB, h *Handle, key string, value []byte, spec Spec) uint64 {
	t.Helper()
	k := h.Key(0, []byte(key))
	spec.ValueLen = len(value)
	it, err := h.Reserve(&k, spec)
	if err != nil {
		t.Fatalf("reserve %q of %d bytes: %v", key, len(value), err)
	}
	it.WriteAt(value, 0)
	l := h.Lock(&k)
	cas := l.Put(it, testStartMS)
	l.Unlock()
	return cas
}

// get returns a copy of a value, or nil.
func get(h *Handle, key string, nowMS int64) []byte {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	defer l.Unlock()
	it, found := l.Find(nowMS)
	if found != Hit {
		return nil
	}
	l.Accessed(it, nowMS)
	if it.OnTier() {
		return h.s.tiering.tier.(*shelf).get(it)
	}
	return it.AppendValue([]byte{})
}

func value(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	for i := 0; i < n; i += 8 {
		v := r.Uint64()
		for j := i; j < min(n, i+8); j++ {
			b[j] = byte(v >> (8 * (j - i)))
		}
	}
	return b
}

// brief is for tests on one goroutine, of which the race detector sees nothing: they
// do less in a race build.
func brief() bool { return testing.Short() || invariant.On }

func TestEverySizeRoundTrips(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 256 << 20, Loops: 1})
	h := s.Handle(0)
	sizes := []int{0, 1, 7, 8, 100, 4096, largeMin - 1, largeMin, largeMin + 1,
		maxTail - 1, maxTail, maxTail + 1, 2*maxTail - 1, 2 * maxTail, 2*maxTail + 1,
		runSize - 1, runSize, runSize + 1, runSize + maxTail, runSize + maxTail + 1,
		2*runSize - 16, 2*runSize - 15, 1 << 20, 3<<20 + 12345, directMax * runSize, directMax*runSize + 1}
	for i, n := range sizes {
		if directMax*runSize <= n && brief() {
			continue
		}
		want := value(uint64(i), n)
		key := fmt.Sprintf("key-%d", i)
		set(t, h, key, want, Spec{Flags: uint32(i), ExpiresAtMS: testStartMS + int64(i)*1000})
		if got := get(h, key, testStartMS-1); !bytes.Equal(got, want) {
			t.Fatalf("size %d: a different value came back (%d bytes)", n, len(got))
		}
		k := h.Key(0, []byte(key))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS - 1)
		if it.Flags() != uint32(i) || it.ValueLen() != n || it.ExpiresAtMS() != testStartMS+int64(i)*1000 {
			t.Errorf("size %d: flags %d, length %d, expiry %d", n, it.Flags(), it.ValueLen(), it.ExpiresAtMS())
		}
		l.Remove(it)
		l.Unlock()
	}
	checkEmpty(t, s)
}

// checkEmpty verifies that nothing leaked: no item, no bytes, and no run but
// the index's and one partly used per class.
func checkEmpty(t testing.TB, s *Store) {
	t.Helper()
	for i := range s.handles {
		s.handles[i].freeSpare()
	}
	st := s.Stats()
	if st.Items != 0 || st.Bytes != 0 {
		t.Errorf("%d items of %d bytes left", st.Items, st.Bytes)
	}
	s.arena.mu.Lock() // the populator may be at work
	defer s.arena.mu.Unlock()
	for id := range s.arena.runs[:s.arena.fresh] {
		r := &s.arena.runs[id]
		if r.class == classPiece || r.class < maxClasses && r.free != s.classes.cap[r.class] {
			t.Errorf("run %d of class %d still has chunks out (%d free)", id, r.class, r.free)
		}
	}
}

func TestIndexGrowsAndFindsEverything(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Shards: 4, Loops: 1})
	h := s.Handle(0)
	const n = 60_000
	for i := range n {
		set(t, h, fmt.Sprintf("k%d", i), []byte(fmt.Sprint(i)), Spec{})
		if j := rand.IntN(i + 1); string(get(h, fmt.Sprintf("k%d", j), testStartMS)) != fmt.Sprint(j) {
			t.Fatalf("after %d items, k%d is lost", i+1, j)
		}
	}
	if st := s.Stats(); st.Items != n || st.TotalItems != n {
		t.Errorf("stats say %d items, %d in all", st.Items, st.TotalItems)
	}
	for i := range n {
		k := h.Key(0, []byte(fmt.Sprintf("k%d", i)))
		l := h.Lock(&k)
		it, found := l.Find(testStartMS)
		if found != Hit {
			t.Fatalf("k%d is lost", i)
		}
		l.Remove(it)
		l.Unlock()
	}
	checkEmpty(t, s)
}

func TestExpiryIsExactToTheMillisecond(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1})
	h := s.Handle(0)
	set(t, h, "k", []byte("v"), Spec{ExpiresAtMS: testStartMS + 1500})
	if get(h, "k", testStartMS+1499) == nil {
		t.Error("gone a millisecond early")
	}
	if get(h, "k", testStartMS+1500) != nil {
		t.Error("there when its time was over")
	}
	if st := s.Stats(); st.Reclaimed != 1 || st.Items != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func TestTouchGivesAndTakesExpiry(t *testing.T) {
	for _, n := range []int{5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 100, 20_000} {
		s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1})
		h := s.Handle(0)
		want := value(1, n)
		cas := set(t, h, "k", want, Spec{Flags: 7})
		k := h.Key(0, []byte("k"))
		for _, at := range []int64{testStartMS + 10_000, 0, testStartMS + 20_000} {
			l := h.Lock(&k)
			it, _ := l.Find(testStartMS)
			it, ok := l.Touch(it, at)
			if !ok || it.ExpiresAtMS() != at || it.CAS() != cas || it.Flags() != 7 {
				t.Errorf("size %d, touch %d: %v %d, token %d (was %d)", n, at, ok, it.ExpiresAtMS(), it.CAS(), cas)
			}
			l.Unlock()
		}
		if got := get(h, "k", testStartMS+19_999); !bytes.Equal(got, want) {
			t.Errorf("size %d: value changed", n)
		}
		if got := get(h, "k", testStartMS+20_000); got != nil {
			t.Errorf("size %d: did not expire", n)
		}
		checkEmpty(t, s)
	}
}

func TestChosenTokens(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1})
	h := s.Handle(0)
	for _, n := range []int{3, 30_000} {
		if cas := set(t, h, "k", value(1, n), Spec{CAS: 42}); cas != 42 {
			t.Errorf("token %d, want 42", cas)
		}
		k := h.Key(0, []byte("k"))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		it, ok := l.MarkStale(it, 0)
		if !ok || it.CAS() == 42 || !it.Stale() {
			t.Errorf("stale: token %d", it.CAS())
		}
		it, ok = l.MarkStale(it, 99)
		if !ok || it.CAS() != 99 {
			t.Errorf("token %d, want 99", it.CAS())
		}
		l.Remove(it)
		l.Unlock()
	}
	set(t, h, "n", []byte("10"), Spec{})
	k := h.Key(0, []byte("n"))
	l := h.Lock(&k)
	it, _ := l.Find(testStartMS)
	it, ok := l.SetValue(it, []byte("11"), 1234)
	if !ok || it.CAS() != 1234 || string(it.Value()) != "11" {
		t.Errorf("value %q, token %d", it.Value(), it.CAS())
	}
	l.Unlock()
}

func TestFlushAllSparesWhatComesLater(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1})
	h := s.Handle(0)
	for i := range 1000 {
		set(t, h, fmt.Sprint(i), []byte("old"), Spec{})
	}
	s.FlushAll()
	for i := range 100 {
		set(t, h, fmt.Sprint(i), []byte("new"), Spec{})
	}
	for i := range 1000 {
		got := get(h, fmt.Sprint(i), testStartMS)
		if (i < 100) != (string(got) == "new") || i >= 100 && got != nil {
			t.Fatalf("%d: %q", i, got)
		}
	}
	if st := s.Stats(); st.Items != 100 {
		t.Errorf("%d items", st.Items)
	}
}

func TestPinnedValueOutlivesItsItem(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 2, Evict: true})
	h := s.Handle(0)
	want := value(3, 300_000)
	set(t, h, "k", want, Spec{})
	k := h.Key(0, []byte("k"))
	l := h.Lock(&k)
	it, _ := l.Find(testStartMS)
	token := l.Pin(it).Token()
	var pieces [][]byte
	for off := 0; off < it.ValueLen(); {
		seg := it.Segment(off)
		pieces = append(pieces, seg)
		off += len(seg)
	}
	l.Remove(it)
	l.Unlock()
	for i := range 100 { // more than the store holds
		set(t, h, fmt.Sprint("other", i), value(uint64(i), 200_000), Spec{Evictable: true})
	}
	if !bytes.Equal(bytes.Join(pieces, nil), want) {
		t.Error("pinned memory was overwritten")
	}
	s.Handle(1).Release(token)
	for i := range 100 {
		k := h.Key(0, []byte(fmt.Sprint("other", i)))
		l := h.Lock(&k)
		if it, found := l.Find(testStartMS); found == Hit {
			l.Remove(it)
		}
		l.Unlock()
	}
	checkEmpty(t, s)
}

func TestFullStoreRefusesOrEvicts(t *testing.T) {
	for _, evict := range []bool{false, true} {
		t.Run(fmt.Sprintf("evict=%v", evict), func(t *testing.T) {
			s := newStore(t, Config{LimitBytes: 4 << 20, Loops: 1, Evict: evict})
			h := s.Handle(0)
			stored, refused := 0, 0
			for i := range 60_000 {
				k := h.Key(0, fmt.Appendf(nil, "key-%d", i))
				it, err := h.Reserve(&k, Spec{ValueLen: 100, Evictable: true})
				if err != nil {
					refused++
					continue
				}
				copy(it.Value(), k.Bytes)
				l := h.Lock(&k)
				if l.Put(it, testStartMS) != 0 {
					stored++
				} else {
					refused++
				}
				l.Unlock()
			}
			st := s.Stats()
			if evict != (refused == 0) {
				t.Errorf("%d refused", refused)
			}
			if st.UsedBytes > st.LimitBytes {
				t.Errorf("%d bytes used of %d", st.UsedBytes, st.LimitBytes)
			}
			if got := st.Items + st.Evictions; got != int64(stored) {
				t.Errorf("%d items and %d evictions of %d stored", st.Items, st.Evictions, stored)
			}
			if st.Items < 20_000 {
				t.Errorf("only %d items in 4 MiB", st.Items)
			}
		})
	}
}

// TestShiftingSizes fills the store with one size after the other: memory must
// follow, whatever had it before.
func TestShiftingSizes(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	for round, n := range []int{50, 4000, 100_000, 700, 1 << 20, 50, 20_000} {
		count := 16 << 20 / (n + 50)
		h.Tick(testStartMS + int64(round)*100_000) // what was read in one round is idle in the next
		for i := range count {
			set(t, h, fmt.Sprintf("%d-%d", round, i), value(uint64(i), n), Spec{Evictable: true})
		}
		found := 0
		for i := range count {
			if v := get(h, fmt.Sprintf("%d-%d", round, i), testStartMS); v != nil {
				found++
				if !bytes.Equal(v, value(uint64(i), n)) {
					t.Fatalf("size %d: wrong value", n)
				}
			}
		}
		if min := 3 << 20 / (n + 50); found < min { // what was read before keeps a part for a while
			t.Errorf("size %d: %d of the last items are there, want at least %d", n, found, min)
		}
	}
}

func TestCRC16(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0x31c3 {
		t.Errorf("crc16 = %#x, want 0x31c3 (Redis Cluster's test vector)", got)
	}
	for key, same := range map[string]string{"{user1000}.following": "user1000", "foo{}{bar}": "foo{}{bar}", "foo{{bar}}zap": "{bar", "a{b}c{d}": "b"} {
		if slotOf([]byte(key)) != crc16([]byte(same))&(Slots-1) {
			t.Errorf("slot of %q is not that of %q", key, same)
		}
	}
}

// TestForeseeFindsNearlyAll: of a full index's items a fifth are not in their home
// buckets, and foreseen nevertheless.
func TestForeseeFindsNearlyAll(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Shards: minShards, Loops: 1, Evict: true})
	h := s.Handle(0)
	const items = 50_000
	found, away := 0, 0
	for i := range items {
		set(t, h, fmt.Sprint(i), nil, Spec{Evictable: true})
	}
	for i := range items {
		k := h.Key(0, fmt.Append(nil, i))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		home := l.sh.index.foresee(k.Hash)
		if in := uintptr(unsafe.Pointer(l.slot)) - uintptr(home); in >= 1<<bucketShift {
			away++
		}
		l.Unlock()
		if h.foreseeItem(&k) == it.p {
			found++
		}
	}
	if away < items/20 {
		t.Errorf("%d of %d items are away from home: the test needs more", away, items)
	}
	if items-found > away/8 {
		t.Errorf("%d of %d items foreseen, %d away from home", found, items, away)
	}
}

func TestForeseeChangesNothing(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1})
	h := s.Handle(0)
	set(t, h, "there", []byte("v"), Spec{})
	before := s.Stats()
	h.Foresee([]Key{h.Key(0, []byte("there")), h.Key(0, []byte("not there"))})
	for n := range 300 {
		ForeseeBytes(make([]byte, n))
	}
	if after := s.Stats(); after != before {
		t.Errorf("stats: %+v, before: %+v", after, before)
	}
	if v := get(h, "there", testStartMS); string(v) != "v" {
		t.Errorf("value %q", v)
	}
}

// fillUp stores items of n bytes until one is refused, and returns how many.
func fillUp(t *testing.T, h *Handle, prefix string, n int, spec Spec) int {
	t.Helper()
	for i := 0; ; i++ {
		k := h.Key(0, fmt.Appendf(nil, "%s%d", prefix, i))
		spec.ValueLen = n
		it, err := h.Reserve(&k, spec)
		if err != nil {
			return i
		}
		l := h.Lock(&k)
		l.Put(it, testStartMS)
		l.Unlock()
	}
}

func TestFullStoreThatMayNotEvict(t *testing.T) {
	for _, n := range []int{100, 10_000, 40_000} {
		s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1})
		h := s.Handle(0)
		count := fillUp(t, h, "a", n, Spec{})
		for i := range count {
			k := h.Key(0, fmt.Appendf(nil, "a%d", i))
			l := h.Lock(&k)
			it, found := l.Find(testStartMS)
			if found != Hit {
				t.Fatalf("size %d: item %d of %d is gone", n, i, count)
			}
			it, ok := l.Touch(it, testStartMS+1000)
			if ok {
				it, ok = l.MarkStale(it, 77)
			}
			if !ok || it.CAS() != 77 {
				t.Fatalf("size %d: a full store can not touch or mark item %d", n, i)
			}
			l.Unlock()
		}
		s.FlushAll()
		if again := fillUp(t, h, "b", n, Spec{ExpiresAtMS: testStartMS + 1}); again < count*9/10 {
			t.Errorf("size %d: %d items, after a flush %d", n, count, again)
		}
		s.nowMS.Store(testStartMS + 1)
		if again := fillUp(t, h, "c", n, Spec{}); again < count*9/10 {
			t.Errorf("size %d: %d items, after all expired %d", n, count, again)
		}
	}
}

func TestLoopsWithMemoryOfTheirOwn(t *testing.T) {
	for _, evict := range []bool{false, true} {
		s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 2, Evict: evict, domains: 2})
		if evict {
			for i := range 100_000 {
				set(t, s.Handle(0), fmt.Sprint("a", i), value(1, 100), Spec{Evictable: true})
			}
		} else {
			count := fillUp(t, s.Handle(0), "a", 100, Spec{})
			for i := range count / 2 {
				k := s.Handle(0).Key(0, fmt.Appendf(nil, "a%d", i))
				l := s.Handle(0).Lock(&k)
				it, _ := l.Find(testStartMS)
				l.Remove(it)
				l.Unlock()
			}
		}
		before := s.Stats()
		for i := range 100 {
			set(t, s.Handle(1), fmt.Sprint("b", i), value(2, 100), Spec{Evictable: true})
		}
		if after := s.Stats(); after.Evictions-before.Evictions > 10_000 {
			t.Errorf("100 sets on another loop evicted %d of %d items", after.Evictions-before.Evictions, before.Items)
		}
	}
}

func TestHotItemsStallNobody(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 16 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	fillHot(t, h)
	victims := s.arena.victims
	set(t, h, "new", value(1, 1000), Spec{Evictable: true})
	if looked := s.arena.victims - victims; looked > 2*reclaimPatience {
		t.Errorf("one set looked at %d of %d runs", looked, s.arena.fresh)
	}
}

func TestLimitDownAndUp(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	for i := range 500_000 {
		set(t, h, fmt.Sprint(i), value(1, 100), Spec{Evictable: true})
	}
	for _, limit := range []int64{32 << 20, 8 << 20, 48 << 20} {
		if err := s.SetLimit(limit); err != nil {
			t.Fatal(err)
		}
		before := s.Stats().Evictions
		set(t, h, "big", value(1, 100_000), Spec{Evictable: true})
		if n := s.Stats().Evictions - before; n > 5000 {
			t.Errorf("limit %d: one set evicted %d items", limit, n)
		}
		for range 100 {
			h.Tick(testStartMS)
		}
		if st := s.Stats(); st.UsedBytes > limit || st.LimitBytes != limit {
			t.Errorf("limit %d: %d used, limit %d", limit, st.UsedBytes, st.LimitBytes)
		}
		for i := range 1000 {
			set(t, h, fmt.Sprint("after", i), value(1, 100), Spec{Evictable: true})
		}
	}
	s.FlushAll()
	if err := s.SetLimit(8 << 20); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		h.Tick(testStartMS)
	}
	if st := s.Stats(); st.UsedBytes > 4<<20 {
		t.Errorf("%d bytes used by an empty store, %d of them by its index", st.UsedBytes, st.IndexBytes)
	}
	set(t, h, "again", value(1, 100_000), Spec{Evictable: true})
	if err := s.SetLimit(MaxLimit + 1); err != ErrBounds {
		t.Errorf("beyond all bounds: %v", err)
	}
}

func TestTinyStoresServeEverySize(t *testing.T) {
	for _, mb := range []int64{1, 2, 8} {
		for _, evict := range []bool{false, true} {
			s := newStore(t, Config{LimitBytes: mb << 20, Loops: 1, Evict: evict})
			h := s.Handle(0)
			for n := 8; n < 200_000; n += n/8 + 1 {
				set(t, h, "k", value(1, n), Spec{Evictable: true})
				k := h.Key(0, []byte("k"))
				l := h.Lock(&k)
				it, _ := l.Find(testStartMS)
				l.Remove(it)
				l.Unlock()
			}
			checkEmpty(t, s)
		}
	}
}

func TestIdleTimeOfTwoClocks(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 2})
	h := s.Handle(0)
	set(t, h, "k", []byte("v"), Spec{})
	get(h, "k", testStartMS+5000)
	s.Handle(1).Tick(testStartMS + 4999) // a loop whose batch began a moment earlier
	for _, c := range []struct{ atMS, want int64 }{{4999, 0}, {6000, 1000}, {100_000_000, 99_995_000}, {172_805_000, 172_800_000}} {
		k := h.Key(0, []byte("k"))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		if got := l.IdleMS(it, testStartMS+c.atMS); got != c.want {
			t.Errorf("at %d ms idle for %d ms, want %d", c.atMS, got, c.want)
		}
		l.Unlock()
	}
}

// TestTableThatGrowsLate: an index that could not grow in time is fuller than
// usual when it does, and must lose nothing.
func TestTableThatGrowsLate(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 1, Shards: 4})
	type entry struct {
		hash uint64
		r    ref
	}
	segs := func(n uint32) (out []uint32) {
		for range n / segBuckets {
			out = append(out, s.takeSegment())
		}
		return out
	}
	tables := 400
	if brief() {
		tables = 40
	}
	for _, load := range []int{850, 900, 940} {
		for seed := range uint64(tables) {
			r := rand.New(rand.NewPCG(seed, 5))
			x := &index{store: s, cur: s.newTable(256), spare: segs(256)}
			var all []entry
			add := func() {
				if e := (entry{r.Uint64(), ref(1000 + len(all))}); x.insert(e.hash, uint64(e.r)) {
					all = append(all, e)
				}
			}
			for len(all) < 256*bucketSlots*load/1000 {
				add()
			}
			x.start(x.nextSize(), segs(x.nextSize()))
			for x.old.n != 0 {
				add()
			}
			for _, e := range all {
				if x.locate(e.hash, e.r) == nil {
					t.Fatalf("load %d, seed %d: an item of %d is lost", load, seed, len(all))
				}
			}
			for _, e := range all {
				x.remove(e.hash, x.locate(e.hash, e.r))
			}
			x.shrink()
			for _, seg := range append(x.spare, x.cur.segs...) {
				if seg != s.zeroSeg {
					s.freeSegment(seg)
				}
			}
		}
	}
}
