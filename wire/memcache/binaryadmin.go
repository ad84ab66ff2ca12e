package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

func packetNoop(w *worker, _ *session, c *binary.Command) progress { return w.succeed(c) }

func packetVersion(w *worker, _ *session, _ *binary.Command) progress {
	return w.explain(binary.Success, w.server.config.Compat.Version())
}

func packetQuit(w *worker, s *session, c *binary.Command) progress {
	w.succeed(c)
	s.ending = wire.ByPeer
	return closing
}

func packetFlush(w *worker, _ *session, c *binary.Command) progress {
	if w.server.config.FlushDisabled {
		return w.answer(binary.AuthFailed)
	}
	w.count(flushCommands)
	exptime := int64(0)
	if w.asked.ExtrasLen != 0 {
		exptime = int64(w.asked.NewExpiry())
	}
	w.flush(exptime)
	return w.succeed(c)
}

// packetStat is stats: a reply for each statistic, and an empty one behind. As in
// memcached, words may follow those that begin a key.
func packetStat(w *worker, s *session, _ *binary.Command) progress {
	name := w.asked.Key
	w.beginStats(statEncoding{true, w.asked.Reply})
	switch {
	case len(name) == 0:
		w.walked()
		w.server.appendGeneral(w)
	case bytes.HasPrefix(name, []byte("reset")):
		w.walked()
		w.server.reset()
	case bytes.HasPrefix(name, []byte("settings")):
		w.work -= settingsWork
		w.server.appendSettings(w)
	case bytes.HasPrefix(name, []byte("detail")):
		if !w.packetDetail(name[len("detail"):]) {
			return w.answer(binary.NotFound)
		}
	default:
		if p, ok := s.storeStats(name); ok {
			return p
		}
		return w.answer(binary.NotFound)
	}
	return w.endStats()
}

// packetDetail is `stats detail`.
func (w *worker) packetDetail(word []byte) (ok bool) {
	server := w.server
	switch {
	case server.config.DumpDisabled && w.dialect == ascii.New:
		return false
	case bytes.HasPrefix(word, []byte(" dump")):
		w.packetPrefixes()
	case bytes.HasPrefix(word, []byte(" on")):
		server.prefixes.enabled.Store(true)
	case bytes.HasPrefix(word, []byte(" off")):
		server.prefixes.enabled.Store(false)
	default:
		return false
	}
	return true
}

// packetPrefixes answers with all of `stats detail dump` in one statistic, which
// its bounds keep below 16 MB.
func (w *worker) packetPrefixes() {
	const name = "detailed"
	at := len(w.out.Buf)
	b := append(w.asked.AppendHeader(w.out.Buf, binary.Success, 0, len(name), 0, 0), name...)
	for next, done := 0, false; !done; {
		b, next, done = w.server.prefixes.appendPage(b, next)
	}
	b = append(b, replyEnd...)
	binary.PatchBody(b[at:], len(b)-at-binary.HeaderLen)
	w.out.Buf = b
	w.walked()
}
