package keyspace

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations by powers of two of microseconds.
type histogram struct {
	counts [24]atomic.Int64 // up to 16 s
	sumUS  atomic.Int64
}

func (h *histogram) note(d time.Duration) {
	us := d.Microseconds()
	h.counts[min(bits.Len64(uint64(us)), len(h.counts)-1)].Add(1)
	h.sumUS.Add(us)
}
