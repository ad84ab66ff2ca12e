package perf

import (
	"context"
	"fmt"

	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
)

// warmShare is the part of a cell's requests that each server serves before a
// row is measured, so that no round pays for cold caches and buffers.
const warmShare = 0.05

// side is a server in a contest.
type side struct {
	*peer.Server
	name  string
	lossy bool // a few requests may fail: memcached refuses some sets while it evicts
}

// lossMax is how much of a load may fail on a lossy side.
const lossMax = 0.01

func (s *side) tolerates(errors, of int64) bool {
	return errors == 0 || s.lossy && float64(errors) <= lossMax*float64(of)
}

func (s *side) anyKey() bool { return s.Spec.Kind == peer.Floor }

func (s *side) resp() bool { return s.Spec.Kind == peer.Redis }

// contest runs the rows on two servers, in turn.
type contest struct {
	ours, peer side
	threads    int
	rows       []Row
	spaces     []space // what is loaded first
	bar        func(*Row) float64
	o          *Options
}

// newContest starts both servers. Its stop must be called.
func newContest(o *Options, ours, other peer.Spec, rows []Row, bar func(*Row) float64) (*contest, error) {
	a, err := peer.Start(ours)
	if err != nil {
		return nil, err
	}
	b, err := peer.Start(other)
	if err != nil {
		a.Stop()
		return nil, err
	}
	c := &contest{
		ours: side{Server: a, name: string(ours.Kind)}, peer: side{Server: b, name: string(other.Kind)},
		threads: ours.Threads, rows: rows, spaces: spaces(rows), bar: bar, o: o,
	}
	if c.ours.name == c.peer.name {
		c.peer.name = "base"
	}
	return c, nil
}

func (c *contest) stop() error {
	err := c.ours.Stop()
	if peerErr := c.peer.Stop(); err == nil {
		err = peerErr
	}
	return err
}

// run loads both servers and measures every row.
func (c *contest) run(ctx context.Context) (*Contest, error) {
	out := &Contest{Ours: c.ours.name, Peer: c.peer.name, Threads: c.threads}
	for _, s := range c.spaces {
		out.Items += s.count
		for _, side := range c.sides() {
			if err := side.fill(ctx, s); err != nil {
				return nil, err
			}
		}
	}
	if err := c.readMemory(out); err != nil {
		return nil, err
	}
	for i := range c.rows {
		r, err := c.row(ctx, &c.rows[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.rows[i].Name, err)
		}
		out.Rows = append(out.Rows, *r)
		q := r.Ratio()
		c.o.logf("-t %d %s: %s / %s %.3f (%.2f-%.2f), bar %.2f: %s", c.threads, r.Name,
			c.ours.name, c.peer.name, q.Median, q.Min, q.Max, r.Bar, verdict(r.Pass()))
	}
	return out, nil
}

// readMemory reads what both servers occupy; the floor stores nothing.
func (c *contest) readMemory(out *Contest) error {
	if c.peer.anyKey() {
		return nil
	}
	ours, err := c.ours.Memory()
	if err != nil {
		return err
	}
	other, err := c.peer.Memory()
	out.OursMem, out.PeerMem = ours.PSS, other.PSS
	return err
}

// row measures one row. A round is half a cell of one server, two halves of
// the other and the second half of the first (A B B A, then B A A B), so that
// what the machine does to all of them, even if it grows, falls on both alike.
func (c *contest) row(ctx context.Context, r *Row) (*RowResult, error) {
	out := &RowResult{Name: r.Name, Bar: c.bar(r)}
	n := c.o.requests(r.Requests)
	if err := c.warm(ctx, r, n); err != nil {
		return nil, err
	}
	for round := range c.o.Rounds {
		var samples [2]Sample // ours, the peer's
		for turn, who := range order(round) {
			l := r.load()
			l.Requests, l.Seed = n/2, uint64(2*round+turn/2)
			half, err := c.sides()[who].measure(ctx, l)
			if err != nil {
				return nil, err
			}
			samples[who].add(half)
		}
		out.Ours = append(out.Ours, samples[0])
		out.Peer = append(out.Peer, samples[1])
	}
	return out, nil
}

// order is who is measured in the turns of a round: 0 is ours, 1 the peer.
func order(round int) [4]int {
	if round%2 == 0 {
		return [4]int{0, 1, 1, 0}
	}
	return [4]int{1, 0, 0, 1}
}

func (c *contest) sides() [2]*side { return [2]*side{&c.ours, &c.peer} }

func (c *contest) warm(ctx context.Context, r *Row, n int64) error {
	for _, s := range c.sides() {
		l := r.load()
		l.Requests = max(int64(float64(n)*warmShare), int64(l.Connections))
		if _, err := s.measure(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// fill stores a space in a server.
func (s *side) fill(ctx context.Context, sp space) error {
	if s.anyKey() {
		return nil
	}
	l := sp.fill()
	l.Network, l.Address, l.TLS, l.RESP = s.Network, s.Address, s.TLS, s.resp()
	if s.TLS != nil {
		l.Depth = 1 // see Rows
	}
	r, err := load.Run(ctx, l)
	if err != nil {
		return fmt.Errorf("loading %s: %w", s.name, err)
	}
	if r.Stores+r.Errors != int64(sp.count) || !s.tolerates(r.Errors, r.Requests) {
		return fmt.Errorf("%w: %s stored %d of %d keys %q, %d errors",
			ErrMeasurement, s.name, r.Stores, sp.count, sp.prefix, r.Errors)
	}
	return nil
}

// measure runs a load and reads what it cost the server.
func (s *side) measure(ctx context.Context, l load.Config) (Sample, error) {
	l.Address, l.AnyKey, l.TLS, l.RESP = s.Address, s.anyKey(), s.TLS, s.resp()
	if l.Network == "" {
		l.Network = s.Network
	}
	before, err := s.CPU()
	if err != nil {
		return Sample{}, err
	}
	r, err := load.Run(ctx, l)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := s.CPU()
	if err != nil {
		return Sample{}, err
	}
	sample := Sample{
		Requests: r.Requests, CPU: after - before, Elapsed: r.Elapsed,
		P50: r.Quantile(0.5), P99: r.Quantile(0.99), P999: r.Quantile(0.999),
	}
	if r.Misses > 0 || !s.tolerates(r.Errors, r.Requests) || r.Requests == 0 || sample.CPU <= 0 {
		return Sample{}, fmt.Errorf("%w: %s: %d requests, %d misses, %d errors, %v of CPU",
			ErrMeasurement, s.name, r.Requests, r.Misses, r.Errors, sample.CPU)
	}
	return sample, nil
}
