package memcache

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/slab"
)

// knobNames are what a line of the admin transcripts ends with: the settings
// that commands change, as `stats settings` showed them afterwards.
var knobNames = strings.Fields(`maxbytes slab_automove slab_automove_ratio slab_automove_window slab_automove_freeratio
	lru_crawler lru_crawler_sleep lru_crawler_tocrawl lru_segmented hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor
	temp_lru temporary_ttl ext_item_size ext_item_age ext_low_ttl ext_recache_rate ext_compact_under ext_drop_under
	ext_max_sleep ext_max_frag ext_drop_unread`)

// testAdmin replays what a real server was asked and what it answered, each
// request on a connection of its own. What it takes memory to find out is done
// by the ticks between two requests.
func testAdmin(t *testing.T, name string, compat Compat) {
	r := newRig(t, Config{Compat: compat})
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := casTokens{}, casTokens{}
	count := 0
	for line := range strings.Lines(string(text)) {
		in, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), `" => "`)
		reply, shown, ok2 := strings.Cut(rest, `" `)
		if !ok || !ok2 {
			t.Fatalf("not a pair: %s", line)
		}
		in = in[1:]
		got, want := ours.mask(r.dial().send(expand(t, in))), theirs.mask(expand(t, reply))
		if got != want {
			t.Errorf("%s\n  got  %.300q\n  want %.300q", in, got, want)
		}
		settings := r.stats(" settings")
		for i, value := range strings.Fields(shown) {
			if got := settings[knobNames[i]]; got != value {
				t.Errorf("after %s\n  %s is %s, want %s", in, knobNames[i], got, value)
			}
		}
		r.tickUntilCrawled()
		count++
	}
	const fewest = 246
	if count < fewest {
		t.Errorf("%d pairs, want at least %d", count, fewest)
	}
}

func TestAdmin1618(t *testing.T) { testAdmin(t, "admin-1.6.18.txt", Compat1618) }
func TestAdmin1645(t *testing.T) { testAdmin(t, "admin-1.6.45.txt", Compat1645) }

// tickUntilCrawled lets time stand still until a crawl is done.
func (r *rig) tickUntilCrawled() {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.store.Crawling(); {
		for loop := range r.server.workers {
			r.server.Tick(loop, r.nowMS)
		}
		if time.Now().After(deadline) {
			r.t.Fatal("the crawl does not end")
		}
	}
}

// evictable says whether a key's item may be evicted.
func (r *rig) evictable(key string) bool {
	r.t.Helper()
	h := r.store.Handle(0)
	hk := h.Key(0, []byte(key))
	l := h.Lock(&hk)
	defer l.Unlock()
	it, found := l.Find(r.nowMS)
	if found != slab.Hit {
		r.t.Fatalf("%s is not there", key)
	}
	return it.Evictable()
}

// TestTemporary: what decides is the time that an item has left to live when it
// gets its memory.
func TestTemporary(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		p := r.dial()
		check := func(in string, evictable bool) {
			t.Helper()
			if got := p.send(in); strings.Contains(got, "ERROR") || strings.Contains(got, "NOT_") {
				t.Fatalf("%q: %q", in, got)
			}
			if got := r.evictable("k"); got != evictable {
				t.Errorf("after %q evictable is %v", in, got)
			}
		}
		check("set k 0 10 1\r\n1\r\n", true) // temp_lru is off
		check("lru temp_ttl 60\r\nget k\r\n", true)
		check("set k 0 60 1\r\n1\r\n", false)
		check("set k 0 61 1\r\n1\r\n", true)
		check("set k 0 0 1\r\n1\r\n", true)
		check(fmt.Sprintf("set k 0 %d 1\r\n1\r\n", r.nowMS/1000+60), false)
		check(fmt.Sprintf("set k 0 %d 1\r\n1\r\n", r.nowMS/1000+61), true)
		check("touch k 5\r\n", true) // stays where it is
		check("gat 5 k\r\n", true)
		check("mg k T5\r\n", true)
		check("append k 0 0 1\r\n2\r\n", false) // a new item, with five seconds left
		check("touch k 0\r\n", false)
		check("incr k 1\r\n", false)   // in place
		check("incr k 1000\r\n", true) // longer: a new item, that never expires
		check("replace k 0 9 1\r\n9\r\n", false)
		check("delete k\r\nms k 1 T30\r\n1\r\n", false)
		check("delete k\r\nma k N30\r\n", false)
		check("delete k\r\nma k N90\r\n", true)
		check("delete k\r\nmg k N30\r\n", false)
		check("delete k\r\nmg k N90\r\n", true)
		check("lru temp_ttl 0\r\nset k 0 1 1\r\n1\r\n", true)
		check("lru temp_ttl -1\r\nset k 0 60 1\r\n1\r\n", true)
	}
}

// TestTemporaryStays: -o temporary_ttl, and a cache that is filled ten times.
func TestTemporaryStays(t *testing.T) {
	set := DefaultSettings()
	set.TempLRU = true
	r := newRigOf(t, Config{Settings: set}, 2<<20, true)
	p := r.dial()
	p.want("set canary 0 30 5\r\nsings\r\nset other 0 90 5\r\nsings\r\n", "STORED\r\nSTORED\r\n")
	body := strings.Repeat("x", 1000)
	for i := range 20_000 {
		p.want(fmt.Sprintf("set k%d 0 0 1000\r\n%s\r\n", i, body), "STORED\r\n")
	}
	p.want("get canary\r\nget other\r\n", "VALUE canary 0 5\r\nsings\r\nEND\r\nEND\r\n")
}

// TestWithoutMaintainer: lru mode and temp_ttl need it (-o no_lru_maintainer).
func TestWithoutMaintainer(t *testing.T) {
	set := DefaultSettings()
	set.LRUMaintainerThread = false
	newRig(t, Config{Settings: set}).dial().want("lru mode flat\r\nlru temp_ttl 5\r\nlru tune 1 2 3 4\r\n", "ERROR\r\nERROR\r\nOK\r\n")
}

// TestReassignDisabled: -o no_slab_reassign.
func TestReassignDisabled(t *testing.T) {
	set := DefaultSettings()
	set.SlabReassign = false
	newRig(t, Config{Settings: set}).dial().want("slabs reassign 1 1\r\n", "CLIENT_ERROR slab reassignment disabled\r\n")
}

// TestReassign: a class whose items would fill two pages can spare one.
func TestReassign(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	body := strings.Repeat("x", 70_000)
	for i := range 10 {
		p.want(fmt.Sprintf("set k%d 0 0 70000\r\n%s\r\n", i, body), "STORED\r\n")
	}
	p.want("slabs reassign 31 25\r\nslabs reassign -1 25\r\n", "NOSPARE source class has no spare pages\r\nBADCLASS invalid src or dst class id\r\n")
	for i := range 20 {
		p.want(fmt.Sprintf("set k%d 0 0 70000\r\n%s\r\n", i, body), "STORED\r\n")
	}
	p.want("slabs reassign 31 25\r\nslabs reassign -1 25\r\nslabs reassign -1 31\r\n", "OK\r\nOK\r\nBADCLASS invalid src or dst class id\r\n")
}
