package perf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pandabeardb/panda/perf/groupsync"
	"github.com/pandabeardb/panda/perf/load"
)

const (
	// groupRow is fsync=always with 50 writers beside what the file system can do.
	groupRow = "always/writers=50"
	groupBar = 0.8
	// readsRow is reads of keys that nobody writes, beside those writers.
	readsRow = "always/reads-beside-writers"
	readsBar = 1.3

	// logOnly is a persist.snapshot_after that is never reached: the log alone.
	logOnly = 1 << 40
	// groupOverhead is what the log adds to a group, before it rounds up to blocks.
	groupOverhead = 64

	// Readers of other keys, beside the writers.
	readers     = 8
	readsRate   = 4000
	readsPrefix = "read:"
	readsCount  = 10_000
)

// againstGroup measures fsync=always beside the file system, and beside fsync=no.
func (o *Options) againstGroup(ctx context.Context, report *Report) error {
	if !o.wants(groupRow) && !o.wants(readsRow) {
		return nil
	}
	dir, err := os.MkdirTemp(o.Folder, "pandaperf")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := o.newKept(dir, pandaAlways, pandaNo, logOnly)
	if err != nil {
		return err
	}
	err = c.group(ctx, report, dir)
	return errors.Join(err, c.stop())
}

// group runs both rows.
func (c *contest) group(ctx context.Context, report *Report, dir string) error {
	l := depth(small(1), 1)
	for _, s := range c.sides() {
		if err := errors.Join(s.fill(ctx, space{l.KeyPrefix, l.KeyCount, l.ValueSize}),
			s.fill(ctx, space{readsPrefix, readsCount, smallValue})); err != nil {
			return err
		}
	}
	cell := time.Duration(float64(durableTime) * c.o.Scale)
	if c.o.ProfileDir != "" {
		if err := c.profile(ctx, &Row{Name: groupRow, Load: l}); err != nil {
			return err
		}
	}
	if c.o.wants(groupRow) {
		if err := c.groups(ctx, report, dir, l, cell); err != nil {
			return fmt.Errorf("%s: %w", groupRow, err)
		}
	}
	if c.o.wants(readsRow) {
		if err := c.reads(ctx, report, l, cell); err != nil {
			return fmt.Errorf("%s: %w", readsRow, err)
		}
	}
	return nil
}

// groupSample is what a server with fsync=always did in a cell.
type groupSample struct {
	Sample
	syncs, bytes float64 // of the log's records
}

// groupBytes is what a sync made durable, as the disk saw it.
func (g *groupSample) groupBytes() int64 { return int64(g.bytes/max(g.syncs, 1)) + groupOverhead }

// groupKinds are the files that the loop writes: the first is what an appending log
// without any preparation has, and carries the bar.
var groupKinds = [...]groupsync.Kind{groupsync.Appended, groupsync.Allocated, groupsync.Overwritten}

// groups has the server and the loop in C take turns. The server's groups decide how much
// the loop writes at once, round by round.
func (c *contest) groups(ctx context.Context, report *Report, dir string, l load.Config, cell time.Duration) error {
	program, err := groupsync.Build(dir)
	if errors.Is(err, groupsync.ErrNoCompiler) {
		report.skip(groupRow, err)
		c.o.logf("%s: SKIPPED: %v", groupRow, err)
		return nil
	}
	if err != nil {
		return err
	}
	ops := Figure{Row: groupRow, What: ofRate, Ours: c.ours.name, Peer: "disk-appended", Bar: groupBar, AtLeast: true}
	beside := Figure{Row: groupRow, What: ofRate, Ours: c.ours.name, Peer: c.peer.name}
	var disks [len(groupKinds)]Figure
	for i, kind := range groupKinds {
		disks[i] = Figure{Row: groupRow, What: ofSync, Ours: c.ours.name, Peer: "disk-" + string(kind)}
	}
	for round := range c.o.Rounds + 1 {
		l.Duration, l.Seed = cell, uint64(round)
		g, err := c.ours.measureGroups(ctx, l)
		if err != nil {
			return err
		}
		no, err := c.peer.measure(ctx, l)
		if err != nil {
			return err
		}
		var limits [len(groupKinds)]float64
		for i, kind := range groupKinds {
			if limits[i], err = groupsync.Run(ctx, program, dir, g.groupBytes(), cell, kind); err != nil {
				return err
			}
		}
		if round == 0 { // not counted
			continue
		}
		rate, size := g.syncs/g.Elapsed.Seconds(), float64(g.Requests)/g.syncs
		for i := range disks {
			disks[i].OursAt, disks[i].PeerAt = append(disks[i].OursAt, rate), append(disks[i].PeerAt, limits[i])
		}
		ops.OursAt, ops.PeerAt = append(ops.OursAt, g.perSecond()), append(ops.PeerAt, limits[0]*size)
		beside.OursAt, beside.PeerAt = append(beside.OursAt, g.perSecond()), append(beside.PeerAt, no.perSecond())
		c.o.logf("%s: %.0f requests/s, %.0f syncs/s of %.1f requests and %d bytes; the loop's syncs/s: %.0f (%v); fsync=no %.0f requests/s",
			groupRow, g.perSecond(), rate, size, g.groupBytes(), limits, groupKinds, no.perSecond())
	}
	report.Figures = append(append(report.Figures, ops, beside), disks[:]...)
	return nil
}

// measureGroups is measure, and the log's groups.
func (s *side) measureGroups(ctx context.Context, l load.Config) (g groupSample, err error) {
	before, err := s.Metrics()
	if err != nil {
		return g, err
	}
	if g.Sample, err = s.measure(ctx, l); err != nil {
		return g, err
	}
	after, err := s.Metrics()
	const count, written = "panda_persist_fsync_duration_seconds_count", "panda_persist_log_written_bytes_total"
	g.syncs, g.bytes = after[count]-before[count], after[written]-before[written]
	if err == nil && (g.syncs <= 0 || g.bytes <= 0) {
		err = fmt.Errorf("%w: %g syncs of %g bytes", ErrMeasurement, g.syncs, g.bytes)
	}
	return g, err
}

// reads measures reads of keys that nobody writes, beside writers at half of the rate that
// fsync=always allows, on both servers in turns.
func (c *contest) reads(ctx context.Context, report *Report, l load.Config, cell time.Duration) error {
	l.Duration = cell
	most, err := c.ours.measure(ctx, l)
	if err != nil {
		return err
	}
	l.Rate = most.perSecond() / 2
	reading := small(0)
	reading.KeyPrefix, reading.KeyCount, reading.Connections, reading.Rate = readsPrefix, readsCount, readers, readsRate
	samples, err := c.rounds(func(s *side, seed uint64) (Sample, error) {
		l, reading := l, reading
		l.Seed, reading.Seed = seed, seed
		reading.Duration = cell
		return s.beside(ctx, l, reading)
	})
	if err != nil {
		return err
	}
	f := c.figure(readsRow, ofP99, samples, Sample.p99NS, readsBar, false)
	report.Figures = append(report.Figures, f)
	c.o.logf("%s: %.0f writes/s, %d reads/s", readsRow, l.Rate, readsRate)
	c.o.logFigure(&f)
	return nil
}

// beside measures a load beside another.
func (s *side) beside(ctx context.Context, other, l load.Config) (sample Sample, err error) {
	other.Network, other.Address = s.Network, s.Address
	var otherErr error
	var wait sync.WaitGroup
	wait.Go(func() { _, otherErr = load.Run(ctx, other) })
	sample, err = s.measure(ctx, l)
	wait.Wait()
	return sample, errors.Join(err, otherErr)
}

func (s Sample) p99NS() float64 { return float64(s.P99) }
