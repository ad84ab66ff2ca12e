package slab

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Config of a Store.
type Config struct {
	LimitBytes int64  // what items, index and overhead may use together; at least MinLimit
	Shards     int    // a power of two up to 16,384; 0: chosen from cores and limit
	Loops      int    // how many Handles there will be
	Seed       uint64 // of the index's hash; 0: random
	Groups     Groups // of sizes, for statistics; zero: one group
	Evict      bool   // false: a full store refuses (memcached's -M)
	StartMS    int64  // milliseconds since the epoch: the time at which the access clock begins

	// Effects is told of every change, see EffectReader. May be nil.
	Effects EffectReader

	// Refused is told once, by the populator, if the kernel gives less memory than
	// the limit: the store is then full with what it has, and goes on. May be nil.
	Refused func(haveBytes int64, err error)

	// File is the name of the file in which the arena lies, as large as the limit: a
	// tmpfs or DAX file system's, since its pages are the memory. "": none. It
	// survives the process, see Save and Restart. It takes what another store has
	// saved there, whose shards, seed and clock then hold; FileSettings must be as
	// they were. A file that another process has is refused.
	File         string
	FileSettings []Field
	// Tier says that UseTier will come. What was saved with one is taken with one only.
	Tier bool

	// Verified is told once, by a goroutine, when all that was restored has been
	// checked. May be nil.
	Verified func(Verification)

	domains int     // for tests: how many, whatever the limit
	system  *system // for tests: a kernel that refuses
}

const (
	// MinLimit is the smallest store: 16 runs of memory, of which the index has
	// two and the arena's first, unused one is another.
	MinLimit = 1 << 20

	// MaxLimit is what an index slot's reference can name.
	MaxLimit = 1 << (refBits + refShift)

	// shardsPerCore keeps the chance that two cores want the same shard at the
	// same moment near 1 in 100; shardBytes keeps the smallest index (a segment a
	// shard) near 2 % of a small limit.
	shardsPerCore = 256
	shardBytes    = 256 << 10
	minShards     = 4
)

// Store is the keyspace.
type Store struct {
	// Fixed after New, read by every request.
	base      unsafe.Pointer
	restored  atomic.Pointer[restored] // until what a restart took over is checked; else nil
	memory    mapping
	table     mapping // of arena.runs
	system    *system
	refused   func(haveBytes int64, err error)
	classes   *classes
	groups    *groups
	shards    []shard
	shardMask uint16
	evicts    bool
	seed      uint64
	startMS   int64
	tapped    atomic.Bool // somebody reads effects
	log       EffectLog
	effects   atomic.Pointer[EffectReader]
	reading   sync.Mutex // orders ReadEffects against itself
	zeroSeg   uint32     // an index segment that stays empty
	domains   []domain
	handles   []Handle
	flushes   atomic.Uint32 // FlushAlls, read with every lock of a shard
	arena     arena         // its lock and counts are on lines of their own

	_           [64]byte
	nowMS       atomic.Int64 // as of the last tick
	outOfMemory atomic.Int64
	barren      atomic.Int32 // searches since the last tick that found nothing, where eviction is not allowed
	idle        atomic.Int32 // runs that are wholly free but kept for their class
	evicting    atomic.Bool  // memory was searched for since the ghosts were last looked at
	reclaiming  sync.Mutex   // one search for memory at a time: there is one victim
	victim      victim       // of the search
	looked      atomic.Int64 // chunks that searches ever looked at
	turnover    turnover     // guarded by the arena's lock
	evictTally  tally        // its pending belongs to reclaiming
	evictedIdle evictedIdles
	tiering     tiering
	crawler     crawler
	segments    segments
	populator   populator

	// Of an arena in a file, see restart.go.
	file          *arenaFile
	fileSettings  []Field
	withTier      bool      // Config.Tier
	saved         *metadata // while New restores it
	dirty         bool      // runs that were never used may hold anything
	restart       Restart
	verified      func(Verification)
	verification  Verification // once restored is nil
	restoredTally tally        // what a restart took over
	ghosts        ghosts
}

// Handle is one loop's way into the store. It is not safe for concurrent use,
// except Release.
type Handle struct {
	s      *Store
	domain *domain
	id     int
	sweep  sweep

	// spare is one free chunk that is not in its run's list: a set frees the item
	// it replaces, and the next one of that size needs no lock. A tick gives it back.
	spare      ref
	spareClass uint8

	spent int // patience that searches for the reservation at hand have used up

	tally tally
	_     [64]byte
}

// New makes a Store. Its memory is reserved, and touched only as it is used.
func New(c Config) (*Store, error) {
	if c.LimitBytes < MinLimit {
		return nil, ErrLimit
	}
	if c.LimitBytes > MaxLimit {
		return nil, ErrBounds
	}
	groups, err := newGroups(c.Groups)
	if err != nil {
		return nil, err
	}
	s := &Store{
		classes: newClasses(), groups: groups, evicts: c.Evict, refused: c.Refused,
		fileSettings: c.FileSettings, withTier: c.Tier, verified: c.Verified,
	}
	s.nowMS.Store(c.StartMS)
	if err := s.open(&c); err != nil {
		return nil, errors.Join(err, s.releaseArena())
	}
	s.ReadEffects(c.Effects)
	s.startPopulator()
	s.startCheck()
	return s, nil
}

// open makes the parts of a Store, or takes them from its file.
func (s *Store) open(c *Config) error {
	if c.File != "" {
		if err := s.openFile(c); err != nil {
			return err
		}
	}
	if c.Shards == 0 {
		c.Shards = chooseShards(c.LimitBytes)
	}
	if c.Shards > Slots || bits.OnesCount(uint(c.Shards)) != 1 {
		return ErrShards
	}
	s.shards, s.shardMask = make([]shard, c.Shards), uint16(c.Shards-1)
	if s.seed, s.startMS = c.Seed, c.StartMS; s.seed == 0 {
		s.seed = rand.Uint64()
	}
	if s.system = c.system; s.system == nil {
		s.system = theSystem()
	}
	s.openDomains(c)
	if err := s.openArena(c.LimitBytes); err != nil {
		return err
	}
	return s.openShards()
}

func chooseShards(limit int64) int {
	n := min(int64(runtime.NumCPU())*shardsPerCore, limit/shardBytes, Slots)
	return max(minShards, 1<<(bits.Len64(uint64(n))-1))
}

// openArena reserves the address space: the machine's memory where that costs
// nothing, so that SetLimit can raise the limit, else the limit.
func (s *Store) openArena(limit int64) error {
	m, err := s.reserveArena(limit)
	if err != nil {
		return err
	}
	s.memory, s.base = m, unsafe.Pointer(unsafe.SliceData(m.bytes))
	if s.file != nil {
		s.system = s.file.system(m)
	}
	a := &s.arena
	if a.runs, s.table, err = newRuns(len(m.bytes) >> runShift); err != nil {
		return err
	}
	a.runs[0].class = classReserve
	a.fresh, a.inUse, a.limit, a.ceiling = 1, 1, int(limit>>runShift), int(limit>>runShift)
	if s.saved != nil {
		return s.restoreRuns(s.saved)
	}
	return s.openFirst()
}

func (s *Store) reserveArena(limit int64) (mapping, error) {
	if s.file != nil {
		return s.openMapped(limit)
	}
	least := (limit + runSize - 1) &^ (runSize - 1)
	size := least
	if growable {
		size = max(size, physicalMemory()&^(runSize-1))
	}
	m, err := reserve(int(size))
	if err != nil && size > least { // address space may be limited, too
		m, err = reserve(int(least))
	}
	return m, err
}

// releaseArena gives back what openArena reserved.
func (s *Store) releaseArena() error {
	m, table, spare := s.memory, s.table, s.arena.spare
	s.memory, s.table, s.base, s.arena.runs, s.arena.spare = mapping{}, mapping{}, nil, nil, mapping{}
	err := errors.Join(m.release(), table.release(), spare.release())
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
		s.file = nil
	}
	return err
}

func (s *Store) openDomains(c *Config) {
	loops := max(c.Loops, 1)
	n := max(c.domains, 1)
	if c.LimitBytes >= sharedBelow {
		idle := int64(s.classes.count) * runSize // of one domain, at most
		n = max(1, min(loops, maxDomains, int(c.LimitBytes/idleShare/idle)))
	}
	s.domains = make([]domain, domainLoops+n)
	for i := range s.domains {
		s.domains[i].id = uint8(i)
		if !c.Evict {
			s.domains[i].queue = queueMain
		}
	}
	s.domains[domainMain].queue, s.domains[domainFixed].queue = queueMain, queueFixed
	s.handles = make([]Handle, loops)
	s.evictTally.source, s.restoredTally.source = uint16(loops), uint16(loops)
	for i := range s.handles {
		s.handles[i] = Handle{s: s, tally: tally{source: uint16(i)}, domain: &s.domains[domainLoops+i%n], id: i, sweep: sweep{shard: i, items: make([]Item, 0, sweepDeads)}}
	}
}

func (s *Store) openShards() error {
	per := Slots / len(s.shards)
	words := make([]uint64, 2*Slots)
	s.zeroSeg = zeroSegment
	for i := range s.shards {
		sh := &s.shards[i]
		sh.store, sh.bits = s, uint8(bits.Len16(s.shardMask))
		sh.seqs, words = words[:per:per], words[per:]
		sh.marks, words = words[:per:per], words[per:]
		sh.index.store = s
		if s.saved != nil {
			continue
		}
		seg := s.takeSegment()
		if seg == 0 {
			return ErrLimit
		}
		sh.index.cur = table{n: segBuckets, segs: []uint32{seg}}
		sh.index.hint.Store(&table{sh.index.cur.segs, segBuckets})
		s.clearSegment(seg)
		sh.index.phase = uint32(i)
		sh.index.setGrow()
	}
	if s.saved != nil {
		if err := s.file.consume(); err != nil {
			return err
		}
		s.restoreShards(s.saved)
		s.saved = nil
	}
	return nil
}

// Close unmaps the arena. No handle may be used any more.
func (s *Store) Close() error {
	s.stopPopulator()
	if c := s.restored.Load(); c != nil {
		c.stopCheck()
	}
	return s.releaseArena()
}

// Handle returns loop i's handle.
func (s *Store) Handle(i int) *Handle { return &s.handles[i] }

// seconds is the access clock.
func (s *Store) seconds(nowMS int64) uint32 { return uint32((nowMS-s.startMS)/1000) & accessMask }

// SetLimit changes the memory limit. When it shrinks, ticks evict what is over.
func (s *Store) SetLimit(limitBytes int64) error {
	if limitBytes < MinLimit || limitBytes>>runShift > int64(len(s.arena.runs)) {
		return ErrBounds
	}
	a := &s.arena
	a.mu.Lock()
	a.limit = int(limitBytes >> runShift)
	a.ceiling = max(a.limit, a.inUse+a.kept())
	a.mu.Unlock()
	s.wakePopulator()
	return nil
}
