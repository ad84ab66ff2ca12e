package slab

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Groups says how statistics group items by size: what an item weighs, and the
// bounds. It is the protocol's business: memcached's slab classes.
type Groups struct {
	Overhead  int // of every item, beside its key and value
	FlagsSize int // of an item whose client flags are not 0
	// Bounds never fall. Group i, from 1, is the first with Bounds[i-1] >= the
	// weight; the last one takes the rest. Those up to groupTableMax, but the last,
	// are multiples of 8. Of equal ones, which memcached has with a small -f, all
	// but the first stay empty. None: there is one group.
	Bounds []int
}

const (
	// MaxGroups is as many as memcached has slab classes: one word of bits.
	MaxGroups = 63
	// groupTableMax: up to here a table of 8 KiB tells the group, above a search,
	// whose cost is small beside that of such a value.
	groupTableMax = 64 << 10
	groupStep     = 3
)

// groups is Groups, made ready for lookups.
type groups struct {
	overhead, flagsSize int
	bounds              []int
	of                  [groupTableMax>>groupStep + 1]uint8 // by weight, rounded up
}

func newGroups(g Groups) (*groups, error) {
	const unit = 1 << groupStep
	if len(g.Bounds) == 0 {
		g.Bounds = []int{groupTableMax}
	}
	last := len(g.Bounds) - 1
	for i, bound := range g.Bounds[:last] {
		if i >= MaxGroups-1 || bound > g.Bounds[i+1] || bound <= groupTableMax && bound%unit != 0 {
			return nil, ErrGroups
		}
	}
	t := &groups{overhead: g.Overhead, flagsSize: g.FlagsSize, bounds: slices.Clone(g.Bounds)}
	group := 0
	for i := range t.of {
		for group < last && i*unit > t.bounds[group] {
			group++
		}
		t.of[i] = uint8(group)
	}
	return t, nil
}

// find returns the group of a weight, from 0.
func (t *groups) find(weight int) int {
	if at := uint(weight+1<<groupStep-1) >> groupStep; at < uint(len(t.of)) {
		return int(t.of[at])
	}
	group, _ := slices.BinarySearch(t.bounds, weight)
	return min(group, len(t.bounds)-1)
}

func (t *groups) weight(keyLen, valueLen int, flags uint32) int {
	n := t.overhead + keyLen + valueLen
	if flags != 0 {
		n += t.flagsSize
	}
	return n
}

// Weight is what the item counts for in its group, in bytes.
func (it Item) Weight() int {
	n := tierWeighs
	if !it.has(bitTier) {
		n = it.ValueLen()
	}
	return it.s.groups.weight(it.keyLen(), n, it.Flags())
}

// Group is the item's group, from 1.
func (it Item) Group() int { return it.group() + 1 }

// Heat is where an item stands by its age and use. Eviction decides for itself,
// at the time it comes by; this is what statistics tell of it. The sweep changes
// it, so a new item is hot for up to a minute or two in a large store.
type Heat uint8

const (
	Hot   Heat = iota // stored lately
	Warm              // was read more than once
	Cold              // neither
	Fixed             // not evictable
)

// counting names a number that is kept for each group.
type counting uint8

// The first four are the items of each Heat.
const (
	countWeight counting = iota + 4
	countSets
	countEvicted // from here on what happens once in a while, see tally
	countEvictedNonzero
	countEvictedUnfetched
	countEvictedActive
	countOutOfMemory
	countReclaimed
	countExpiredUnfetched
	countCrawlerReclaimed
	countCrawlerChecked
	countMovesToCold
	countMovesToWarm
	countMovesWithinWarm

	countings
	totalsFrom = countSets    // from here on ResetStats makes them 0
	seldomFrom = countEvicted // from here on tally.seldom tells
)

// counts are the numbers of one group.
type counts [countings]int64

// tally is what one goroutine at a time counts of the groups, with plain
// instructions, in pending; publish makes it visible. An item may be stored by one
// and removed by another, so a current value may be negative here: only the sum
// over all tallies is right.
type tally struct {
	pending [MaxGroups]counts
	dirty   uint64 // a bit for each group of which something is pending
	seldom  uint64 // a bit for each group of which something from seldomFrom on is
	source  uint16 // of effects

	_      [64]byte
	mu     sync.Mutex // guards the rest
	totals [MaxGroups]counts
	used   uint64                   // a bit for each group of which something was ever counted
	oldest [MaxGroups][Fixed]uint32 // idle seconds, as of the last whole sweep
	_      [64]byte
}

// count adds one to what is counted of group, from 0.
func (t *tally) count(group int, what counting) {
	t.pending[group][what]++
	t.dirty |= 1 << group
	if what >= seldomFrom {
		t.seldom |= 1 << group
	}
}

// add counts an item that has come into the index.
func (t *tally) add(it Item) {
	group := it.group()
	c := &t.pending[group]
	c[it.Heat()]++
	c[countWeight] += int64(it.Weight())
	t.dirty |= 1 << group
}

// take counts an item that has left the index.
func (t *tally) take(it Item) {
	group := it.group()
	c := &t.pending[group]
	c[it.Heat()]--
	c[countWeight] -= int64(it.Weight())
	t.dirty |= 1 << group
}

// reclaim counts a dead item that was found.
func (t *tally) reclaim(it Item, what counting) {
	group := it.group()
	t.count(group, what)
	if !it.Fetched() {
		t.count(group, countExpiredUnfetched)
	}
}

// evict counts an item that makes room, and how long it was not used.
func (t *tally) evict(it Item, active bool, nowMS int64) {
	group := it.group()
	t.count(group, countEvicted)
	if it.ExpiresAtMS() != 0 {
		t.count(group, countEvictedNonzero)
	}
	switch {
	case !it.Fetched():
		t.count(group, countEvictedUnfetched)
	case active:
		t.count(group, countEvictedActive)
	}
	it.s.evictedIdle[group].Store(idleSeconds(it.s.seconds(nowMS), it.accessed()))
}

// spare counts an item that made no room because it was read.
func (t *tally) spare(it Item) {
	group := it.group()
	if it.Heat() == Warm {
		t.count(group, countMovesWithinWarm)
		return
	}
	t.count(group, countMovesToWarm)
	t.reheat(it, Warm)
}

// reheat moves an item to another heat.
func (t *tally) reheat(it Item, to Heat) {
	group := it.group()
	t.pending[group][it.Heat()]--
	t.pending[group][to]++
	t.dirty |= 1 << group
	it.setHeat(to)
}

// publish makes visible what was counted. Every turn that stored something does:
// so it touches little of what was not counted.
func (t *tally) publish() {
	if t.dirty == 0 {
		return
	}
	t.mu.Lock()
	t.used |= t.dirty
	for ; t.dirty != 0; t.dirty &= t.dirty - 1 {
		group := bits.TrailingZeros64(t.dirty)
		pending, totals := &t.pending[group], &t.totals[group]
		for i := range seldomFrom {
			totals[i] += pending[i]
			pending[i] = 0
		}
		if t.seldom>>group&1 != 0 {
			for i := seldomFrom; i < countings; i++ {
				totals[i] += pending[i]
				pending[i] = 0
			}
		}
	}
	t.seldom = 0
	t.mu.Unlock()
}

// PublishStats makes visible in GroupStats what this handle's loop counted so
// far. Ticks do it, too.
func (h *Handle) PublishStats() { h.tally.publish() }

// GroupStats are the numbers of one group.
type GroupStats struct {
	Used bool // there was ever anything of the group

	Hot, Warm, Cold, Fixed               int64 // items in the index now, dead ones that were not found yet included
	Weight                               int64 // of these, see Groups
	OldestHotS, OldestWarmS, OldestColdS int64 // seconds since the longest unused of them was used, as of the last whole sweep

	Sets                                                     int64 // items put into the index
	Evicted, EvictedNonzero, EvictedUnfetched, EvictedActive int64 // all; those with an expiry; never read; read lately
	EvictedIdleS                                             int64 // seconds that the last evicted one was not used
	OutOfMemory                                              int64 // reservations refused
	Reclaimed                                                int64 // dead items (expired or flushed) found by requests, by eviction, and by the ticks' sweep
	CrawlerReclaimed, CrawlerChecked                         int64 // dead items found, and all items looked at, by Crawl
	ExpiredUnfetched                                         int64 // of both kinds of reclaimed, those never read
	MovesToCold, MovesToWarm                                 int64
	MovesWithinWarm                                          int64 // warm ones that made no room because they were read again
}

// Items is the number of items of the group.
func (g *GroupStats) Items() int64 { return g.Hot + g.Warm + g.Cold + g.Fixed }

// GroupStats sums over all handles: dst, extended as need be, has the numbers of
// group i at i-1 then.
func (s *Store) GroupStats(dst []GroupStats) []GroupStats {
	n := len(s.groups.bounds)
	dst = slices.Grow(dst[:0], n)[:n]
	var sums [MaxGroups]counts
	var oldest [MaxGroups][Fixed]uint32
	used := uint64(0)
	s.eachTally(func(t *tally) {
		used |= t.used
		for i := range n {
			for j, v := range t.totals[i] {
				sums[i][j] += v
			}
			for j, v := range t.oldest[i] {
				oldest[i][j] = max(oldest[i][j], v)
			}
		}
	})
	for i := range dst {
		dst[i] = sums[i].stats()
		g := &dst[i]
		g.Used = used>>i&1 != 0
		g.EvictedIdleS = int64(s.evictedIdle[i].Load())
		g.OldestHotS, g.OldestWarmS, g.OldestColdS = int64(oldest[i][Hot]), int64(oldest[i][Warm]), int64(oldest[i][Cold])
	}
	return dst
}

// stats makes numbers of sums. A current value is below 0 for the moment between
// what two loops publish, when one removed what the other has just stored.
func (c *counts) stats() GroupStats {
	return GroupStats{
		Hot: max(0, c[Hot]), Warm: max(0, c[Warm]), Cold: max(0, c[Cold]), Fixed: max(0, c[Fixed]),
		Weight:           max(0, c[countWeight]),
		Sets:             c[countSets],
		Evicted:          c[countEvicted],
		EvictedNonzero:   c[countEvictedNonzero],
		EvictedUnfetched: c[countEvictedUnfetched],
		EvictedActive:    c[countEvictedActive],
		OutOfMemory:      c[countOutOfMemory],
		Reclaimed:        c[countReclaimed],
		CrawlerReclaimed: c[countCrawlerReclaimed],
		CrawlerChecked:   c[countCrawlerChecked],
		ExpiredUnfetched: c[countExpiredUnfetched],
		MovesToCold:      c[countMovesToCold],
		MovesToWarm:      c[countMovesToWarm],
		MovesWithinWarm:  c[countMovesWithinWarm],
	}
}

// eachTally calls f with every tally, locked.
func (s *Store) eachTally(f func(*tally)) {
	visit := func(t *tally) {
		t.mu.Lock()
		f(t)
		t.mu.Unlock()
	}
	for i := range s.handles {
		visit(&s.handles[i].tally)
	}
	visit(&s.evictTally)
	visit(&s.restoredTally)
}

// resetGroups sets the totals to zero; current values stay.
func (s *Store) resetGroups() {
	s.eachTally(func(t *tally) {
		for i := range t.totals {
			clear(t.totals[i][totalsFrom:])
		}
	})
	for i := range s.evictedIdle {
		s.evictedIdle[i].Store(0)
	}
}

// evictedIdles are, by group, the idle seconds of the item that was evicted last.
type evictedIdles [MaxGroups]atomic.Uint32
