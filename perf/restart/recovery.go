package restart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

const (
	// recoveryBar is items a second of CPU that a start has to recover.
	recoveryBar = 1_000_000
	// recoveryStarts is how often each is done; the median counts.
	recoveryStarts = 3
	// neverDue is a persist.snapshot_after that is not reached.
	neverDue = 1 << 40
	// recoveryLimit is how long a start may take.
	recoveryLimit = 2 * time.Minute
)

// recovery is starts on a data folder.
type recovery struct {
	Options
	report *verdict.Report
	folder string
	source string // snapshot or log
}

// Recover measures what a start costs that has all of its items from a snapshot, or from
// the log: time until it serves, and CPU until then.
func Recover(ctx context.Context, o Options) (*verdict.Report, error) {
	o.size()
	r := &verdict.Report{}
	for _, source := range []string{"snapshot", "log"} {
		folder, err := os.MkdirTemp(o.Dir, "panda-recovery")
		if err != nil {
			return nil, err
		}
		c := recovery{Options: o, report: r, folder: folder, source: source}
		if err := errors.Join(c.run(ctx), os.RemoveAll(folder)); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
	}
	return r, nil
}

func (c *recovery) spec() peer.Spec {
	return peer.Spec{
		Kind: peer.Panda, Binary: c.Panda, Threads: 2, MemoryMB: c.memoryMB, StartLimit: recoveryLimit,
		Persist: &peer.Persist{Mode: "log", Fsync: "everysec", Folder: c.folder, SnapshotAfter: neverDue},
	}
}

func (c *recovery) run(ctx context.Context) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	var walls, cpus []time.Duration
	for range recoveryStarts {
		wall, cpu, err := c.start(ctx)
		if err != nil {
			return err
		}
		walls, cpus = append(walls, wall), append(cpus, cpu)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	wall, cpu := walls[len(walls)/2], cpus[len(cpus)/2]
	rate := float64(c.items) / cpu.Seconds()
	c.report.Hold(rate >= recoveryBar, "%s: %d items served %v after the start (%.2f M/s), for %v of CPU: %.2f M/s and core (bar %.2f)",
		c.source, c.items, round(wall), float64(c.items)/wall.Seconds()/1e6, round(cpu), rate/1e6, float64(recoveryBar)/1e6)
	return nil
}

// prepare has a server fill the folder.
func (c *recovery) prepare(ctx context.Context) error {
	c.logf("recovery: %s: %d items", c.source, c.items)
	s, err := peer.Start(c.spec())
	if err != nil {
		return err
	}
	err = fill(ctx, s, c.items)
	if err == nil && c.source == "snapshot" {
		err = s.Snapshot(ctx)
	}
	return errors.Join(err, s.Stop())
}

// start starts a server on the folder, and checks that all is there.
func (c *recovery) start(ctx context.Context) (wall, cpu time.Duration, err error) {
	from := time.Now()
	s, err := peer.Start(c.spec())
	if err != nil {
		return 0, 0, err
	}
	wall = time.Since(from)
	cpu, err = s.CPU()
	if err == nil {
		err = c.check(ctx, s)
	}
	c.logf("recovery: %s: served after %v, %v of CPU", c.source, round(wall), round(cpu))
	return wall, cpu, errors.Join(err, s.Stop())
}

func (c *recovery) check(ctx context.Context, s *peer.Server) error {
	found, missing, err := readAll(ctx, s, c.items)
	if err != nil {
		return err
	}
	n, err := itemCount(s)
	if err == nil && (found != c.items || n != c.items) {
		err = fmt.Errorf("%w: %d of %d items are there, number %d is not; it counts %d", ErrServer, found, c.items, missing, n)
	}
	m, metricsErr := s.Metrics()
	if from := m[`panda_persist_recovered_records{from="`+c.source+`"}`]; metricsErr == nil && int(from) < c.items {
		err = errors.Join(err, fmt.Errorf("%w: %g records are from the %s", ErrServer, from, c.source))
	}
	return errors.Join(err, metricsErr)
}
