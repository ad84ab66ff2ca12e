package admin

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// collector turns a snapshot into metrics, one snapshot a scrape.
type collector struct {
	server  *Server
	metrics []*prometheus.Desc // of memcached, row by row

	up, version, build, memory, scrape *prometheus.Desc

	transport transportMetrics
	persist   persistDescs
	flash     flashDescs
}

// registry holds all that /metrics shows.
func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func newCollector(s *Server) *collector {
	c := &collector{
		server:  s,
		up:      prometheus.NewDesc("memcached_up", "1: the server answers.", nil, nil),
		version: prometheus.NewDesc("memcached_version", "The version of memcached whose replies are given.", []string{"version"}, nil),
		build:   prometheus.NewDesc("panda_build_info", "The version of panda.", []string{"version"}, nil),
		memory:  prometheus.NewDesc("panda_memory_bytes", "Memory of the store, by use; their sum is its limit, and more while it shrinks to a smaller one.", []string{"use"}, nil),
		scrape:  prometheus.NewDesc("panda_scrape_duration_seconds", "How long these statistics took.", nil, nil),

		transport: newTransportMetrics(),
		persist:   newPersistDescs(),
		flash:     newFlashDescs(),
	}
	shared := map[string]*prometheus.Desc{}
	for i := range memcached {
		m := &memcached[i]
		if shared[m.name] == nil {
			shared[m.name] = prometheus.NewDesc("memcached_"+m.name, m.help, m.labelNames(), nil)
		}
		c.metrics = append(c.metrics, shared[m.name])
	}
	return c
}

// Describe implements prometheus.Collector. Histograms are not among them: the
// registry learns them as they come.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.version, c.build, c.memory, c.scrape} {
		out <- d
	}
	c.transport.describe(out)
	c.persist.describe(out)
	c.flash.describe(out)
	for i, d := range c.metrics {
		if i == 0 || d != c.metrics[i-1] {
			out <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	var ready []prometheus.Metric
	up := 1.0
	if c.server.ask(func() { ready = c.ask() }) != nil {
		up = 0
	}
	out <- prometheus.MustNewConstMetric(c.up, gauge, up)
	for _, m := range ready {
		out <- m
	}
}

// ask asks the node. It holds the gate, so it must not wait for a client.
func (c *collector) ask() (out []prometheus.Metric) {
	source, start := &c.server.source, time.Now()
	snapshot := source.Snapshot()
	t := newTables(&snapshot)
	add := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out = append(out, prometheus.MustNewConstMetric(d, kind, v, labels...))
	}
	for i := range memcached {
		c.add(&memcached[i], c.metrics[i], &t, add)
	}
	add(c.version, gauge, 1, t.general["version"])
	add(c.build, gauge, 1, source.Version)
	memory := source.Memory()
	add(c.memory, gauge, float64(memory.IndexBytes), "index")
	add(c.memory, gauge, float64(memory.UsedBytes-memory.IndexBytes), "items")
	add(c.memory, gauge, float64(max(0, memory.LimitBytes-memory.UsedBytes)), "free")
	if source.Transport != nil {
		transport := source.Transport()
		c.transport.add(&transport, t.general, add)
	}
	var histograms []Histogram
	if source.Histograms != nil {
		histograms = source.Histograms()
	}
	if p := source.persisted(); p != nil {
		c.persist.add(p, time.Now().UnixMilli(), add)
		histograms = append(histograms, persistHistograms(p)...)
	}
	if source.Flash != nil {
		flash := source.Flash()
		c.flash.add(&flash, add)
	}
	for _, h := range histograms {
		out = append(out, h.metric())
	}
	add(c.scrape, gauge, time.Since(start).Seconds())
	return out
}

// adder takes a value.
type adder = func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string)

// add finds the values of one row.
func (c *collector) add(m *metric, d *prometheus.Desc, t *tables, add adder) {
	labels := strings.Fields(m.labels)
	one := func(r rows, labels []string) {
		if v, ok := m.value(r); ok {
			add(d, m.kind, v, labels...)
		}
	}
	each := func(c classes) {
		for class, r := range c {
			one(r, append([]string{class}, labels...))
		}
	}
	switch m.from {
	case general:
		one(t.general, labels)
	case settings:
		if !strings.HasPrefix(m.name, crawling) || t.settings["lru_crawler"] == "yes" {
			one(t.settings, labels)
		}
	case totals:
		one(t.totals, labels)
	case items:
		each(t.items)
	case slabs:
		each(t.slabs)
	}
}

// metric is the histogram as Prometheus has it: each bucket counts those below
// it, too.
func (h *Histogram) metric() prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.Bounds))
	total := uint64(0)
	for i, bound := range h.Bounds {
		total += h.Counts[i]
		buckets[bound] = total
	}
	total += h.Counts[len(h.Bounds)]
	return prometheus.MustNewConstHistogram(prometheus.NewDesc(h.Name, h.Help, nil, nil), total, h.Sum, buckets)
}
