package memcache

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

func TestShutdown(t *testing.T) {
	var calls []bool
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat, ShutdownEnabled: true})
		r.server.env.Shutdown = func(graceful bool) { calls = append(calls, graceful) }
		r.dial().want("shutdown foo\r\n", "CLIENT_ERROR invalid shutdown mode\r\n")
		r.dial().want("version\r\nshutdown\r\nversion\r\n", "VERSION "+compat.Version()+"\r\n<EOF>")
		r.dial().want("shutdown graceful\r\n", "<EOF>")
	}
	if fmt.Sprint(calls) != "[false true false true]" {
		t.Errorf("calls %v", calls)
	}
	newRig(t, Config{Compat: Compat1618}).dial().want("shutdown\r\n", "ERROR: shutdown not enabled\r\n")
	newRig(t, Config{}).dial().want("shutdown\r\n", "SERVER_ERROR: shutdown not enabled\r\n")
}

func TestVerbosity(t *testing.T) {
	r := newRig(t, Config{})
	level := -1
	r.server.env.SetVerbosity = func(n int) { level = n }
	r.dial().want("verbosity 1\r\nverbosity 99 noreply\r\nverbosity x\r\n", "OK\r\n"+replyFormat)
	if level != verbosityMax {
		t.Errorf("level %d", level)
	}
}

func TestQuit(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("set a 0 0 1\r\n1\r\nget a\r\nquit\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n<EOF>")
}

func TestHopelessLines(t *testing.T) {
	r := newRig(t, Config{})
	x := strings.Repeat("x", 2100)
	r.dial().want(x[:2048], "")
	r.dial().want(x[:2049], "<EOF>")
	r.dial().want("gat 0 "+x, "<EOF>")
	r.dial().want(strings.Repeat(" ", 101)+"get "+x, "<EOF>")
	r.dial().want("GET / HTTP/1.1\r\n", "<EOF>")
	r.dial().want("get "+x, "") // may yet become an error
	r.dial().want("get "+x+"\r\nversion\r\n", replyFormat+"VERSION 1.6.45\r\n")
}

func TestClusterDiscovery(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		r.dial().want("config get cluster\r\nget AmazonElastiCache:cluster\r\n", "ERROR\r\nEND\r\n")
		r.server.env.ClusterNodes = func() string { return "a.example|10.0.0.1|11211 b.example|10.0.0.2|11211" }
		payload := "1\na.example|10.0.0.1|11211 b.example|10.0.0.2|11211\n\r\nEND\r\n"
		r.dial().want("config get cluster\r\n", "CONFIG cluster 0 52\r\n"+payload)
		r.dial().want("get AmazonElastiCache:cluster\r\n", "VALUE AmazonElastiCache:cluster 0 52\r\n"+payload)
		r.dial().want("config\r\nconfig get foo\r\n", "ERROR\r\nERROR\r\n")
	}
}

func TestCacheMemlimit(t *testing.T) {
	r := newRig(t, Config{})
	r.dial().want("cache_memlimit 32\r\n", "OK\r\n")
	if got := r.stat("limit_maxbytes"); got != "33554432" {
		t.Errorf("limit %s", got)
	}
	if got := r.store.Stats().LimitBytes; got != 32<<20 {
		t.Errorf("store's limit %d", got)
	}
}

func TestForbidden(t *testing.T) {
	config := Config{DumpDisabled: true, WatchDisabled: true}
	p := newRig(t, config).dial()
	p.want("watch\r\nlru_crawler metadump all\r\nlru_crawler mgdump all\r\nstats cachedump 1 1\r\nstats detail on\r\n",
		"CLIENT_ERROR watch commands not allowed\r\nERROR metadump not allowed\r\nERROR key dump not allowed\r\n"+
			"CLIENT_ERROR stats cachedump not allowed\r\nCLIENT_ERROR stats detail not allowed\r\n")
	config.Compat = Compat1618
	newRig(t, config).dial().want("stats detail on\r\n", "OK\r\n")
	config.Settings = DefaultSettings()
	config.Settings.LRUCrawler = false
	newRig(t, config).dial().want("lru_crawler crawl all\r\nlru_crawler metadump all\r\n",
		strings.Repeat("CLIENT_ERROR lru crawler disabled\r\n", 2))
}

// stats are the lines of `stats` as a map.
func (r *rig) stats(sub string) map[string]string {
	m := map[string]string{}
	for _, line := range strings.Split(r.dial().send("stats"+sub+"\r\n"), "\r\n") {
		if f := strings.SplitN(line, " ", 3); f[0] == "STAT" {
			m[f[1]] = f[2]
		}
	}
	return m
}

func (r *rig) stat(name string) string { return r.stats("")[name] }

func TestStatsCount(t *testing.T) {
	r := newRig(t, Config{Compat: Compat1618})
	p := r.dial()
	p.want("set a 0 0 1\r\n1\r\nget a b\r\nmg a v\r\nmg b\r\nms c 1\r\nx\r\nget a\r\n",
		"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nVA 1\r\n1\r\nEN\r\nHD\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
	p.want("incr a 1\r\ndecr a 1\r\nincr n 1\r\ndecr n 1\r\ndecr n 1\r\ndelete c\r\ndelete c\r\n", "2\r\n1\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\nDELETED\r\nNOT_FOUND\r\n")
	p.want("touch a 0\r\ngat 0 a n\r\nmg a T0\r\ntouch n 0\r\n", "TOUCHED\r\nVALUE a 0 1\r\n1\r\nEND\r\nHD\r\nNOT_FOUND\r\n")
	p.want("cas n 0 0 1 1\r\nx\r\ncas a 0 0 1 1\r\nx\r\n", "NOT_FOUND\r\nEXISTS\r\n")
	p.want("cas a 0 0 1 "+tokenOf(t, p, "a")+"\r\nx\r\n", "STORED\r\n")
	p.want("set e 0 -1 1\r\nx\r\nget e\r\nset a 0 0 2000000\r\n"+strings.Repeat("x", 2000002), "STORED\r\nEND\r\n"+replyTooLarge)
	p.want("set f 0 0 1\r\nx\r\nme none\r\nflush_all\r\nget f\r\nadd f 0 0 1\r\n2\r\n", "STORED\r\nEN\r\nOK\r\nEND\r\nSTORED\r\n")
	got := r.stats("")
	for name, want := range map[string]string{
		"cmd_get": "8", "get_hits": "4", "get_misses": "4", "get_expired": "1", "get_flushed": "1", "cmd_set": "8",
		"incr_hits": "1", "incr_misses": "1", "decr_hits": "1", "decr_misses": "2", "delete_hits": "1", "delete_misses": "1",
		"cmd_touch": "5", "touch_hits": "3", "touch_misses": "2", "cas_hits": "1", "cas_misses": "1", "cas_badval": "1",
		"store_too_large": "1", "store_no_memory": "0", "cmd_flush": "1", "cmd_meta": "1",
		"pid": "42", "version": "1.6.18", "pointer_size": "64", "uptime": "2", "time": fmt.Sprint(startMS / 1000),
		"limit_maxbytes": fmt.Sprint(64 << 20), "accepting_conns": "1", "curr_items": "1",
	} {
		if got[name] != want {
			t.Errorf("%s %s, want %s", name, got[name], want)
		}
	}
	p.want("stats reset\r\n", "RESET\r\n")
	for name, v := range r.stats("") {
		if v != "0" && (strings.HasPrefix(name, "cmd_") || strings.HasSuffix(name, "_hits") || name == "total_items") {
			t.Errorf("after reset: %s %s", name, v)
		}
	}
}

// TestStatsNames compares the names and their order with what memcached prints,
// built with TLS and extstore as Debian does it.
func TestStatsNames(t *testing.T) {
	name := regexp.MustCompile(`(?m)^STAT (\S+)`)
	for _, c := range []struct {
		file   string
		sub    string
		compat Compat
	}{
		{"stats-1.6.18.txt", "", Compat1618}, {"stats-1.6.45.txt", "", Compat1645},
		{"settings-1.6.18.txt", " settings", Compat1618}, {"settings-1.6.45.txt", " settings", Compat1645},
	} {
		text, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, Config{Compat: c.compat})
		reply := r.dial().send("stats" + c.sub + "\r\n")
		var got []string
		for _, m := range name.FindAllStringSubmatch(reply, -1) {
			got = append(got, m[1])
		}
		if want := strings.Fields(string(text)); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s:\n got  %v\n want %v", c.file, got, want)
		}
	}
}

// TestStatsWithout: machinery that is switched off does not show.
func TestStatsWithout(t *testing.T) {
	config := Config{Compat: Compat1618, Settings: DefaultSettings()}
	config.Settings.LRUCrawler, config.Settings.LRUMaintainerThread = false, false
	if n := len(newRig(t, config).stats("")); n != 83 { // what memcached's own t/stats.t counts
		t.Errorf("%d lines", n)
	}
	config.Compat = Compat1645
	if n := len(newRig(t, config).stats("")); n != 84 {
		t.Errorf("%d lines", n)
	}
	config.Settings.IdleTimeoutSeconds = 3
	r := newRig(t, config)
	transport := wire.Transport{IdleKicks: 5, CurrentConnections: 7, BytesRead: 100, AcceptingPaused: true}
	r.server.env.Transport = func() wire.Transport { return transport }
	if got := r.stats(""); got["idle_kicks"] != "5" || got["curr_connections"] != "7" || got["accepting_conns"] != "0" {
		t.Errorf("%v", got)
	}
	r.dial().want("stats reset\r\n", "RESET\r\n")
	transport.BytesRead += 11
	if got := r.stats(""); got["idle_kicks"] != "0" || got["bytes_read"] != "11" || got["curr_connections"] != "7" {
		t.Errorf("after reset: %v", got)
	}
}

func TestSettings(t *testing.T) {
	r := newRig(t, Config{Compat: Compat1618, CASDisabled: true, RequestsPerTurn: 7, ItemSizeMax: 2 << 20, Verbosity: 1})
	r.dial().want("stats detail on\r\nflush_all\r\n", "OK\r\nOK\r\n")
	got := r.stats(" settings")
	for name, want := range map[string]string{
		"maxbytes": "67108864", "cas_enabled": "no", "reqs_per_event": "7", "item_size_max": "2097152", "verbosity": "1",
		"detail_enabled": "yes", "umask": "700", "growth_factor": "1.25", "inter": "NULL", "stat_key_prefix": ":",
		"slab_automove_freeratio": "0.010", "ssl_key": "(null)", "num_napi_ids": "(null)", "oldest": "61", "ext_item_age": "4294967295",
	} {
		if got[name] != want {
			t.Errorf("%s %q, want %q", name, got[name], want)
		}
	}
}

func TestStatsDetail(t *testing.T) {
	p := newRig(t, Config{StatsPrefix: '/', StatsDetail: true}).dial()
	p.want("set foo/1 0 0 1\r\nx\r\nget foo/1 foo/2 bar/1 none\r\ndelete foo/1\r\nms foo/9 1\r\nx\r\n", "STORED\r\nVALUE foo/1 0 1\r\nx\r\nEND\r\nDELETED\r\nHD\r\n")
	p.want("stats detail dump\r\n", "PREFIX foo get 2 hit 1 set 1 del 1\r\nPREFIX bar get 1 hit 0 set 0 del 0\r\nEND\r\n")
	p.want("stats detail off\r\nget foo/1\r\nstats detail dump\r\n", "OK\r\nEND\r\nPREFIX foo get 2 hit 1 set 1 del 1\r\nPREFIX bar get 1 hit 0 set 0 del 0\r\nEND\r\n")
	p.want("stats reset\r\nstats detail dump\r\n", "RESET\r\nEND\r\n")
	for i := range prefixesMax + 10 {
		p.r.server.prefixes.set('/', fmt.Appendf(nil, "%d/x", i))
	}
	if n := len(p.r.server.prefixes.counts); n != prefixesMax {
		t.Errorf("%d prefixes", n)
	}
}

func TestClasses(t *testing.T) {
	sizes := classSizes(1.25, 48, 512<<10)
	for class, want := range map[int]int{1: 96, 2: 120, 3: 152, 10: 752, 20: 7104, 38: 394840, 39: 524288} {
		if sizes[class] != want {
			t.Errorf("class %d: %d, want %d", class, sizes[class], want)
		}
	}
	if len(sizes) != 40 {
		t.Errorf("%d classes", len(sizes)-1)
	}
}

func TestSupportTable(t *testing.T) {
	text := SupportTable()
	for i := range table {
		if !strings.Contains(text, "| `"+table[i].name+"` |") || table[i].summary == "" {
			t.Errorf("%s is missing", table[i].name)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Config{}, Env{Loops: 1}); err != ErrNoStore {
		t.Error(err)
	}
	if _, err := New(Config{}, Env{Store: newRig(t, Config{}).store}); err != ErrNoLoops {
		t.Error(err)
	}
}

// TestStatTime: seconds with six decimals, as memcached prints them.
func TestStatTime(t *testing.T) {
	for want, v := range map[string]syscall.Timeval{
		"0.000000": {}, "12.000345": {Sec: 12, Usec: 345}, "1.999999": {Sec: 1, Usec: 999_999},
	} {
		var l statList
		l.time("rusage_user", v)
		if string(l.buf) != "STAT rusage_user "+want+"\r\n" {
			t.Errorf("%q, want %s", l.buf, want)
		}
	}
}

// TestCacheMemlimitDown: what is over the limit is evicted by ticks, and what
// is left can be read.
func TestCacheMemlimitDown(t *testing.T) {
	for _, evict := range []bool{true, false} {
		r := newRigOf(t, Config{}, 32<<20, evict)
		p := r.dial()
		const items, size = 20_000, 1000
		body := strings.Repeat("x", size)
		for i := range items {
			p.want(fmt.Sprintf("set k%d 0 0 %d\r\n%s\r\n", i, size, body), "STORED\r\n")
		}
		p.want("cache_memlimit 8\r\n", "OK\r\n")
		for i := range 100 {
			r.server.Tick(i%2, r.nowMS)
		}
		if used := r.store.Stats().UsedBytes; (used > 8<<20) == evict {
			t.Errorf("evict %v: %d bytes in use", evict, used)
		}
		hits := 0
		for i := range items {
			switch got := p.send(fmt.Sprintf("get k%d\r\n", i)); got {
			case fmt.Sprintf("VALUE k%d 0 %d\r\n%s\r\nEND\r\n", i, size, body):
				hits++
			case "END\r\n":
			default:
				t.Fatalf("%.100q", got)
			}
		}
		if evict && (hits == items || hits < items/8) || !evict && hits != items {
			t.Errorf("evict %v: %d hits", evict, hits)
		}
		p.want("cache_memlimit 32\r\n", "OK\r\n")
		if got := r.stat("limit_maxbytes") + " " + r.stats(" settings")["maxbytes"]; got != "33554432 33554432" {
			t.Errorf("limits %s", got)
		}
		p.want(fmt.Sprintf("set more 0 0 %d\r\n%s\r\nget more\r\n", size, body), fmt.Sprintf("STORED\r\nVALUE more 0 %d\r\n%s\r\nEND\r\n", size, body))
	}
}

// TestCacheMemlimitBeyond: there is no more address space than the machine has
// memory, so that a limit above that is refused, and nothing changes.
func TestCacheMemlimitBeyond(t *testing.T) {
	r := newRig(t, Config{})
	r.dial().want("cache_memlimit 1000000000\r\n", "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n")
	if got := r.stat("limit_maxbytes"); got != "67108864" {
		t.Errorf("limit %s", got)
	}
}
