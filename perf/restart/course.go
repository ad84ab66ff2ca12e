package restart

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

const (
	// sampleItems must be right before the restart counts as served, within serveBar.
	sampleItems = 10_000
	serveBar    = 3 * time.Second
	// lostMost is how many items a damaged page of 64 KiB can hold.
	lostMost = 64 << 10 / (keyBytes + valueLeast)
	// saveLimit is how long a stop by SIGUSR1 may take.
	saveLimit = 2 * time.Minute
)

// course is the starts of one kind of server, one behind the other.
type course struct {
	Options
	report *verdict.Report
	kind   peer.Kind
	file   string
	server *peer.Server
}

func (c *course) run(ctx context.Context) (err error) {
	defer func() {
		if c.server != nil {
			err = errors.Join(err, c.server.Stop())
		}
		err = errors.Join(err, os.RemoveAll(c.file), os.RemoveAll(c.file+".meta"))
	}()
	again := 1
	if c.kind == peer.Memcached {
		again = 2 // it has no other choice
	}
	if err := c.first(ctx); err != nil {
		return err
	}
	if err := c.second(ctx, again); err != nil || c.kind == peer.Memcached {
		return err
	}
	kept, err := c.third(ctx)
	if err != nil {
		return err
	}
	if err := c.fourth(ctx, kept); err != nil {
		return err
	}
	return c.fifth()
}

// start starts the server on the memory file, and returns when that began.
func (c *course) start(threads int) (from time.Time, err error) {
	spec := peer.Spec{Kind: c.kind, Binary: c.Panda, Threads: threads, MemoryMB: c.memoryMB, Extra: []string{"-e", c.file}}
	if c.kind == peer.Memcached {
		spec.Binary = c.Memcached
		time.Sleep(1100 * time.Millisecond) // else it was saved "in the future" for it
	}
	c.logf("restart: %s -t %d", c.kind, threads)
	from = time.Now()
	c.server, err = peer.Start(spec)
	return from, err
}

// stop ends the server.
func (c *course) stop(signal syscall.Signal) (took time.Duration, err error) {
	s, from := c.server, time.Now()
	c.server = nil
	err = s.StopBy(signal, saveLimit)
	return time.Since(from), err
}

// save is stop by SIGUSR1, which says how long that took.
func (c *course) save() error {
	took, err := c.stop(syscall.SIGUSR1)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.file + ".meta"); err != nil {
		return fmt.Errorf("%w: SIGUSR1 saved nothing: %w", ErrFile, err)
	}
	c.report.Say("%-9s stop by SIGUSR1: %v", c.kind, round(took))
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// first begins empty, and is filled.
func (c *course) first(ctx context.Context) error {
	if _, err := c.start(2); err != nil {
		return err
	}
	if err := fill(ctx, c.server, c.items); err != nil {
		return err
	}
	if found, missing, err := readAll(ctx, c.server, c.items); err != nil || found != c.items {
		return fmt.Errorf("%w: %d of %d items before the restart, number %d is not there: %w", ErrServer, found, c.items, missing, err)
	}
	memory, err := c.server.Memory()
	if err != nil {
		return err
	}
	c.report.Say("%-9s %d items of %d + %d..%d bytes: RSS %.0f MB, memory file %.0f MB", c.kind, c.items, keyBytes, valueLeast, valueMost, mb(memory.RSS), mb(allocated(c.file)))
	return c.save()
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// allocated is what a file occupies.
func allocated(name string) int64 {
	var st syscall.Stat_t
	if syscall.Stat(name, &st) != nil {
		return 0
	}
	const statBlock = 512
	return st.Blocks * statBlock
}

// second is the restart that is measured.
func (c *course) second(ctx context.Context, threads int) error {
	took, misses, err := c.serve(threads)
	if err != nil {
		return err
	}
	c.report.Hold(misses == 0, "%s: all sampled items are there", c.kind)
	if c.kind == peer.Panda {
		c.report.Hold(took <= serveBar, "%d items served within %v of the start (bar %v)", c.items, round(took), serveBar)
	}
	from := time.Now()
	found, _, err := readAll(ctx, c.server, c.items)
	if err != nil {
		return err
	}
	memory, err := c.server.Memory()
	if err != nil {
		return err
	}
	c.report.Say("%-9s all read in %v: RSS %.0f MB", c.kind, round(time.Since(from)), mb(memory.RSS))
	c.report.Hold(found == c.items, "%s: %d of %d items are there and right", c.kind, found, c.items)
	return c.save()
}

// serve starts the server, and returns how long it took until a sample of the items
// was answered, and how many of those were missing.
func (c *course) serve(threads int) (took time.Duration, misses int, err error) {
	from, err := c.start(threads)
	if err != nil {
		return 0, 0, err
	}
	reached := time.Since(from)
	l, err := dial(c.server)
	if err != nil {
		return 0, 0, err
	}
	defer l.conn.Close()
	rnd := rand.New(rand.NewPCG(c.Seed, 1))
	firstHit := time.Duration(0)
	for asked, batch := 0, 1; asked < sampleItems; asked, batch = asked+batch, min(batchItems, sampleItems-asked-batch) {
		numbers := make([]int, batch)
		for i := range numbers {
			numbers[i] = rnd.IntN(c.items)
		}
		err := l.get(numbers, func(_ int, hit bool) {
			if !hit {
				misses++
			} else if firstHit == 0 {
				firstHit = time.Since(from)
			}
		})
		if err != nil {
			return 0, 0, err
		}
	}
	took = time.Since(from)
	memory, err := c.server.Memory()
	c.report.Say("%-9s -t %d: reached %v after its start, first hit %v, %d sampled items %v, %d of them missing; RSS %.0f MB then",
		c.kind, threads, round(reached), round(firstHit), sampleItems, round(took), misses, mb(memory.RSS))
	return took, misses, err
}

// third starts with a damaged page, and returns how many items it kept.
func (c *course) third(ctx context.Context) (kept int, err error) {
	number := int(c.Seed%uint64(c.items)) | 1 // without a TTL
	if err := flip(c.file, number); err != nil {
		return 0, err
	}
	c.report.Say("%-9s one bit of the value of item %d is flipped", c.kind, number)
	if _, _, err := c.serve(3); err != nil {
		return 0, err
	}
	found, missing, err := readAll(ctx, c.server, c.items)
	if err != nil {
		return 0, err
	}
	lost := c.items - found
	c.report.Hold(lost > 0 && lost <= lostMost, "%d items are lost, from number %d on: those of one page, %d at most; all others are right", lost, missing, lostMost)
	l, err := dial(c.server)
	if err != nil {
		return 0, err
	}
	defer l.conn.Close()
	err = l.get([]int{number}, func(_ int, hit bool) { c.report.Hold(!hit, "the damaged item is a miss") })
	if err != nil {
		return 0, err
	}
	c.report.Say("%-9s said: %s", c.kind, c.server.Said())
	return found, c.save()
}

// fourth starts once more, and is killed.
func (c *course) fourth(ctx context.Context, kept int) error {
	if _, err := c.start(2); err != nil {
		return err
	}
	found, _, err := readAll(ctx, c.server, c.items)
	if err != nil {
		return err
	}
	count, err := itemCount(c.server)
	if err != nil {
		return err
	}
	c.report.Hold(found == kept && count == kept, "a restart later: %d items, as many as before (%d); curr_items %d", found, kept, count)
	_, err = c.stop(syscall.SIGKILL)
	return err
}

// fifth begins empty.
func (c *course) fifth() error {
	from, err := c.start(2)
	if err != nil {
		return err
	}
	took := time.Since(from)
	count, err := itemCount(c.server)
	if err != nil {
		return err
	}
	c.report.Hold(count == 0, "after SIGKILL: %d items, reached after %v", count, round(took))
	_, err = c.stop(syscall.SIGTERM)
	return err
}
