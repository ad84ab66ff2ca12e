package memcache

import (
	"math/bits"
	"sync/atomic"
)

// counter names one of a loop's totals.
type counter uint8

const (
	getHits counter = iota
	getMisses
	getExpired
	getFlushed
	setCommands
	flushCommands
	metaCommands // me, as in memcached
	touchHits
	touchMisses
	deleteHits
	deleteMisses
	incrHits
	incrMisses
	decrHits
	decrMisses
	casHits
	casMisses
	casBadValue
	storeTooLarge
	storeNoMemory
	connYields

	counterCount
)

// counters are the totals of one loop. Commands add to pending, with plain
// instructions; publish folds that into totals once per turn, so that a
// command costs no locked instruction and other loops can read.
type counters struct {
	pending [counterCount]uint64
	dirty   uint64 // a bit for each pending that is not 0
	_       [64]byte
	totals  [counterCount]atomic.Uint64
	_       [64]byte
}

func (c *counters) count(i counter) {
	c.pending[i]++
	c.dirty |= 1 << i
}

func (c *counters) publish() {
	for ; c.dirty != 0; c.dirty &= c.dirty - 1 {
		i := bits.TrailingZeros64(c.dirty)
		c.totals[i].Add(c.pending[i])
		c.pending[i] = 0
	}
}

// total sums a counter over all loops.
func (s *Server) total(i counter) (sum uint64) {
	for _, w := range s.workers {
		sum += w.totals[i].Load()
	}
	return sum
}

func (s *Server) resetCounters() {
	for _, w := range s.workers {
		for i := range w.totals {
			w.totals[i].Store(0)
		}
	}
}
