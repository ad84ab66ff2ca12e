package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
)

// AdminAddress is where `panda serve` answers its operator.
const AdminAddress = "127.0.0.1:8088"

// settings are all that `panda serve` can be told, by a file, by flags and by
// --set: the reader, --print-config and docs/settings.md are made of these
// rows. Sections stand together, in the order in which they are printed.
var settings = []setting{
	{name: "loops", kind: integer, initial: "0", flag: "loops", short: "t", min: 1, max: loopsMax, zero: "one per core",
		help:   "Event loops that serve connections; each is one thread.",
		reason: "one for each core that the process may use: a loop never waits, so more would only take turns",
		set:    func(p *parser, v value) error { p.c.Loops, p.threads = int(v.n), int(v.n); return nil }},
	{name: "user", kind: text, initial: "", flag: "user", short: "u",
		zero:   "nobody else",
		help:   "When started as root, become this user before any address is bound.",
		reason: "whoever started the node knows who it should be",
		set:    func(p *parser, v value) error { p.c.User = v.text; return nil }},
	{name: "pid_file", kind: text, initial: "", flag: "pid-file", short: "P", zero: "none",
		help:   "Write the process id to this file.",
		reason: "systemd and its like need none",
		set:    func(p *parser, v value) error { p.c.PIDFile = v.text; return nil }},
	{name: "core_dumps", kind: truth, initial: "false",
		help:   "Raise the limit of core files to its maximum, and dump core on a crash.",
		reason: "a core file is as large as the memory, and holds everybody's data",
		set:    func(p *parser, v value) error { p.c.CoreDumps = v.truth; return nil }},

	{name: "memory.limit", kind: size, initial: "64MB", flag: "memory", short: "m", min: memoryMin, max: memoryMax,
		help:   "Memory for items, index and overhead together.",
		reason: "memcached's; set it to what the machine can spare",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.MaxBytes = v.n; return nil }},
	{name: "memory.evictions", kind: truth, initial: "true", flag: "evictions",
		help:   "When memory is full, remove what was not used lately; false: answer stores with an error.",
		reason: "a cache is expected to",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.Evictions = v.truth; return nil }},
	{name: "memory.lock", kind: truth, initial: "false",
		help:   "Lock all memory (mlockall), so that none of it is swapped out. Needs RLIMIT_MEMLOCK or root.",
		reason: "it needs a privilege",
		set:    func(p *parser, v value) error { p.c.LockMemory = v.truth; return nil }},

	{name: "memory.file", kind: text, initial: "", flag: "memory-file", short: "e", zero: "none",
		help:   "Keep the memory in this file, so that items survive a stop by SIGUSR1 and an upgrade. The file has memory.limit bytes.",
		reason: "a file on a disk is slower than memory: it belongs to a tmpfs or to persistent memory",
		set:    func(p *parser, v value) error { p.c.MemoryFile = v.text; return nil }},

	persistSettings[0], persistSettings[1], persistSettings[2], persistSettings[3], persistSettings[4], persistSettings[5],

	flashSettings[0], flashSettings[1], flashSettings[2], flashSettings[3], flashSettings[4], flashSettings[5],

	{name: "memcache.listen", kind: list, initial: "localhost", flag: "listen", short: "l",
		help:   "Addresses to serve memcache at: host, host:port, [v6], [v6]:port; \"*\" is all. [] is none.",
		reason: "loopback only: without authentication, who reaches the port can read and write everything",
		set:    setAddresses},
	{name: "memcache.port", kind: integer, initial: "11211", flag: "port", short: "p", min: -1, max: portMax,
		help:   "Port of the addresses that name none; -1 is any free one.",
		reason: "memcached's",
		set:    setServePort},
	{name: "memcache.unix_socket", kind: text, initial: "", flag: "unix-socket", short: "s", zero: "none",
		help:   "Serve memcache at this unix socket, beside the addresses of listen.",
		reason: "programs elsewhere could not reach it",
		set:    func(p *parser, v value) error { p.unixPath = v.text; return nil }},
	{name: "memcache.unix_mode", kind: text, initial: "0700",
		help:   "Access mode of the unix socket, in octal.",
		reason: "memcached's: its owner only",
		set:    setMode},
	{name: "memcache.backlog", kind: integer, initial: "1024", min: 1, max: backlogMax,
		help:   "Connections that may wait to be accepted, per address.",
		reason: "memcached's; net.core.somaxconn bounds it",
		set:    func(p *parser, v value) error { p.c.Backlog = int(v.n); return nil }},
	{name: "memcache.connections", kind: integer, initial: "1024", flag: "connections", short: "c", min: 1, max: connectionsMax,
		help:   "Clients served at once.",
		reason: "memcached's; an idle one costs some hundred bytes",
		set: func(p *parser, v value) error {
			p.c.Clients, p.c.Memcache.Settings.MaxConns = int(v.n), int(v.n)
			return nil
		}},
	{name: "memcache.refuse_over_limit", kind: truth, initial: "true",
		help:   "Answer a connection over the limit with an error and close it; false: let it wait.",
		reason: "memcached's (maxconns_fast): a client that is told can go elsewhere",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.MaxConnsFast = v.truth; return nil }},
	{name: "memcache.idle_timeout", kind: duration, initial: "0s", flag: "idle-timeout", min: 1, max: secondsMax, zero: "never",
		help:   "Close connections that have been idle so long.",
		reason: "memcached's: clients keep connections in pools for hours",
		set: func(p *parser, v value) error {
			p.c.IdleAfter, p.c.Memcache.Settings.IdleTimeoutSeconds = v.period(), int(v.n)
			return nil
		}},
	{name: "memcache.item_max", kind: size, initial: "1MB", flag: "item-max", min: itemSizeMin, max: itemSizeMax,
		help:   "The largest item, on memcached's formula (key, value and 57 to 61 bytes); at most half of memory.limit.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.ItemSizeMax = int(v.n); return nil }},
	{name: "memcache.requests_per_turn", kind: integer, initial: "0", min: 1, max: requestsMax, zero: "as much as 0.2 ms of work",
		help:   "Requests of one connection before others have their turn.",
		reason: "a turn is bounded by its work in any case; a number would cost pipelines extra writes",
		set:    func(p *parser, v value) error { p.c.Memcache.RequestsPerTurn = int(v.n); return nil }},
	{name: "memcache.protocol", kind: text, initial: "auto", flag: "protocol", short: "B", choices: []string{"auto", "ascii", "binary"},
		help:   "What connections speak: ascii, binary, or what their first byte says.",
		reason: "memcached's",
		set:    setServeProtocol},
	{name: "memcache.udp_port", kind: integer, initial: "0", flag: "udp-port", short: "U", min: -1, max: portMax, zero: "no UDP",
		help:   "UDP port of the addresses of listen; -1 is any free one. Only this host may use it, and memcache.udp_clients.",
		reason: "memcached's: requests by UDP can be forged, and their replies sent to a victim",
		set:    func(p *parser, v value) error { p.udpPort = int(v.n); return nil }},
	{name: "memcache.udp_clients", kind: list, initial: "",
		help:   "Networks that may use UDP besides this host, such as 10.0.0.0/8.",
		reason: "as for memcache.udp_port",
		set: func(p *parser, v value) error {
			p.udpClients = strings.Join(v.list, "+")
			_, err := udpClients(p.udpClients)
			return err
		}},
	{name: "memcache.sasl", kind: truth, initial: "false",
		help:   "Clients must authenticate by SASL, and speak the binary protocol. MEMCACHED_SASL_PWDB names the file of passwords.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.SASL = v.truth; return nil }},
	{name: "memcache.auth_file", kind: text, initial: "", zero: "none",
		help:   "Clients must authenticate by one of the user:password lines of this file, and speak the text protocol.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.AuthFile = v.text; return nil }},
	{name: "memcache.compat", kind: text, initial: "1.6.45", flag: "compat", choices: []string{"1.6.45", "1.6.38", "1.6.18"},
		help:   "Whose replies are given where memcached's own changed: 1.6.40 and later, or before.",
		reason: "the current ones",
		set:    func(p *parser, v value) error { return exitError(setCompat(p, v.text)) }},
	{name: "memcache.cas", kind: truth, initial: "true",
		help:   "Show CAS tokens.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.CASDisabled = !v.truth; return nil }},
	{name: "memcache.flush", kind: truth, initial: "true",
		help:   "Allow flush_all.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.FlushDisabled = !v.truth; return nil }},
	{name: "memcache.dump", kind: truth, initial: "true",
		help:   "Allow commands that list keys: lru_crawler metadump, stats cachedump.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.DumpDisabled = !v.truth; return nil }},
	{name: "memcache.watch", kind: truth, initial: "true",
		help:   "Allow watch, which shows what clients do.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.WatchDisabled = !v.truth; return nil }},
	{name: "memcache.shutdown", kind: truth, initial: "false",
		help:   "Allow the shutdown command, which ends the process.",
		reason: "memcached's: any client could",
		set:    func(p *parser, v value) error { p.c.Memcache.ShutdownEnabled = v.truth; return nil }},
	{name: "memcache.temporary_ttl", kind: duration, initial: "0s", min: 1, max: secondsMax, zero: "off",
		help:   "Items that expire sooner than this are never evicted.",
		reason: "memcached's: they could fill the memory",
		set: func(p *parser, v value) error {
			if v.n > 0 {
				p.c.Memcache.Settings.TempLRU, p.c.Memcache.Settings.TemporaryTTL = true, int(v.n)
			}
			return nil
		}},
	{name: "memcache.lru_crawler", kind: truth, initial: "true",
		help:   "Find expired items early, and use their memory again; false: only when they are asked for or evicted.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.crawlerOff = !v.truth; return nil }},
	{name: "memcache.growth_factor", kind: fraction, initial: "1.25", min: 1.01, max: 16,
		help:   "How the classes of sizes grow in which `stats items` and `stats slabs` count.",
		reason: "memcached's; memory has its own sizes",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.GrowthFactor = v.f; return nil }},
	{name: "memcache.chunk_size", kind: integer, initial: "48", min: 1, max: 1 << 16,
		help:   "The bytes of key and value in the smallest of these classes.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.ChunkSize = int(v.n); return nil }},
	{name: "memcache.stats_prefix", kind: text, initial: "", zero: "none, and `:` once `stats detail on` was said",
		help:   "The character behind the prefix of a key; counts requests by prefix for `stats detail`.",
		reason: "it costs every request",
		set:    setPrefix},
	{name: "memcache.track_sizes", kind: truth, initial: "false",
		help:   "Allow `stats sizes`.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.TrackSizes = v.truth; return nil }},
	{name: "memcache.watcher_buffer", kind: size, initial: "256KB", min: watcherMin, max: bufferMax,
		help:   "What a watcher may be behind before lines are skipped.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.WatcherLogbufSize = int(v.n); return nil }},
	{name: "memcache.worker_buffer", kind: size, initial: "64KB", min: workerMin, max: bufferMax,
		help:   "What a loop may write for watchers before lines are dropped.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.WorkerLogbufSize = int(v.n); return nil }},

	{name: "tls.enabled", kind: truth, initial: "false", flag: "tls",
		help:   "TLS on every address of memcache.listen that does not say notls: before its host.",
		reason: "it needs a certificate",
		set:    func(p *parser, v value) error { p.tlsOn = v.truth; return nil }},
	{name: "tls.certificate", kind: text, initial: "", flag: "tls-certificate", zero: "none",
		help:   "File of the certificate and the chain behind it, PEM.",
		reason: "it is yours",
		set:    func(p *parser, v value) error { p.tls.ChainCert = v.text; return nil }},
	{name: "tls.key", kind: text, initial: "", flag: "tls-key", zero: "none",
		help:   "File of the certificate's private key.",
		reason: "it is yours",
		set:    func(p *parser, v value) error { p.tls.Key = v.text; return nil }},
	{name: "tls.key_format", kind: text, initial: "pem", choices: []string{"pem", "der"},
		help:   "The form of that file.",
		reason: "memcached's",
		set: func(p *parser, v value) error {
			p.tls.KeyFormat = map[string]int{"pem": 1, "der": 2}[v.text]
			return nil
		}},
	{name: "tls.client_certificates", kind: text, initial: "none", choices: []string{"none", "optional", "required"},
		help:   "Whether clients show a certificate of tls.authorities: none is asked for, one that comes is checked, or one is needed.",
		reason: "memcached's",
		set: func(p *parser, v value) error {
			p.tls.VerifyMode = map[string]int{"none": 0, "optional": 1, "required": 2}[v.text]
			return nil
		}},
	{name: "tls.authorities", kind: text, initial: "", zero: "those of the system",
		help:   "File of the authorities of client certificates, PEM.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.tls.CACert = v.text; return nil }},
	{name: "tls.ciphers", kind: text, initial: "", zero: "Go's",
		help:   "Ciphers of TLS 1.2 and before, by OpenSSL's names with colons between.",
		reason: "those of the TLS library are kept safe",
		set:    func(p *parser, v value) error { p.tls.Ciphers = v.text; return nil }},
	{name: "tls.min_version", kind: text, initial: "1.2", choices: []string{"1.0", "1.1", "1.2", "1.3"},
		help:   "The oldest version of TLS that is spoken.",
		reason: "memcached's: older ones are broken",
		set: func(p *parser, v value) error {
			p.tls.MinVersion = int(v.text[2] - '0')
			return nil
		}},
	{name: "tls.session_cache", kind: truth, initial: "false",
		help:   "Let clients resume sessions.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.tls.SessionCache = v.truth; return nil }},

	{name: "log.level", kind: text, initial: "info", flag: "log-level", choices: []string{"debug", "info", "warn", "error"},
		help:   "What is logged, to stderr: problems are errors and warnings, starting and stopping is info. No request is ever logged.",
		reason: "a start and a stop are a few lines",
		set:    setLevel},
	{name: "log.format", kind: text, initial: "auto", flag: "log-format", choices: []string{"auto", "json", "text"},
		help:   "The form of log lines; auto is text for a terminal, and JSON for everything else.",
		reason: "people read the one, programs the other",
		set:    func(p *parser, v value) error { p.c.LogFormat = v.text; return nil }},

	{name: "admin.address", kind: text, initial: AdminAddress, flag: "admin", zero: "none",
		help:   "Where to serve /metrics, /healthz and /debug/pprof by HTTP: a loopback address with a port. Port 0 is any free one.",
		reason: "loopback only, since there is no authentication, and profiles and metrics tell much",
		set:    setAdminAddress},
}

// setAddresses reads memcache.listen. The addresses are taken apart when the
// port is known, see finishServe; a mistake in one is found here.
func setAddresses(p *parser, v value) error {
	probe := *p
	probe.port = 1
	p.interfaces = ""
	for _, address := range v.list {
		if _, exit := probe.listener(address); exit != nil || address == "" {
			return fmt.Errorf("%s is no address; it wants host, host:port, [v6] or [v6]:port", quote(address))
		}
		if p.interfaces != "" {
			p.interfaces += ","
		}
		p.interfaces += address
	}
	return nil
}

func setServePort(p *parser, v value) error {
	if v.n == 0 {
		return errors.New("0 is not allowed; -1 is any free port, and memcache.listen = [] none")
	}
	p.port = int(v.n)
	return nil
}

// setServeProtocol: auto is what nobody chose, and authentication may choose.
func setServeProtocol(p *parser, v value) error {
	p.c.Memcache.Protocol, p.protocolGiven = protocolNames[v.text], v.text != "auto"
	return nil
}

func setMode(p *parser, v value) error {
	mode, err := strconv.ParseUint(v.text, 8, 32)
	if err != nil || os.FileMode(mode) != os.FileMode(mode).Perm() {
		return fmt.Errorf("%s is not allowed; it wants an octal number from 0 to 0777", quote(v.text))
	}
	p.unixMode = int(mode)
	return nil
}

func setPrefix(p *parser, v value) error {
	switch {
	case len(v.text) > 1:
		return fmt.Errorf("%s is not allowed; it wants one character of ASCII, or none", quote(v.text))
	case v.text != "":
		return exitError(setDelimiter(p, v.text))
	}
	return nil
}

// setLevel sets the log's level, and the verbosity that `stats settings` shows.
func setLevel(p *parser, v value) error {
	levels := map[string]struct {
		level     slog.Level
		verbosity int
	}{"error": {slog.LevelError, 0}, "warn": {slog.LevelWarn, 0}, "info": {slog.LevelInfo, 1}, "debug": {slog.LevelDebug, 2}}
	l := levels[v.text]
	p.c.LogLevel, p.c.Memcache.Verbosity = l.level, l.verbosity
	return nil
}

func setAdminAddress(p *parser, v value) error {
	if v.text != "" && !loopbackAddress(v.text) {
		return fmt.Errorf("%s is not allowed; it wants a loopback address with a port, such as %s, since whoever reaches it "+
			"sees metrics and profiles without a password", quote(v.text), AdminAddress)
	}
	p.c.Admin = v.text
	return nil
}

// exitError is the complaint of a flag's setter.
func exitError(exit *Exit) error {
	if exit == nil {
		return nil
	}
	return exit
}

// finishServe checks what no single setting can know, and completes the Config.
func (p *parser) finishServe() error {
	s := &p.c.Memcache.Settings
	for s.SlabChunkMax > p.c.Memcache.ItemSizeMax {
		s.SlabChunkMax /= 2 // of the classes that stats show
	}
	if p.interfaces == "" && p.unixPath == "" {
		return errors.New("memcache.listen and memcache.unix_socket are both empty, which leaves nothing to serve")
	}
	if p.unixPath != "" {
		p.c.Unix = &UnixSocket{Path: p.unixPath, Mode: os.FileMode(p.unixMode)}
	}
	for _, check := range []func() *Exit{p.finishAuth, p.finishServeUDP, p.finishTLS, p.listeners, p.finishLRU} {
		if exit := check(); exit != nil {
			return exit
		}
	}
	if err := p.finishPersist(); err != nil {
		return err
	}
	if err := p.finishServeFlash(); err != nil {
		return err
	}
	p.finishSettings()
	return nil
}

// settingNamed finds a row.
func settingNamed(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}
