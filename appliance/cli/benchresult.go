package cli

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/pandabeardb/panda/appliance/console"
	"github.com/pandabeardb/panda/perf/load"
)

// benchFormat is the version of the JSON: fields may be added in it.
const benchFormat = 1

var benchPageSize = console.Size{Width: 200}

// benchResult is what `panda bench --json` prints.
type benchResult struct {
	Format      int         `json:"format"`
	Address     string      `json:"address"`
	Protocol    string      `json:"protocol"`
	UDP         bool        `json:"udp"`
	TLS         bool        `json:"tls"`
	Connections int         `json:"connections"`
	Threads     int         `json:"threads"`
	Depth       int         `json:"depth"`
	KeysPerGet  int         `json:"keys_per_get"`
	Keys        int         `json:"keys"`
	ValueSizes  []int       `json:"value_sizes"`
	Zipf        float64     `json:"zipf"`
	GetShare    float64     `json:"get_share"`
	Rate        float64     `json:"rate"`
	Fill        *benchPhase `json:"fill,omitempty"`
	Run         *benchPhase `json:"run"`
}

// benchPhase is what one phase did. Bytes are those of values.
type benchPhase struct {
	Seconds   float64      `json:"seconds"`
	Requests  int64        `json:"requests"`
	PerSecond float64      `json:"requests_per_second"`
	Errors    int64        `json:"errors"` // requests that the server refused
	Get       benchGets    `json:"get"`
	Set       benchSets    `json:"set"`
	Latency   benchLatency `json:"latency"`
}

// benchGets are gets by key: a request of several counts once for each.
type benchGets struct {
	Keys           int64    `json:"keys"`
	PerSecond      float64  `json:"keys_per_second"`
	Hits           int64    `json:"hits"`
	Misses         int64    `json:"misses"`
	HitRatio       *float64 `json:"hit_ratio"` // null: no gets
	BytesPerSecond float64  `json:"bytes_per_second"`
}

type benchSets struct {
	Stored         int64   `json:"stored"`
	PerSecond      float64 `json:"stored_per_second"`
	BytesPerSecond float64 `json:"bytes_per_second"`
}

// benchLatency is in nanoseconds, to the read of the reply: from the write, or
// with a rate from the time that the request was due. Of gets and sets together.
type benchLatency struct {
	Mean int64 `json:"mean_ns"`
	P50  int64 `json:"p50_ns"`
	P90  int64 `json:"p90_ns"`
	P99  int64 `json:"p99_ns"`
	P999 int64 `json:"p999_ns"`
	Max  int64 `json:"max_ns"`
}

// benchLoad is a run of the load generator, and the size of its values.
type benchLoad struct {
	config load.Config
	size   int
}

func (o *benchOptions) newResult() *benchResult {
	share, _ := o.getShare()
	return &benchResult{
		Format: benchFormat, Address: o.address, Protocol: o.protocol, UDP: o.udp, TLS: o.tls.on,
		Connections: o.connections, Threads: max(o.threads, len(o.sizes)), Depth: o.depth, KeysPerGet: o.keysPerGet,
		Keys: o.keys, ValueSizes: o.sizes, Zipf: o.zipf, GetShare: share, Rate: o.rate,
	}
}

// phase runs loads side by side, and shows how far they are.
func (o *benchOptions) phase(ctx context.Context, stderr io.Writer, what string, loads []benchLoad) (*benchPhase, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*load.Result, len(loads))
	var running sync.WaitGroup
	for i, l := range loads {
		running.Go(func() {
			var err error
			if results[i], err = load.Run(ctx, l.config); err != nil {
				cancel(err)
			}
		})
	}
	done := make(chan struct{})
	var showing sync.WaitGroup
	if console.Terminal(stderr) {
		showing.Go(func() { showPhase(stderr, what, loads[0].config.Duration, done) })
	}
	running.Wait()
	close(done)
	showing.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return newPhase(loads, results)
}

// showPhase moves a bar until done: with the time, where that ends the phase,
// else round in circles, since the generator does not say how far it is.
func showPhase(w io.Writer, what string, duration time.Duration, done <-chan struct{}) {
	total := duration.Milliseconds()
	if total == 0 {
		total = -1
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // otherwise a goroutine draws it, behind the end, too
		progressbar.OptionClearOnFinish(),
	)
	start := time.Now()
	ticks := time.NewTicker(barEvery)
	defer ticks.Stop()
	for {
		select {
		case <-done:
			bar.Clear()
			return
		case <-ticks.C:
			if total < 0 {
				bar.Add(1)
			} else {
				bar.Set64(min(time.Since(start).Milliseconds(), total-1)) // a bar that is full has ended
			}
		}
	}
}

var (
	errNoRequests    = errors.New("no request was answered")
	errNothingStored = errors.New("the server refused every store: are values larger than its -I?")
)

// newPhase adds up what loads did at the same time.
func newPhase(loads []benchLoad, results []*load.Result) (*benchPhase, error) {
	p := &benchPhase{}
	all := &load.Result{}
	var read, stored float64
	for i, r := range results {
		size := float64(loads[i].size)
		read += size * float64(r.Hits)
		stored += size * float64(r.Stores)
		all.Requests += r.Requests
		all.Hits += r.Hits
		all.Misses += r.Misses
		all.Stores += r.Stores
		all.Errors += r.Errors
		all.Elapsed = max(all.Elapsed, r.Elapsed)
		if all.Latency == nil {
			all.Latency = r.Latency
		} else {
			all.Latency.Merge(r.Latency)
		}
	}
	if all.Requests == 0 || all.Elapsed <= 0 {
		return nil, errNoRequests
	}
	p.Seconds = all.Elapsed.Seconds()
	p.Requests, p.PerSecond, p.Errors = all.Requests, all.PerSecond(), all.Errors
	p.Get = benchGets{Keys: all.Hits + all.Misses, Hits: all.Hits, Misses: all.Misses, BytesPerSecond: read / p.Seconds}
	if p.Get.PerSecond = float64(p.Get.Keys) / p.Seconds; p.Get.Keys > 0 {
		ratio := float64(all.Hits) / float64(p.Get.Keys)
		p.Get.HitRatio = &ratio
	}
	p.Set = benchSets{Stored: all.Stores, PerSecond: float64(all.Stores) / p.Seconds, BytesPerSecond: stored / p.Seconds}
	at := func(q float64) int64 { return int64(all.Quantile(q)) }
	p.Latency = benchLatency{Mean: int64(all.Latency.Mean()), P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: all.Latency.Max()}
	return p, nil
}

// refused reports whether the server refused anything.
func (r *benchResult) refused() bool {
	return r.Run.Errors > 0 || r.Fill != nil && r.Fill.Errors > 0
}

// page is the result for people.
func (r *benchResult) page() *console.Page {
	page := &console.Page{}
	page.Heading("%s at %s: %d connections, depth %d", r.protocolName(), r.Address, r.Connections, r.Depth)
	rates := console.NewTable(console.Column{Name: "phase", Left: true}, console.Column{Name: "requests/s"}, console.Column{Name: "get/s"},
		console.Column{Name: "hits"}, console.Column{Name: "read/s"}, console.Column{Name: "set/s"}, console.Column{Name: "stored/s"},
		console.Column{Name: "requests"}, console.Column{Name: "in"}, console.Column{Name: "refused"})
	times := console.NewTable(console.Column{Name: "latency", Left: true}, console.Column{Name: "mean"}, console.Column{Name: "p50"},
		console.Column{Name: "p90"}, console.Column{Name: "p99"}, console.Column{Name: "p99.9"}, console.Column{Name: "max"})
	add := func(name string, p *benchPhase) {
		hits := "-"
		if p.Get.HitRatio != nil {
			hits = console.Share(*p.Get.HitRatio)
		}
		rates.Row(name, console.Count(p.PerSecond), console.Count(p.Get.PerSecond), hits, console.Bytes(p.Get.BytesPerSecond),
			console.Count(p.Set.PerSecond), console.Bytes(p.Set.BytesPerSecond), console.Count(float64(p.Requests)),
			console.Duration(time.Duration(p.Seconds*1e9)), console.Count(float64(p.Errors)))
		d := func(ns int64) string { return console.Duration(time.Duration(ns)) }
		l := &p.Latency
		times.Row(name, d(l.Mean), d(l.P50), d(l.P90), d(l.P99), d(l.P999), d(l.Max))
	}
	if r.Fill != nil {
		add("fill", r.Fill)
	}
	add("run", r.Run)
	page.Table(rates)
	page.Table(times)
	return page
}

func (r *benchResult) protocolName() string {
	name := r.Protocol
	if r.UDP {
		name += " over UDP"
	}
	if r.TLS {
		name += " over TLS"
	}
	return name
}
