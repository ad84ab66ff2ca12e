package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Run sends what c says and waits for all replies. It returns the first thing
// that went wrong; misses and error replies are counted, not errors of the run.
func Run(ctx context.Context, c Config) (*Result, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	workers, err := newWorkers(&c, &stop)
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	err = runAll(workers, start, &stop)
	elapsed := time.Since(start)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return total(workers, elapsed), nil
}

// newWorkers makes the workers and connects their streams. What it made is
// returned with an error too, to be closed.
func newWorkers(c *Config, stop *atomic.Bool) ([]*worker, error) {
	t := newTemplates(c)
	var table []uint32
	if c.Zipf > 0 && !c.Sequential {
		table = keyTable(c.KeyCount, c.Zipf, c.Seed)
	}
	workers := make([]*worker, 0, c.Workers)
	for i := range c.Workers {
		w, err := newWorker(c, stop)
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
		if c.Rate > 0 {
			w.plan = newSchedule(c.planned(), c.Rate, i, c.Workers)
			w.plan.burst = int64(c.Burst)
		} else if c.Duration > 0 {
			w.deadline = int64(c.Duration)
		}
	}
	for i := range c.Connections {
		w := workers[i%c.Workers]
		s := newStream(c, t, table, i, w.latency)
		s.left = 1 << 62
		if c.Requests > 0 {
			s.left = quota(c.Requests, i, c.Connections)
		}
		if err := w.dial(s); err != nil {
			return workers, err
		}
	}
	return workers, nil
}

// planned is the number of requests of an open loop.
func (c *Config) planned() int64 {
	n := int64(c.Rate * c.Duration.Seconds())
	if n == 0 || c.Requests > 0 && c.Requests < n {
		n = c.Requests
	}
	return n
}

// runAll runs the workers side by side; one that fails stops the others.
func runAll(workers []*worker, start time.Time, stop *atomic.Bool) error {
	errs := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		w.start = start
		wg.Go(func() {
			if errs[i] = w.run(); errs[i] != nil {
				stop.Store(true)
			}
		})
	}
	wg.Wait()
	var stopped error
	for _, err := range errs {
		if err != nil && !errors.Is(err, errStopped) {
			return err
		} else if err != nil {
			stopped = err
		}
	}
	return stopped
}

// total adds up what the streams counted.
func total(workers []*worker, elapsed time.Duration) *Result {
	r := &Result{Elapsed: elapsed}
	for _, w := range workers {
		for _, c := range w.conns {
			r.Requests += c.counts.Requests
			r.Hits += c.counts.Hits
			r.Misses += c.counts.Misses
			r.Stores += c.counts.Stores
			r.Errors += c.counts.Errors
		}
		switch {
		case w.latency == nil:
		case r.Latency == nil:
			r.Latency = w.latency
		default:
			r.Latency.Merge(w.latency)
		}
	}
	return r
}
