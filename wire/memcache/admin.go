package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

const (
	verbosityMax  = 2             // MAX_VERBOSITY_LEVEL
	memlimitMinMB = 8             // cache_memlimit refuses less
	memlimitMaxMB = 1_000_000_000 // and takes more for bytes
)

// is reports whether a token is the word. The new dialect compares only as
// many bytes as the token has, so that it takes "s" for settings.
func (w *worker) is(token []byte, word string) bool {
	if w.dialect == ascii.New {
		return len(token) > 0 && len(token) <= len(word) && word[:len(token)] == string(token)
	}
	return string(token) == word
}

func version(w *worker, _ *session) progress {
	w.out.Buf = append(append(append(w.out.Buf, "VERSION "...), w.server.config.Compat.Version()...), '\r', '\n')
	return finished
}

func quit(_ *worker, s *session) progress {
	s.ending = wire.ByPeer
	return closing
}

func verbosity(w *worker, _ *session) progress {
	w.noteNoreply()
	level, ok := w.dialect.Uint32(w.request.Token(1))
	if !ok || w.request.Len() < 2 {
		return w.reply(replyFormat)
	}
	level = min(level, verbosityMax)
	w.server.verbosity.Store(int64(level))
	if set := w.server.env.SetVerbosity; set != nil {
		set(int(level))
	}
	return w.reply(replyOK)
}

func shutdown(w *worker, s *session) progress {
	stop := w.server.env.Shutdown
	if !w.server.config.ShutdownEnabled || stop == nil {
		if w.dialect == ascii.Old {
			return w.say("ERROR: shutdown not enabled\r\n")
		}
		return w.reply("SERVER_ERROR: shutdown not enabled\r\n")
	}
	switch r := &w.request; {
	case r.Len() == 1:
		stop(false)
	case r.Len() == 2 && w.is(r.Token(1), "graceful"):
		stop(true)
	default:
		return w.reply("CLIENT_ERROR invalid shutdown mode\r\n")
	}
	s.ending = wire.ByStop
	return closing
}

// cacheMemlimit changes the limit, up to the machine's memory: the store has no
// more address space.
func cacheMemlimit(w *worker, _ *session) progress {
	w.noteNoreply()
	mb, ok := w.dialect.Uint32(w.request.Token(1))
	switch {
	case !ok || w.request.Len() < 2:
		return w.reply(replyError)
	case mb < memlimitMinMB:
		return w.reply("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n")
	case mb > memlimitMaxMB:
		return w.reply("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n")
	}
	limit := int64(mb) << 20
	if w.server.env.Store.SetLimit(limit) != nil {
		return w.reply("MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n")
	}
	w.server.limitBytes.Store(limit)
	return w.reply(replyOK)
}

// debugtime moves the clock that commands see: by seconds, or it stops it (p)
// and lets it go on (r).
func debugtime(w *worker, _ *session) progress {
	arg := w.request.Token(1)
	switch {
	case len(arg) == 0:
		return w.reply(replyError)
	case w.is(arg, "p"):
		w.server.pauseClock(w.out.NowMS)
	case w.is(arg, "r"):
		w.server.resumeClock()
	default:
		seconds, ok := w.dialect.Int64(arg)
		if !ok {
			return w.reply(replyError)
		}
		w.server.moveClock(seconds)
	}
	w.now = w.server.now(w.out.NowMS)
	w.flushing = w.server.flushDue(w.now)
	return w.reply(replyOK)
}

func misbehave(w *worker, _ *session) progress { return w.reply(replyError) }

// discoveryKey is what clients of the first ElastiCache versions get instead
// of `config get cluster`.
const discoveryKey = "AmazonElastiCache:cluster"

// config answers `config get cluster`, by which clients of ElastiCache find
// the nodes of a cluster.
func config(w *worker, _ *session) progress {
	r := &w.request
	if w.server.env.ClusterNodes == nil || r.Len() != 3 || string(r.Token(1)) != "get" || string(r.Token(2)) != "cluster" {
		return w.reply(replyError)
	}
	w.appendCluster("CONFIG cluster 0 ")
	return w.say(replyEnd)
}

// discovery answers a get of discoveryKey when no such item is stored.
func (w *worker) discovery(key []byte) {
	if len(key) == len(discoveryKey) && w.server.env.ClusterNodes != nil && bytes.Equal(key, []byte(discoveryKey)) {
		w.appendCluster("VALUE " + discoveryKey + " 0 ")
	}
}

// clusterVersion is the version of the list of nodes, until it can change.
const clusterVersion = "1"

func (w *worker) appendCluster(head string) {
	nodes := w.server.env.ClusterNodes()
	n := len(clusterVersion) + 1 + len(nodes) + 1
	b := ascii.AppendUint(append(w.out.Buf, head...), uint64(n))
	b = append(append(b, "\r\n"+clusterVersion+"\n"...), nodes...)
	w.out.Buf = append(b, "\n\r\n"...)
}
