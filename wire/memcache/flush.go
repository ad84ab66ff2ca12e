package memcache

import "github.com/pandabeardb/panda/wire/memcache/ascii"

// noFlush is Server.flushSecond when no flush_all is pending.
const noFlush = 0

// flushAll answers flush_all: what is in the store now, or at the moment that
// the delay names, becomes absent. A new flush_all replaces a pending one.
func flushAll(w *worker, _ *session) progress {
	r := &w.request
	w.noteNoreply()
	w.count(flushCommands)
	if w.server.config.FlushDisabled {
		return w.reply("CLIENT_ERROR flush_all not allowed\r\n")
	}
	words := 1
	if w.noreply {
		words = 2
	}
	exptime := int32(0)
	if r.Len() != words {
		var ok bool
		if exptime, ok = w.dialect.Int32(r.Token(1)); !ok {
			return w.reply(replyExptime)
		}
	}
	w.flush(int64(exptime))
	return w.reply(replyOK)
}

// flush is flush_all.
func (w *worker) flush(exptime int64) {
	w.walked()
	w.server.flush(exptime, w.now)
	w.flushing = w.server.flushDue(w.now)
	w.server.keepState()
	if w.log != nil {
		w.log.ObserveAll()
	}
}

// flush plans a flush_all, or does it. memcached's clock has seconds only: one
// with a delay covers the whole of a second, from its first moment on, so that
// what is stored within it is absent at once. That second is the one before the
// moment which the client named, but in the old dialect without CAS tokens.
func (s *Server) flush(seconds, nowMS int64) {
	second := nowMS / 1000
	inSeconds := s.dialect == ascii.Old && s.config.CASDisabled // then a flush without delay covers its second too
	switch {
	case seconds > relativeMaxSeconds && seconds*1000 <= s.env.StartedAtMS-startSlackMS:
		s.flushSecond.Store(noFlush) // a moment before memcached's clock began means no flush at all
		s.oldestMS.Store(0)
		return
	case seconds > relativeMaxSeconds:
		second = seconds - 1
	case seconds > 0:
		second += seconds - 1
	default:
		s.env.Store.FlushAll()
		if !inSeconds {
			second = noFlush
		}
		s.flushSecond.Store(second)
		s.oldestMS.Store(nowMS)
		return
	}
	if inSeconds {
		second++
	}
	s.flushSecond.Store(second)
	s.oldestMS.Store(second*1000 + 1000)
}

// flushDue looks at the pending flush, and reports whether this is the second
// that it covers, in which nothing is present. Behind that second it is done.
func (s *Server) flushDue(nowMS int64) (covered bool) {
	second := s.flushSecond.Load()
	switch now := nowMS / 1000; {
	case second == noFlush || now < second:
		return false
	case now == second:
		return true
	}
	if s.flushSecond.CompareAndSwap(second, noFlush) {
		s.env.Store.FlushAll()
		s.keepState()
	}
	return false
}
