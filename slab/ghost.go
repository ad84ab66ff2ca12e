package slab

import (
	"sync/atomic"
	"unsafe"
)

// ghosts remembers hashes of items that were evicted before they were read
// again. One that comes back counts as read once. An entry is 16 bits of the hash
// in one of the words that others choose; a word is the last four that went there.
// A wrong match is one in 8,000, and costs an undeserved second chance.
type ghosts struct {
	table atomic.Pointer[ghostTable]
	// unused runs wait until nobody can be reading the table that had them.
	unused []uint32
}

// ghostTable is words in runs, as many as fit the number of items: a memory that
// reaches further back would take for used what only a larger cache would hold. It
// is replaced, never changed, and read under a shard's lock.
type ghostTable struct {
	s     *Store
	runs  []uint32
	words uint64
}

const (
	ghostsPerWord = 4
	wordsPerRun   = runSize / 8
	ghostLows     = 0x0001000100010001
	ghostHighs    = 0x8000800080008000
)

func (t *ghostTable) word(hash uint64) *uint64 {
	i := wide(hash, t.words)
	return (*uint64)(unsafe.Add(t.s.at(runRef(t.runs[i/wordsPerRun])), i%wordsPerRun*8))
}

func ghostOf(hash uint64) uint64 { return hash&0xffff | 1 }

// add remembers a hash.
func (g *ghosts) add(hash uint64) {
	if t := g.table.Load(); t != nil {
		w := t.word(hash)
		atomic.StoreUint64(w, atomic.LoadUint64(w)<<16|ghostOf(hash))
	}
}

// frequency is freqOne for what is remembered, else 0.
func (g *ghosts) frequency(hash uint64) uint64 {
	t := g.table.Load()
	if t == nil {
		return 0
	}
	x := atomic.LoadUint64(t.word(hash)) ^ ghostOf(hash)*ghostLows
	if (x-ghostLows)&^x&ghostHighs != 0 {
		return freqOne
	}
	return 0
}

// foresee asks for the memory that frequency will read.
func (g *ghosts) foresee(hash uint64) {
	if t := g.table.Load(); t != nil {
		prefetch(unsafe.Pointer(t.word(hash)))
	}
}

const (
	// ghostRunsMax is how many runs one step adds: 0.1 ms of clearing.
	ghostRunsMax = 16
	// ghostSlack: a table that is wrong by less than 1/ghostSlack stays.
	ghostSlack = 4
)

// fitGhosts makes room for as many ghosts as there are items, n, step by step. What
// was remembered is forgotten then. The search for memory is locked.
func (s *Store) fitGhosts(n int64) {
	want := uint64(n / ghostsPerWord)
	t := &ghostTable{s: s}
	if old := s.ghosts.table.Load(); old != nil {
		if old.words <= want+want/ghostSlack && want <= old.words+old.words/ghostSlack {
			return
		}
		t.runs = append(t.runs, old.runs...)
	}
	runs := int((want + wordsPerRun - 1) / wordsPerRun)
	for range ghostRunsMax {
		if len(t.runs) >= runs {
			break
		}
		id := s.takeRun(classGhost, 0, queueNone, 0, true)
		if id == 0 {
			break
		}
		for i := range ref(wordsPerRun) {
			atomic.StoreUint64((*uint64)(s.at(runRef(id)+i)), 0)
		}
		t.runs = append(t.runs, id)
	}
	if len(t.runs) > runs {
		s.ghosts.unused = append(s.ghosts.unused, t.runs[runs:]...)
		t.runs = t.runs[:runs]
	}
	if t.words = min(want, uint64(len(t.runs))*wordsPerRun); t.words == 0 {
		t = nil
	}
	s.ghosts.table.Store(t)
}

// freeGhosts gives back the runs that the last table did not take over. The search
// for memory is locked, and every shard was since that table was replaced.
func (s *Store) freeGhosts() {
	for _, id := range s.ghosts.unused {
		s.giveRun(id)
	}
	s.ghosts.unused = s.ghosts.unused[:0]
}
