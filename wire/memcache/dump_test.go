package memcache

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

func (r *rig) fill(prefix string, n int) {
	p := r.dial()
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "set %s%d 0 0 1 noreply\r\n1\r\n", prefix, i)
	}
	if got := p.send(in.String()); got != "" {
		r.t.Fatalf("%.100q", got)
	}
	p.close()
}

// TestMetadump: every field.
func TestMetadump(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		r.nowMS += 300
		p := r.dial()
		ok, flags := "OK\r\n", " flags=7 "
		if compat == Compat1618 {
			ok, flags = "", ""
		}
		p.want("lru_crawler metadump all\r\n", ok+"END\r\n")
		p.want("ms a%\x01\"~b 3 T100 F7\r\nabc\r\n", "HD\r\n")
		cas := tokenOf(t, p, "a%\x01\"~b")
		line := func(la int64, fetch string) string {
			return fmt.Sprintf("%skey=a%%25%%01%%22~b exp=%d la=%d cas=%s fetch=%s cls=1 size=72%s\nEND\r\n",
				ok, startMS/1000+100, startMS/1000+la, cas, fetch, flags)
		}
		p.want("lru_crawler metadump all\r\n", line(0, "no"))
		r.nowMS += 5000
		p.want("lru_crawler metadump hash\r\n", line(0, "no"))
		p.send("mg a%\x01\"~b\r\n")
		p.want("lru_crawler metadump 1\r\n", line(5, "yes"))
		p.want("lru_crawler metadump 2,3\r\n", ok+"END\r\n")
		r.nowMS += 94_999
		p.want("lru_crawler metadump 1\r\n", line(5, "yes"))
		r.nowMS += 1
		p.want("lru_crawler metadump 1\r\n", ok+"END\r\n")
	}
}

// TestDumpEncoded: a key that came in base64 is shown so by mgdump only.
func TestDumpEncoded(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("ms AWL/fiB+ 3 b E5\r\nabc\r\n", "HD\r\n")
	p.want("lru_crawler mgdump all\r\n", "OK\r\nmg AWL/fiB+ b\r\nEN\r\n")
	got := p.send("lru_crawler metadump all\r\n")
	if !strings.HasPrefix(got, "OK\r\nkey=%01b%FF~%20~ exp=-1 ") {
		t.Errorf("%q", got)
	}
	p.want("md AWL/fiB+ b\r\nset plain 0 0 1\r\n1\r\n", "HD\r\nSTORED\r\n")
	p.want("lru_crawler mgdump hash\r\n", "OK\r\nmg plain\r\nEN\r\n")
}

// TestDumpAbsent: what a get would not find is not shown.
func TestDumpAbsent(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("set a 0 1 1\r\n1\r\nset b 0 0 1\r\n1\r\n", "STORED\r\nSTORED\r\n")
	r.nowMS += 1000
	p.want("lru_crawler mgdump all\r\n", "OK\r\nmg b\r\nEN\r\n")
	p.want("flush_all\r\n", "OK\r\n")
	p.want("lru_crawler mgdump all\r\n", "OK\r\nEN\r\n")
	p.want("set c 0 0 1\r\n1\r\nflush_all 1\r\n", "STORED\r\nOK\r\n") // covers this second
	p.want("lru_crawler mgdump all\r\n", "OK\r\nEN\r\n")
}

// TestDumpPipelined: a dump must be a batch's first request; mn begins a new one.
func TestDumpPipelined(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		p := r.dial()
		refused := "ERROR cannot pipeline other commands before metadump\r\n"
		ok := "OK\r\n"
		if compat == Compat1618 {
			ok = ""
		}
		p.want("mg foo v\r\nlru_crawler metadump all\r\nversion\r\n", "EN\r\n"+refused+"VERSION "+compat.Version()+"\r\n")
		p.want("set x 0 0 1 noreply\r\n1\r\nlru_crawler metadump all\r\n", refused)
		p.want("mg foo q\r\nlru_crawler metadump hash\r\n", refused)
		p.want("delete x\r\n", "DELETED\r\n")
		p.want("lru_crawler metadump all\r\nlru_crawler metadump all\r\nversion\r\n", ok+"END\r\n"+refused+"VERSION "+compat.Version()+"\r\n")
		p.want("mn\r\nlru_crawler metadump all\r\n", "MN\r\n"+ok+"END\r\n")
		if compat == Compat1645 {
			p.want("mg foo q\r\nlru_crawler mgdump all\r\n", "ERROR cannot pipeline other commands before mgdump\r\n")
		}
	}
}

var dumpedKey = regexp.MustCompile(`(?m)^mg (\S+)\r$`)

// dumper reads a dump as a slow client: out is full after a few lines.
type dumper struct {
	t    *testing.T
	p    *peer
	in   []byte
	text strings.Builder
	done bool
}

func (r *rig) dumper(t *testing.T, cap int) *dumper {
	d := &dumper{t: t, p: r.dial(), in: []byte("lru_crawler mgdump all\r\n")}
	d.p.out.Cap = cap
	return d
}

// step is one turn. It checks that what a turn makes is bounded.
func (d *dumper) step() {
	d.t.Helper()
	const longest = 300 // bytes of a line
	d.p.out.NowMS = d.p.r.nowMS
	n, next := d.p.session.Feed(d.in, &d.p.out)
	d.in = d.in[n:]
	if d.p.out.Len() > d.p.out.Cap+longest {
		d.t.Fatalf("%d bytes wait, of %d", d.p.out.Len(), d.p.out.Cap)
	}
	text := d.p.drain()
	if lines := strings.Count(text, "\n"); lines > turnWork {
		d.t.Fatalf("a turn of %d lines", lines)
	}
	d.text.WriteString(text)
	switch next {
	case wire.More:
		d.done = true
	case wire.Full, wire.Yield:
	default:
		d.t.Fatalf("next %d", next)
	}
}

// keys are how often each key was shown.
func (d *dumper) keys() map[string]int {
	d.t.Helper()
	text := d.text.String()
	if !strings.HasPrefix(text, "OK\r\n") || !strings.HasSuffix(text, "EN\r\n") {
		d.t.Fatalf("%.50q ... %q", text, text[max(0, len(text)-50):])
	}
	m := map[string]int{}
	for _, k := range dumpedKey.FindAllStringSubmatch(text, -1) {
		m[k[1]]++
	}
	return m
}

// TestDumpInSteps: a dump takes many turns, whose output and work are bounded,
// and shows every item once.
func TestDumpInSteps(t *testing.T) {
	for _, cap := range []int{100, 5000, 1 << 20} {
		r := newRig(t, Config{})
		const items = 20_000
		r.fill("k", items)
		d := r.dumper(t, cap)
		turns := 0
		for ; !d.done; turns++ {
			d.step()
		}
		if least := items / turnWork; turns < least {
			t.Errorf("cap %d: %d turns, want at least %d", cap, turns, least)
		}
		keys := d.keys()
		if len(keys) != items {
			t.Errorf("cap %d: %d keys", cap, len(keys))
		}
		for k, n := range keys {
			if n != 1 {
				t.Fatalf("%s was shown %d times", k, n)
			}
		}
		d.p.want("version\r\n", "VERSION 1.6.45\r\n")
	}
}

// TestDumpWhileItChanges: the index grows several times under a dump, items are
// replaced, come and go. What stays is shown, and nothing twice.
func TestDumpWhileItChanges(t *testing.T) {
	for _, before := range []int{1, 500, 10_000} {
		r := newRig(t, Config{})
		r.fill("stay", before)
		r.fill("gone", before)
		d := r.dumper(t, 200)
		other := r.dial()
		for i := 0; !d.done; i++ {
			d.step()
			if i < 2_000 {
				var in strings.Builder
				for j := range 40 {
					fmt.Fprintf(&in, "set new%d 0 0 1 noreply\r\n1\r\n", i*40+j)
				}
				fmt.Fprintf(&in, "delete gone%d noreply\r\nset stay%d 0 0 3 noreply\r\nxyz\r\n", i%before, i%before)
				other.want(in.String(), "")
				r.server.Tick(i%2, r.nowMS)
			}
		}
		keys := d.keys()
		for k, n := range keys {
			if n != 1 && !strings.HasPrefix(k, "gone") {
				t.Errorf("before %d: %s was shown %d times", before, k, n)
			}
		}
		for i := range before {
			if k := fmt.Sprintf("stay%d", i); keys[k] != 1 {
				t.Errorf("before %d: %s was shown %d times", before, k, keys[k])
			}
		}
	}
}

// TestDumpGivenUp: a client that goes away in the middle leaves nothing behind.
func TestDumpGivenUp(t *testing.T) {
	r := newRig(t, Config{})
	r.fill("k", 5000)
	d := r.dumper(t, 100)
	d.step()
	if got := r.stat("lru_crawler_running"); got != "1" {
		t.Errorf("running %s", got)
	}
	d.p.close()
	if got := r.stat("lru_crawler_running") + r.stat("lru_crawler_starts"); got != "01" {
		t.Errorf("running, starts %s", got)
	}
}

// TestTwoDumps: they do not wait for each other.
func TestTwoDumps(t *testing.T) {
	r := newRig(t, Config{})
	r.fill("k", 3000)
	a, b := r.dumper(t, 500), r.dumper(t, 300)
	for !a.done || !b.done {
		if !a.done {
			a.step()
		}
		if !b.done {
			b.step()
		}
	}
	if na, nb := len(a.keys()), len(b.keys()); na != 3000 || nb != 3000 {
		t.Errorf("%d and %d keys", na, nb)
	}
}

// TestCrawl: expired items that nobody asks for are found, unless the crawler
// is off.
func TestCrawl(t *testing.T) {
	set := DefaultSettings()
	set.LRUCrawler = false
	r := newRig(t, Config{Settings: set})
	p := r.dial()
	for i := range 100 {
		p.want(fmt.Sprintf("set k%d 0 %d 1\r\n1\r\n", i, i%2), "STORED\r\n")
	}
	r.nowMS += 1000
	tick := func() {
		for i := range 200 {
			r.server.Tick(i%2, r.nowMS)
		}
	}
	tick()
	if got := r.stat("curr_items"); got != "100" {
		t.Errorf("%s items, with the crawler off", got)
	}
	p.want("lru_crawler crawl all\r\n", replyCrawlerOff)
	p.want("lru_crawler enable\r\n", "OK\r\n")
	p.want("lru_crawler crawl 1\r\n", "OK\r\n")
	if got := r.stat("lru_crawler_running"); got != "1" {
		t.Errorf("running %s", got)
	}
	p.want("lru_crawler crawl 1\r\n", "BUSY currently processing crawler request\r\n")
	r.tickUntilCrawled()
	if got := r.stat("lru_crawler_running") + " " + r.stat("curr_items"); got != "0 50" {
		t.Errorf("running, items %s", got)
	}
	p.want("lru_crawler disable\r\n", "OK\r\n")
	p.want("lru_crawler mgdump all\r\n", replyCrawlerOff)
}
