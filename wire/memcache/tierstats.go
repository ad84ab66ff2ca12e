package memcache

import (
	"strconv"

	"github.com/pandabeardb/panda/disk/tier"
)

// appendTierGets appends what became of gets whose values were on flash.
func (s *Server) appendTierGets(l *statList) {
	if s.env.Tier == nil {
		return
	}
	l.u("get_extstore", s.total(getExtstore))
	l.u("get_aborted_extstore", s.total(abortedExtstore))
	l.zeros("get_oom_extstore") // a value is written from where it was read to
	l.u("recache_from_extstore", s.total(recacheExtstore))
	l.u("miss_from_extstore", s.total(missExtstore))
	l.u("badcrc_from_extstore", s.total(badCRCExtstore))
}

// appendTier appends how the tier stands.
func (s *Server) appendTier(l *statList) {
	if s.env.Tier == nil {
		return
	}
	t := s.env.Tier.Stats()
	for _, row := range []struct {
		name  string
		value int64
	}{
		{"compact_lost", t.CompactLost}, {"compact_rescues", t.CompactRescues}, {"compact_skipped", t.CompactSkipped},
		{"page_allocs", t.PageAllocs}, {"page_evictions", t.PageEvictions}, {"page_reclaims", t.PageReclaims},
		{"pages_free", t.PagesFree}, {"pages_used", t.PagesUsed},
		{"objects_evicted", t.ObjectsEvicted}, {"objects_read", t.ObjectsRead}, {"objects_written", t.ObjectsWritten},
		{"objects_used", t.ObjectsUsed},
		{"bytes_evicted", t.BytesEvicted}, {"bytes_written", t.BytesWritten}, {"bytes_read", t.BytesRead},
		{"bytes_used", t.BytesUsed}, {"bytes_fragmented", t.BytesFragmented},
		{"limit_maxbytes", t.BytesLimit}, {"io_queue", t.ReadQueue},
	} {
		l.n("extstore_"+row.name, row.value)
	}
}

// tierBucketNames are memcached's numbers of buckets.
var tierBucketNumbers = [...]int64{tier.Default: 0, tier.Compacted: 1, tier.Chunked: 2, tier.LowTTL: 3}

// appendTierPages appends a few lines for each page.
func (s *Server) appendTierPages(w *worker) {
	if s.env.Tier == nil {
		return
	}
	l := w.openStats()
	for i, p := range s.env.Tier.PageStats(nil) {
		name := strconv.Itoa(i)
		l.u(name+":version", uint64(p.Version))
		l.n(name+":bytes", p.Bytes)
		l.n(name+":bucket", tierBucketNumbers[p.Bucket])
		l.n(name+":free_bucket", tierBucketNumbers[p.Free])
	}
	w.closeStats(l)
}
