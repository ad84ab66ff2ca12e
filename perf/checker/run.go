package checker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/perf/probe"
)

// Counts is what was done.
type Counts struct {
	Requests   int64
	Values     int64 // compared byte for byte
	Bytes      int64 // of them
	Hits       int64
	Misses     int64
	Refused    int64 // SERVER_ERROR out of memory
	Reconnects int64
	Abandoned  int64 // connections closed with requests under way
}

func (c *Counts) add(o *Counts) {
	c.Requests += o.Requests
	c.Values += o.Values
	c.Bytes += o.Bytes
	c.Hits += o.Hits
	c.Misses += o.Misses
	c.Refused += o.Refused
	c.Reconnects += o.Reconnects
	c.Abandoned += o.Abandoned
}

// Report is what a check found when nothing was wrong.
type Report struct {
	Counts
	Elapsed time.Duration
	Flushes int
	Limits  int // cache_memlimit
	Crawls  int
	Dumps   int // lru_crawler metadump, read to the end
	Dumped  int // lines of them
	// Restarts is how often the server was started again, Kept how many values were
	// there, and right, behind that.
	Restarts int
	Kept     int64
	Refusal  string
	Probe    []probe.Sample
}

// run is one check.
type run struct {
	clock
	config  Config
	stopped atomic.Bool
	flushes flushes
	shared  []*shared
	clients []*client
	script  func(c *client) error // what each client does, until the time is over
	until   time.Duration         // when that is

	nextFlush time.Duration // the operator's
}

// Run checks a server until the time is over or an answer is wrong, which is the
// error then (a *Wrong).
func Run(ctx context.Context, config Config) (*Report, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	r := &run{config: config, clock: clock{start: time.Now(), slack: config.Slack}}
	r.script = func(c *client) error {
		if err := c.dial(); err != nil {
			return err
		}
		return c.loop()
	}
	return r.do(ctx)
}

// do runs the script of all clients, with the probe and the operator beside them, once
// or between restarts. The report is never nil.
func (r *run) do(ctx context.Context) (*Report, error) {
	report := &Report{}
	defer context.AfterFunc(ctx, func() { r.stopped.Store(true) })()
	for i := range r.config.SharedKeys {
		r.shared = append(r.shared, newShared(i, r.config.Clients))
	}
	for i := range r.config.Clients {
		r.clients = append(r.clients, newClient(r, i))
	}
	r.nextFlush = r.config.FlushEvery
	parts := 1
	if r.config.Restart != nil {
		parts = r.config.Restarts
	}
	var err error
	for part := 1; part <= parts && err == nil && !r.stopped.Load(); part++ {
		r.until = r.config.Duration * time.Duration(part) / time.Duration(parts)
		if err = r.part(report); err == nil && r.config.Restart != nil {
			err = r.restart(report)
		}
	}
	report.Elapsed = r.now()
	for _, c := range r.clients {
		report.Counts.add(&c.counts)
	}
	return report, errors.Join(err, context.Cause(ctx))
}

// part is one run of the script, and the probe beside it.
func (r *run) part(report *Report) error {
	p, err := probe.Start(r.config.Network, r.config.Address, r.start, probeEvery, "get probe\r\n", "END\r\n")
	if err != nil {
		return err
	}
	err = r.talk(report)
	samples, probeErr := p.Stop()
	report.Probe = append(report.Probe, samples...)
	return errors.Join(err, probeErr)
}

// restart has the server start again, and reads all keys.
func (r *run) restart(report *Report) (err error) {
	if r.config.Address, err = r.config.Restart(); err != nil {
		return err
	}
	report.Restarts++
	before := int64(0)
	for _, c := range r.clients {
		before += c.counts.Hits
	}
	err = r.each(func(c *client) error {
		if err := c.dial(); err != nil {
			return err
		}
		if err := c.overAll(c.gets); err != nil {
			return err
		}
		c.out, c.batch = c.out[:0], c.batch[:0]
		for _, s := range r.shared {
			c.sharedRead(s, true)
		}
		return c.speak()
	})
	for _, c := range r.clients {
		report.Kept += c.counts.Hits
	}
	report.Kept -= before
	return err
}

// each has all clients do f, and returns the first error.
func (r *run) each(f func(*client) error) error {
	errs := make(chan error, len(r.clients))
	var all sync.WaitGroup
	for _, c := range r.clients {
		all.Go(func() {
			defer c.close()
			if err := f(c); err != nil {
				r.stopped.Store(true)
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// probeEvery is the pace of the connection that measures.
const probeEvery = 5 * time.Millisecond

// talk runs all clients, and the operator beside them.
func (r *run) talk(report *Report) error {
	operated := make(chan error, 1)
	go func() {
		err := (&operator{run: r, report: report}).loop()
		if err != nil {
			r.stopped.Store(true)
		}
		operated <- err
	}()
	err := r.each(r.script)
	return cmp.Or(err, <-operated)
}

// interrupt ends the connection in one of the ways that clients do.
func (c *client) interrupt() error {
	switch c.random.IntN(3) {
	case 0: // half of a value: the old one must stay, unless memory was refused for the new one
		e := c.pick()
		e.doubtful = true
		ch := c.drawn(e, 10+c.size())
		c.out = c.out[:0]
		c.appendStore("set", e, &ch, 0, false)
		if _, err := c.conn.Write(c.out[:len(c.out)-ch.length()/2-2]); err != nil {
			return fmt.Errorf("writing half a value: %w", err)
		}
	case 1: // requests under way: nobody knows what became of these keys
		c.abandon()
	}
	return c.dial()
}

// abandon sends a batch whose replies it does not wait for. Its keys are left
// behind for others, since the requests may run at any time from now on.
func (c *client) abandon() {
	c.out, c.batch = c.out[:0], c.batch[:0]
	for range 1 + c.random.IntN(c.run.config.Depth) {
		c.compose()
	}
	left := map[*entry]bool{}
	for _, r := range c.batch {
		left[r.entry] = true
	}
	for i, e := range c.entries {
		if left[e] {
			c.entries[i] = &entry{key: c.keyName(i) + fmt.Sprintf("g%d", c.random.Uint32())}
		}
	}
	c.counts.Abandoned++
	if c.conn.SetWriteDeadline(time.Now().Add(time.Millisecond)) == nil {
		_, _ = c.conn.Write(c.out[:c.random.IntN(len(c.out)+1)]) // what does not go out need not
	}
}

// String is a report for people.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %v, %d values compared (%d MB), %d hits, %d misses, %d refused, %d reconnects (%d with requests under way)\n",
		r.Requests, r.Elapsed.Round(time.Millisecond), r.Values, r.Bytes>>20, r.Hits, r.Misses, r.Refused, r.Reconnects, r.Abandoned)
	fmt.Fprintf(&b, "beside them: %d flush_all, %d cache_memlimit, %d crawls, %d metadumps of %d lines", r.Flushes, r.Limits, r.Crawls, r.Dumps, r.Dumped)
	if r.Refusal != "" {
		fmt.Fprintf(&b, " (refused: %s)", r.Refusal)
	}
	if r.Restarts > 0 {
		fmt.Fprintf(&b, "; %d restarts, behind which %d values were there", r.Restarts, r.Kept)
	}
	q := probe.Quantiles(r.Probe, 0.5, 0.99, 0.999, 1)
	fmt.Fprintf(&b, "\nprobe: %d replies, p50 %v, p99 %v, p99.9 %v, slowest %v\n", len(r.Probe), q[0], q[1], q[2], q[3])
	return b.String()
}

// operator is the connection that turns knobs.
type operator struct {
	run    *run
	report *Report
	turns  int
	client
}

// operatorEvery is the pause between two of its commands, about; less in a short
// check, which wants each of them several times.
const operatorEvery = 300 * time.Millisecond

func (o *operator) loop() error {
	o.client = client{run: o.run, id: -1, random: rand.New(rand.NewPCG(o.run.config.Seed, 0)), spoken: make([]spoken, conversationMax)}
	c := &o.client
	if err := c.dial(); err != nil {
		return err
	}
	defer c.close()
	config := &o.run.config
	pause := min(operatorEvery, config.Duration/30+1)
	for o.run.now() < o.run.until && !o.run.stopped.Load() {
		// An operator does something now and then.
		time.Sleep(pause/2 + time.Duration(c.random.Int64N(int64(pause))))
		c.out, c.batch = c.out[:0], c.batch[:0]
		if config.FlushEvery > 0 && o.run.now() > o.run.nextFlush {
			o.run.nextFlush += config.FlushEvery
			o.flush()
		} else {
			o.turnKnob()
		}
		if err := c.speak(); err != nil {
			return err
		}
	}
	return nil
}

func (o *operator) turnKnob() {
	o.turns++
	switch n := o.turns % 4; {
	case n == 0 && o.run.config.LimitMoves:
		o.limit()
	case n == 1:
		o.crawl()
	case n == 2:
		o.dump()
	default:
		o.stats()
	}
}
