package config

import (
	"strings"

	"github.com/pandabeardb/panda/wire/memcache"
)

// exitHelp stands for -h: the text is made from this table, so the table
// cannot hold it.
var exitHelp = &Exit{}

// flags are all of memcached's, short and long, of 1.6.18 and of 1.6.45, and
// our own --compat. Columns: short and long name, value, what becomes of it,
// what it sets, what -h says, what the README says (of a refused one: what it
// is called in the message).
var flags = []option{
	{short: 'p', long: "port", arg: required, state: Effective, set: setPort,
		help: "-p, --port=<num>          TCP port (default: 11211; 0: none, -1: any free one)",
		note: "TCP port; 0 none, -1 any free one"},
	{short: 'U', long: "udp-port", arg: required, state: Effective, set: setUDPPort,
		help: "-U, --udp-port=<num>      UDP port (default: 0, off); this host only, unless\n" +
			"                          -o panda_udp_clients names others",
		note: "UDP port; this host only, unless `-o panda_udp_clients` names others"},
	{short: 's', long: "unix-socket", arg: required, state: Effective, set: setUnixSocket,
		help: "-s, --unix-socket=<file>  listen on a UNIX socket, and not on the network",
		note: "a unix socket instead of TCP"},
	{short: 'a', long: "unix-mask", arg: required, state: Effective, set: setUnixMask,
		help: "-a, --unix-mask=<mask>    access mode of the UNIX socket, in octal (default: 700)",
		note: "mode of the unix socket, octal"},
	{short: 'A', long: "enable-shutdown", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.ShutdownEnabled = true; return nil },
		help: "-A, --enable-shutdown     allow the \"shutdown\" command",
		note: "the `shutdown` command"},
	{short: 'l', long: "listen", arg: required, state: Effective, set: setListen,
		help: "-l, --listen=<addr>       address to listen on (default: all), or several with\n" +
			"                          commas between; each may have its own port: host:port,\n" +
			"                          [v6]:port, proto[ascii]:tag[name]:host:port",
		note: "addresses: names, numbers, `host:port`, `[v6]:port`, lists, repeated; `proto[ascii]:` and `tag[…]:` prefixes"},
	{short: 'd', long: "daemon", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Daemon = true; return nil },
		help: "-d, --daemon              run as a daemon",
		note: "run as a daemon"},
	{short: 'r', long: "enable-coredumps", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.CoreDumps = true; return nil },
		help: "-r, --enable-coredumps    raise the core file limit, and dump core on a crash",
		note: "core file limit to the maximum; a crash dumps core"},
	{short: 'u', long: "user", arg: required, state: Effective,
		set:  func(p *parser, v string) *Exit { p.c.User = v; return nil },
		help: "-u, --user=<user>         become this user (only, and needed, when run as root)",
		note: "become this user; needed as root, as with memcached"},
	{short: 'm', long: "memory-limit", arg: required, state: Effective, set: setMemory,
		help: "-m, --memory-limit=<num>  memory for items, index and overhead, in megabytes\n" +
			"                          (default: 64)",
		note: "memory in MB, of items, index and overhead together"},
	{short: 'M', long: "disable-evictions", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.Settings.Evictions = false; return nil },
		help: "-M, --disable-evictions   answer with an error when memory is full, evict nothing",
		note: "an error instead of eviction"},
	{short: 'c', long: "conn-limit", arg: required, state: Effective, set: setConnections,
		help: "-c, --conn-limit=<num>    most connections at once (default: 1024)",
		note: "connections, counted as memcached counts (listeners and 5 a thread are among them)"},
	{short: 'k', long: "lock-memory", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.LockMemory = true; return nil },
		help: "-k, --lock-memory         lock all memory as it is used",
		note: "mlockall, on Linux"},
	{short: 'v', long: "verbose", arg: optional, state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.Verbosity++; return nil },
		help: "-v, --verbose             log more; -vv more still",
		note: "log more; `-vv` more still"},
	{short: 'h', long: "help", state: Effective, set: func(*parser, string) *Exit { return exitHelp },
		help: "-h, --help                print this and exit",
		note: "prints what works, and exits"},
	{short: 'i', long: "license", state: Effective,
		set:  func(p *parser, _ string) *Exit { return &Exit{Stdout: "memcached " + p.version + "\n\n" + license} },
		help: "-i, --license             print the licence and exit",
		note: "prints our licence"},
	{short: 'V', long: "version", state: Effective,
		set:  func(p *parser, _ string) *Exit { return &Exit{Stdout: "memcached " + p.version + "\n"} },
		help: "-V, --version             print the version of memcached that is stood for, and exit",
		note: "prints `memcached 1.6.45`, or what `--compat` before it says"},
	{short: 'P', long: "pidfile", arg: required, state: Effective,
		set:  func(p *parser, v string) *Exit { p.c.PIDFile = v; return nil },
		help: "-P, --pidfile=<file>      write the process id to <file>",
		note: "process id file"},
	{short: 'f', long: "slab-growth-factor", arg: required, state: Accepted, set: setFactor,
		note: "only `stats items` and `stats slabs` follow it; memory has its own sizes"},
	{short: 'n', long: "slab-min-size", arg: required, state: Accepted, set: setChunkSize,
		note: "as -f"},
	{short: 't', long: "threads", arg: required, state: Effective, set: setThreads,
		help: "-t, --threads=<num>       loops that serve connections (default: one per core)",
		note: "loops; default one per core (memcached: 4)"},
	{short: 'L', long: "enable-largepages", state: Accepted,
		note: "huge pages are asked for in any case"},
	{short: 'R', long: "max-reqs-per-event", arg: required, state: Effective, set: setRequests,
		help: "-R, --max-reqs-per-event=<num>  requests a connection may have before others have theirs",
		note: "requests of one connection before others have theirs"},
	{short: 'C', long: "disable-cas", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.CASDisabled = true; return nil },
		help: "-C, --disable-cas         show no CAS tokens",
		note: "no CAS"},
	{short: 'b', long: "listen-backlog", arg: required, state: Effective,
		set:  func(p *parser, v string) *Exit { p.c.Backlog = atoi(v); return nil },
		help: "-b, --listen-backlog=<num> connections that may wait to be accepted (default: 1024)",
		note: "listen backlog"},
	{short: 'B', long: "protocol", arg: required, state: Effective, set: setProtocol,
		help: "-B, --protocol=<name>     ascii, binary, or auto: the first byte of a connection\n" +
			"                          decides (default: auto)",
		note: "`auto` (the default), `ascii`, `binary`"},
	{short: 'I', long: "max-item-size", arg: required, state: Effective, set: setItemSize,
		help: "-I, --max-item-size=<num> largest item, k and m may follow (default: 1m, min: 1k,\n" +
			"                          max: 1024m)",
		note: "largest item, 1k to 1024m"},
	{short: 'S', long: "enable-sasl", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.SASL = true; return nil },
		help: "-S, --enable-sasl         SASL authentication, for the binary protocol",
		note: "SASL for the binary protocol (PLAIN, and CRAM-MD5 with a sasldb); passwords from `MEMCACHED_SASL_PWDB` or the sasldb that the SASL configuration names"},
	{short: 'F', long: "disable-flush-all", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.FlushDisabled = true; return nil },
		help: "-F, --disable-flush-all   refuse the \"flush_all\" command",
		note: "no `flush_all`"},
	{short: 'X', long: "disable-dumping", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.DumpDisabled = true; return nil },
		help: "-X, --disable-dumping     refuse commands that list keys",
		note: "no commands that list keys"},
	{short: 'W', long: "disable-watch", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.c.Memcache.WatchDisabled = true; return nil },
		help: "-W, --disable-watch       refuse the \"watch\" command",
		note: "no `watch`"},
	{short: 'Y', long: "auth-file", arg: required, state: Effective,
		set:  setAuthFile,
		help: "-Y, --auth-file=<file>    users and passwords for ASCII authentication, a line each",
		note: "authentication for the text protocol, by a file of up to 8 `user:password` lines"},
	{short: 'e', long: "memory-file", arg: required, state: Effective,
		set: func(p *parser, v string) *Exit { p.c.MemoryFile = v; return nil },
		help: "-e, --memory-file=<file>  keep the memory in this file, so that it survives a stop by\n" +
			"                          SIGUSR1",
		note: "warm restart: memory in this file survives a stop by SIGUSR1"},
	{short: 'Z', long: "enable-ssl", state: Effective,
		set:  func(p *parser, _ string) *Exit { p.tlsOn = true; return nil },
		help: "-Z, --enable-ssl          TLS on every TCP listener that does not say notls:",
		note: "TLS on every TCP listener that does not say `notls:`"},
	{short: 'D', arg: required, state: Effective, set: setDelimiter,
		help: "-D <char>                 delimiter between prefix and rest of a key (default: \":\");\n" +
			"                          turns the statistics per prefix on",
		note: "prefix delimiter; turns `stats detail` on"},
	{short: 'N', long: "napi-ids", arg: required, state: Accepted, set: setNAPI,
		note: "threads are not chosen by NAPI id"},
	{long: "compat", arg: required, state: Effective, set: setCompat,
		help: "    --compat=<version>    replies of memcached 1.6.45 (default), or of 1.6.18, which\n" +
			"                          those up to 1.6.39 give",
		note: "ours: replies and version of memcached `1.6.45` (default), or of `1.6.18` (`1.6.38` is the same)"},
	{short: 'o', long: "extended", arg: required, state: Effective,
		set:  func(p *parser, v string) *Exit { return p.parseSuboptions(v) },
		help: "-o, --extended=<list>     further options, with commas between:",
		note: "see the next table"},
}

func setPort(p *parser, v string) *Exit {
	p.port, p.portGiven = atoi(v), true
	return nil
}

func setUDPPort(p *parser, v string) *Exit {
	p.udpPort, p.udpGiven = atoi(v), true
	return nil
}

// setListen collects -l; an address that is in what was given before is left
// out, as memcached does.
func setListen(p *parser, v string) *Exit {
	switch {
	case p.interfaces == "":
		p.interfaces = v
	case !strings.Contains(p.interfaces, v):
		p.interfaces += "," + v
	}
	return nil
}

func setUnixSocket(p *parser, v string) *Exit {
	p.unixPath = v
	return nil
}

func setUnixMask(p *parser, v string) *Exit {
	p.unixMode = strtol(v, 8)
	return nil
}

func setMemory(p *parser, v string) *Exit {
	p.c.Memcache.Settings.MaxBytes = int64(atoi(v)) << 20
	return nil
}

func setConnections(p *parser, v string) *Exit {
	n := atoi(v)
	if n <= 0 {
		return fail(ExitFailure, "Maximum connections must be greater than 0")
	}
	p.c.Memcache.Settings.MaxConns = n
	return nil
}

func setFactor(p *parser, v string) *Exit {
	p.c.Memcache.Settings.GrowthFactor = atof(v)
	if p.c.Memcache.Settings.GrowthFactor <= 1 {
		return fail(ExitFailure, "Factor must be greater than 1")
	}
	return nil
}

func setChunkSize(p *parser, v string) *Exit {
	p.c.Memcache.Settings.ChunkSize = atoi(v)
	if p.c.Memcache.Settings.ChunkSize <= 0 {
		return fail(ExitFailure, "Chunk size must be greater than 0")
	}
	return nil
}

func setThreads(p *parser, v string) *Exit {
	n := atoi(v)
	if n <= 0 {
		return fail(ExitFailure, "Number of threads must be greater than 0")
	}
	if n > threadsWarned {
		p.warn("WARNING: Setting a high number of worker threads is not recommended.\n Set this value to the number of cores in your machine or less.")
	}
	p.threads, p.c.Loops = n, n
	return nil
}

func setRequests(p *parser, v string) *Exit {
	n := atoi(v)
	if n <= 0 {
		return fail(ExitFailure, "Number of requests per event must be greater than 0")
	}
	p.c.Memcache.RequestsPerTurn = n
	return nil
}

// protocolNames are the values of -B.
var protocolNames = map[string]memcache.Protocol{
	"auto": memcache.ProtocolAuto, "ascii": memcache.ProtocolASCII, "binary": memcache.ProtocolBinary,
}

func setProtocol(p *parser, v string) *Exit {
	p.protocolGiven = true
	for name, protocol := range protocolNames {
		if name == v {
			p.c.Memcache.Protocol = protocol
			return nil
		}
	}
	return fail(ExitUsage, "Invalid value for binding protocol: %s\n -- should be one of auto, binary, or ascii", v)
}

// setItemSize reads a size with k or m behind it.
func setItemSize(p *parser, v string) *Exit {
	size := atoi(v)
	if v != "" {
		switch v[len(v)-1] {
		case 'k', 'K':
			size <<= 10
		case 'm', 'M':
			size <<= 20
		}
	}
	p.c.Memcache.ItemSizeMax = size
	return nil
}

// setAuthFile is -Y. No name is no file, and not no authentication.
func setAuthFile(p *parser, v string) *Exit {
	if v == "" {
		return fail(ExitFailure, "Could not open authfile [] for reading, error No such file or directory: No such file or directory")
	}
	p.c.AuthFile = v
	return nil
}

func setDelimiter(p *parser, v string) *Exit {
	if v == "" {
		return fail(ExitFailure, "No delimiter specified")
	}
	p.c.Memcache.StatsPrefix, p.c.Memcache.StatsDetail = v[0], true
	return nil
}

func setNAPI(p *parser, v string) *Exit {
	n := atoi(v)
	if n <= 0 {
		return fail(ExitFailure, "Maximum number of NAPI IDs must be greater than 0")
	}
	p.c.Memcache.Settings.NumNAPIIDs = n
	return nil
}

func setCompat(p *parser, v string) *Exit {
	switch v {
	case "1.6.45":
		p.c.Memcache.Compat = memcache.Compat1645
	case "1.6.18", "1.6.38":
		p.c.Memcache.Compat = memcache.Compat1618
	default:
		return fail(ExitUsage, "panda: --compat: %q is neither 1.6.45 nor 1.6.18", v)
	}
	p.version = p.c.Memcache.Compat.Version()
	return nil
}
