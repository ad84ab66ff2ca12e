package memcache

import (
	"math/bits"
	"sync/atomic"

	"github.com/pandabeardb/panda/slab"
)

// counter names one of a loop's totals.
type counter uint8

const (
	getMisses counter = iota
	getExpired
	getFlushed
	flushCommands
	metaCommands // me, as in memcached
	touchMisses
	deleteMisses
	incrMisses
	decrMisses
	casMisses
	storeTooLarge
	storeNoMemory
	connYields
	authCommands
	authErrors
	getExtstore
	abortedExtstore
	recacheExtstore
	missExtstore
	badCRCExtstore

	counterCount
)

// classCounter names a total that is kept for each slab class. The first ones
// are the hits of gets, by the item's heat.
type classCounter uint8

const (
	hotHits classCounter = iota
	warmHits
	coldHits
	tempHits
	setCommands
	touchHits
	deleteHits
	incrHits
	decrHits
	casHits
	casBadValue

	classCounterCount
)

// counters are the totals of one loop. Commands add to pending, with plain
// instructions; publish folds that into totals once per turn, so that a
// command costs no locked instruction and other loops can read.
type counters struct {
	pending      [counterCount]uint64
	dirty        uint64 // a bit for each pending that is not 0
	pendingClass [slabClassMax][classCounterCount]uint64
	dirtyClass   uint64 // a bit for each class of which something is pending
	_            [64]byte
	totals       [counterCount]atomic.Uint64
	totalsClass  [slabClassMax][classCounterCount]atomic.Uint64
	_            [64]byte
}

func (c *counters) count(i counter) {
	c.pending[i]++
	c.dirty |= 1 << i
}

func (c *counters) countN(i counter, n uint64) {
	if n > 0 {
		c.pending[i] += n
		c.dirty |= 1 << i
	}
}

// countItem counts what happened to an item.
func (c *counters) countItem(it slab.Item, i classCounter) { c.countClass(it.Group(), i) }

// countGet counts a get that found an item.
func (c *counters) countGet(it slab.Item) { c.countClass(it.Group(), classCounter(it.Heat())) }

func (c *counters) countClass(class int, i classCounter) {
	class %= slabClassMax
	c.pendingClass[class][i]++
	c.dirtyClass |= 1 << class
}

func (c *counters) publish() {
	c.publishClasses()
	for ; c.dirty != 0; c.dirty &= c.dirty - 1 {
		i := bits.TrailingZeros64(c.dirty)
		c.totals[i].Add(c.pending[i])
		c.pending[i] = 0
	}
}

func (c *counters) publishClasses() {
	for ; c.dirtyClass != 0; c.dirtyClass &= c.dirtyClass - 1 {
		class := bits.TrailingZeros64(c.dirtyClass)
		for i, n := range &c.pendingClass[class] {
			if n != 0 {
				c.totalsClass[class][i].Add(n)
				c.pendingClass[class][i] = 0
			}
		}
	}
}

// classTotals are the counters of one slab class, or their sums over all.
type classTotals [classCounterCount]uint64

func (t *classTotals) hits() uint64 { return t[hotHits] + t[warmHits] + t[coldHits] + t[tempHits] }

// addClassTotals sums the counters of a class over all loops, and adds them to t.
func (s *Server) addClassTotals(class int, t *classTotals) {
	for _, w := range s.workers {
		for i := range t {
			t[i] += w.totalsClass[class][i].Load()
		}
	}
}

// allClassTotals sums the counters of all classes over all loops.
func (s *Server) allClassTotals() (t classTotals) {
	for class := range slabClassMax {
		s.addClassTotals(class, &t)
	}
	return t
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
		for class := range w.totalsClass {
			for i := range w.totalsClass[class] {
				w.totalsClass[class][i].Store(0)
			}
		}
	}
}
