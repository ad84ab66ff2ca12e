package memcache

import (
	"strconv"

	"github.com/pandabeardb/panda/slab"
)

// Statistics by slab class. The store's memory has no such classes: it counts
// items by what they would weigh in memcached (slab.Groups), and what is told of
// chunks and pages is what memcached would need for the items that are there.
// Of its four lists, temp is what eviction leaves alone; hot, warm and cold are the
// store's word for how an item is used (slab.Heat): a list there is a place, here
// it is a state.

// classStats appends STAT lines of one class.
type classStats struct {
	*statList
	prefix []byte // of the names, as "items:31:"
}

func (l *classStats) n(name string, v int64) {
	l.statList.n(string(append(l.prefix, name...)), v)
}

func (l *classStats) zeros(names ...string) {
	for _, name := range names {
		l.n(name, 0)
	}
}

// appendItemStats appends `stats items`: the classes that have items.
func (s *Server) appendItemStats(w *worker) {
	l := w.openStats()
	var groups [slab.MaxGroups]slab.GroupStats
	for i, g := range s.env.Store.GroupStats(groups[:0]) {
		if g.Items() <= 0 {
			continue
		}
		prefix := append(strconv.AppendInt([]byte("items:"), int64(i+1), 10), ':')
		c := classStats{&l, prefix}
		s.appendClassItems(&c, &g)
		s.appendClassEvents(&c, &g)
		if s.config.Settings.LRUMaintainerThread {
			s.appendClassMoves(&c, &g, i+1)
		}
	}
	w.closeStats(l)
}

func (s *Server) appendClassItems(l *classStats, g *slab.GroupStats) {
	l.n("number", g.Items())
	if s.config.Settings.LRUMaintainerThread {
		l.n("number_hot", g.Hot)
		l.n("number_warm", g.Warm)
		l.n("number_cold", g.Cold)
		if s.knobs.temporary.Load() != noTemporary {
			l.n("number_temp", g.Fixed)
		}
		l.n("age_hot", g.OldestHotS)
		l.n("age_warm", g.OldestWarmS)
	}
	l.n("age", g.OldestColdS)
	l.n("mem_requested", g.Weight)
}

func (s *Server) appendClassEvents(l *classStats, g *slab.GroupStats) {
	l.n("evicted", g.Evicted)
	l.n("evicted_nonzero", g.EvictedNonzero)
	l.n("evicted_time", g.EvictedIdleS)
	l.n("outofmemory", g.OutOfMemory)
	l.zeros("tailrepairs")
	l.n("reclaimed", g.Reclaimed)
	l.n("expired_unfetched", g.ExpiredUnfetched)
	l.n("evicted_unfetched", g.EvictedUnfetched)
	if s.config.Settings.LRUMaintainerThread {
		l.n("evicted_active", g.EvictedActive)
	}
	l.n("crawler_reclaimed", g.CrawlerReclaimed)
	l.n("crawler_items_checked", g.CrawlerChecked)
	l.zeros("lrutail_reflocked")
}

// appendClassMoves ends a class. Every eviction is a direct reclaim: who needs
// memory looks for it.
func (s *Server) appendClassMoves(l *classStats, g *slab.GroupStats, class int) {
	var of classTotals
	s.addClassTotals(class, &of)
	l.n("moves_to_cold", g.MovesToCold)
	l.n("moves_to_warm", g.MovesToWarm)
	l.n("moves_within_lru", g.MovesWithinWarm)
	l.n("direct_reclaims", g.Evicted)
	l.n("hits_to_hot", int64(of[hotHits]))
	l.n("hits_to_warm", int64(of[warmHits]))
	l.n("hits_to_cold", int64(of[coldHits]))
	l.n("hits_to_temp", int64(of[tempHits]))
}

// appendSlabStats appends `stats slabs`: the classes that ever had items. As in
// memcached, one that has none left keeps a page.
func (s *Server) appendSlabStats(w *worker) {
	l := w.openStats()
	active := int64(0)
	var groups [slab.MaxGroups]slab.GroupStats
	for i, g := range s.env.Store.GroupStats(groups[:0]) {
		if !g.Used {
			continue
		}
		active++
		c := classStats{&l, append(strconv.AppendInt(nil, int64(i+1), 10), ':')}
		s.appendClassChunks(&c, &g, i+1)
		s.appendClassCommands(&c, i+1)
	}
	l.n("active_slabs", active)
	l.n("total_malloced", s.env.Store.Stats().UsedBytes)
	w.closeStats(l)
}

// appendClassChunks appends the chunks that memcached would use. An item above
// the largest chunk is a chain of these.
func (s *Server) appendClassChunks(l *classStats, g *slab.GroupStats, class int) {
	size := int64(s.classes[class])
	perPage := max(1, pageBytes/size)
	used := max(g.Items(), (g.Weight+size-1)/size)
	pages := max(1, (used+perPage-1)/perPage)
	l.n("chunk_size", size)
	l.n("chunks_per_page", perPage)
	l.n("total_pages", pages)
	l.n("total_chunks", pages*perPage)
	l.n("used_chunks", used)
	l.n("free_chunks", pages*perPage-used)
	l.zeros("free_chunks_end")
}

func (s *Server) appendClassCommands(l *classStats, class int) {
	var of classTotals
	s.addClassTotals(class, &of)
	l.n("get_hits", int64(of.hits()))
	l.n("cmd_set", int64(of[setCommands]))
	l.n("delete_hits", int64(of[deleteHits]))
	l.n("incr_hits", int64(of[incrHits]))
	l.n("decr_hits", int64(of[decrHits]))
	l.n("cas_hits", int64(of[casHits]))
	l.n("cas_badval", int64(of[casBadValue]))
	l.n("touch_hits", int64(of[touchHits]))
}

// groupSum is the totals of all classes.
func (s *Server) groupSum() (sum slab.GroupStats) {
	var groups [slab.MaxGroups]slab.GroupStats
	for _, g := range s.env.Store.GroupStats(groups[:0]) {
		sum.ExpiredUnfetched += g.ExpiredUnfetched
		sum.Evicted += g.Evicted
		sum.EvictedUnfetched += g.EvictedUnfetched
		sum.EvictedActive += g.EvictedActive
		sum.Reclaimed += g.Reclaimed
		sum.CrawlerReclaimed += g.CrawlerReclaimed
		sum.CrawlerChecked += g.CrawlerChecked
		sum.MovesToCold += g.MovesToCold
		sum.MovesToWarm += g.MovesToWarm
		sum.MovesWithinWarm += g.MovesWithinWarm
	}
	return sum
}

// crawlAlone says whether ticks find dead items. As in memcached it takes both:
// the LRU maintainer, which has crawls begin, and the crawler.
func (s *Server) crawlAlone(crawler bool) {
	s.env.Store.SetCrawler(crawler && s.config.Settings.LRUMaintainerThread)
}
