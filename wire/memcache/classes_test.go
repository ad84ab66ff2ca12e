package memcache

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// statOf returns the values of a statistics command.
func (p *peer) statOf(command string) map[string]string {
	p.r.t.Helper()
	values := map[string]string{}
	got := p.send(command + "\r\n")
	if !strings.HasSuffix(got, "END\r\n") {
		p.r.t.Fatalf("%s: %.200q", command, got)
	}
	for _, line := range strings.Split(strings.TrimSuffix(got, "END\r\n"), "\r\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "STAT "), " "); ok {
			values[name] = value
		}
	}
	return values
}

// expect compares some values of a statistics command.
func (p *peer) expect(command string, want ...string) {
	p.r.t.Helper()
	values := p.statOf(command)
	for _, w := range want {
		name, value, _ := strings.Cut(w, " ")
		if got, there := values[name]; !there || got != value {
			p.r.t.Errorf("%s: %s is %q (there: %v), want %s", command, name, got, there, value)
		}
	}
}

// statNames are a reply's, in order.
func statNames(reply, prefix string) (list []string) {
	for _, line := range strings.Split(reply, "\r\n") {
		if rest, ok := strings.CutPrefix(line, "STAT "+prefix); ok {
			name, _, _ := strings.Cut(rest, " ")
			list = append(list, name)
		}
	}
	return list
}

func TestStatsItems(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("stats items\r\n", "END\r\n")
	p.want("set a 0 0 2\r\nok\r\n", "STORED\r\n")                               // 48+8+1+1+2+2 = 62
	p.want("set f 5 100 2\r\nok\r\n", "STORED\r\n")                             // 66
	p.want("set b 0 0 1000\r\n"+strings.Repeat("x", 1000)+"\r\n", "STORED\r\n") // 1060
	p.expect("stats items", "items:1:number 2", "items:1:number_hot 2", "items:1:mem_requested 128",
		"items:12:number 1", "items:12:mem_requested 1060", "items:12:evicted 0")
	p.send("get a a\r\n")
	r.tickRound()
	p.expect("stats items", "items:1:number_hot 1", "items:1:number_warm 1", "items:1:moves_to_warm 1", "items:1:hits_to_hot 2", "items:1:hits_to_warm 0")
	p.send("get a\r\n")
	r.nowMS += 2000
	r.tickRound()
	p.expect("stats items", "items:1:number_cold 1", "items:1:moves_to_cold 1", "items:1:hits_to_warm 1", "items:1:age 2", "items:12:number_cold 1")
	p.expect("stats", "moves_to_cold 2", "moves_to_warm 1", "evictions 0", "reclaimed 0")
	r.nowMS += 100_000
	r.tickRound()
	p.expect("stats items", "items:1:number 1", "items:1:reclaimed 1", "items:1:expired_unfetched 1")
	p.expect("stats", "reclaimed 1", "expired_unfetched 1")

	want := "number number_hot number_warm number_cold age_hot age_warm age mem_requested evicted evicted_nonzero " +
		"evicted_time outofmemory tailrepairs reclaimed expired_unfetched evicted_unfetched evicted_active " +
		"crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru " +
		"direct_reclaims hits_to_hot hits_to_warm hits_to_cold hits_to_temp"
	if got := strings.Join(statNames(p.send("stats items\r\n"), "items:12:"), " "); got != want {
		t.Errorf("stats items: %s", got)
	}
	p.send("stats reset\r\n")
	p.expect("stats items", "items:1:number 1", "items:1:reclaimed 0", "items:1:moves_to_warm 0", "items:1:hits_to_hot 0")
}

// tickRound ticks until every loop's sweep has come round.
func (r *rig) tickRound() {
	for range 64 {
		r.server.Tick(0, r.nowMS)
		r.server.Tick(1, r.nowMS)
	}
}

// TestStatsItemsWithoutMaintainer: as in memcached, what its LRU maintainer counts
// is not shown without one.
func TestStatsItemsWithoutMaintainer(t *testing.T) {
	config := Config{Settings: DefaultSettings()}
	config.Settings.LRUMaintainerThread = false
	p := newRig(t, config).dial()
	p.send("set a 0 0 2\r\nok\r\n")
	want := "number age mem_requested evicted evicted_nonzero evicted_time outofmemory tailrepairs reclaimed " +
		"expired_unfetched evicted_unfetched crawler_reclaimed crawler_items_checked lrutail_reflocked"
	if got := strings.Join(statNames(p.send("stats items\r\n"), "items:1:"), " "); got != want {
		t.Errorf("stats items: %s", got)
	}
}

func TestStatsSlabs(t *testing.T) {
	p := newRig(t, Config{}).dial()
	if got := statNames(p.send("stats slabs\r\n"), ""); strings.Join(got, " ") != "active_slabs total_malloced" {
		t.Errorf("an empty server has %q", got)
	}
	p.want("set a 0 0 1\r\n1\r\n", "STORED\r\n")
	p.want("set b 0 0 1\r\n1\r\n", "STORED\r\n")
	p.want("incr a 1\r\ndecr a 1\r\ntouch a 0\r\nget a c\r\nmg a\r\nmd b\r\n", "2\r\n1\r\nTOUCHED\r\nVALUE a 0 1\r\n1\r\nEND\r\nHD\r\nHD\r\n")
	p.want("cas a 0 0 1 99999\r\n3\r\n", "EXISTS\r\n")
	p.want("ms a 1\r\n3\r\n", "HD\r\n")
	p.expect("stats slabs", "1:chunk_size 96", "1:chunks_per_page 10922", "1:total_pages 1", "1:total_chunks 10922",
		"1:used_chunks 1", "1:free_chunks 10921", "1:free_chunks_end 0", "1:get_hits 2", "1:cmd_set 4", "1:delete_hits 1",
		"1:incr_hits 1", "1:decr_hits 1", "1:cas_hits 0", "1:cas_badval 1", "1:touch_hits 1", "active_slabs 1")
	p.expect("stats", "cmd_set 4", "get_hits 2", "get_misses 1", "delete_hits 1", "incr_hits 1", "decr_hits 1", "cas_badval 1", "touch_hits 1")
	p.want("delete a\r\n", "DELETED\r\n")
	p.expect("stats slabs", "1:used_chunks 0", "1:total_pages 1", "active_slabs 1")
}

// TestStatsSlabsOfChains: an item above the largest chunk counts as a chain.
func TestStatsSlabsOfChains(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("set a 0 0 1000000\r\n"+strings.Repeat("x", 1_000_000)+"\r\n", "STORED\r\n")
	p.expect("stats slabs", "39:chunk_size 524288", "39:used_chunks 2", "39:total_pages 1")
	p.expect("stats items", "items:39:number 1")
}

// TestClassesWithoutCAS: the weight is eight bytes less.
func TestClassesWithoutCAS(t *testing.T) {
	p := newRig(t, Config{CASDisabled: true}).dial()
	p.want("set a 0 0 2\r\nok\r\n", "STORED\r\n")
	p.expect("stats items", "items:1:mem_requested 54")
}

func TestStatsSizes(t *testing.T) {
	p := newRig(t, Config{Compat: Compat1618}).dial()
	p.want("stats sizes\r\n", "STAT sizes_status disabled\r\nEND\r\n")
	p.want("stats sizes_enable\r\n", "STAT sizes_status enabled\r\n") // no END, nor behind the others
	p.want("stats sizes\r\n", "END\r\n")
	p.want("set a 0 0 2\r\nok\r\nset b 0 0 2\r\nok\r\nset c 0 0 5\r\nhello\r\n", "STORED\r\nSTORED\r\nSTORED\r\n") // 62, 62, 65
	p.want("stats sizes\r\n", "STAT 64 2\r\nSTAT 96 1\r\nEND\r\n")
	p.want("stats sizes_disable\r\n", "STAT sizes_status disabled\r\n")
	p.want("stats sizes\r\n", "STAT sizes_status disabled\r\nEND\r\n")

	config := Config{Settings: DefaultSettings(), CASDisabled: true, Compat: Compat1618}
	config.Settings.TrackSizes = true
	p = newRig(t, config).dial()
	p.want("stats sizes_enable\r\n", "STAT sizes_status error\r\nSTAT sizes_error cas_support_disabled\r\n")
	p.want("stats sizes\r\n", "END\r\n")
}

// TestStatsSizesIsSetAtTheStart: later releases have no commands for it.
func TestStatsSizesIsSetAtTheStart(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("stats sizes_enable\r\nstats sizes_disable\r\n", "ERROR\r\nERROR\r\n")
	p.want("stats sizes\r\n", "STAT sizes_status disabled\r\nEND\r\n")
	config := Config{Settings: DefaultSettings()}
	config.Settings.TrackSizes = true
	p = newRig(t, config).dial()
	p.want("set a 0 0 2\r\nok\r\nstats sizes\r\n", "STORED\r\nSTAT 64 1\r\nEND\r\n")
}

// TestStatsSizesOfLargeItems: a large -I costs no memory by itself, and the list is
// made a part at a time, in order.
func TestStatsSizesOfLargeItems(t *testing.T) {
	config := Config{Settings: DefaultSettings(), ItemSizeMax: 1 << 30}
	config.Settings.TrackSizes = true
	p := newRig(t, config).dial()
	want := ""
	for i, size := range []int{10, 100, 40_000, 70_000, 70_010, 3_000_000} {
		p.send(fmt.Sprintf("set k%d 0 0 %d noreply\r\n%s\r\n", i, size, strings.Repeat("v", size)))
	}
	for _, row := range []string{"96 1", "192 1", "40064 1", "70080 2", "3000064 1"} {
		want += "STAT " + row + "\r\n"
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := p.send("stats sizes\r\n")
	runtime.ReadMemStats(&after)
	if got != want+replyEnd {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes of memory", n)
	}
	p.out.Cap = 1 // the list stops behind each part
	p.want("stats sizes\r\n", want+replyEnd)
}

// TestStatsOfNoStorage: both originals are built with extstore.
func TestStatsOfNoStorage(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		newRig(t, Config{Compat: compat}).dial().want("stats extstore\r\n", "END\r\n")
	}
}

// TestCachedumpIsWhole: every item of a class is listed once, in the steps of many
// turns, and nothing else; the commands behind it wait.
func TestCachedumpIsWhole(t *testing.T) {
	p := newRig(t, Config{}).dial()
	const n = 20_000
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "set key-%d 0 0 1 noreply\r\n1\r\nset other-%d 0 0 200 noreply\r\n%0200d\r\n", i, i, i)
	}
	p.want(in.String(), "")
	got := p.send("stats cachedump 1 0\r\nversion\r\n")
	body, ok := strings.CutSuffix(got, "END\r\nVERSION 1.6.45\r\n")
	if !ok {
		t.Fatalf("the end: %.100q", got[max(0, len(got)-100):])
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSuffix(body, "\r\n"), "\r\n") {
		key, rest, _ := strings.Cut(strings.TrimPrefix(line, "ITEM "), " ")
		if seen[key] || !strings.HasPrefix(key, "key-") || rest != "[1 b; 0 s]" {
			t.Fatalf("line %q", line)
		}
		seen[key] = true
	}
	if len(seen) != n {
		t.Errorf("%d items of %d", len(seen), n)
	}
	if got := p.send("stats cachedump 1 3\r\n"); strings.Count(got, "ITEM ") != 3 {
		t.Errorf("%q", got)
	}
	p.want("stats cachedump 2 0\r\n", "END\r\n")
}
