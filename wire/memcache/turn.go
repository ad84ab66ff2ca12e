package memcache

import "github.com/pandabeardb/panda/wire"

// A turn is one Feed. It ends early so that a connection that pipelines
// without end does not keep the loop's others waiting.
//
// With -R the number of requests of a turn is exactly that, as in memcached,
// and each turn that reached it counts as a yield (conn_yields).
//
// Without -R memcached's default of 20 would cost a write per 20 requests,
// three at a pipeline of 64. What it is there for is bounded otherwise: by the
// keys that are looked up, whichever way they are spread over lines, and by
// the bytes of the replies. Together with the read buffer of the loop, which
// bounds what sets bring, a turn stays below half a millisecond.
const (
	turnWork  = 1024      // keys; about 0.2 ms
	turnBytes = 256 << 10 // of replies; about 0.1 ms of copying
)

func (w *worker) beginTurn(out *wire.Out) {
	w.out = out
	w.now = out.NowMS
	s := w.server
	if s.debugging.Load() {
		w.now = s.now(w.now)
	}
	if s.flushAtMS.Load() != noFlush {
		s.flushDue(w.now)
	}
	w.requests = s.config.RequestsPerTurn
	w.work = turnWork
	w.start = out.Len()
}

func (w *worker) endTurn() {
	w.publish()
	w.out = nil
	w.ahead.count, w.ahead.next = 0, 0 // its keys lie in the input, which is gone
}

// workDone notes that a key was looked up, and reports whether the turn has
// done its share. Never with -R, which counts whole requests.
func (w *worker) workDone() bool {
	if w.server.config.RequestsPerTurn > 0 {
		return false
	}
	w.work--
	return w.work <= 0 || w.out.Len()-w.start >= turnBytes
}

// turnOver reports whether the turn is over after a request.
func (w *worker) turnOver() bool {
	if w.server.config.RequestsPerTurn > 0 {
		w.requests--
		return w.requests <= 0
	}
	return w.workDone()
}

// yield ends a turn that did its share. With -R memcached counts it even when
// nothing is left to do.
func (w *worker) yield(inputLeft bool) wire.Next {
	if inputLeft || w.server.config.RequestsPerTurn > 0 {
		w.count(connYields)
	}
	if inputLeft {
		return wire.Yield
	}
	return wire.More
}
