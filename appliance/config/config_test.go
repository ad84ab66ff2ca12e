package config

import (
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/wire/memcache"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected texts in testdata")

// parse reads a command line that must start a server.
func parse(t *testing.T, args string) Config {
	t.Helper()
	c, exit := Memcached("memcached", strings.Fields(args))
	if exit != nil {
		t.Fatalf("memcached %s: exit %d: %s", args, exit.Code, exit.Error())
	}
	return c
}

// wantExit holds a command line to an exit code and stderr text.
func wantExit(t *testing.T, args string, code int, stderr string) {
	t.Helper()
	_, exit := Memcached("memcached", strings.Fields(args))
	switch {
	case exit == nil:
		t.Errorf("memcached %s: starts, want exit %d", args, code)
	case exit.Code != code || exit.Stderr != stderr+"\n":
		t.Errorf("memcached %s: exit %d %q, want %d %q", args, exit.Code, exit.Stderr, code, stderr+"\n")
	}
}

func TestDefaultsAreMemcacheds(t *testing.T) {
	c := parse(t, "")
	want := memcache.DefaultSettings()
	want.NumThreadsPerUDP = 4
	if !reflect.DeepEqual(c.Memcache.Settings, want) {
		t.Errorf("settings\n%+v\nwant\n%+v", c.Memcache.Settings, want)
	}
	if !slices.Equal(c.Listeners, []Listener{{Port: 11211}}) || c.Unix != nil {
		t.Errorf("listens on %v %v, want all addresses at 11211", c.Listeners, c.Unix)
	}
	if c.Loops != 0 || c.Backlog != 1024 || !c.NeedsUser || c.Memcache.ItemSizeMax != 1<<20 {
		t.Errorf("defaults: %+v", c)
	}
	if c.Clients != 1024-1-20-2 {
		t.Errorf("%d clients, memcached -t 4 has 1001", c.Clients)
	}
}

// The lists below are memcached's own: getopt's and getsubopt's of 1.6.18 and
// 1.6.45, so that none can be forgotten here.
const (
	shortFlags = "aAZpsUmMckhiVrvdluPfntDLRCbBISFXWYeoN"
	longFlags  = "unix-mask enable-shutdown enable-ssl port unix-socket udp-port memory-limit disable-evictions conn-limit " +
		"lock-memory help license version enable-coredumps verbose daemon listen user pidfile slab-growth-factor " +
		"slab-min-size threads enable-largepages max-reqs-per-event disable-cas listen-backlog protocol max-item-size " +
		"enable-sasl disable-flush-all disable-dumping disable-watch auth-file memory-file extended napi-ids"
	suboptionNames = "maxconns_fast hashpower no_hashexpand slab_reassign slab_automove slab_automove_ratio " +
		"slab_automove_window tail_repair_time hash_algorithm lru_crawler lru_crawler_sleep lru_crawler_tocrawl " +
		"lru_maintainer hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor temporary_ttl idle_timeout " +
		"watcher_logbuf_size worker_logbuf_size slab_sizes slab_chunk_max track_sizes no_inline_ascii_resp modern " +
		"no_modern no_chunked_items no_slab_reassign no_slab_automove no_maxconns_fast inline_ascii_resp " +
		"no_lru_crawler no_lru_maintainer no_drop_privileges drop_privileges resp_obj_mem_limit read_buf_mem_limit " +
		"ssl_chain_cert ssl_key ssl_verify_mode ssl_keyformat ssl_ciphers ssl_ca_cert ssl_wbuf_size ssl_session_cache " +
		"ssl_kernel_tls ssl_min_version proxy_config proxy_arg proxy_uring proxy_memprofile relaxed_privileges " +
		"sock_cookie_id ext_page_size ext_wbuf_size ext_threads ext_io_depth ext_path ext_item_size ext_item_age " +
		"ext_low_ttl ext_recache_rate ext_compact_under ext_drop_under ext_max_sleep ext_max_frag ext_drop_unread " +
		"slab_automove_freeratio"
)

func TestEveryOptionOfMemcachedHasOneRow(t *testing.T) {
	for _, c := range []byte(shortFlags) {
		if findShort(c) == nil {
			t.Errorf("-%c has no row", c)
		}
	}
	p := newParser("memcached")
	for _, name := range strings.Fields(longFlags) {
		if o, exit := p.findLong(name, name); exit != nil || o.long != name {
			t.Errorf("--%s has no row", name)
		}
	}
	for _, name := range strings.Fields(suboptionNames) {
		if findSuboption(name) == nil {
			t.Errorf("-o %s has no row", name)
		}
	}
	seen := map[string]bool{}
	for _, o := range slices.Concat(flags, suboptions) {
		if seen[o.spelling()] {
			t.Errorf("%s has two rows", o.spelling())
		}
		seen[o.spelling()] = true
		if o.note == "" {
			t.Errorf("%s has no note", o.spelling())
		}
		if (o.help != "") && o.state == Accepted || o.help != "" && o.state == Refused {
			t.Errorf("-h advertises %s, which is %s", o.spelling(), o.state)
		}
	}
	if n := len(shortFlags) + 1 + len(strings.Fields(suboptionNames)) + 6; len(flags)+len(suboptions) != n {
		t.Errorf("%d rows, want memcached's and our seven: %d", len(flags)+len(suboptions), n)
	}
}

func TestRefusalsByName(t *testing.T) {
	refused := func(args string, code int, name, what string) {
		t.Helper()
		wantExit(t, args, code, "panda: option "+name+" ("+what+") is not supported yet")
	}
	refused("-l proto[proxy]:127.0.0.1", ExitUsage, "-l proto[proxy]", "the proxy protocol")
	refused("-o proxy_config=x.lua", ExitFailure, "-o proxy_config", "the proxy")
	refused("-o drop_privileges", ExitFailure, "-o drop_privileges", "dropping system calls")
	refused("-o sock_cookie_id=3", ExitFailure, "-o sock_cookie_id", "socket ids for firewalls")

	// Each refused row is among the above.
	named := 0
	for _, o := range slices.Concat(flags, suboptions) {
		if o.state == Refused {
			named++
		}
	}
	if named != 3 {
		t.Errorf("%d rows are refused, this test knows 3", named)
	}
}

// The texts and codes are those of memcached 1.6.18, seen live.
func TestErrorsAreMemcacheds(t *testing.T) {
	illegal := "\nIllegal argument \"?\""
	wantExit(t, "-q", 1, "memcached: invalid option -- 'q'"+illegal)
	wantExit(t, "-vvvq", 1, "memcached: invalid option -- 'q'"+illegal)
	wantExit(t, "--foo", 1, "memcached: unrecognized option '--foo'"+illegal)
	wantExit(t, "--foo=1", 1, "memcached: unrecognized option '--foo=1'"+illegal)
	wantExit(t, "-p", 1, "memcached: option requires an argument -- 'p'"+illegal)
	wantExit(t, "--port", 1, "memcached: option '--port' requires an argument"+illegal)
	wantExit(t, "--help=x", 1, "memcached: option '--help' doesn't allow an argument"+illegal)
	wantExit(t, "--p=3", 1, "memcached: option '--p=3' is ambiguous; possibilities: '--port' '--pidfile' '--protocol'"+illegal)
	wantExit(t, "-c 0", 1, "Maximum connections must be greater than 0")
	wantExit(t, "-c -1", 1, "Maximum connections must be greater than 0")
	wantExit(t, "-c 20", 1, "Maxconns setting is too low, use -c to increase.")
	wantExit(t, "-t 0", 1, "Number of threads must be greater than 0")
	wantExit(t, "-t x", 1, "Number of threads must be greater than 0")
	wantExit(t, "-R 0", 1, "Number of requests per event must be greater than 0")
	wantExit(t, "-f 1", 1, "Factor must be greater than 1")
	wantExit(t, "-n 0", 1, "Chunk size must be greater than 0")
	wantExit(t, "-N 0", 1, "Maximum number of NAPI IDs must be greater than 0")
	wantExit(t, "-N 5", 64, "Number of napi_ids(5) cannot be greater than number of threads(4)")
	wantExit(t, "-B http", 64, "Invalid value for binding protocol: http\n -- should be one of auto, binary, or ascii")
	wantExit(t, "-I 1000", 64, "Item max size cannot be less than 1024 bytes.")
	wantExit(t, "-I 256m", 64, "Cannot set item size limit higher than 1/2 of memory max.")
	wantExit(t, "-m 9000 -I 1025m", 64, "Cannot set item size limit higher than a gigabyte.")
	wantExit(t, "-m 1", 64, "Cannot set item size limit higher than 1/2 of memory max.")
	wantExit(t, "-I 1024", 64, "slab_chunk_max (bytes: 524288) cannot be larger than -I (item_size_max 1024)")
	wantExit(t, "-I 1500k", 64, "-I (item_size_max: 1536000) must be evenly divisible by slab_chunk_max (bytes: 524288)")
	wantExit(t, "-I 999k -o slab_chunk_max=333", 64, "slab_chunk_max (bytes: 340992) must divide evenly into 1048576 (slab_page_size)")
	wantExit(t, "-o slab_chunk_max=16384", 1, "slab_chunk_max must be specified in kilobytes.")
	wantExit(t, "-p 70000", 64, "ERROR: Invalid port number 70000.")
	wantExit(t, "-o foo", 1, "Illegal suboption \"foo\"")
	wantExit(t, "-o modern,foo=3,bar", 1, "Illegal suboption \"foo=3\"")
	wantExit(t, "-o hashpower", 1, "Missing numeric argument for hashpower")
	wantExit(t, "-o hashpower=11", 1, "Initial hashtable multiplier of 11 is too low")
	wantExit(t, "-o hashpower=33", 1, "Initial hashtable multiplier of 33 is too high\nChoose a value based on \"STAT hash_power_level\" from a running instance")
	wantExit(t, "-o hash_algorithm=md5", 1, "Unknown hash_algorithm option (jenkins, murmur3, xxh3)")
	wantExit(t, "-o slab_automove=3", 1, "slab_automove must be between 0 and 2")
	wantExit(t, "-o slab_automove_ratio=0", 1, "slab_automove_ratio must be > 0 and < 1")
	wantExit(t, "-o slab_automove_window=2", 1, "slab_automove_window must be > 2")
	wantExit(t, "-o tail_repair_time=9", 1, "Cannot set tail_repair_time to less than 10 seconds")
	wantExit(t, "-o lru_crawler_sleep=1000001", 1, "LRU crawler sleep must be between 0 and 1 second")
	wantExit(t, "-o lru_crawler_tocrawl=x", 1, "lru_crawler_tocrawl takes a numeric 32bit value")
	wantExit(t, "-o hot_lru_pct=80", 1, "hot_lru_pct must be > 1 and < 80")
	wantExit(t, "-o warm_lru_pct=0", 1, "warm_lru_pct must be > 1 and < 80")
	wantExit(t, "-o hot_lru_pct=50,warm_lru_pct=31", 64, "hot_lru_pct + warm_lru_pct cannot be more than 80% combined")
	wantExit(t, "-o hot_max_factor=0", 1, "hot_max_factor must be > 0")
	wantExit(t, "-o warm_max_factor=x", 1, "warm_max_factor must be > 0")
	wantExit(t, "-o watcher_logbuf_size=x", 1, "could not parse argument to watcher_logbuf_size")
	wantExit(t, "-o worker_logbuf_size=-1", 1, "could not parse argument to worker_logbuf_size")
	wantExit(t, "-o read_buf_mem_limit=x", 1, "could not parse argument to read_buf_mem_limit")
	wantExit(t, "-o no_modern,temporary_ttl=3", 64, "temporary_ttl requires lru_maintainer to be enabled")
	wantExit(t, "--compat=1.4.0", 64, "panda: --compat: \"1.4.0\" is neither 1.6.45 nor 1.6.18")
	wantExit(t, "-o panda_pprof=0.0.0.0:6060", 64, "panda: panda_pprof: \"0.0.0.0:6060\" is not a loopback address with a port, such as 127.0.0.1:8088")
	wantExit(t, "-o panda_admin=127.0.0.1", 64, "panda: panda_admin: \"127.0.0.1\" is not a loopback address with a port, such as 127.0.0.1:8088")
	if _, exit := Memcached("memcached", []string{"-D", ""}); exit == nil || exit.Stderr != "No delimiter specified\n" {
		t.Errorf("-D '': %v", exit)
	}
	for _, o := range suboptions {
		if o.want != "" {
			wantExit(t, "-o "+o.long, 1, o.want)
		}
	}
}

func TestValuesWithoutEffectAreChecked(t *testing.T) {
	wantExit(t, "-o slab_sizes=1", 64, "slab size 1 is out of valid range")
	wantExit(t, "-o slab_sizes=100-200x", 64, "slab size 0 is out of valid range")
	wantExit(t, "-o slab_sizes=100-524289", 64, "slab size 524289 is out of valid range")
	wantExit(t, "-n 96 -o slab_sizes=80", 64, "slab size 80 is out of valid range")
	wantExit(t, "-o slab_sizes=100-90", 64, "slab size 90 cannot be lower than or equal to a previous class size")
	wantExit(t, "-o slab_sizes=100-108", 64, "slab size 108 must be at least 8 bytes larger than previous class")
	wantExit(t, "-o ext_item_size=", 1, "could not parse argument to ext_item_size")
	wantExit(t, "-o ext_max_frag=x", 1, "could not parse argument to ext_max_frag")
	wantExit(t, "-o ext_item_size", 1, "Missing ext_item_size argument")
	wantExit(t, "-o slab_automove_freeratio=x", 1, "could not parse argument to slab_automove_freeratio")
	if _, exit := Memcached("memcached", []string{"-o", "slab_sizes="}); exit == nil || exit.Code != 64 || exit.Stderr != "" {
		t.Errorf("-o slab_sizes=: %v", exit)
	}
}

func TestAcceptedWithoutAWord(t *testing.T) {
	for _, args := range []string{
		"-m 64 -p 11211 -u memcache -l 127.0.0.1 -P /run/memcached/memcached.pid", // Debian's conf, -d filtered out by its wrapper
		"-U 0", "-L", "-N 2", "-f 1.08", "-n 96", "-o modern", "-B auto", "-o modern,",
		"-o no_lru_crawler,no_lru_maintainer,no_slab_reassign,no_slab_automove,no_hashexpand,no_inline_ascii_resp,inline_ascii_resp,no_drop_privileges",
		"-o slab_sizes=96-192-384,hash_algorithm=xxh3,hashpower=20,tail_repair_time=60,read_buf_mem_limit=64,slab_automove_freeratio=0.02",
		"-o ssl_chain_cert=x,ssl_key=y,ext_wbuf_size=4,proxy_arg=x,ssl_session_cache",
	} {
		if c := parse(t, args); len(c.Warnings) > 0 {
			t.Errorf("%s: warns %q", args, c.Warnings)
		}
	}
}

func TestWarnings(t *testing.T) {
	for args, text := range map[string]string{
		"-t 65 -c 2000":                                "high number of worker threads",
		"-o resp_obj_mem_limit=1":                      "DEPRECATED",
		"-Y /etc/users -l proto[negotiating]:10.0.0.1": "negotiating ports are ascii only",
	} {
		c := parse(t, args)
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], text) {
			t.Errorf("%s: warns %q, want %q", args, c.Warnings, text)
		}
	}
}

func TestUDP(t *testing.T) {
	listens := func(args string, tcp int, want ...Listener) {
		t.Helper()
		c := parse(t, args)
		if !slices.Equal(c.UDP, want) {
			t.Errorf("%s: %v, want %v", args, c.UDP, want)
		}
		if c.Listeners[0].Port != tcp {
			t.Errorf("%s: TCP at %d, want %d", args, c.Listeners[0].Port, tcp)
		}
	}
	listens("-U 0", 11211)
	listens("-U 4000", 4000, Listener{Port: 4000})
	listens("-U 4000 -p 5000", 5000, Listener{Port: 4000})
	listens("-U -1 -p -1", 0, Listener{Port: 0})
	listens("-U 4000 -p 5000 -l 10.0.0.1,[::1]:6000", 5000, Listener{Host: "10.0.0.1", Port: 4000}, Listener{Host: "::1", Port: 6000})
	if c := parse(t, "-U 4000 -o panda_udp_clients=10.1.2.3/8+fd00::1"); len(c.UDPClients) != 2 ||
		c.UDPClients[0].String() != "10.0.0.0/8" || c.UDPClients[1].String() != "fd00::1/128" {
		t.Errorf("%v", c.UDPClients)
	}
	wantExit(t, "-U 4000 -o panda_udp_clients=ten", ExitUsage, "panda_udp_clients: ten is no network; it wants 10.0.0.0/8 or fd00::/8")
	wantExit(t, "-U 70000", ExitOSError, "getaddrinfo(): Servname not supported for ai_socktype\nfailed to listen on UDP port: Success")
}

func TestAuthenticationChoosesTheProtocol(t *testing.T) {
	for args, want := range map[string]memcache.Protocol{
		"": memcache.ProtocolAuto, "-S": memcache.ProtocolBinary, "-S -B binary": memcache.ProtocolBinary, "-B binary": memcache.ProtocolBinary,
		"-Y f": memcache.ProtocolASCII, "-Y f -B ascii": memcache.ProtocolASCII,
	} {
		if c := parse(t, args); c.Memcache.Protocol != want || c.Memcache.Settings.BindingProtocol != want.String() || c.Listeners[0].Protocol != want {
			t.Errorf("%s: %v, want %v", args, c.Memcache.Protocol, want)
		}
	}
	const noASCII, noBinary = "ERROR: You cannot allow the ASCII protocol while using SASL.", "ERROR: You cannot allow the BINARY protocol while using ascii authentication tokens."
	wantExit(t, "-S -B auto", ExitUsage, noASCII)
	wantExit(t, "-S -B binary -B ascii", ExitUsage, noASCII)
	wantExit(t, "-S -l proto[ascii]:10.0.0.1", ExitUsage, noASCII)
	wantExit(t, "-S -U 4", ExitUsage, "ERROR: Cannot enable UDP while using binary SASL authentication.")
	wantExit(t, "--auth-file=", ExitFailure, "Could not open authfile [] for reading, error No such file or directory: No such file or directory")
	wantExit(t, "-Y f -B auto", ExitUsage, noBinary)
	wantExit(t, "-Y f -U 4", ExitUsage, "Cannot use UDP with ascii authentication enabled (-U 0 to disable)")
	wantExit(t, "-Y f -l proto[binary]:10.0.0.1", ExitOSError, "Cannot use binary protocol when ascii authentication enabled\nfailed to listen on one of interface(s) proto[binary]:10.0.0.1: Success")
}

func TestTLSOptions(t *testing.T) {
	c := parse(t, "-Z -o ssl_chain_cert=c,ssl_key=k,ssl_verify_mode=3,ssl_keyformat=2,ssl_ciphers=A:B,ssl_ca_cert=a,ssl_wbuf_size=64,ssl_session_cache,ssl_min_version=3")
	if c.TLS == nil || !reflect.DeepEqual(*c.TLS, TLS{"c", "k", "a", "A:B", 3, 2, 3, true, nil}) {
		t.Errorf("%+v", c.TLS)
	}
	if s := c.Memcache.Settings; !s.SSLEnabled || s.SSLVerifyMode != 7 || s.SSLMinVersion != "tlsv1.3" || s.SSLWbufSize != 64<<10 || s.SSLKeyFormat != 2 {
		t.Errorf("%+v", s)
	}
	if c := parse(t, "-o ssl_key=k"); c.TLS != nil {
		t.Errorf("TLS without -Z: %+v", c.TLS)
	}
	wantExit(t, "-Z -p 0", ExitUsage, "ERROR: You cannot enable SSL without a TCP port.")
	wantExit(t, "-Z -o ssl_verify_mode=4", ExitFailure, "Invalid ssl_verify_mode. Use help to see valid options.")
	wantExit(t, "-Z -o ssl_min_version=4", ExitFailure, "Invalid ssl_min_version. Use help to see valid options.")
}

func TestGetopt(t *testing.T) {
	for _, args := range []string{
		"-vvp4000", "-v -v -p 4000", "--verbose --verbose=9 --port=4000", "--verbose -v --port 4000", "-vv --por=4000",
		"stray -vv other -p4000", "-vv -p4000 -- -p5000 -q", "-vv -p 1 -p 4000", "-vv - -p 4000", "-vv -p4000x",
	} {
		c := parse(t, args)
		if c.Memcache.Verbosity != 2 || c.Memcache.Settings.TCPPort != 4000 {
			t.Errorf("%s: verbosity %d port %d, want 2 and 4000", args, c.Memcache.Verbosity, c.Memcache.Settings.TCPPort)
		}
	}
	c := parse(t, "-o idle_timeout=3,no_maxconns_fast -o track_sizes,idle_timeout=4,")
	if c.IdleAfter != 4*time.Second || c.Memcache.Settings.MaxConnsFast || !c.Memcache.Settings.TrackSizes {
		t.Errorf("-o twice: %v %+v", c.IdleAfter, c.Memcache.Settings)
	}
}

func TestEffectiveFlags(t *testing.T) {
	c := parse(t, "-A -M -C -F -X -W -r -k -D - -R 7 -b 99 -I 2m -m 128 -c 500 -t 3 -u root -P /run/x -B ascii -o relaxed_privileges,panda_pprof=127.0.0.1:6060 --compat=1.6.38")
	m := c.Memcache
	if !m.ShutdownEnabled || m.Settings.Evictions || !m.CASDisabled || !m.FlushDisabled || !m.DumpDisabled || !m.WatchDisabled ||
		!c.CoreDumps || !c.LockMemory || m.StatsPrefix != '-' || !m.StatsDetail || m.RequestsPerTurn != 7 || c.Backlog != 99 ||
		m.Settings.TCPBacklog != 99 || m.ItemSizeMax != 2<<20 || m.Settings.MaxBytes != 128<<20 || m.Settings.MaxConns != 500 ||
		c.Loops != 3 || m.Settings.NumThreads != 3 || c.User != "root" || c.PIDFile != "/run/x" || m.Settings.BindingProtocol != "ascii" ||
		!m.RelaxedPrivileges || c.Admin != "127.0.0.1:6060" || m.Compat != memcache.Compat1618 {
		t.Errorf("%+v", c)
	}
	if c.Clients != 500-1-15-2 {
		t.Errorf("%d clients, want 482", c.Clients)
	}
}

func TestListeners(t *testing.T) {
	listens := func(args string, want ...Listener) {
		t.Helper()
		if c := parse(t, args); !slices.Equal(c.Listeners, want) {
			t.Errorf("%s: %v, want %v", args, c.Listeners, want)
		}
	}
	listens("-p 0")
	listens("-p -1", Listener{Host: "", Port: 0})
	listens("-l 127.0.0.1", Listener{Host: "127.0.0.1", Port: 11211})
	listens("-l *:4000", Listener{Host: "", Port: 4000})
	listens("-l 127.0.0.1:4000,localhost -p 5000", Listener{Host: "127.0.0.1", Port: 4000}, Listener{Host: "localhost", Port: 5000})
	listens("-l 10.0.0.1;10.0.0.2", Listener{Host: "10.0.0.1", Port: 11211}, Listener{Host: "10.0.0.2", Port: 11211})
	listens("-l 10.0.0.1 -l 10.0.0.2 -l 10.0.0.1", Listener{Host: "10.0.0.1", Port: 11211}, Listener{Host: "10.0.0.2", Port: 11211})
	listens("-l ::1 -p 4000", Listener{Host: "::1", Port: 4000})
	listens("-l [::1]", Listener{Host: "::1", Port: 11211})
	listens("-l [::1]:4000,127.0.0.1:-1", Listener{Host: "::1", Port: 4000}, Listener{Host: "127.0.0.1", Port: 0})
	listens("-l proto[binary]:10.0.0.1 -B ascii", Listener{Host: "10.0.0.1", Port: 11211, Protocol: memcache.ProtocolBinary})
	listens("-Z -l mtls:proto[ascii]:10.0.0.1,notls:10.0.0.2:4,btls:10.0.0.3,10.0.0.4",
		Listener{Host: "10.0.0.1", Port: 11211, Security: MutualTLS, Protocol: memcache.ProtocolASCII}, Listener{Host: "10.0.0.2", Port: 4},
		Listener{Host: "10.0.0.3", Port: 11211, Security: ServerTLS}, Listener{Host: "10.0.0.4", Port: 11211, Security: PolicyTLS})
	listens("-l proto[ascii]:tag[web]:127.0.0.1:4000,tag[x]:::1", Listener{Host: "127.0.0.1", Port: 4000, Protocol: memcache.ProtocolASCII}, Listener{Host: "::1", Port: 11211})
	listens("-l proto[negotiating]:127.0.0.1", Listener{Host: "127.0.0.1", Port: 11211})

	bad := func(list, text string) {
		t.Helper()
		wantExit(t, "-l "+list, ExitOSError, text+"\nfailed to listen on one of interface(s) "+list+": Success")
	}
	bad("127.0.0.1:-5", "getaddrinfo(): Servname not supported for ai_socktype")
	wantExit(t, "-p -5", ExitOSError, "getaddrinfo(): Servname not supported for ai_socktype\nfailed to listen on TCP port -5: Success")
	wantExit(t, "-p -5 -l 127.0.0.1", ExitOSError, "getaddrinfo(): Servname not supported for ai_socktype\nfailed to listen on one of interface(s) 127.0.0.1: Success")
	bad("127.0.0.1:x", "Invalid port number: \"x\"")
	bad("127.0.0.1:70000", "Invalid port number: \"70000\"")
	bad("[::1", "Invalid IPV6 address: \"[::1\"")
	bad("notls:127.0.0.1", "'notls' option is valid only when SSL is enabled")
	bad("proto[ascii:127.0.0.1", "Invalid protocol spec: \"[ascii:127.0.0.1\"")
	bad("tag[123456789]:127.0.0.1", "Listener tags must be between 1 and 8 characters: \"123456789\"")
	bad("tag[x:127.0.0.1", "Invalid tag in socket config: \"[x:127.0.0.1\"")

	for host, loopback := range map[string]bool{"": false, "127.0.0.1": true, "::1": true, "localhost": true, "10.0.0.1": false,
		"127.0.0.53": true, "::ffff:127.0.0.1": true, "127.example.com": false, "localhost.example.com": false} {
		if got := (Listener{Host: host}).loopback(); got != loopback {
			t.Errorf("%q: loopback is %v", host, got)
		}
	}
}

func TestUnixSocketDisablesTheNetwork(t *testing.T) {
	c := parse(t, "-s /run/x.sock -p 4000 -a 0770")
	if len(c.Listeners) != 0 || c.Unix == nil || *c.Unix != (UnixSocket{"/run/x.sock", 0o770}) {
		t.Errorf("listens on %v and %v", c.Listeners, c.Unix)
	}
	if s := c.Memcache.Settings; s.DomainSocket != "/run/x.sock" || s.Umask != 0o770 {
		t.Errorf("settings: %q %o", s.DomainSocket, s.Umask)
	}
}

func TestChunkMaxUnitFollowsTheVersion(t *testing.T) {
	if c := parse(t, "--compat=1.6.18 -I 512k -o slab_chunk_max=16384"); c.Memcache.Settings.SlabChunkMax != 16384 {
		t.Errorf("1.6.18 reads bytes, got %d", c.Memcache.Settings.SlabChunkMax)
	}
	if c := parse(t, "-I 1024 -o slab_chunk_max=1"); c.Memcache.Settings.SlabChunkMax != 1024 {
		t.Errorf("1.6.45 reads kilobytes, got %d", c.Memcache.Settings.SlabChunkMax)
	}
	if c := parse(t, "-o no_modern"); c.Memcache.Settings.SlabChunkMax != 1<<20 || c.Memcache.Settings.MaxConnsFast {
		t.Errorf("no_modern: %+v", c.Memcache.Settings)
	}
}

func TestNumbersAsInC(t *testing.T) {
	for s, want := range map[string]int{"": 0, " 12": 12, "12x": 12, "-3": -3, "+4": 4, "x": 0, "99999999999": 1<<31 - 1, "-": 0} {
		if got := atoi(s); got != want {
			t.Errorf("atoi(%q) = %d, want %d", s, got, want)
		}
	}
	for s, want := range map[string]float64{"": 0, "1.25": 1.25, " .5": 0.5, "-.5x": -0.5, "2.": 2, "1e2": 100, "x": 0, "3e": 3, "0.8abc": 0.8} {
		if got := atof(s); got != want {
			t.Errorf("atof(%q) = %v, want %v", s, got, want)
		}
	}
	if n := strtol("0778", 8); n != 0o77 {
		t.Errorf("strtol(0778, 8) = %o, want 77", n)
	}
	for s, want := range map[string]bool{"12": true, "12 ": true, " 12": true, "12x": false, "": false, "-1": true, "99999999999": false} {
		if _, ok := safeStrtol(s); ok != want {
			t.Errorf("safeStrtol(%q) is %v", s, ok)
		}
	}
}

func TestVersionAndLicence(t *testing.T) {
	for args, want := range map[string]string{
		"-V": "memcached 1.6.45\n", "--version": "memcached 1.6.45\n", "--versi": "memcached 1.6.45\n", "x -Vzzz": "memcached 1.6.45\n",
		"--compat=1.6.18 -V": "memcached 1.6.18\n", "--compat 1.6.38 -V": "memcached 1.6.18\n",
	} {
		if _, exit := Memcached("memcached", strings.Fields(args)); exit == nil || exit.Code != 0 || exit.Stdout != want {
			t.Errorf("%s: %v, want %q", args, exit, want)
		}
	}
	if _, exit := Memcached("memcached", []string{"-i"}); exit == nil || exit.Code != 0 || !strings.Contains(exit.Stdout, "Apache License") {
		t.Errorf("-i: %v", exit)
	}
}

// The peers' test harness reads -h and runs the tests of what it finds there.
func TestHelp(t *testing.T) {
	_, exit := Memcached("memcached", []string{"-h", "-c", "0"})
	if exit == nil || exit.Code != 0 || exit.Stderr != "" {
		t.Fatalf("-h: %v, want exit 0", exit)
	}
	for _, word := range []string{"proxy_config", "drop_privileges"} {
		if strings.Contains(strings.ToLower(exit.Stdout), word) {
			t.Errorf("-h advertises %s, which does not work", word)
		}
	}
	for _, word := range []string{"unix-socket", "sasl", "enable-ssl", "ext_path"} {
		if !strings.Contains(exit.Stdout, word) {
			t.Errorf("-h does not mention %s", word)
		}
	}
	const golden = "testdata/help.txt"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(exit.Stdout), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != exit.Stdout {
		t.Errorf("-h differs from %s (%v); if that is meant, go test ./appliance/config -rewrite\n%s", golden, err, exit.Stdout)
	}
}
