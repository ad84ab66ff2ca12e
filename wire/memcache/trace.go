package memcache

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// The trace is what watch shows. A session writes its lines, ready to be sent,
// to a buffer of its loop (tracer). At a turn's end, or on a tick, the loop
// delivers what is in there to the watchers, each of which has a buffer too; a
// watcher's own loop moves that to its output. A watcher that does not read
// fast enough misses lines, and is told how many; nobody waits for it.
//
//	find, put, … -> tracer.lines -> deliver -> watcher.lines -> Session.Resume -> Out
//
// Nobody watches, most of the time: then a turn's begin reads one word that
// only watch writes, and each place that has something to tell tests a bit of it.

// stream is a set of the kinds of lines that watch shows.
type stream uint16

const (
	streamFetchers stream = 1 << iota
	streamMutations
	streamEvictions
	streamConnections
	streamDeletions
	streamSilent // those that have no line here: rawcmds (nor in memcached), sysevents, the proxy's
)

const (
	watchersMax = 20 // WATCHER_LIMIT

	// traceHead is what stands before each line in a tracer: its length with
	// this, its stream, its number.
	traceHead = 2 + 2 + 8
	// traceLineMax holds the longest key, URI encoded, and 256 bytes of the rest.
	traceLineMax = traceHead + 3*ascii.MaxKey + 256
	// traceDeliver is how many bytes of lines a turn's end delivers: more than a
	// hundred lines, so that the lock and the wake-up cost a few ns of each.
	traceDeliver = 16 << 10
	// traceBufferMin is the least that worker_logbuf_size gives: a turn's end
	// must find room for more than it delivers.
	traceBufferMin = 2 * traceDeliver
	// traceWake is how many bytes of lines wait for a watcher before its loop is
	// told, unless a tick comes first: most of what a line costs is the write, and
	// one of 64 KiB costs less than four of 16.
	traceWake = 4 * traceDeliver
	// watcherBufferMin is the least that watcher_logbuf_size gives: what is
	// delivered until the watcher's loop comes to it must fit.
	watcherBufferMin = 2 * traceWake
	// skippedRoom is what a watcher's buffer must hold beside a line, for the
	// line that says how many were skipped. memcached's
	skippedRoom = 128
)

// trace is what the loops share of it.
type trace struct {
	streams atomic.Uint32 // what anybody watches; read with every turn
	_       [64]byte
	number  atomic.Uint64 // of the last line; a watcher takes one too
	_       [64]byte

	mu       sync.Mutex // of what follows
	watchers [watchersMax]*watcher
	counts   traceCounts

	evictions evictions
}

// traceCounts are stats' log_*.
type traceCounts struct {
	written, dropped uint64 // lines of loops
	sent, skipped    uint64 // lines of watchers
}

// watcher is a session that watches. All of it is under trace.mu.
type watcher struct {
	streams stream
	loop    int
	first   uint64 // the number of its first line
	lines   []byte // that wait for the session
	limit   int    // of len(lines)
	skipped uint64 // since the last line
	woken   bool   // the loop was told of lines
}

// tracer is a loop's part of the trace.
type tracer struct {
	streams  stream // that anybody watches, as of the turn's begin
	fd       int32  // of the session whose turn it is
	at       int    // where the line begins that is being written
	lines    []byte // not yet delivered
	stamp    []byte // the time, as the turn's lines show it; empty: not made yet
	key      []byte // of an item that may be gone when its line is written
	written  uint64 // lines in lines
	due      bool   // watchers were given lines, and their loops not told
	expiryMS int64  // of the item that a store command made,
	flags    uint32 // and its flags
}

// traceTurn begins a turn, for the trace.
func (w *worker) traceTurn() {
	if w.trace.streams = stream(w.server.trace.streams.Load()); w.trace.streams != 0 {
		w.trace.stamp = w.trace.stamp[:0]
	}
}

// traceEnd ends a turn in which somebody watched.
func (w *worker) traceEnd() {
	if len(w.trace.lines) >= traceDeliver || w.trace.due || w.server.trace.evictions.waiting.Load() >= traceDeliver {
		w.deliver(traceWake)
	}
}

// traceTick delivers what waits, so that no line waits for long.
func (w *worker) traceTick() {
	if w.server.trace.streams.Load() != 0 || len(w.trace.lines) > 0 {
		w.deliver(1)
	}
}

// deliver gives the watchers all lines that wait, and has their loops resume
// those for whom that many bytes wait then.
func (w *worker) deliver(least int) {
	t := &w.server.trace
	w.handOver()
	t.mu.Lock()
	t.deliver(t.evictions.take(&t.counts))
	wake := t.wake(least)
	t.mu.Unlock()
	w.trace.due = false
	if f := w.server.env.Wake; f != nil {
		for loop := 0; wake != 0; loop, wake = loop+1, wake>>1 {
			if wake&1 != 0 {
				f(loop)
			}
		}
	}
}

// handOver gives the watchers the loop's lines. A shard may be locked.
func (w *worker) handOver() {
	t := &w.server.trace
	t.mu.Lock()
	t.counts.written += w.trace.written
	t.deliver(w.trace.lines)
	t.mu.Unlock()
	w.trace.lines, w.trace.written, w.trace.due = w.trace.lines[:0], 0, true
}

// deliver gives lines to the watchers that want them. t.mu is held.
func (t *trace) deliver(lines []byte) {
	for _, v := range t.watchers {
		if v == nil {
			continue
		}
		for rest := lines; len(rest) > 0; {
			n := int(binary.LittleEndian.Uint16(rest))
			if stream(binary.LittleEndian.Uint16(rest[2:]))&v.streams != 0 && binary.LittleEndian.Uint64(rest[4:]) >= v.first {
				v.take(rest[traceHead:n], &t.counts)
			}
			rest = rest[n:]
		}
	}
}

// take takes a line, if there is room.
func (v *watcher) take(line []byte, counts *traceCounts) {
	if len(v.lines)+len(line)+skippedRoom > v.limit {
		v.skipped++
		counts.skipped++
		return
	}
	if v.skipped > 0 {
		v.lines = append(ascii.AppendUint(append(v.lines, "skipped="...), v.skipped), '\n')
		v.skipped = 0
	}
	v.lines = append(v.lines, line...)
	counts.sent++
}

// wake returns the loops whose watchers are to be resumed, a bit each; those
// beyond the 64th wait for their tick. t.mu is held.
func (t *trace) wake(least int) (loops uint64) {
	for _, v := range t.watchers {
		if v != nil && len(v.lines) >= least && !v.woken {
			v.woken = true
			loops |= 1 << v.loop
		}
	}
	return loops
}

// evictions are the lines of evicted items, which have no loop: memory is
// searched for by whoever needs it. It is the store's reader of effects while
// somebody watches evictions.
type evictions struct {
	server  *Server
	waiting atomic.Int64 // len(lines)
	nowMS   atomic.Int64 // the time of commands, as of the last tick

	mu      sync.Mutex // taken under a shard's lock; nothing is taken under it
	lines   []byte
	spare   []byte
	written uint64
	dropped uint64
}

// Effect implements slab.EffectReader.
func (e *evictions) Effect(f slab.Effect) {
	if f.Kind != slab.KindEvict {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if cap(e.lines) == 0 {
		e.lines = make([]byte, 0, e.server.traceBuffer())
	}
	if len(e.lines)+traceLineMax > cap(e.lines) {
		e.dropped++
		return
	}
	at := len(e.lines)
	gid := e.server.trace.number.Add(1)
	b := appendTraceHead(e.lines, streamEvictions, gid)
	b = ascii.AppendUint(appendStamp(b, time.Now()), gid)
	b = e.server.appendEviction(b, f.Item, e.nowMS.Load())
	e.lines = endTraceLine(b, at)
	e.written++
	e.waiting.Store(int64(len(e.lines)))
}

// take returns the lines, which are good until the next call. trace.mu is held.
func (e *evictions) take(counts *traceCounts) (lines []byte) {
	e.mu.Lock()
	lines = e.lines
	e.lines, e.spare = e.spare[:0], lines
	counts.written += e.written
	counts.dropped += e.dropped
	e.written, e.dropped = 0, 0
	e.waiting.Store(0)
	e.mu.Unlock()
	return lines
}

// traceBuffer is the size of a loop's buffer.
func (s *Server) traceBuffer() int {
	return max(s.config.Settings.WorkerLogbufSize, traceBufferMin)
}

// add makes a watcher, nil when there are too many.
func (t *trace) add(s *Server, loop int, streams stream) *watcher {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.watchers {
		if t.watchers[i] == nil {
			v := &watcher{streams: streams, loop: loop, first: t.number.Add(1), limit: max(s.config.Settings.WatcherLogbufSize, watcherBufferMin)}
			t.watchers[i] = v
			t.refresh(s)
			return v
		}
	}
	return nil
}

func (t *trace) remove(s *Server, v *watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.watchers {
		if t.watchers[i] == v {
			t.watchers[i] = nil
		}
	}
	t.refresh(s)
}

// refresh tells who writes lines what is watched. t.mu is held.
func (t *trace) refresh(s *Server) {
	var all stream
	for _, v := range t.watchers {
		if v != nil {
			all |= v.streams
		}
	}
	before := stream(t.streams.Swap(uint32(all)))
	switch {
	case all&^before&streamEvictions != 0:
		s.env.Store.ReadEffects(&t.evictions)
	case before&^all&streamEvictions != 0:
		s.env.Store.ReadEffects(nil)
	}
}

// drain moves a watcher's lines to its output.
func (t *trace) drain(v *watcher, out *wire.Out) {
	t.mu.Lock()
	out.Buf = append(out.Buf, v.lines...)
	v.lines, v.woken = v.lines[:0], false
	t.mu.Unlock()
}

// count returns the counts, and how many watch.
func (t *trace) count() (c traceCounts, watchers int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.watchers {
		if v != nil {
			watchers++
		}
	}
	return t.counts, watchers
}

// reset zeroes the counts, as stats reset does.
func (t *trace) reset() {
	t.mu.Lock()
	t.counts = traceCounts{}
	t.mu.Unlock()
}

// appendStats appends the counts to `stats`.
func (t *trace) appendStats(l *statList) {
	c, watchers := t.count()
	l.u("log_worker_dropped", c.dropped)
	l.u("log_worker_written", c.written)
	l.u("log_watcher_skipped", c.skipped)
	l.u("log_watcher_sent", c.sent)
	l.u("log_watchers", uint64(watchers))
}
