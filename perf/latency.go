package perf

import (
	"context"
	"time"

	"github.com/pandabeardb/panda/perf/load"
)

// maxRateRounds is how often the peer's maximum is measured; the median counts.
const maxRateRounds = 3

// latencyLoad is the load of the tail: small values at depth 1, nine reads to
// one write.
func latencyLoad() load.Config { return small(0.1) }

// latency measures both servers at half of the peer's maximum rate.
func (c *contest) latency(ctx context.Context) (*LatencyResult, error) {
	out := &LatencyResult{Ours: c.ours.name, Peer: c.peer.name, Threads: c.threads}
	for _, s := range c.sides() {
		if err := s.fill(ctx, space{"key:", pipelineKeys, smallValue}); err != nil {
			return nil, err
		}
	}
	var rates []float64
	for range maxRateRounds {
		l := latencyLoad()
		l.Duration = c.o.LatencyTime / maxRateRounds
		s, err := c.peer.measure(ctx, l)
		if err != nil {
			return nil, err
		}
		rates = append(rates, float64(s.Requests)/s.Elapsed.Seconds())
	}
	out.MaxRate = median(rates)
	out.Rate = out.MaxRate / 2
	return out, c.tails(ctx, out)
}

// tails fills in the rounds, after one that is thrown away.
func (c *contest) tails(ctx context.Context, out *LatencyResult) error {
	sides := c.sides()
	for round := range c.o.Rounds + 1 {
		for i := range sides {
			s := sides[(i+round)%2]
			l := latencyLoad()
			l.Rate, l.Duration, l.Seed = out.Rate, c.o.LatencyTime, uint64(round)
			if round == 0 {
				l.Duration = max(l.Duration/4, 100*time.Millisecond)
			}
			sample, err := s.measure(ctx, l)
			switch {
			case err != nil:
				return err
			case round == 0:
			case s == &c.ours:
				out.OursAt = append(out.OursAt, sample)
			default:
				out.PeerAt = append(out.PeerAt, sample)
			}
		}
	}
	return nil
}
