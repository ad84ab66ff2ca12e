package config

import "time"

type setter = func(p *parser, value string) *Exit

// wantFraction checks a value that has no effect here, as memcached checks it: what it
// would not start with, we do not either.
func wantFraction(name string) setter {
	return func(_ *parser, v string) *Exit { return parsed(name, isFraction(v)) }
}

func parsed(name string, ok bool) *Exit {
	if ok {
		return nil
	}
	return fail(ExitFailure, "could not parse argument to %s", name)
}

// setSlabSizes keeps the list until -n and slab_chunk_max are known.
func setSlabSizes(p *parser, v string) *Exit {
	p.slabSizes, p.slabSizesGiven = v, true
	return nil
}

func setMaxConnsFast(on bool) setter {
	return func(p *parser, _ string) *Exit { p.c.Memcache.Settings.MaxConnsFast = on; return nil }
}

func setIdleTimeout(p *parser, v string) *Exit {
	seconds := max(atoi(v), 0)
	p.c.Memcache.Settings.IdleTimeoutSeconds = seconds
	p.c.IdleAfter = time.Duration(seconds) * time.Second
	return nil
}

func setRelaxed(p *parser, _ string) *Exit {
	p.relaxed, p.c.Memcache.RelaxedPrivileges = true, true
	return nil
}

// setAdmin is panda_admin; panda_pprof is its older name.
func setAdmin(name string) setter {
	return func(p *parser, v string) *Exit {
		if !loopbackAddress(v) {
			return fail(ExitUsage, "panda: %s: %q is not a loopback address with a port, such as %s", name, v, AdminAddress)
		}
		p.c.Admin = v
		return nil
	}
}

// setNoModern sets what memcached 1.4 did by default.
func setNoModern(p *parser, _ string) *Exit {
	s := &p.c.Memcache.Settings
	if !p.chunkGiven {
		s.SlabChunkMax = slabPage
	}
	s.SlabReassign = false
	s.SlabAutomove = 0
	s.MaxConnsFast = false
	s.LRUSegmented = false
	s.HashAlgorithm = "jenkins"
	p.crawlerOff, p.lruOff = true, true
	return nil
}

func setHashpower(p *parser, v string) *Exit {
	n := atoi(v)
	switch {
	case n < 12:
		return fail(ExitFailure, "Initial hashtable multiplier of %d is too low", n)
	case n > 32:
		return fail(ExitFailure, "Initial hashtable multiplier of %d is too high\n"+
			"Choose a value based on \"STAT hash_power_level\" from a running instance", n)
	}
	p.c.Memcache.Settings.HashpowerInit = n
	return nil
}

func setHash(p *parser, v string) *Exit {
	switch v {
	case "jenkins", "murmur3", "xxh3":
		p.c.Memcache.Settings.HashAlgorithm = v
		return nil
	}
	return fail(ExitFailure, "Unknown hash_algorithm option (jenkins, murmur3, xxh3)")
}

func setReassign(on bool) setter {
	return func(p *parser, _ string) *Exit { p.c.Memcache.Settings.SlabReassign = on; return nil }
}

// setAutomove reads 0, 1 or 2; the name alone means 1.
func setAutomove(p *parser, v string) *Exit {
	n := 1
	if v != "" {
		n = atoi(v)
	}
	if n < 0 || n > 2 {
		return fail(ExitFailure, "slab_automove must be between 0 and 2")
	}
	p.c.Memcache.Settings.SlabAutomove = n
	return nil
}

func setNoAutomove(p *parser, _ string) *Exit {
	p.c.Memcache.Settings.SlabAutomove = 0
	return nil
}

func setAutomoveRatio(p *parser, v string) *Exit {
	f := atof(v)
	if f <= 0 || f > 1 {
		return fail(ExitFailure, "slab_automove_ratio must be > 0 and < 1")
	}
	p.c.Memcache.Settings.SlabAutomoveRatio = f
	return nil
}

// setAutomoveWindow has an upper limit of 1800 in later versions only, so it
// cannot matter here.
func setAutomoveWindow(p *parser, v string) *Exit {
	n := atoi(v)
	if n < 3 {
		return fail(ExitFailure, "slab_automove_window must be > 2")
	}
	p.c.Memcache.Settings.SlabAutomoveWindow = n
	return nil
}

func setChunkMax(p *parser, v string) *Exit {
	n, ok := safeStrtol(v)
	if !ok {
		return fail(ExitFailure, "could not parse argument to slab_chunk_max")
	}
	if n <= 0 {
		return fail(ExitFailure, "slab_chunk_max must be >= 0")
	}
	p.chunkMax, p.chunkGiven = n, true
	return nil
}

func setNoChunkedItems(p *parser, _ string) *Exit {
	p.c.Memcache.Settings.SlabChunkMax = slabPage
	return nil
}

func setTailRepair(p *parser, v string) *Exit {
	n := atoi(v)
	if n < 10 {
		return fail(ExitFailure, "Cannot set tail_repair_time to less than 10 seconds")
	}
	p.c.Memcache.Settings.TailRepairTime = n
	return nil
}

func setCrawler(on bool) setter {
	return func(p *parser, _ string) *Exit { p.crawlerOff = !on; return nil }
}

func setCrawlerSleep(p *parser, v string) *Exit {
	n := atoi(v)
	if n < 0 || n > 1000000 {
		return fail(ExitFailure, "LRU crawler sleep must be between 0 and 1 second")
	}
	p.c.Memcache.Settings.LRUCrawlerSleepUS = n
	return nil
}

func setCrawlerItems(p *parser, v string) *Exit {
	n, ok := safeStrtoul(v)
	if !ok {
		return fail(ExitFailure, "lru_crawler_tocrawl takes a numeric 32bit value")
	}
	p.c.Memcache.Settings.LRUCrawlerToCrawl = int(n)
	return nil
}

func setMaintainer(on bool) setter {
	return func(p *parser, _ string) *Exit {
		p.lruOff, p.c.Memcache.Settings.LRUSegmented = !on, on
		return nil
	}
}

func setHotPercent(p *parser, v string) *Exit {
	return percent(&p.c.Memcache.Settings.HotLRUPct, v, "hot_lru_pct must be > 1 and < 80")
}

func setWarmPercent(p *parser, v string) *Exit {
	return percent(&p.c.Memcache.Settings.WarmLRUPct, v, "warm_lru_pct must be > 1 and < 80")
}

func percent(at *int, v, complaint string) *Exit {
	if *at = atoi(v); *at < 1 || *at >= 80 {
		return fail(ExitFailure, "%s", complaint)
	}
	return nil
}

func setHotFactor(p *parser, v string) *Exit {
	return factor(&p.c.Memcache.Settings.HotMaxFactor, v, "hot_max_factor must be > 0")
}

func setWarmFactor(p *parser, v string) *Exit {
	return factor(&p.c.Memcache.Settings.WarmMaxFactor, v, "warm_max_factor must be > 0")
}

func factor(at *float64, v, complaint string) *Exit {
	if *at = atof(v); *at <= 0 {
		return fail(ExitFailure, "%s", complaint)
	}
	return nil
}

func setTemporaryTTL(p *parser, v string) *Exit {
	p.c.Memcache.Settings.TempLRU = true
	p.c.Memcache.Settings.TemporaryTTL = atoi(v)
	return nil
}

func setTrackSizes(p *parser, _ string) *Exit {
	p.c.Memcache.Settings.TrackSizes = true
	return nil
}

func setWatcherBuffer(p *parser, v string) *Exit {
	return kilobytes(&p.c.Memcache.Settings.WatcherLogbufSize, v, "could not parse argument to watcher_logbuf_size")
}

func setWorkerBuffer(p *parser, v string) *Exit {
	return kilobytes(&p.c.Memcache.Settings.WorkerLogbufSize, v, "could not parse argument to worker_logbuf_size")
}

func kilobytes(at *int, v, complaint string) *Exit {
	n, ok := safeStrtoul(v)
	if !ok {
		return fail(ExitFailure, "%s", complaint)
	}
	*at = int(n) << 10
	return nil
}

func setReadLimit(p *parser, v string) *Exit {
	n, ok := safeStrtoul(v)
	if !ok {
		return fail(ExitFailure, "could not parse argument to read_buf_mem_limit")
	}
	p.c.Memcache.Settings.ReadBufMemLimit = int(n) << 20
	return nil
}

func setResponseLimit(p *parser, _ string) *Exit {
	p.warn("DEPRECATED: resp_obj_mem_limit no longer used. See read_buf_mem_limit,")
	return nil
}
