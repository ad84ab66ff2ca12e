package memcache

import (
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// Values on flash. A request for one is interrupted, its bytes stay unread, and
// the session is parked:
//
//	value, fetch -> fetches.of -> tier.Read        the value, or awaiting
//	             -> askAhead                       those that the input asks for next
//	run answers Park; the loop, or a worker of the tier: fetching.came -> Env.Wake
//	Resume answers More, and the request is run again: the value is there now
//
// So replies keep their order, the store is locked only while it is looked at, and
// what happened to the key meanwhile is seen: a fetch is known by its item's version.
const (
	// fetchesMax is how many values a session asks for at a time, and aheadBytes of
	// how many bytes these may be, unless it is one.
	fetchesMax = foresightMax
	aheadBytes = 256 << 10
	// spareMax is how many fetches a loop keeps for the next ones: 300 bytes each.
	spareMax = 1024
)

// keyFate is what became of a key of a get.
type keyFate uint8

const (
	missed keyFate = iota
	hit
	awaited // its value is on its way: ask again
)

// A fetching is a value on its way from the tier.
type fetching struct {
	read    tier.Read
	version uint64
	server  *Server
	loop    int
	stage   atomic.Uint32
}

// The stages of a fetching. What has come takes it from asked to there, its session
// from asked to unwanted, whichever is first.
const (
	fetchAsked uint32 = iota
	fetchThere
	fetchUnwanted
)

// fetches are a session's.
type fetches struct {
	list  [fetchesMax]*fetching // the oldest first
	count int
	waits bool // the session is parked
	again bool // the request that waits has looked its key up
}

// came is called by a worker of the tier, or its loop.
func (f *fetching) came() {
	if !f.stage.CompareAndSwap(fetchAsked, fetchThere) {
		f.read.Release()
		return
	}
	if f.server.env.Wake != nil {
		f.server.env.Wake(f.loop)
	}
}

// ask begins to fetch a value.
func (w *worker) ask(ref slab.TierRef, version uint64, size int) *fetching {
	var f *fetching
	if n := len(w.spareFetches); n > 0 {
		f, w.spareFetches = w.spareFetches[n-1], w.spareFetches[:n-1]
	} else {
		f = &fetching{server: w.server, loop: w.loop}
		f.read.Done = func(*tier.Read) { f.came() }
	}
	f.read.Ref, f.read.Size, f.read.Loop, f.version = tier.Ref(ref), size, w.loop+1, version
	f.stage.Store(fetchAsked)
	if w.server.env.Tier.Read(&f.read) {
		f.stage.Store(fetchThere)
	}
	return f
}

// forget gives up a fetch.
func (w *worker) forget(f *fetching) {
	if f.stage.CompareAndSwap(fetchAsked, fetchUnwanted) {
		return // came, on its way, does the rest
	}
	f.read.Release()
	if len(w.spareFetches) < spareMax {
		w.spareFetches = append(w.spareFetches, f)
	}
}

// dropFetches gives up all that the session has asked for.
func (s *session) dropFetches() {
	if s.fetches == nil {
		return
	}
	x := s.fetches
	for _, f := range x.list[:x.count] {
		s.worker.forget(f)
	}
	clear(x.list[:x.count])
	x.count, x.waits, x.again = 0, false, false
}

// abortFetches gives up what the session has asked for, since a list is answered by an
// error: it has an overlong key. Counted is what memcached would have asked for: all
// values on flash up to that key.
func (s *session) abortFetches(list []byte) {
	if s.fetches == nil {
		return
	}
	s.dropFetches()
	w, n := s.worker, uint64(0)
	for key, rest := ascii.Key(list); len(key) <= ascii.MaxKey; key, rest = ascii.Key(rest) {
		k := w.handle.Key(0, key)
		if _, ok := w.handle.OnTier(&k, w.now); ok {
			n++
		}
	}
	w.counters.countN(abortedExtstore, n)
}

// awaits reports whether the session waits for a value that has not come: for all that
// it asked for, since these come at about the same time, and are written together.
func (s *session) awaits() bool {
	x := s.fetches
	if x == nil || !x.waits {
		return false
	}
	for _, f := range x.list[:x.count] {
		if f.stage.Load() == fetchAsked {
			return true
		}
	}
	x.waits = false
	return false
}

// find is the fetch of an item's version, or -1.
func (x *fetches) find(version uint64) int {
	for i, f := range x.list[:x.count] {
		if f.version == version {
			return i
		}
	}
	return -1
}

// bytes is how many are asked for.
func (x *fetches) bytes() (n int) {
	for _, f := range x.list[:x.count] {
		n += f.read.Size
	}
	return n
}

// remove takes a fetch out of the list.
func (x *fetches) remove(i int) {
	copy(x.list[i:], x.list[i+1:x.count])
	x.count--
	x.list[x.count] = nil
}

// add puts a fetch into the list, in the place of the oldest one if need be.
func (w *worker) addFetch(x *fetches, f *fetching) {
	if x.count == fetchesMax {
		w.forget(x.list[0])
		x.remove(0)
	}
	x.list[x.count] = f
	x.count++
}

// tierSize is the size of an item's value in the tier, and what comes with it.
func tierSize(it slab.Item) int {
	return tier.RecordSize(it.TierHeadLen(), len(it.Key()), it.ValueLen())
}

// fetched is the value of a locked item that is in the tier. awaited: it is on its
// way, and the request is to be run again; missed: it is gone, and the item with it, or
// the disk failed in a way that may pass: then the item stays.
// The fetch that is returned is the caller's to finish.
func (w *worker) fetched(l *slab.Locked, it slab.Item) (*fetching, keyFate) {
	x := w.fetches()
	for {
		i := x.find(it.Version())
		if i < 0 {
			w.addFetch(x, w.ask(it.TierRef(), it.Version(), tierSize(it)))
			i = x.count - 1
		}
		f := x.list[i]
		if f.stage.Load() == fetchAsked {
			x.waits, x.again = true, true
			return nil, awaited
		}
		x.remove(i)
		if f.read.Err == nil {
			w.count(getExtstore)
			return f, hit
		}
		err, passing := f.read.Err, f.read.Passing
		stale := f.read.Ref != tier.Ref(it.TierRef())
		w.forget(f)
		if stale { // it was moved meanwhile
			continue
		}
		w.lost(err)
		if !passing {
			l.Lose(it)
		}
		return nil, missed
	}
}

// lost counts a value that the tier could not give.
func (w *worker) lost(err error) {
	w.count(getExtstore)
	w.count(missExtstore)
	if err == tier.ErrDamaged {
		w.count(badCRCExtstore)
	}
}

// lookUp is find, or findAgain when the request has waited for the value since.
func (w *worker) lookUp(l *slab.Locked) (slab.Item, bool) {
	if w.again {
		w.again = false
		it, found := w.findAgain(l)
		return it, found == slab.Hit
	}
	return w.find(l)
}

// fetches are the session's whose turn it is.
func (w *worker) fetches() *fetches {
	s := w.current
	if s.fetches == nil {
		s.fetches = &fetches{}
	}
	return s.fetches
}

// askFirst asks for the values of a list's keys before any is answered, so that its
// reply is written at once. It reports whether there is something to wait for.
func (w *worker) askFirst() bool {
	if w.server.env.Tier == nil {
		return false
	}
	w.askAhead()
	x := w.current.fetches
	if x == nil {
		return false
	}
	x.waits = true
	return w.current.awaits()
}

// askAhead asks for the values of the keys that the input has next.
func (w *worker) askAhead() {
	f := &w.ahead
	left := aheadBytes
	if x := w.current.fetches; x != nil {
		left -= x.bytes()
	}
	for i := f.next; i < f.count && left > 0; i++ {
		v, ok := w.handle.OnTier(&f.keys[i], w.now)
		if !ok {
			continue
		}
		x := w.fetches()
		if x.count == fetchesMax {
			return
		}
		if x.find(v.Version) >= 0 {
			continue
		}
		size := tier.RecordSize(v.HeadLen, len(f.keys[i].Bytes), v.ValueLen)
		if size > left && x.count > 0 {
			return
		}
		left -= size
		w.addFetch(x, w.ask(v.Ref, v.Version, size))
	}
}

// appendFetched answers with a value from the tier: a small one is copied, a large one
// written from where it lies.
func (w *worker) appendFetched(f *fetching) {
	if v := f.read.Value; len(v) < wire.PinMin {
		w.out.Buf = append(w.out.Buf, v...)
	} else {
		w.out.Pin(v, w.server.env.Tier, f.read.Keep())
	}
}

// appendBack is appendFetched with the end of a line, and says whether the value goes
// back to memory.
func (w *worker) appendBack(l *slab.Locked, it slab.Item, f *fetching) refill {
	p := w.planRefill(l, it, f)
	w.appendFetched(f)
	w.out.Buf = append(w.out.Buf, '\r', '\n')
	return p
}

// A refill is a value that may go back to memory.
type refill struct {
	f       *fetching
	value   []byte
	version uint64
	spec    slab.Spec
	wanted  bool
}

// planRefill decides whether the value of a locked item goes back to memory: one in
// ext_recache_rate does, and what is read again and again. The read has not been noted.
func (w *worker) planRefill(l *slab.Locked, it slab.Item, f *fetching) refill {
	p := refill{f: f, value: f.read.Value, version: it.Version()}
	rate := w.server.knobs.recacheRate.Load()
	if rate == 0 {
		return p
	}
	w.recacheHits++
	if w.recacheHits%uint64(rate) == 0 || l.Recalls(it, w.now) {
		p.wanted = true
		p.spec = slab.Spec{ValueLen: len(p.value), Flags: it.Flags(), ExpiresAtMS: it.ExpiresAtMS(), Evictable: it.Evictable()}
		if it.CAS() != it.Version() {
			p.spec.CAS = it.CAS()
		}
	}
	return p
}

// refillDone ends a fetch that was answered, and puts the value back to memory if that
// was decided. No shard is locked; the output may have the value, but has not been
// written yet.
func (w *worker) refillDone(hk *slab.Key, p *refill) {
	if p.wanted {
		w.putBack(hk, p)
	}
	w.forget(p.f)
}

func (w *worker) putBack(hk *slab.Key, p *refill) {
	full, err := w.handle.Reserve(hk, p.spec)
	if err != nil {
		return
	}
	full.WriteAt(p.value, 0)
	w.copied(len(p.value))
	l := w.handle.Lock(hk)
	it, found := l.Find(w.now)
	if found != slab.Hit || !it.OnTier() || it.Version() != p.version {
		l.Unlock()
		w.handle.Discard(full)
		return
	}
	if l.Refill(it, full) {
		w.count(recacheExtstore)
	}
	l.Unlock()
}
