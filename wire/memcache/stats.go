package memcache

import (
	"strconv"
	"sync"
	"syscall"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

const (
	uptimeSlackSeconds = 60 // ITEM_UPDATE_INTERVAL: memcached is two seconds old when it starts
	slabClassMax       = 64 // MAX_NUMBER_OF_SLAB_CLASSES
	floatMax           = 32 // bytes of a number with decimals
	pointerBits        = 32 << (^uint(0) >> 63)
)

// baseline is what the layer below had counted at `stats reset`.
type baseline struct {
	mu        sync.Mutex
	transport wire.Transport
}

func stats(w *worker, s *session) progress {
	r := &w.request
	server := w.server
	w.beginStats(statEncoding{})
	switch sub := r.Token(1); {
	case r.Len() == 1:
		w.walked()
		server.appendGeneral(w)
	case w.is(sub, "reset"):
		w.walked()
		server.reset()
		return w.say("RESET\r\n")
	case w.is(sub, "detail"):
		return w.statsDetail(s)
	case w.is(sub, "settings"):
		w.work -= settingsWork
		server.appendSettings(w)
	case w.is(sub, "cachedump"):
		return s.cachedump()
	case w.is(sub, "conns"):
		w.walked()
		server.appendConns(w, int(s.fd))
	case w.is(sub, "extstore"): // nothing, as in an original without ext_path
		w.walked()
		server.appendTierPages(w)
	default:
		if p, ok := s.storeStats(sub); ok {
			return p
		}
		return w.say(replyError)
	}
	return w.say(replyEnd)
}

// beginStats has all that was counted by this loop so far told, too.
func (w *worker) beginStats(e statEncoding) {
	w.encoding = e
	w.publish()
	if w.handle != nil {
		w.handle.PublishStats()
	}
}

// storeStats answers what both protocols ask for by the same names. get_stats
func (s *session) storeStats(name []byte) (p progress, ok bool) {
	w := s.worker
	switch string(name) {
	case "items":
		w.walked()
		w.server.appendItemStats(w)
	case "slabs":
		w.walked()
		w.server.appendSlabStats(w)
	case "sizes":
		return s.sizes(), true
	default:
		if w.dialect == ascii.Old {
			return w.switchSizes(name)
		}
		return finished, false
	}
	return w.endStats(), true
}

func (w *worker) statsDetail(s *session) progress {
	server := w.server
	if server.config.DumpDisabled && w.dialect == ascii.New {
		return w.say("CLIENT_ERROR stats detail not allowed\r\n")
	}
	switch arg := w.request.Token(2); {
	case w.is(arg, "on"):
		server.prefixes.enabled.Store(true)
	case w.is(arg, "off"):
		server.prefixes.enabled.Store(false)
	case w.is(arg, "dump"):
		s.state, s.dumped = stateDump, 0
		w.unread = 1
		return working
	default:
		return w.say("CLIENT_ERROR usage: stats detail on|off|dump\r\n")
	}
	return w.say(replyOK)
}

func (s *Server) transport() wire.Transport {
	if s.env.Transport == nil {
		return wire.Transport{}
	}
	return s.env.Transport()
}

// reset zeroes the totals; what is current stays.
func (s *Server) reset() {
	s.resetCounters()
	s.prefixes.clear()
	s.trace.reset()
	s.crawls.Store(0)
	s.ticks.Store(0)
	s.env.Store.ResetStats()
	s.baseline.mu.Lock()
	s.baseline.transport = s.transport()
	s.baseline.mu.Unlock()
}

// sinceReset is what the layer below counted since the last reset.
func (s *Server) sinceReset() wire.Transport {
	t := s.transport()
	s.baseline.mu.Lock()
	defer s.baseline.mu.Unlock()
	base := &s.baseline.transport
	t.TotalConnections -= base.TotalConnections
	t.RejectedConnections -= base.RejectedConnections
	t.IdleKicks -= base.IdleKicks
	t.BytesRead -= base.BytesRead
	t.BytesWritten -= base.BytesWritten
	t.ListenDisabled -= base.ListenDisabled
	t.TLSHandshakeErrors -= base.TLSHandshakeErrors
	t.TLSRecordErrors -= base.TLSRecordErrors
	t.TLSNewSessions -= base.TLSNewSessions
	return t
}

// statList is a list of statistics that grows: of STAT lines, or of the binary
// protocol's replies.
type statList struct {
	buf []byte
	statEncoding
}

// statEncoding is how statistics are told.
type statEncoding struct {
	packet bool         // by the binary protocol,
	reply  binary.Reply // whose replies these are
}

// openStats begins a list behind what is in the output, closeStats puts it there,
// and endStats says that nothing follows.
func (w *worker) openStats() statList   { return statList{w.out.Buf, w.encoding} }
func (w *worker) closeStats(l statList) { w.out.Buf = l.buf }

func (w *worker) endStats() progress {
	if !w.encoding.packet {
		return w.say(replyEnd)
	}
	w.out.Buf = binary.AppendStat(w.encoding.reply, w.out.Buf, "", "")
	return finished
}

// add appends a statistic.
func (l *statList) add(name string, v []byte) {
	if l.packet {
		l.buf = binary.AppendStat(l.reply, l.buf, name, v)
	} else {
		l.buf = ascii.AppendStat(l.buf, name, v)
	}
}

func (l *statList) s(name, v string) {
	if l.packet {
		l.buf = binary.AppendStat(l.reply, l.buf, name, v)
	} else {
		l.buf = ascii.AppendStat(l.buf, name, v)
	}
}

func (l *statList) u(name string, v uint64) {
	var digits [numberMax]byte
	l.add(name, ascii.AppendUint(digits[:0], v))
}

func (l *statList) n(name string, v int64) {
	var digits [numberMax]byte
	l.add(name, strconv.AppendInt(digits[:0], v, 10))
}

func (l *statList) byte(name string, v byte) {
	b := [1]byte{v}
	l.add(name, b[:])
}

// f appends a number with so many decimals.
func (l *statList) f(name string, v float64, decimals int) {
	var digits [floatMax]byte
	l.add(name, ascii.AppendFloat(digits[:0], v, decimals))
}

// octal appends a number in octal.
func (l *statList) octal(name string, v uint32) {
	var digits [numberMax]byte
	l.add(name, strconv.AppendUint(digits[:0], uint64(v), 8))
}

// time appends seconds with microseconds.
func (l *statList) time(name string, v syscall.Timeval) {
	const second = 1_000_000
	var digits [floatMax]byte
	b := append(strconv.AppendInt(digits[:0], int64(v.Sec), 10), '.')
	at := len(b)
	b = strconv.AppendInt(b, second+int64(v.Usec), 10)
	l.add(name, append(b[:at], b[at+1:]...))
}

func (l *statList) yes(name string, v bool) {
	if v {
		l.s(name, "yes")
	} else {
		l.s(name, "no")
	}
}

// or appends v, or what memcached prints for a setting that was not given.
func (l *statList) or(name, v, none string) {
	if v == "" {
		v = none
	}
	l.s(name, v)
}

// zeros appends counters of machinery that we do not have, and that therefore
// never counted anything.
func (l *statList) zeros(names ...string) {
	for _, name := range names {
		l.u(name, 0)
	}
}

// appendGeneral appends `stats`: the names and order of memcached, started as
// Settings say.
func (s *Server) appendGeneral(w *worker) {
	l := w.openStats()
	t, st := s.sinceReset(), s.env.Store.Stats()
	s.appendProcess(&l, w.now, &t)
	s.appendCommands(&l)
	s.appendConnections(&l, &t, &st)
	s.appendMachinery(&l, w.now, &t)
	s.appendItems(&l, &st)
	w.closeStats(l)
}

func (s *Server) appendProcess(l *statList, nowMS int64, t *wire.Transport) {
	set := &s.config.Settings
	l.n("pid", int64(s.env.PID))
	l.n("uptime", (nowMS-(s.env.StartedAtMS-startSlackMS))/1000-uptimeSlackSeconds)
	l.n("time", nowMS/1000)
	l.s("version", s.config.Compat.Version())
	l.s("libevent", "none")
	l.n("pointer_size", pointerBits)
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		l.time("rusage_user", usage.Utime)
		l.time("rusage_system", usage.Stime)
	}
	l.n("max_connections", int64(set.MaxConns))
	l.n("curr_connections", t.CurrentConnections)
	l.n("total_connections", t.TotalConnections)
	if set.MaxConnsFast {
		l.n("rejected_connections", t.RejectedConnections)
	}
	l.n("connection_structures", t.CurrentConnections)
	l.zeros("response_obj_oom", "response_obj_count", "response_obj_bytes",
		"read_buf_count", "read_buf_bytes", "read_buf_bytes_free", "read_buf_oom", "reserved_fds")
}

func (s *Server) appendCommands(l *statList) {
	of := s.allClassTotals()
	hits, misses := of.hits(), s.total(getMisses)
	l.u("cmd_get", hits+misses)
	l.u("cmd_set", of[setCommands])
	l.u("cmd_flush", s.total(flushCommands))
	l.u("cmd_touch", of[touchHits]+s.total(touchMisses))
	l.u("cmd_meta", s.total(metaCommands))
	l.u("get_hits", hits)
	l.u("get_misses", misses)
	l.u("get_expired", s.total(getExpired))
	l.u("get_flushed", s.total(getFlushed))
	s.appendTierGets(l)
	l.u("delete_misses", s.total(deleteMisses))
	l.u("delete_hits", of[deleteHits])
	l.u("incr_misses", s.total(incrMisses))
	l.u("incr_hits", of[incrHits])
	l.u("decr_misses", s.total(decrMisses))
	l.u("decr_hits", of[decrHits])
	l.u("cas_misses", s.total(casMisses))
	l.u("cas_hits", of[casHits])
	l.u("cas_badval", of[casBadValue])
	l.u("touch_hits", of[touchHits])
	l.u("touch_misses", s.total(touchMisses))
	l.u("store_too_large", s.total(storeTooLarge))
	l.u("store_no_memory", s.total(storeNoMemory))
	l.u("auth_cmds", s.total(authCommands))
	l.u("auth_errors", s.total(authErrors))
}

func (s *Server) appendConnections(l *statList, t *wire.Transport, st *slab.Stats) {
	set := &s.config.Settings
	if set.IdleTimeoutSeconds > 0 {
		l.n("idle_kicks", t.IdleKicks)
	}
	l.n("bytes_read", t.BytesRead)
	l.n("bytes_written", t.BytesWritten)
	l.n("limit_maxbytes", s.limitBytes.Load())
	accepting := uint64(1)
	if t.AcceptingPaused {
		accepting = 0
	}
	l.u("accepting_conns", accepting)
	l.n("listen_disabled_num", t.ListenDisabled)
	l.zeros("time_in_listen_disabled_us")
	l.n("threads", int64(set.NumThreads))
	l.u("conn_yields", s.total(connYields))
	l.n("hash_power_level", s.hashPower(st.Items))
	l.n("hash_bytes", st.IndexBytes)
	l.zeros("hash_is_expanding")
}

func (s *Server) appendMachinery(l *statList, nowMS int64, t *wire.Transport) {
	set := &s.config.Settings
	if set.SlabReassign {
		l.zeros("slab_reassign_rescues", "slab_reassign_chunk_rescues")
		if s.dialect == ascii.Old {
			l.zeros("slab_reassign_evictions_nomem")
		}
		l.zeros("slab_reassign_inline_reclaim", "slab_reassign_busy_items", "slab_reassign_busy_deletes")
		if s.dialect == ascii.New {
			l.zeros("slab_reassign_busy_nomem")
			l.s("slab_reassign_last_busy_status", "none")
		}
		l.zeros("slab_reassign_running", "slabs_moved")
	}
	if s.knobs.crawler.Load() {
		s.appendCrawler(l)
	}
	if set.LRUMaintainerThread {
		l.u("lru_maintainer_juggles", s.ticks.Load())
	}
	l.zeros("malloc_fails")
	s.trace.appendStats(l)
	s.appendTier(l)
	s.appendTLS(l, nowMS, t)
	l.zeros("unexpected_napi_ids", "round_robin_fallback")
}

func (s *Server) appendItems(l *statList, st *slab.Stats) {
	set := &s.config.Settings
	g := s.groupSum()
	l.n("bytes", st.Bytes)
	l.n("curr_items", st.Items)
	l.n("total_items", st.TotalItems)
	l.zeros("slab_global_page_pool")
	l.n("expired_unfetched", g.ExpiredUnfetched)
	l.n("evicted_unfetched", g.EvictedUnfetched)
	if set.LRUMaintainerThread {
		l.n("evicted_active", g.EvictedActive)
	}
	l.n("evictions", g.Evicted)
	l.n("reclaimed", g.Reclaimed)
	l.n("crawler_reclaimed", g.CrawlerReclaimed)
	l.n("crawler_items_checked", g.CrawlerChecked)
	l.zeros("lrutail_reflocked")
	if set.LRUMaintainerThread {
		l.n("moves_to_cold", g.MovesToCold)
		l.n("moves_to_warm", g.MovesToWarm)
		l.n("moves_within_lru", g.MovesWithinWarm)
		l.n("direct_reclaims", g.Evicted)
		l.zeros("lru_bumps_dropped")
	}
}
