package memcache

import "github.com/pandabeardb/panda/wire/memcache/ascii"

// noFlush is Server.flushAtMS when no flush_all is pending.
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
	w.walked()
	w.server.flush(exptime, w.now)
	return w.reply(replyOK)
}

func (s *Server) flush(exptime int32, nowMS int64) {
	if exptime > 0 {
		if at := s.expiresAtMS(exptime, nowMS); at > nowMS {
			s.flushAtMS.Store(at)
			s.oldestMS.Store(at)
			return
		}
	}
	s.oldestMS.Store(nowMS)
	s.env.Store.FlushAll()
	if s.dialect == ascii.Old && s.config.CASDisabled {
		// Without CAS tokens the old memcached cannot tell what came after a
		// flush from what came before, within the same second.
		s.flushUntilMS.Store(nowMS/1000*1000 + 1000)
		s.flushAtMS.Store(nowMS)
		return
	}
	s.flushAtMS.Store(noFlush)
}

// flushDue runs a pending flush whose time has come.
func (s *Server) flushDue(nowMS int64) {
	at := s.flushAtMS.Load()
	if at == noFlush || at > nowMS {
		return
	}
	if nowMS < s.flushUntilMS.Load() {
		s.env.Store.FlushAll()
		return
	}
	if s.flushUntilMS.Load() > at {
		s.flushAtMS.CompareAndSwap(at, noFlush) // the second is over
		return
	}
	if s.flushAtMS.CompareAndSwap(at, noFlush) {
		s.env.Store.FlushAll()
	}
}
