package slab

import (
	"fmt"
	"testing"
)

// mortals stores n items that end together.
func mortals(t testing.TB, h *Handle, n int, spec Spec) {
	for i := range n {
		set(t, h, fmt.Sprintf("mortal-%d", i), []byte("v"), spec)
	}
}

func TestTicksFindDeadItems(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 2, Evict: true})
	const n = 50_000
	mortals(t, s.Handle(0), n, Spec{ExpiresAtMS: testStartMS + 1000})
	ticks := 0
	for ; s.Stats().Items > 0; ticks++ {
		s.Handle(ticks % 2).Tick(testStartMS + 1000)
		if ticks > 1000 {
			t.Fatalf("%d items left after %d ticks", s.Stats().Items, ticks)
		}
	}
	if most := n/1000 + 20; ticks > most { // a tick that finds much goes on
		t.Errorf("%d ticks, want at most %d", ticks, most)
	}
	if st := s.Stats(); st.Reclaimed != n || st.ExpiredUnfetched != n {
		t.Errorf("%+v", st)
	}
	checkGroups(t, s)
}

func TestCrawlerOff(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Groups: testGroups})
	h := s.Handle(0)
	s.SetCrawler(false)
	mortals(t, h, 100, Spec{ExpiresAtMS: testStartMS + 1000})
	set(t, h, "large", value(1, 300), Spec{ExpiresAtMS: testStartMS + 1000})
	set(t, h, "lives", []byte("v"), Spec{})
	tickRound(h, testStartMS+1000)
	if st := s.Stats(); st.Items != 102 {
		t.Errorf("%d items: ticks reclaimed", st.Items)
	}
	if !s.Crawl(1 << 0) {
		t.Error("busy")
	}
	if s.Crawl(1 << 0) {
		t.Error("a second crawl began")
	}
	for range 10 {
		h.Tick(testStartMS + 1000)
	}
	if s.Crawling() {
		t.Error("ten ticks did not end a crawl")
	}
	groups := groupStats(s)
	if g := groups[0]; g.Items() != 1 || g.CrawlerReclaimed != 100 || g.CrawlerChecked != 101 || g.Reclaimed != 0 || g.ExpiredUnfetched != 100 {
		t.Errorf("group 1: %+v", g)
	}
	if g := groups[4]; g.Items() != 1 || g.CrawlerChecked != 0 {
		t.Errorf("group 5, which was not asked for: %+v", g)
	}
	s.SetCrawler(true)
	tickRound(h, testStartMS+1000)
	if st := s.Stats(); st.Items != 1 || st.Reclaimed != 1 {
		t.Errorf("with the crawler on again: %+v", st)
	}
	checkGroups(t, s)
}

// TestCrawlWhileIndexesGrow: a crawl sees everything, wherever it lies.
func TestCrawlWhileIndexesGrow(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Shards: 4, Loops: 1})
	h := s.Handle(0)
	s.SetCrawler(false)
	n := 0
	for ; n < 1000 || s.shards[0].index.old.n == 0 && n < 100_000; n++ {
		set(t, h, fmt.Sprint(n), []byte("v"), Spec{ExpiresAtMS: testStartMS + 1})
	}
	if s.shards[0].index.old.n == 0 {
		t.Fatal("the index never grew")
	}
	h.Tick(testStartMS) // leaves the sweep somewhere
	s.Crawl(^uint64(0))
	for range 1000 {
		h.Tick(testStartMS + 1)
	}
	if st := s.Stats(); s.Crawling() || st.Items != 0 {
		t.Errorf("crawling %v, %d items of %d left", s.Crawling(), st.Items, n)
	}
	if g := groupStats(s)[0]; g.CrawlerReclaimed != int64(n) {
		t.Errorf("%+v", g)
	}
}

// BenchmarkTickDead is a tick that finds nothing but dead items: it must stay
// below a millisecond.
func BenchmarkTickDead(b *testing.B) { benchTick(b, true) }

// BenchmarkTick is a tick that finds nothing dead.
func BenchmarkTick(b *testing.B) { benchTick(b, false) }

func benchTick(b *testing.B, dead bool) {
	s := newStore(b, Config{LimitBytes: 1 << 30, Loops: 1, Evict: true, Groups: testGroups})
	h := s.Handle(0)
	const n = 500_000
	mortals(b, h, n, Spec{ExpiresAtMS: testStartMS + 1000, Evictable: true})
	nowMS := int64(testStartMS)
	if dead {
		nowMS += 1000
	}
	for b.Loop() {
		if dead && s.Stats().Items < n/10 {
			b.StopTimer()
			mortals(b, h, n, Spec{ExpiresAtMS: testStartMS + 1000, Evictable: true})
			b.StartTimer()
		}
		h.Tick(nowMS)
	}
}

// TestSweepOfMovingIndex: an index that moves is swept in the same round as the
// others, though nobody stores anything that would have it move.
func TestSweepOfMovingIndex(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Shards: 16, Loops: 1})
	h := s.Handle(0)
	const dead = 1000
	mortals(t, h, dead, Spec{ExpiresAtMS: testStartMS + 1})
	living := 0
	for x := &s.shards[0].index; x.old.n == 0 || x.cur.n < 1000; living++ {
		if living == 1_000_000 {
			t.Fatal("no index moves")
		}
		set(t, h, fmt.Sprint(living), []byte("v"), Spec{})
	}
	work := 0
	for i := range s.shards {
		x := &s.shards[i].index
		work += int(x.old.n + x.cur.n + sweepLocked)
	}
	for range 2 + (work+dead)/sweepWork {
		h.Tick(testStartMS + 1)
	}
	if got := s.Stats().Items; got != int64(living) {
		t.Errorf("%d items after a round, want %d", got, living)
	}
}
