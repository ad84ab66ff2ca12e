package perf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

// kept is a server that keeps its data in some way.
type kept struct {
	kind        peer.Kind
	mode, fsync string
}

func (k kept) String() string {
	if k.mode == "off" {
		return string(k.kind) + "-off"
	}
	return string(k.kind) + "-" + k.fsync
}

var (
	pandaOff      = kept{peer.Panda, "off", ""}
	pandaEverysec = kept{peer.Panda, "log", "everysec"}
	pandaAlways   = kept{peer.Panda, "log", "always"}
	pandaNo       = kept{peer.Panda, "log", "no"}
	redisEverysec = kept{peer.Redis, "log", "everysec"}
	redisAlways   = kept{peer.Redis, "log", "always"}
)

// durableRow is a pair of servers, and their bars: of CPU per request and of the tail at
// most, of the rate at least; 0: none.
type durableRow struct {
	name       string
	ours, peer kept
	depth      int
	cpu, p999  float64
	rate       float64
	tail       bool // measured
}

// durableRows are the lines of the acceptance of durability. Redis answers RESP SET where
// memcached's text set is sent to panda: keys, values, connections and depth are the same.
func durableRows() []durableRow {
	return []durableRow{
		{name: "everysec/set/depth=16", ours: pandaEverysec, peer: pandaOff, depth: 16, cpu: 1.15, p999: 1.5, tail: true},
		{name: "always/set/depth=16", ours: pandaAlways, peer: pandaOff, depth: 16},
		{name: "everysec/set/depth=16/redis", ours: pandaEverysec, peer: redisEverysec, depth: 16, cpu: 0.6, rate: 1.5},
		{name: "always/set/depth=16/redis", ours: pandaAlways, peer: redisAlways, depth: 16, cpu: 0.6, rate: 1.5},
		{name: "everysec/set/depth=1/redis", ours: pandaEverysec, peer: redisEverysec, depth: 1, cpu: 0.6, rate: 1.5},
		{name: "always/set/depth=1/redis", ours: pandaAlways, peer: redisAlways, depth: 1, cpu: 0.6, rate: 1.5},
	}
}

// durableTime is half of a cell at scale 1: a sync of everysec is in each, and a rewrite
// or a snapshot in most.
const durableTime = 1500 * time.Millisecond

// againstDurable measures what durability costs, beside none and beside redis.
func (o *Options) againstDurable(ctx context.Context, report *Report) error {
	for _, r := range durableRows() {
		if !o.wants(r.name) {
			continue
		}
		switch err := o.durable(ctx, report, &r); {
		case errors.Is(err, peer.ErrMissing):
			report.skip(r.name, err)
			o.logf("%s: SKIPPED: %v", r.name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return o.againstGroup(ctx, report)
}

// wants says whether a row of that name is to be measured.
func (o *Options) wants(name string) bool { return o.Rows == nil || o.Rows.MatchString(name) }

// wantsDurable says whether there is such a row at all.
func (o *Options) wantsDurable() bool {
	for _, r := range durableRows() {
		if o.wants(r.name) {
			return true
		}
	}
	return o.wants(groupRow) || o.wants(readsRow)
}

// keptSpec is a server that keeps its data in a folder of its own below dir. after is
// panda's persist.snapshot_after, 0: the default.
func (o *Options) keptSpec(k kept, dir string, after int64) (peer.Spec, error) {
	folder, err := os.MkdirTemp(dir, k.String())
	s := peer.Spec{
		Kind: k.kind, Threads: peerThreads, MemoryMB: memoryMB,
		Persist: &peer.Persist{Mode: k.mode, Fsync: k.fsync, Folder: folder, SnapshotAfter: after},
	}
	if k.kind == peer.Panda {
		s.Binary = o.Panda
	}
	return s, err
}

// newKept starts two servers that keep their data below dir.
func (o *Options) newKept(dir string, ours, other kept, after int64) (*contest, error) {
	a, err := o.keptSpec(ours, dir, after)
	b, err2 := o.keptSpec(other, dir, after)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	c, err := newContest(o, a, b, nil, nil)
	if err == nil {
		c.ours.name, c.peer.name = ours.String(), other.String()
	}
	return c, err
}

// durable measures a row.
func (o *Options) durable(ctx context.Context, report *Report, r *durableRow) error {
	dir, err := os.MkdirTemp(o.Folder, "pandaperf")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := o.newKept(dir, r.ours, r.peer, 0)
	if err != nil {
		return err
	}
	figures, err := c.durable(ctx, r)
	if err == nil {
		err = c.versions(report)
	}
	report.Figures = append(report.Figures, figures...)
	for i := range figures {
		o.logFigure(&figures[i])
	}
	return errors.Join(err, c.stop())
}

func (o *Options) logFigure(f *Figure) {
	q := f.Ratio()
	o.logf("%s: %s / %s, %s: %.3f (%.2f-%.2f) %s", f.Row, f.Ours, f.Peer, f.What, q.Median, q.Min, q.Max, f.verdict())
}

// durable measures a row on both servers, in turns as contest.row does.
func (c *contest) durable(ctx context.Context, r *durableRow) ([]Figure, error) {
	l := depth(small(1), r.depth)
	for _, s := range c.sides() {
		if err := s.fill(ctx, space{l.KeyPrefix, l.KeyCount, l.ValueSize}); err != nil {
			return nil, err
		}
	}
	if c.o.ProfileDir != "" {
		if err := c.profile(ctx, &Row{Name: r.name, Load: l}); err != nil {
			return nil, err
		}
	}
	cell := time.Duration(float64(durableTime) * c.o.Scale)
	samples, err := c.rounds(func(s *side, seed uint64) (Sample, error) {
		l := l
		l.Duration, l.Seed = cell, seed
		return s.measure(ctx, l)
	})
	if err != nil {
		return nil, err
	}
	figures := []Figure{
		c.figure(r.name, ofCPU, samples, Sample.cpuNS, r.cpu, false),
		c.figure(r.name, ofRate, samples, Sample.perSecond, r.rate, true),
	}
	if !r.tail {
		return figures, nil
	}
	l.Rate, l.Burst, l.Depth = median(figures[1].PeerAt)/2, r.depth, 1
	samples, err = c.rounds(func(s *side, seed uint64) (Sample, error) {
		l := l
		l.Duration, l.Seed = cell, seed
		return s.measure(ctx, l)
	})
	return append(figures, c.figure(r.name, ofP999, samples, Sample.p999NS, r.p999, false)), err
}

// rounds measures both sides in turns, after a turn of each that does not count.
func (c *contest) rounds(measure func(s *side, seed uint64) (Sample, error)) (samples [2][]Sample, err error) {
	for _, s := range c.sides() {
		if _, err := measure(s, 1<<32); err != nil {
			return samples, err
		}
	}
	for round := range c.o.Rounds {
		var halves [2]Sample
		for turn, who := range order(round) {
			half, err := measure(c.sides()[who], uint64(2*round+turn/2))
			if err != nil {
				return samples, err
			}
			halves[who].addTail(half)
			halves[who].add(half)
		}
		for who := range halves {
			samples[who] = append(samples[who], halves[who])
		}
	}
	return samples, nil
}

func (c *contest) figure(row, what string, samples [2][]Sample, of func(Sample) float64, bar float64, atLeast bool) Figure {
	return Figure{
		Row: row, What: what, Ours: c.ours.name, Peer: c.peer.name,
		OursAt: figures(samples[0], of), PeerAt: figures(samples[1], of), Bar: bar, AtLeast: atLeast,
	}
}

// addTail joins the latencies of a second half: the mean of both.
func (s *Sample) addTail(half Sample) {
	if s.Requests == 0 {
		s.P50, s.P99, s.P999 = half.P50, half.P99, half.P999
		return
	}
	s.P50, s.P99, s.P999 = (s.P50+half.P50)/2, (s.P99+half.P99)/2, (s.P999+half.P999)/2
}

// perSecond is the rate of a sample.
func (s Sample) perSecond() float64 { return float64(s.Requests) / s.Elapsed.Seconds() }
