package memcache

import "github.com/pandabeardb/panda/wire/memcache/ascii"

// appendSettings appends `stats settings`.
func (s *Server) appendSettings(w *worker) {
	l, set := w.openStats(), s.knobs.get()
	s.appendBasicSettings(&l, &set)
	s.appendMemorySettings(&l, &set)
	s.appendFeatureSettings(&l, &set)
	w.closeStats(l)
}

// reqsPerEvent is what -R is without a flag, in memcached.
const reqsPerEvent = 20

func (s *Server) appendBasicSettings(l *statList, set *Settings) {
	c := &s.config
	l.n("maxbytes", s.limitBytes.Load())
	l.n("maxconns", int64(set.MaxConns))
	l.n("tcpport", int64(set.TCPPort))
	l.n("udpport", int64(set.UDPPort))
	l.or("inter", set.Inter, "NULL")
	l.n("verbosity", s.verbosity.Load())
	oldest := int64(0)
	if at := s.oldestMS.Load(); at != 0 {
		oldest = (at-(s.env.StartedAtMS-startSlackMS))/1000 - 1
	}
	l.n("oldest", oldest)
	if set.Evictions {
		l.s("evictions", "on")
	} else {
		l.s("evictions", "off")
	}
	l.or("domain_socket", set.DomainSocket, "NULL")
	l.octal("umask", set.Umask)
	l.yes("shutdown_command", c.ShutdownEnabled)
	l.f("growth_factor", set.GrowthFactor, 2)
	l.n("chunk_size", int64(set.ChunkSize))
	l.n("num_threads", int64(set.NumThreads))
	l.n("num_threads_per_udp", int64(set.NumThreadsPerUDP))
	l.byte("stat_key_prefix", c.StatsPrefix)
	l.yes("detail_enabled", s.prefixes.enabled.Load())
	if c.RequestsPerTurn > 0 {
		l.n("reqs_per_event", int64(c.RequestsPerTurn))
	} else {
		l.n("reqs_per_event", reqsPerEvent)
	}
	l.yes("cas_enabled", !c.CASDisabled)
	l.n("tcp_backlog", int64(set.TCPBacklog))
	l.s("binding_protocol", set.BindingProtocol)
	l.yes("auth_enabled_sasl", set.AuthEnabledSASL)
	l.or("auth_enabled_ascii", set.AuthEnabledASCII, "no")
}

func (s *Server) appendMemorySettings(l *statList, set *Settings) {
	c := &s.config
	l.n("item_size_max", int64(c.ItemSizeMax))
	l.yes("maxconns_fast", set.MaxConnsFast)
	l.n("hashpower_init", int64(set.HashpowerInit))
	l.yes("slab_reassign", set.SlabReassign)
	l.n("slab_automove", int64(set.SlabAutomove))
	l.f("slab_automove_ratio", set.SlabAutomoveRatio, 2)
	l.n("slab_automove_window", int64(s.automoveWindow(set)))
	l.n("slab_chunk_max", int64(set.SlabChunkMax))
	l.yes("lru_crawler", set.LRUCrawler)
	l.n("lru_crawler_sleep", int64(set.LRUCrawlerSleepUS))
	l.n("lru_crawler_tocrawl", int64(set.LRUCrawlerToCrawl))
	l.n("tail_repair_time", int64(set.TailRepairTime))
	l.yes("flush_enabled", !c.FlushDisabled)
	l.yes("dump_enabled", !c.DumpDisabled)
	l.s("hash_algorithm", set.HashAlgorithm)
	l.yes("lru_maintainer_thread", set.LRUMaintainerThread)
	l.yes("lru_segmented", set.LRUSegmented)
	l.n("hot_lru_pct", int64(set.HotLRUPct))
	l.n("warm_lru_pct", int64(set.WarmLRUPct))
	l.f("hot_max_factor", set.HotMaxFactor, 2)
	l.f("warm_max_factor", set.WarmMaxFactor, 2)
	l.yes("temp_lru", set.TempLRU)
	l.n("temporary_ttl", int64(set.TemporaryTTL))
}

func (s *Server) appendFeatureSettings(l *statList, set *Settings) {
	l.n("idle_timeout", int64(set.IdleTimeoutSeconds))
	l.n("watcher_logbuf_size", int64(set.WatcherLogbufSize))
	l.n("worker_logbuf_size", int64(set.WorkerLogbufSize))
	l.n("read_buf_mem_limit", int64(set.ReadBufMemLimit))
	l.yes("track_sizes", set.TrackSizes)
	l.s("inline_ascii_response", "no")
	l.n("ext_item_size", int64(set.ExtItemSize))
	l.n("ext_item_age", int64(set.ExtItemAge))
	l.n("ext_low_ttl", int64(set.ExtLowTTL))
	l.n("ext_recache_rate", int64(set.ExtRecacheRate))
	l.n("ext_wbuf_size", int64(set.ExtWbufSize))
	l.n("ext_compact_under", int64(set.ExtCompactUnder))
	l.n("ext_drop_under", int64(set.ExtDropUnder))
	l.n("ext_max_sleep", int64(set.ExtMaxSleep))
	l.f("ext_max_frag", set.ExtMaxFrag, 2)
	l.f("slab_automove_freeratio", set.SlabAutomoveFreeRatio, 3)
	l.yes("ext_drop_unread", set.ExtDropUnread)
	appendTLSSettings(l, set) // Debian's build and the usual images know TLS
	if s.dialect == ascii.Old && set.NumNAPIIDs == 0 {
		l.s("num_napi_ids", "(null)")
	} else {
		l.n("num_napi_ids", int64(set.NumNAPIIDs))
	}
	l.or("memory_file", set.MemoryFile, "(null)")
	if s.dialect == ascii.New {
		l.n("client_flags_size", 4)
	}
}

func appendTLSSettings(l *statList, set *Settings) {
	l.yes("ssl_enabled", set.SSLEnabled)
	l.or("ssl_chain_cert", set.SSLChainCert, "(null)")
	l.or("ssl_key", set.SSLKey, "(null)")
	l.n("ssl_verify_mode", int64(set.SSLVerifyMode))
	l.n("ssl_keyformat", int64(set.SSLKeyFormat))
	l.or("ssl_ciphers", set.SSLCiphers, "NULL")
	l.or("ssl_ca_cert", set.SSLCACert, "NULL")
	l.n("ssl_wbuf_size", int64(set.SSLWbufSize))
	l.yes("ssl_session_cache", set.SSLSessionCache)
	l.yes("ssl_kernel_tls", set.SSLKernelTLS)
	l.s("ssl_min_version", set.SSLMinVersion)
}

// automoveWindow is the setting, or the version's default.
func (s *Server) automoveWindow(set *Settings) int {
	switch n := set.SlabAutomoveWindow; {
	case n != 0:
		return n
	case s.dialect == ascii.Old:
		return 30
	}
	return 10
}
