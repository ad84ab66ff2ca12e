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
	if w.log != nil {
		w.log.ObserveAll()
	}
}

// flush plans a flush_all, or does it. memcached's clock has seconds only: one
// with a delay covers the whole of a second, from its first moment on, so that
// what is stored within it is absent at once. That second is the one before the
// moment which the client named, but in the old dialect without CAS tokens.
func (s *Server) flush(seconds, nowMS int64) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	second := nowMS / 1000
	inSeconds := s.dialect == ascii.Old && s.config.CASDisabled // then a flush without delay covers its second too
	switch {
	case seconds > relativeMaxSeconds && seconds*1000 <= s.env.StartedAtMS-startSlackMS:
		s.oldestMS.Store(0)
		s.plan(noFlush) // a moment before memcached's clock began means no flush at all
		return
	case seconds > relativeMaxSeconds:
		second = seconds - 1
	case seconds > 0:
		second += seconds - 1
	default:
		if !inSeconds {
			second = noFlush
		}
		s.oldestMS.Store(nowMS)
		s.flushStore(second)
		return
	}
	if inSeconds {
		second++
	}
	s.oldestMS.Store(second*1000 + 1000)
	s.plan(second)
}

// plan has a flush cover second.
func (s *Server) plan(second int64) {
	s.flushSecond.Store(second)
	s.keepState()
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
	s.flushing.Lock() // who comes here meanwhile waits: what it stores then must stay
	defer s.flushing.Unlock()
	if s.flushSecond.Load() == second {
		s.flushStore(noFlush)
	}
	return false
}
