package memcache

import (
	"cmp"
	"slices"
	"sync"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// Hot keys are found by sampling: of the keys that requests name, a loop notes
// about one in hotEvery, at distances that it draws, so that no order of keys in
// a pipeline is in step with it.
//
// What it notes them in is a space-saving sketch (Metwally et al. 2005), made of
// sets of eight counters: a key whose set has no counter for it takes over the
// smallest one there, and its number, which is the most that the number is too
// high. Counters know keys by their hash; the keys themselves are kept of the
// hotNames highest ones. Numbers are halved every ten seconds, so that what was
// hot is forgotten.
//
// It costs a request one instruction and a branch. A loop's sketch is 34 KB, and
// there is none unless Env.SampleKeys asks for it, nor with -X.
const (
	hotEvery   = 128    // keys to a sample: one is some 20 ns, so 0.2 ns of each request
	hotWays    = 8      // counters of a set: with its hashes they fill a cache line
	hotSetBits = 7      // 1,024 counters: a number is too high by a thousandth of all samples at most, roughly
	hotNames   = 64     // of these the most that anybody is shown is some 20
	hotHalfMS  = 10_000 // numbers are halved so often,
	hotHalfMin = 1024   // but only when there are so many samples: fewer say nothing
)

// HotKeys is what the loops' samples say.
type HotKeys struct {
	Samples uint64   // what the numbers of Keys are parts of
	Keys    []HotKey // the hottest first
}

// HotKey is a key that many requests name.
type HotKey struct {
	Key     string // printable: other bytes, and backslashes, are \xNN
	Samples uint64 // at least
}

// hotKeys is a loop's sketch. The loop only tries the lock: while somebody reads,
// a sample is lost, and nobody waits.
type hotKeys struct {
	mu      sync.Mutex
	random  uint64
	samples uint64
	halved  int64 // when numbers were halved, in units of hotHalfMS
	floor   uint32
	sets    [1 << hotSetBits]hotSet
	names   [hotNames]hotName
}

// hotSet is the counters of the keys whose hashes begin alike.
type hotSet struct {
	tags   [hotWays]uint32 // the other end of the hash
	counts [hotWays]uint32
	excess [hotWays]uint32 // the most by which the count is too high
	named  [hotWays]uint8  // the key's place in names, from 1; 0: it is not kept
	_      [24]byte        // two cache lines
}

// hotName is a key of which a counter tells.
type hotName struct {
	hash uint64
	way  uint8
	len  uint8 // 0: the place is free
	key  [ascii.MaxKey]byte
}

func newHotKeys(loop int) *hotKeys { return &hotKeys{random: uint64(loop) + 1} }

// distance draws how many keys are passed over before the next sample.
func (h *hotKeys) distance() int {
	h.random ^= h.random << 13 // xorshift64 (Marsaglia 2003)
	h.random ^= h.random >> 7
	h.random ^= h.random << 17
	return int(h.random >> 32 * (2*hotEvery - 1) >> 32)
}

// sampled passes a key over, or notes it.
func (w *worker) sampled(k *slab.Key) {
	if w.hotWait--; w.hotWait < 0 {
		w.sampleKey(k)
	}
}

// sampleKey notes a key, and says when the next one is due.
func (w *worker) sampleKey(k *slab.Key) {
	w.hotWait = w.hot.distance()
	w.hot.note(k.Hash, k.Bytes)
}

// note counts a key.
func (h *hotKeys) note(hash uint64, key []byte) {
	if len(key) == 0 || !h.mu.TryLock() {
		return
	}
	h.samples++
	set, tag := h.set(hash), uint32(hash)
	way, found := set.find(tag)
	if !found {
		h.forget(set, way)
		set.tags[way], set.excess[way] = tag, set.counts[way]
	}
	set.counts[way]++
	if set.named[way] == 0 && set.sure(way) > h.floor {
		h.name(set, way, hash, key)
	}
	h.mu.Unlock()
}

func (h *hotKeys) set(hash uint64) *hotSet { return &h.sets[hash>>(64-hotSetBits)] }

// find returns the counter of a tag, or else the one to take over.
func (s *hotSet) find(tag uint32) (way int, found bool) {
	least := 0
	for i, t := range &s.tags {
		if t == tag {
			return i, true
		}
		if s.counts[i] < s.counts[least] {
			least = i
		}
	}
	return least, false
}

// sure is how often a counter's key was seen at least.
func (s *hotSet) sure(way int) uint32 { return s.counts[way] - s.excess[way] }

// forget frees the place of a counter's key.
func (h *hotKeys) forget(set *hotSet, way int) {
	if at := set.named[way]; at != 0 {
		h.names[at-1].len = 0
		set.named[way] = 0
		h.floor = 0
	}
}

// name keeps a counter's key, in a place that is free or whose own counter is
// lower. floor is what no counter with a kept key is below.
func (h *hotKeys) name(set *hotSet, way int, hash uint64, key []byte) {
	at, least := 0, ^uint32(0)
	for i := range h.names {
		n := &h.names[i]
		if n.len == 0 {
			at, least = i, 0
			break
		}
		if sure := h.set(n.hash).sure(int(n.way)); sure < least {
			at, least = i, sure
		}
	}
	if h.floor = least; set.sure(way) <= least {
		return
	}
	n := &h.names[at]
	if n.len != 0 {
		h.set(n.hash).named[n.way] = 0
	}
	n.hash, n.way, n.len = hash, uint8(way), uint8(copy(n.key[:], key))
	set.named[way] = uint8(at) + 1
}

// tick halves the numbers when it is time to.
func (h *hotKeys) tick(nowMS int64) {
	if h == nil || nowMS/hotHalfMS == h.halved || !h.mu.TryLock() {
		return
	}
	defer h.mu.Unlock()
	h.halved = nowMS / hotHalfMS
	if h.samples < hotHalfMin {
		return
	}
	h.samples /= 2
	h.floor /= 2
	for i := range h.sets {
		set := &h.sets[i]
		for way := range hotWays {
			set.counts[way] /= 2
			set.excess[way] /= 2
		}
	}
}

// copyTo makes a copy, so that the loop's samples are lost for some microseconds only.
func (h *hotKeys) copyTo(c *hotKeys) {
	h.mu.Lock()
	c.samples, c.sets, c.names = h.samples, h.sets, h.names
	h.mu.Unlock()
}

// sure is how often a key was seen at least.
func (h *hotKeys) sure(hash uint64) uint64 {
	set := h.set(hash)
	if way, found := set.find(uint32(hash)); found {
		return uint64(set.sure(way))
	}
	return 0
}

// HotKeys returns the most often named keys, at most so many; false: nobody
// samples. Any goroutine may call it.
func (s *Server) HotKeys(most int) (hot HotKeys, ok bool) {
	var loops []*hotKeys
	for _, w := range s.workers {
		if w.hot != nil {
			c := &hotKeys{}
			w.hot.copyTo(c)
			loops = append(loops, c)
			hot.Samples += c.samples
		}
	}
	seen := map[string]bool{}
	for _, l := range loops {
		for i := range l.names {
			n := &l.names[i]
			key := n.key[:n.len]
			if n.len == 0 || seen[string(key)] {
				continue
			}
			seen[string(key)] = true
			k := HotKey{Key: printable(key)}
			for _, other := range loops {
				k.Samples += other.sure(n.hash)
			}
			hot.Keys = append(hot.Keys, k)
		}
	}
	slices.SortFunc(hot.Keys, func(a, b HotKey) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Key, b.Key))
	})
	hot.Keys = hot.Keys[:min(len(hot.Keys), most)]
	return hot, len(loops) > 0
}

// printable writes a key as people can read it and no terminal obeys it.
func printable(key []byte) string {
	const hex = "0123456789abcdef"
	text := make([]byte, 0, len(key))
	for _, c := range key {
		if c < ' ' || c > '~' || c == '\\' {
			text = append(text, '\\', 'x', hex[c>>4], hex[c&15])
		} else {
			text = append(text, c)
		}
	}
	return string(text)
}
