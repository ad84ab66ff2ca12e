package memcache

import (
	"bytes"
	"strconv"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

const (
	verbosityMax      = 2             // MAX_VERBOSITY_LEVEL
	memlimitMinMB     = 8             // cache_memlimit refuses less
	memlimitMaxMB     = 1_000_000_000 // and takes more for bytes
	crawlerSleepMaxUS = 1_000_000
	hotWarmPctMax     = 80
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
	s.goodbye = true
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

func shutdown(w *worker, _ *session) progress {
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
	return closing
}

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

// refreshCerts answers as a memcached that knows TLS but does not use it:
// Debian's, and those of the usual images.
func refreshCerts(w *worker, _ *session) progress { return w.say("Error TLS not enabled\r\n") }

// lru refuses what memcached refuses; the settings themselves are to come.
func lru(w *worker, _ *session) progress {
	w.noteNoreply()
	r := &w.request
	if w.is(r.Token(1), "tune") && r.Len() >= 6 {
		hot, ok1 := w.dialect.Uint32(r.Token(2))
		warm, ok2 := w.dialect.Uint32(r.Token(3))
		_, err1 := strconv.ParseFloat(string(r.Token(4)), 64)
		_, err2 := strconv.ParseFloat(string(r.Token(5)), 64)
		if ok1 && ok2 && err1 == nil && err2 == nil && hot+warm > hotWarmPctMax {
			return w.reply("ERROR hot and warm pcts must not exceed 80\r\n")
		}
	}
	return w.reply(replyError)
}

// lruCrawler refuses what memcached refuses; crawling itself is to come.
func lruCrawler(w *worker, _ *session) progress {
	r := &w.request
	if r.Len() != 3 {
		return w.reply(replyError)
	}
	switch sub := r.Token(1); {
	case w.is(sub, "sleep"):
		us, ok := w.dialect.Uint32(r.Token(2))
		if !ok {
			return w.reply(replyFormat)
		}
		if us > crawlerSleepMaxUS {
			return w.reply("CLIENT_ERROR sleep must be one second or less\r\n")
		}
	case w.is(sub, "tocrawl"):
		if _, ok := w.dialect.Uint32(r.Token(2)); !ok {
			return w.reply(replyFormat)
		}
	case w.is(sub, "crawl"):
		if !w.server.config.Settings.LRUCrawler {
			return w.reply("CLIENT_ERROR lru crawler disabled\r\n")
		}
	case w.is(sub, "metadump"):
		return w.refuseDump("ERROR metadump not allowed\r\n")
	case w.dialect == ascii.New && w.is(sub, "mgdump"):
		return w.refuseDump("ERROR key dump not allowed\r\n")
	}
	return w.reply(replyError)
}

func (w *worker) refuseDump(forbidden string) progress {
	switch {
	case !w.server.config.Settings.LRUCrawler:
		return w.reply("CLIENT_ERROR lru crawler disabled\r\n")
	case w.server.config.DumpDisabled:
		return w.reply(forbidden)
	}
	return w.reply(replyError)
}

// slabs refuses what memcached refuses; page moves by hand are to come.
func slabs(w *worker, _ *session) progress {
	r := &w.request
	if r.Len() == 4 && w.is(r.Token(1), "reassign") {
		if !w.server.config.Settings.SlabReassign {
			return w.reply("CLIENT_ERROR slab reassignment disabled\r\n")
		}
		source, ok1 := w.dialect.Int32(r.Token(2))
		target, ok2 := w.dialect.Int32(r.Token(3))
		if !ok1 || !ok2 {
			return w.reply(replyFormat)
		}
		if source == target {
			return w.reply("SAME src and dst class are identical\r\n")
		}
	}
	if r.Len() >= 3 && w.is(r.Token(1), "automove") {
		return w.refuseAutomove()
	}
	return w.reply(replyError)
}

// refuseAutomove refuses an argument of `slabs automove` that is neither a
// setting's name nor a number, and for now, with another text, those that are.
func (w *worker) refuseAutomove() progress {
	w.noteNoreply()
	arg := w.request.Token(2)
	named := w.is(arg, "ratio")
	if w.dialect == ascii.New {
		named = named || w.is(arg, "freeratio") || w.is(arg, "window")
	}
	if _, ok := w.dialect.Uint32(arg); !ok && !named {
		return w.reply(replyFormat)
	}
	return w.reply(replyError)
}

// extstore has no storage to set up.
func extstore(w *worker, _ *session) progress {
	w.noteNoreply()
	return w.reply(replyError)
}

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
