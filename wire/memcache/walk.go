package memcache

import (
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

const (
	// walkBuckets is how many buckets of the index a step of a walk locks and looks
	// at: about 50 items.
	walkBuckets = 8
	// walkWork is what a step costs of a turn: an item is half a look-up.
	walkWork = 24
)

// itemWalk is a list on its way that takes a look at all items.
type itemWalk struct {
	at    slab.Cursor
	ended bool // before the last item
	visit func(*itemWalk, slab.Item) bool
	more  func(*itemWalk) bool // nil, or lists a part of what was counted when all was visited; false: the last
	end   func(*itemWalk)

	// Of cachedump.
	class, left, bytes int

	// Of metadump and mgdump.
	dumps   bool
	classes uint64 // bit n: items of slab class n are shown

	sizes    *sizeCounts
	encoding statEncoding
}

// startWalk begins a list; the end of the line, or a request's last byte, stays
// unread until it is done.
func (s *session) startWalk(walk *itemWalk) progress {
	s.walk, s.state = walk, stateWalk
	walk.encoding = s.worker.encoding
	s.worker.unread = 1
	return working
}

// walkOn goes on with a list until it is done, or the turn, or the output is full.
func (s *session) walkOn() (n int, p progress) {
	w, walk := s.worker, s.walk
	w.encoding = walk.encoding
	if w.observes {
		w.log.ObserveAll()
	}
	for {
		w.work -= walkWork
		done := w.handle.Walk(&walk.at, w.now, walkBuckets, func(it slab.Item) bool { return walk.visit(walk, it) })
		if done && walk.more != nil {
			done = !walk.more(walk)
		}
		switch {
		case done || walk.ended:
			if !walk.dumps { // whose work is charged item by item
				w.walked()
			}
			walk.end(walk)
			s.endWalk()
			s.state = s.between
			return 1, finished
		case w.out.Full():
			return 0, full
		case w.workDone():
			return 0, spent
		}
	}
}

// endWalk forgets a walk, if there is one, whether it is done or not.
func (s *session) endWalk() {
	if s.walk != nil && s.walk.dumps {
		s.worker.server.dumps.Add(-1)
	}
	s.walk = nil
}

// cachedumpBytes is how much a cachedump lists, as in memcached.
const cachedumpBytes = 2 << 20

// cachedump lists items of a slab class.
func (s *session) cachedump() progress {
	w := s.worker
	r := &w.request
	if w.server.config.DumpDisabled {
		return w.say("CLIENT_ERROR stats cachedump not allowed\r\n")
	}
	if r.Len() < 4 {
		return w.say(replyBadLine)
	}
	class, ok1 := w.dialect.Uint32(r.Token(2))
	limit, ok2 := w.dialect.Uint32(r.Token(3))
	switch {
	case !ok1 || !ok2:
		return w.say(replyFormat)
	case class >= slabClassMax:
		return w.say("CLIENT_ERROR Illegal slab id\r\n")
	}
	walk := &itemWalk{class: int(class), left: int(limit) - 1, bytes: cachedumpBytes - len(replyEnd)}
	walk.visit = w.cachedumpItem
	walk.end = func(*itemWalk) { w.say(replyEnd) }
	return s.startWalk(walk)
}

// cachedumpItem appends the line of an item. As in memcached, nothing is listed
// that would not fit.
func (w *worker) cachedumpItem(walk *itemWalk, it slab.Item) bool {
	if it.Group() != walk.class || it.KeyEncoded() || w.flushing {
		return true
	}
	if w.out.Full() {
		return false
	}
	before := len(w.out.Buf)
	line := ascii.AppendDumped(w.out.Buf, it.Key(), it.ValueLen(), it.ExpiresAtMS()/1000)
	if walk.bytes -= len(line) - before; walk.bytes <= 0 {
		walk.ended = true
		return false
	}
	w.out.Buf = line
	walk.ended = walk.left == 0
	walk.left--
	return !walk.ended
}

const (
	sizesStep  = 32   // bytes
	sizesWork  = 256  // of a turn, for a block's list
	sizesBlock = 1024 // steps counted side by side: the sizes that differ by less than 32 KiB
)

// sizeCounts are numbers of items by weight, in steps of sizesStep. Blocks come
// when there is an item for them, so that a large -I costs nothing by itself.
type sizeCounts struct {
	blocks [][]uint32
	next   int // the block that is listed next, after the walk
}

func newSizeCounts(itemSizeMax int) *sizeCounts {
	return &sizeCounts{blocks: make([][]uint32, itemSizeMax/sizesStep/sizesBlock+1)}
}

func (c *sizeCounts) count(weight int) {
	at := (weight + sizesStep - 1) / sizesStep
	block := at / sizesBlock
	if block >= len(c.blocks) {
		return
	}
	if c.blocks[block] == nil {
		c.blocks[block] = make([]uint32, sizesBlock)
	}
	c.blocks[block][at%sizesBlock]++
}

// sizes tells how many items there are of each size. memcached counts only what
// was stored since that was switched on; we look at what is there.
func (s *session) sizes() progress {
	w := s.worker
	server := w.server
	if !server.trackSizes.Load() {
		l := w.openStats()
		l.s("sizes_status", "disabled")
		w.closeStats(l)
		return w.endStats()
	}
	walk := &itemWalk{sizes: newSizeCounts(server.config.ItemSizeMax)}
	walk.visit = func(walk *itemWalk, it slab.Item) bool {
		walk.sizes.count(it.Weight())
		return true
	}
	walk.more = w.listSizes
	walk.end = func(*itemWalk) { w.endStats() }
	return s.startWalk(walk)
}

// listSizes lists a block, and reports whether more follow.
func (w *worker) listSizes(walk *itemWalk) bool {
	c := walk.sizes
	for ; c.next < len(c.blocks); c.next++ {
		block := c.blocks[c.next]
		if block == nil {
			continue
		}
		l := w.openStats()
		for i, n := range block {
			if n != 0 {
				var digits [numberMax]byte
				l.u(string(ascii.AppendUint(digits[:0], uint64((c.next*sizesBlock+i)*sizesStep))), uint64(n))
			}
		}
		w.closeStats(l)
		w.work -= sizesWork
		c.next++
		return c.next < len(c.blocks)
	}
	return false
}

// switchSizes switches `stats sizes` on, which in memcached needs tokens, or off.
// As there, nothing ends the list.
func (w *worker) switchSizes(name []byte) (p progress, ok bool) {
	l := w.openStats()
	switch {
	case string(name) == "sizes_disable":
		w.server.trackSizes.Store(false)
		l.s("sizes_status", "disabled")
	case string(name) != "sizes_enable":
		return finished, false
	case w.server.config.CASDisabled:
		l.s("sizes_status", "error")
		l.s("sizes_error", "cas_support_disabled")
	default:
		w.server.trackSizes.Store(true)
		l.s("sizes_status", "enabled")
	}
	w.closeStats(l)
	return finished, true
}
