package memcache

import "github.com/pandabeardb/panda/wire"

// A turn is one Feed. It ends early so that a connection that pipelines
// without end does not keep the loop's others waiting.
//
// With -R a turn has at most that number of requests, as in memcached, and each
// that reached it counts as a yield (conn_yields). Without -R memcached's
// default of 20 would cost a write per 20 requests, three at a pipeline of 64.
//
// What it is there for is bounded either way, by the work that was done: a unit
// for each key and request, one for each 512 bytes that were copied within the
// store, and the rest of the turn for what walks over the whole store. A turn
// ends behind the request that used the work up, and that one may cost a copy of
// the largest item (-I), or a walk.
const (
	turnWork     = 1024      // units; about 0.2 ms
	turnBytes    = 256 << 10 // of replies; about 0.1 ms of copying
	workShift    = 9         // 512 bytes are a unit
	settingsWork = 64        // a reply of 100 lines
)

func (w *worker) beginTurn(s *session, out *wire.Out) {
	w.current = s
	w.out = out
	w.now = out.NowMS
	w.seenMS = w.now
	w.traceTurn()
	server := w.server
	if server.debugging.Load() {
		w.now = server.now(w.now)
	}
	w.flushing = server.flushSecond.Load() != noFlush && server.flushDue(w.now)
	w.requests = server.turnRequests
	w.work = turnWork
	w.sentAt = w.requests
	w.start = out.Len()
	if w.log != nil {
		w.log.BeginTurn()
	}
}

func (w *worker) endTurn() {
	w.publish()
	w.handle.PublishStats()
	if w.log != nil {
		w.endLog()
	}
	if w.trace.streams != 0 {
		w.traceEnd()
	}
	w.out, w.current, w.again = nil, nil, false
	w.ahead.count, w.ahead.next = 0, 0 // its keys lie in the input, which is gone
}

// copied charges the turn for n bytes that a request copied within the store.
func (w *worker) copied(n int) { w.work -= n >> workShift }

// walked charges the turn for a walk over all shards, or for a list: the
// request that did it is the turn's last.
func (w *worker) walked() { w.work = 0 }

// workDone notes that a key was looked up, and reports whether the turn has
// done its share.
func (w *worker) workDone() bool {
	w.work--
	return w.work <= 0 || w.out.Len()-w.start >= turnBytes
}

// turnOver reports whether the turn is over after a request.
func (w *worker) turnOver() bool {
	w.requests--
	return w.workDone() || w.requests <= 0
}

// yield ends a turn that did its share. One that did -R's number of requests
// counts even when nothing is left to do, as in memcached.
func (w *worker) yield(inputLeft bool) wire.Next {
	if inputLeft || w.requests <= 0 {
		w.count(connYields)
	}
	if inputLeft {
		return wire.Yield
	}
	return wire.More
}
