package slab

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// testGroups are like memcached's.
var testGroups = Groups{Overhead: 59, FlagsSize: 4, Bounds: []int{96, 120, 152, 192, 1184, 9600, 66232, 82792, 524288}}

func TestGroupOfEveryWeight(t *testing.T) {
	groups, err := newGroups(testGroups)
	if err != nil {
		t.Fatal(err)
	}
	for weight := range 700_000 {
		want := len(testGroups.Bounds) - 1
		for i, bound := range testGroups.Bounds {
			if weight <= bound {
				want = i
				break
			}
		}
		if got := groups.find(weight); got != want {
			t.Fatalf("weight %d: group %d, want %d", weight, got, want)
		}
	}
}

func TestGroupsThatAreRefused(t *testing.T) {
	many := make([]int, MaxGroups+1)
	for i := range many {
		many[i] = 8 * (i + 1)
	}
	for _, bounds := range [][]int{{96, 90}, {104, 96, 112}, {97, 120}, many} {
		if _, err := New(Config{LimitBytes: MinLimit, Groups: Groups{Bounds: bounds}}); err != ErrGroups {
			t.Errorf("%v: %v", bounds, err)
		}
	}
	if _, err := newGroups(Groups{Bounds: []int{96, 1001}}); err != nil {
		t.Errorf("the last bound may be any: %v", err)
	}
}

// TestGroupsOfEqualBounds: memcached's classes with -f 1.01, and large ones.
func TestGroupsOfEqualBounds(t *testing.T) {
	groups, err := newGroups(Groups{Bounds: []int{96, 96, 96, 104, 80_000, 80_000, 524_288}})
	if err != nil {
		t.Fatal(err)
	}
	for weight, want := range map[int]int{1: 0, 96: 0, 97: 3, 104: 3, 105: 4, 80_000: 4, 80_001: 6, 1 << 20: 6} {
		if got := groups.find(weight); got != want {
			t.Errorf("weight %d: group %d, want %d", weight, got, want)
		}
	}
}

// TestGroupOfAnItem: what an item keeps of its group is what its weight says, also
// when it was made again with more fields.
func TestGroupOfAnItem(t *testing.T) {
	s := newStore(t, Config{LimitBytes: MinLimit, Loops: 1, Evict: true, Groups: testGroups})
	h := s.Handle(0)
	for i, n := range []int{0, 1, 33, 34, 35, 1000, largeMin - 1, largeMin, 70_000, 600_000} {
		for _, flags := range []uint32{0, 1} {
			k := h.Key(0, fmt.Append(nil, i, flags))
			set(t, h, string(k.Bytes), make([]byte, n), Spec{Flags: flags, Evictable: true})
			l := h.Lock(&k)
			it, _ := l.Find(testStartMS)
			moved, ok := l.Touch(it, testStartMS+1000)
			if !ok {
				t.Fatal("no memory")
			}
			want := s.groups.find(testGroups.Overhead+len(k.Bytes)+n+int(flags)*testGroups.FlagsSize) + 1
			if moved.Group() != want || moved.ValueLen() != n || moved.Heat() != Hot {
				t.Errorf("%d bytes, flags %d: group %d, length %d, heat %d, want group %d", n, flags, moved.Group(), moved.ValueLen(), moved.Heat(), want)
			}
			l.Unlock()
		}
	}
}

// groupStats publishes what all handles counted, and sums it.
func groupStats(s *Store) []GroupStats {
	for i := range s.handles {
		s.handles[i].PublishStats()
	}
	return s.GroupStats(nil)
}

// checkGroups compares what was counted with what a walk over the index finds,
// and with the shards' own counts.
func checkGroups(t testing.TB, s *Store) {
	t.Helper()
	want := make([]GroupStats, len(s.groups.bounds))
	items := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		items += sh.index.items
		for _, table := range []*table{&sh.index.cur, &sh.index.old} {
			for at := range table.n {
				countBucket(sh, sh.index.bucket(table, at), want)
			}
		}
		sh.mu.Unlock()
	}
	sum, st := GroupStats{}, s.Stats()
	for i, got := range groupStats(s) {
		w := want[i]
		if got.Hot != w.Hot || got.Warm != w.Warm || got.Cold != w.Cold || got.Fixed != w.Fixed || got.Weight != w.Weight {
			t.Errorf("group %d: counted %+v, there are %+v", i+1, got, w)
		}
		items -= int(got.Items())
		sum.Evicted += got.Evicted
		sum.EvictedUnfetched += got.EvictedUnfetched
		sum.EvictedActive += got.EvictedActive
		sum.Reclaimed += got.Reclaimed
		sum.Sets += got.Sets
	}
	if items != 0 {
		t.Errorf("the groups have %d items too few", items)
	}
	if sum.Evicted != st.Evictions || sum.EvictedUnfetched != st.EvictedUnfetched || sum.EvictedActive != st.EvictedActive ||
		sum.Reclaimed != st.Reclaimed || sum.Sets != st.TotalItems {
		t.Errorf("the groups' sums %+v, the shards' %+v", sum, st)
	}
}

func countBucket(sh *shard, b bucket, groups []GroupStats) {
	for i := range bucketSlots {
		if *slot(b, i) == 0 {
			continue
		}
		it := sh.store.item(ref(*slot(b, i) & refMask))
		g := &groups[it.Group()-1]
		g.Weight += int64(it.Weight())
		*[]*int64{&g.Hot, &g.Warm, &g.Cold, &g.Fixed}[it.Heat()]++
	}
}

// TestGroupStatsAgainstWalk runs random operations on several loops, in a store
// that must evict, and compares what they counted with what is there.
func TestGroupStatsAgainstWalk(t *testing.T) {
	for _, evict := range []bool{true, false} {
		t.Run(fmt.Sprintf("evict=%v", evict), func(t *testing.T) {
			s := newStore(t, Config{LimitBytes: 4 << 20, Loops: 3, Evict: evict, Groups: testGroups})
			ops := modelOps(10_000)
			for round := range 3 {
				var wg sync.WaitGroup
				for i := range 3 {
					wg.Go(func() {
						runModel(t, s, i, ops)
						churn(t, s, i, ops, int64(testStartMS+10_000*round))
					})
				}
				wg.Wait()
				checkGroups(t, s)
			}
			sum := GroupStats{}
			for _, g := range groupStats(s) {
				sum.Evicted += g.Evicted
				sum.Reclaimed += g.Reclaimed
				sum.OutOfMemory += g.OutOfMemory
			}
			if (sum.Evicted > 0) != evict || sum.Reclaimed == 0 || sum.OutOfMemory != s.Stats().OutOfMemory {
				t.Errorf("%+v, %d refused", sum, s.Stats().OutOfMemory)
			}
		})
	}
}

// churn stores short-lived items, some of them fixed, and lets time pass.
func churn(t *testing.T, s *Store, loop, ops int, nowMS int64) {
	h := s.Handle(loop)
	r := rand.New(rand.NewPCG(uint64(loop), 11))
	for i := range ops {
		k := h.Key(0, fmt.Appendf(nil, "churn-%d", r.IntN(2000)))
		spec := Spec{ValueLen: r.IntN(2000), ExpiresAtMS: nowMS + int64(r.IntN(5000)), Evictable: r.IntN(20) != 0}
		if it, err := h.Reserve(&k, spec); err == nil {
			it.WriteAt(value(uint64(i), spec.ValueLen), 0)
			l := h.Lock(&k)
			l.Put(it, nowMS)
			l.Unlock()
		}
		if i%100 == 0 {
			nowMS += 50
			h.Tick(nowMS)
		}
	}
}

func TestGroupStatsOfEvents(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 2, Evict: true, Groups: testGroups})
	h := s.Handle(0)
	set(t, h, "a", value(1, 20), Spec{Evictable: true, ExpiresAtMS: testStartMS + 1})
	set(t, h, "b", value(1, 20), Spec{Evictable: true, ExpiresAtMS: testStartMS + 1})
	set(t, h, "c", value(1, 1000), Spec{Flags: 9})
	set(t, h, "c", value(1, 40), Spec{Flags: 9})
	get(h, "a", testStartMS+1) // found dead
	k := h.Key(0, []byte("b")) // replaced when dead
	it, _ := s.Handle(1).Reserve(&k, Spec{Evictable: true})
	l := s.Handle(1).Lock(&k)
	l.Put(it, testStartMS+1)
	l.Unlock()

	got := groupStats(s)
	if g := got[0]; g.Hot != 1 || g.Sets != 3 || g.Reclaimed != 2 || g.ExpiredUnfetched != 2 || g.Weight != 59+1 {
		t.Errorf("group 1: %+v", g)
	}
	if g := got[1]; g.Fixed != 1 || g.Sets != 1 || g.Weight != 59+1+40+4 {
		t.Errorf("group 2: %+v", g)
	}
	if g := got[4]; g.Items() != 0 || g.Sets != 1 || g.Weight != 0 {
		t.Errorf("group 5: %+v", g)
	}
	s.ResetStats()
	got = groupStats(s)
	if g := got[0]; g.Hot != 1 || g.Sets != 0 || g.Reclaimed != 0 || g.Weight != 60 {
		t.Errorf("group 1 after a reset: %+v", g)
	}
	checkGroups(t, s)
}

// TestHeat: what is read twice is warm, what is not used is cold.
func TestHeat(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Evict: true, Groups: testGroups})
	h := s.Handle(0)
	for i := range 10 {
		set(t, h, fmt.Sprint(i), []byte("v"), Spec{Evictable: i != 9})
	}
	get(h, "0", testStartMS)
	get(h, "0", testStartMS)
	expect := func(when string, hot, warm, cold, fixed int64) {
		t.Helper()
		if g := groupStats(s)[0]; g.Hot != hot || g.Warm != warm || g.Cold != cold || g.Fixed != fixed || g.MovesToCold != cold || g.MovesToWarm != warm {
			t.Errorf("%s: %+v", when, g)
		}
	}
	expect("before a tick", 9, 0, 0, 1)
	tickRound(h, testStartMS+100)
	expect("after a tick", 8, 1, 0, 1)
	tickRound(h, testStartMS+90_000)
	expect("after a while", 0, 1, 8, 1)
	if g := groupStats(s)[0]; g.OldestWarmS != 90 || g.OldestColdS != 90 || g.OldestHotS != 0 {
		t.Errorf("ages: %+v", g)
	}
	checkGroups(t, s)
}

// tickRound ticks until the sweep has come round.
func tickRound(h *Handle, nowMS int64) {
	for range len(h.s.shards) {
		h.Tick(nowMS)
	}
}

// TestGroupStatsAreNeverNegative: what a loop removed may be visible before the
// storing of it by another is.
func TestGroupStatsAreNeverNegative(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 2, Groups: testGroups})
	a, b := s.Handle(0), s.Handle(1)
	set(t, a, "k", value(1, 20), Spec{})
	set(t, a, "kept", value(1, 20), Spec{})
	k := b.Key(0, []byte("k"))
	l := b.Lock(&k)
	it, _ := l.Find(testStartMS)
	l.Remove(it)
	l.Unlock()
	b.PublishStats()
	if g := s.GroupStats(nil)[0]; g.Items() != 0 || g.Weight != 0 {
		t.Errorf("before the storing loop published: %+v", g)
	}
	a.PublishStats()
	if g := s.GroupStats(nil)[0]; g.Items() != 1 || g.Weight == 0 {
		t.Errorf("after: %+v", g)
	}
}
