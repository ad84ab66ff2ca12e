package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pandabeardb/panda/appliance/console"
)

const (
	hotKeysShown = 20
	hotShareMin  = 0.0005 // what has less is no hotter than its sketch is exact
	hotSampleMin = 8      // what was seen less often was seen by chance
)

// Page is the report for people. source is what was asked.
func (p *Report) Page(source string) *console.Page {
	page := &console.Page{}
	page.Heading("%s", p.title(source))
	p.summary(page)
	p.persistWarnings(page)
	page.Table(p.ratesTable())
	page.Table(p.latencyTable())
	page.Table(p.memoryTable())
	page.Table(p.persistTable())
	page.Table(p.loopsTable())
	page.Table(p.hotKeysTable())
	page.Table(p.classesTable())
	page.Table(p.runsTable())
	return page
}

func (p *Report) title(source string) string {
	s := &p.Server
	name := "memcached " + s.Memcached
	if s.Name == "panda" {
		name = "panda " + s.Version
		if s.Version == "" {
			name = "panda"
		}
		name += ", as memcached " + s.Memcached
	}
	over := fmt.Sprintf("over %.1f s", p.IntervalSeconds)
	if p.SinceStart {
		over = "since the start"
	}
	return fmt.Sprintf("%s at %s, pid %d, up %s; %s", name, source, s.PID, console.Span(s.UptimeSeconds), over)
}

func (p *Report) summary(page *console.Page) {
	c := &p.Connections
	threads := "threads"
	if p.Server.Name == "panda" {
		threads = "loops"
	}
	page.Line("%d %s, %.2f cores busy; %s of %s connections", p.Server.Threads, threads, p.CPU,
		console.Count(float64(c.Current)), console.Count(float64(c.Limit)))
	for _, warning := range []struct {
		rate float64
		text string
	}{
		{p.Rates.Rejected, "connections are refused at the limit"},
		{p.Rates.Refused, "stores are refused: too large, or no memory"},
		{p.Rates.AuthErrors, "clients fail to authenticate"},
		{p.Rates.TLSErrors, "TLS connections fail"},
		{p.Rates.UDPDropped, "datagrams are dropped"},
	} {
		if warning.rate > 0 {
			page.Line("! %s/s: %s", console.Count(warning.rate), warning.text)
		}
	}
}

func (p *Report) ratesTable() *console.Table {
	r := &p.Rates
	ratio := "-"
	if p.HitRatio != nil {
		ratio = console.Share(*p.HitRatio)
	}
	t := console.NewTable(console.Column{Name: "get/s"}, console.Column{Name: "hits"}, console.Column{Name: "set/s"}, console.Column{Name: "delete/s"},
		console.Column{Name: "other/s"}, console.Column{Name: "in/s"}, console.Column{Name: "out/s"}, console.Column{Name: "new conns/s"},
		console.Column{Name: "evicted/s"}, console.Column{Name: "expired/s"})
	t.Row(console.Count(r.Get), ratio, console.Count(r.Set), console.Count(r.Delete), console.Count(r.Other), console.Bytes(r.BytesRead),
		console.Bytes(r.BytesWritten), console.Count(r.Connections), console.Count(r.Evictions), console.Count(r.Expired))
	return t
}

func (p *Report) latencyTable() *console.Table {
	t := console.NewTable(console.Column{Name: "latency", Left: true}, console.Column{Name: "mean"}, console.Column{Name: "p50"}, console.Column{Name: "p90"},
		console.Column{Name: "p99"}, console.Column{Name: "p99.9"}, console.Column{Name: "max"}, console.Column{Name: "measured"})
	if q := p.Percentiles; q != nil {
		d := func(ns int64) string { return console.Duration(time.Duration(ns)) }
		t.Row("in the loops", d(q.Mean), d(q.P50), d(q.P90), d(q.P99), d(q.P999), d(q.Max), console.Count(float64(q.Count)))
	}
	return t
}

func (p *Report) memoryTable() *console.Table {
	t := console.NewTable(console.Column{Name: "items"}, console.Column{Name: "of limit"}, console.Column{Name: "used"}, console.Column{Name: "limit"},
		console.Column{Name: "stored"}, console.Column{Name: "index"}, console.Column{Name: "overhead"}, console.Column{Name: "each"})
	m := &p.Memory
	each := "-"
	if p.Items.Current > 0 {
		each = console.Bytes(float64(m.overhead()) / float64(p.Items.Current))
	}
	share := "-"
	if m.Limit > 0 {
		share = console.Share(float64(m.Used) / float64(m.Limit))
	}
	t.Row(console.Count(float64(p.Items.Current)), share, console.Bytes(float64(m.Used)), console.Bytes(float64(m.Limit)),
		console.Bytes(float64(m.Items)), console.Bytes(float64(m.Index)), console.Bytes(float64(m.overhead())), each)
	return t
}

func (p *Report) loopsTable() *console.Table {
	t := console.NewTable(console.Column{Name: "loop"}, console.Column{Name: "share"}, console.Column{Name: "connections"},
		console.Column{Name: "get/s"}, console.Column{Name: "set/s"}, console.Column{Name: "bytes/s"})
	t.Cut = true
	for i, l := range p.Loops {
		t.Row(fmt.Sprint(i), console.Share(l.Share), console.Count(float64(l.Connections)), console.Count(l.Gets), console.Count(l.Sets), console.Bytes(l.Bytes))
	}
	return t
}

func (p *Report) hotKeysTable() *console.Table {
	t := console.NewTable(console.Column{Name: "requests"}, console.Column{Name: "about"}, console.Column{Name: "hot key", Left: true, Wide: true})
	t.Cut = true
	if p.HotKeys == nil {
		return t
	}
	rate := p.Rates.Get + p.Rates.Set + p.Rates.Delete + p.Rates.Other
	for i, k := range p.HotKeys.Keys {
		if seen := k.Share * float64(p.HotKeys.Samples); i < hotKeysShown && k.Share >= hotShareMin && seen >= hotSampleMin {
			t.Row(console.Share(k.Share), console.Count(k.Share*rate)+"/s", k.Key)
		}
	}
	return t
}

// classesTable has the classes with the most bytes first.
func (p *Report) classesTable() *console.Table {
	columns := []console.Column{{Name: "class"}, {Name: "up to"}, {Name: "items"}, {Name: "bytes"}, {Name: "hot"}, {Name: "warm"}, {Name: "cold"},
		{Name: "hits/s"}, {Name: "set/s"}, {Name: "evicted/s"}, {Name: "unused for"}}
	chunks := p.Server.Name != "panda" // of which panda has none
	if chunks {
		columns = append(columns, console.Column{Name: "rounding"})
	}
	t := console.NewTable(columns...)
	t.Cut = true
	list := slices.Clone(p.Classes)
	slices.SortStableFunc(list, func(a, b ClassRate) int { return cmp.Compare(b.Bytes, a.Bytes) })
	for _, c := range list {
		if c.Items == 0 && c.SetRate == 0 && c.EvictRate == 0 {
			continue
		}
		part := func(n int64) string { return console.Share(float64(n) / float64(max(1, c.Items))) }
		row := []string{fmt.Sprint(c.Class.Class), console.Bytes(float64(c.ChunkBytes)), console.Count(float64(c.Items)), console.Bytes(float64(c.Bytes)),
			part(c.Hot), part(c.Warm), part(c.Cold), console.Count(c.GetRate), console.Count(c.SetRate), console.Count(c.EvictRate),
			console.Span(c.AgeSeconds)}
		if chunks {
			row = append(row, console.Bytes(float64(max(0, c.ChunksBytes-c.Bytes))))
		}
		t.Row(row...)
	}
	return t
}

// runsTable is the memory by queue: what came lately, what was read again.
func (p *Report) runsTable() *console.Table {
	t := console.NewTable(console.Column{Name: "chunks of"}, console.Column{Name: "memory"}, console.Column{Name: "small queue"},
		console.Column{Name: "main queue"}, console.Column{Name: "fixed"})
	t.Cut = true
	list := slices.Clone(p.Runs)
	total := func(r *Run) int64 { return r.Small + r.Main + r.Fixed }
	slices.SortStableFunc(list, func(a, b Run) int { return cmp.Compare(total(&b), total(&a)) })
	for _, r := range list {
		bytes := func(n int64) string { return console.Bytes(float64(n)) }
		t.Row(bytes(r.ChunkBytes), bytes(total(&r)), bytes(r.Small), bytes(r.Main), bytes(r.Fixed))
	}
	return t
}
