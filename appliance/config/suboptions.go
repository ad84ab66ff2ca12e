package config

// suboptions are all names of -o, of memcached 1.6.18 and of 1.6.45, with its
// debug and platform ones, and our own panda_ names. Columns as in flags; want
// is the complaint of a name without its value.
var suboptions = []option{
	{long: "maxconns_fast", state: Effective, set: setMaxConnsFast(true),
		help: "   - maxconns_fast:       answer connections over the limit with an error, and close\n" +
			"                          them (default); no_maxconns_fast: let them wait",
		note: "an error to connections over the limit (default)"},
	{long: "no_maxconns_fast", state: Effective, set: setMaxConnsFast(false),
		note: "connections over the limit wait"},
	{long: "idle_timeout", state: Effective, want: "Missing numeric argument for idle_timeout", set: setIdleTimeout,
		help: "   - idle_timeout:        seconds after which idle connections are closed (default: 0,\n" +
			"                          never)",
		note: "seconds until idle connections are closed"},
	{long: "relaxed_privileges", state: Effective, set: setRelaxed,
		note: "the command `debugtime`, for the peers' tests; a `-U` other than 0 is ignored with a warning"},
	{long: "panda_admin", state: Effective, want: "Missing panda_admin argument", set: setAdmin("panda_admin"),
		help: "   - panda_admin:         serve metrics, health and profiles by HTTP at this loopback\n" +
			"                          address (default: not at all)",
		note: "ours: `/metrics`, `/healthz` and `/debug/pprof` by HTTP at a loopback address"},
	{long: "panda_pprof", state: Effective, want: "Missing panda_pprof argument", set: setAdmin("panda_pprof"),
		note: "ours: an older name of `panda_admin`"},
	{long: "no_modern", state: Effective, set: setNoModern,
		note: "`maxconns_fast` off; the rest of it is memcached's inside"},
	{long: "modern", state: Accepted, note: "nothing, in memcached too"},

	{long: "hashpower", state: Accepted, want: "Missing numeric argument for hashpower", set: setHashpower,
		note: "the index grows by itself"},
	{long: "no_hashexpand", state: Accepted, note: "the index grows by itself, in small steps"},
	{long: "hash_algorithm", state: Accepted, want: "Missing hash_algorithm argument", set: setHash,
		note: "the index has its own hash"},
	{long: "slab_reassign", state: Accepted, set: setReassign(true), note: noClasses},
	{long: "no_slab_reassign", state: Accepted, set: setReassign(false), note: noClasses},
	{long: "slab_automove", state: Accepted, set: setAutomove, note: noClasses},
	{long: "no_slab_automove", state: Accepted, set: setNoAutomove, note: noClasses},
	{long: "slab_automove_ratio", state: Accepted, want: "Missing slab_automove_ratio argument", set: setAutomoveRatio, note: noClasses},
	{long: "slab_automove_window", state: Accepted, want: "Missing slab_automove_window argument", set: setAutomoveWindow, note: noClasses},
	{long: "slab_automove_freeratio", state: Accepted, want: "Missing slab_automove_freeratio argument", set: wantFraction("slab_automove_freeratio"), note: noClasses},
	{long: "slab_sizes", state: Accepted, want: "Missing slab_sizes argument", set: setSlabSizes, note: noClasses},
	{long: "slab_chunk_max", state: Accepted, want: "Missing slab_chunk_max argument", set: setChunkMax,
		note: "checked as memcached does (bytes with `--compat=1.6.18`, else kilobytes); large items are chained in any case"},
	{long: "no_chunked_items", state: Accepted, set: setNoChunkedItems, note: "large items are chained in any case"},
	{long: "tail_repair_time", state: Accepted, want: "Missing numeric argument for tail_repair_time", set: setTailRepair,
		note: "nothing gets stuck at a tail"},
	{long: "lru_crawler", state: Effective, set: setCrawler(true), note: "expired items are looked for (default)"},
	{long: "no_lru_crawler", state: Effective, set: setCrawler(false),
		help: "   - no_lru_crawler:      do not look for expired items, whose memory is used again only\n" +
			"                          when they are asked for or evicted",
		note: "expired items are not looked for"},
	{long: "lru_crawler_sleep", state: Accepted, want: "Missing lru_crawler_sleep value", set: setCrawlerSleep, note: noCrawler},
	{long: "lru_crawler_tocrawl", state: Accepted, want: "Missing lru_crawler_tocrawl value", set: setCrawlerItems, note: noCrawler},
	{long: "lru_maintainer", state: Accepted, set: setMaintainer(true), note: noLRU},
	{long: "no_lru_maintainer", state: Accepted, set: setMaintainer(false), note: noLRU},
	{long: "hot_lru_pct", state: Accepted, want: "Missing hot_lru_pct argument", set: setHotPercent, note: noLRU},
	{long: "warm_lru_pct", state: Accepted, want: "Missing warm_lru_pct argument", set: setWarmPercent, note: noLRU},
	{long: "hot_max_factor", state: Accepted, want: "Missing hot_max_factor argument", set: setHotFactor, note: noLRU},
	{long: "warm_max_factor", state: Accepted, want: "Missing warm_max_factor argument", set: setWarmFactor, note: noLRU},
	{long: "temporary_ttl", state: Effective, want: "Missing temporary_ttl argument", set: setTemporaryTTL,
		help: "   - temporary_ttl:       never evict items that expire within so many seconds",
		note: "items that expire within so many seconds are never evicted"},
	{long: "track_sizes", state: Effective, set: setTrackSizes, note: "`stats sizes` from the start on"},
	{long: "watcher_logbuf_size", state: Effective, want: "Missing watcher_logbuf_size argument", set: setWatcherBuffer,
		note: "kilobytes that a watcher may be behind; at least 128"},
	{long: "worker_logbuf_size", state: Effective, want: "Missing worker_logbuf_size argument", set: setWorkerBuffer,
		note: "kilobytes that a loop may write for watchers; at least 32"},
	{long: "read_buf_mem_limit", state: Accepted, want: "Missing read_buf_mem_limit argument", set: setReadLimit,
		note: "what a connection may hold is bounded in any case"},
	{long: "resp_obj_mem_limit", state: Accepted, set: setResponseLimit, note: "nothing, in memcached too, which says so"},
	{long: "inline_ascii_resp", state: Accepted, note: "nothing, in memcached too"},
	{long: "no_inline_ascii_resp", state: Accepted, note: "nothing, in memcached too"},
	{long: "no_drop_privileges", state: Accepted, note: "the default"},

	{long: "drop_privileges", state: Refused, note: "dropping system calls"},
	{long: "sock_cookie_id", state: Refused, note: "socket ids for firewalls"},
	{long: "ext_path", state: Refused, note: "storage on flash"},
	{long: "ext_page_size", state: Accepted, want: "Missing ext_page_size argument", set: wantUnsigned("ext_page_size"), note: onlyFlash},
	{long: "ext_wbuf_size", state: Accepted, want: "Missing ext_wbuf_size argument", set: wantUnsigned("ext_wbuf_size"), note: onlyFlash},
	{long: "ext_threads", state: Accepted, want: "Missing ext_threads argument", set: wantUnsigned("ext_threads"), note: onlyFlash},
	{long: "ext_io_depth", state: Accepted, want: "Missing ext_io_depth argument", set: wantUnsigned("ext_io_depth"), note: onlyFlash},
	{long: "ext_item_size", state: Accepted, want: "Missing ext_item_size argument", set: wantUnsigned("ext_item_size"), note: onlyFlash},
	{long: "ext_item_age", state: Accepted, want: "Missing ext_item_age argument", set: wantUnsigned("ext_item_age"), note: onlyFlash},
	{long: "ext_low_ttl", state: Accepted, want: "Missing ext_low_ttl argument", set: wantUnsigned("ext_low_ttl"), note: onlyFlash},
	{long: "ext_recache_rate", state: Accepted, want: "Missing ext_recache_rate argument", set: wantUnsigned("ext_recache_rate"), note: onlyFlash},
	{long: "ext_compact_under", state: Accepted, want: "Missing ext_compact_under argument", set: wantUnsigned("ext_compact_under"), note: onlyFlash},
	{long: "ext_drop_under", state: Accepted, want: "Missing ext_drop_under argument", set: wantUnsigned("ext_drop_under"), note: onlyFlash},
	{long: "ext_max_sleep", state: Accepted, want: "Missing ext_max_sleep argument", set: wantUnsigned("ext_max_sleep"), note: onlyFlash},
	{long: "ext_max_frag", state: Accepted, want: "Missing ext_max_frag argument", set: wantFraction("ext_max_frag"), note: onlyFlash},
	{long: "ext_drop_unread", state: Accepted, note: onlyFlash},
	{long: "proxy_config", state: Refused, note: "the proxy"},
	{long: "proxy_arg", state: Accepted, note: onlyProxy},
	{long: "proxy_uring", state: Accepted, note: onlyProxy},
	{long: "proxy_memprofile", state: Accepted, note: onlyProxy},
	{long: "ssl_chain_cert", state: Accepted, want: "Missing ssl_chain_cert argument", note: onlyTLS},
	{long: "ssl_key", state: Accepted, want: "Missing ssl_key argument", note: onlyTLS},
	{long: "ssl_verify_mode", state: Accepted, want: "Missing ssl_verify_mode argument", set: wantNumber("ssl_verify_mode"), note: onlyTLS},
	{long: "ssl_keyformat", state: Accepted, want: "Missing ssl_keyformat argument", set: wantNumber("ssl_keyformat"), note: onlyTLS},
	{long: "ssl_ciphers", state: Accepted, want: "Missing ssl_ciphers argument", note: onlyTLS},
	{long: "ssl_ca_cert", state: Accepted, want: "Missing ssl_ca_cert argument", note: onlyTLS},
	{long: "ssl_wbuf_size", state: Accepted, want: "Missing ssl_wbuf_size argument", set: wantUnsigned("ssl_wbuf_size"), note: onlyTLS},
	{long: "ssl_session_cache", state: Accepted, note: onlyTLS},
	{long: "ssl_kernel_tls", state: Accepted, note: onlyTLS},
	{long: "ssl_min_version", state: Accepted, want: "Missing ssl_min_version argument", set: wantNumber("ssl_min_version"), note: onlyTLS},
}

// Why several options cannot matter.
const (
	noClasses = "memory moves between sizes by itself"
	noCrawler = "expired items are found by the loops"
	noLRU     = "eviction has its own queues"
	onlyFlash = "matters only with `ext_path`, which is refused"
	onlyProxy = "matters only with `proxy_config`, which is refused"
	onlyTLS   = "matters only with `-Z`, which is refused"
)
