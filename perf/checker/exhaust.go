package checker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Exhausted is what Exhaust did when nothing was wrong.
type Exhausted struct {
	Report
	Kept     int64 // values that were acknowledged last, and read back in the end
	Replaced int64 // values that were stored where one of the same size was deleted
}

// String is the report for people.
func (e *Exhausted) String() string {
	return e.Report.String() + fmt.Sprintf("in the end: %d acknowledged values read back, %d stored where others were deleted\n", e.Kept, e.Replaced)
}

// refusalsMin is how many refusals of each client are enough to call memory
// exhausted.
const refusalsMin = 20

// Exhaust checks a server that may not evict (-M): it is filled until it refuses,
// then the mixed load of Run goes on, and in the end everything that was
// acknowledged must be there, and what is deleted must make room again.
func Exhaust(ctx context.Context, config Config) (*Exhausted, error) {
	config.Evicts, config.LimitMoves, config.FlushEvery = false, false, 0
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	r := &run{config: config, clock: clock{start: time.Now(), slack: config.Slack}}
	var kept, replaced atomic.Int64
	r.script = func(c *client) error {
		if err := c.dial(); err != nil {
			return err
		}
		for _, act := range []func() error{c.fill, c.loop, func() error { return c.readBack(&kept) }, func() error { return c.makeRoom(&replaced) }} {
			if err := act(); err != nil {
				return err
			}
		}
		return nil
	}
	report, err := r.do(ctx)
	out := &Exhausted{Report: *report, Kept: kept.Load(), Replaced: replaced.Load()}
	if err == nil {
		err = r.noEvictions()
	}
	return out, err
}

// fill stores until memory is refused.
func (c *client) fill() error {
	for i := 0; i < len(c.entries) && !c.run.stopped.Load(); {
		c.out, c.batch = c.out[:0], c.batch[:0]
		for range c.run.config.Depth {
			if i < len(c.entries) {
				e := c.entries[i]
				ch := c.drawn(e, c.logUniform(10, 50_000))
				ch.exptime = 0
				c.setTo(e, ch)
				i++
			}
		}
		if err := c.speak(); err != nil {
			return err
		}
		if c.counts.Refused >= refusalsMin {
			return nil
		}
	}
	if c.counts.Refused == 0 {
		return fmt.Errorf("%w: %d keys do not exhaust the memory", ErrConfig, len(c.entries))
	}
	return nil
}

// readBack gets every key: what was acknowledged must be there.
func (c *client) readBack(kept *atomic.Int64) error {
	before := c.counts.Hits
	err := c.overAll(c.get)
	kept.Add(c.counts.Hits - before)
	return err
}

// makeRoom deletes half of what is there, each time storing a value of the same
// size again.
func (c *client) makeRoom(replaced *atomic.Int64) error {
	before, tried := c.counts.Refused, int64(0)
	err := c.overAll(func(e *entry) {
		if !e.present || e.numeric || e.version%2 == 0 {
			return
		}
		ch := c.drawn(e, e.length())
		ch.exptime, ch.flags = 0, e.flags
		c.delete(e)
		c.setTo(e, ch)
		tried++
	})
	refused := c.counts.Refused - before
	if err == nil && refused > tried/2 {
		err = fmt.Errorf("checker: of %d values whose predecessors of the same size were deleted, %d were refused", tried, refused)
	}
	replaced.Add(tried - refused)
	return err
}

// overAll asks about every key once, in batches.
func (c *client) overAll(ask func(*entry)) error {
	for i := 0; i < len(c.entries); {
		c.out, c.batch = c.out[:0], c.batch[:0]
		for len(c.batch) < c.run.config.Depth && i < len(c.entries) && len(c.out) < outMax {
			ask(c.entries[i])
			i++
		}
		if err := c.speak(); err != nil {
			return err
		}
	}
	return nil
}

// noEvictions reads the statistics of a server that must have evicted nothing.
func (r *run) noEvictions() error {
	c := newClient(r, 0)
	defer c.close()
	if err := c.dial(); err != nil {
		return err
	}
	if _, err := c.conn.Write([]byte("stats\r\n")); err != nil {
		return err
	}
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if string(line) == "END" {
			return errors.New("checker: no statistic of evictions")
		}
		if text, ok := strings.CutPrefix(string(line), "STAT evictions "); ok {
			if n, err := strconv.Atoi(text); err != nil || n != 0 {
				return fmt.Errorf("checker: %s evictions of a server that must not evict", text)
			}
			return nil
		}
	}
}
