package slab

// Stats of a Store, summed over its shards. Bytes are bytes.
type Stats struct {
	Items            int64 // in the index now; dead ones that were not found yet included
	TotalItems       int64 // ever stored
	Bytes            int64 // of the items in the index: header, key and value
	LimitBytes       int64
	UsedBytes        int64 // of the arena, by runs, the index included
	IndexBytes       int64
	Evictions        int64
	Reclaimed        int64 // expired or flushed items that were found, but for Crawl's
	ExpiredUnfetched int64
	EvictedUnfetched int64
	EvictedActive    int64
	OutOfMemory      int64
}

// Stats sums over the shards, one short lock after the other.
func (s *Store) Stats() Stats {
	var t Stats
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		c := &sh.counts
		t.Items += int64(sh.index.items)
		t.TotalItems += c.totalItems
		t.Bytes += c.bytes
		t.Evictions += c.evictions
		t.Reclaimed += c.reclaimed
		t.ExpiredUnfetched += c.expiredUnfetched
		t.EvictedUnfetched += c.evictedUnfetched
		t.EvictedActive += c.evictedActive
		sh.mu.Unlock()
	}
	t.OutOfMemory = s.outOfMemory.Load()
	a := &s.arena
	a.mu.Lock()
	t.LimitBytes = int64(a.limit) << runShift
	t.UsedBytes = int64(a.inUse) << runShift
	t.IndexBytes = int64(a.index) << runShift
	a.mu.Unlock()
	return t
}

// ResetStats sets the totals to zero; current values stay.
func (s *Store) ResetStats() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.lock()
		sh.counts = shardCounts{bytes: sh.counts.bytes}
		sh.mu.Unlock()
	}
	s.outOfMemory.Store(0)
	s.resetGroups()
}
