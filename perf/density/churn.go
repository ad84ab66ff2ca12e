package density

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

const (
	churnMemory = 256 // MB
	// churnRate bounds the load, so that ten minutes leave a machine usable.
	churnRate = 200 << 20 // bytes a second
	// churnBar is how far RSS may exceed the limit.
	churnBar   = 1.01
	churnFull  = 10 * time.Minute
	churnQuick = 12 * time.Second
	// churnPhases is how many times the sizes turn.
	churnPhases = 12
)

// churnSizes are the phases: small and large values each have the memory for
// themselves for a while, then all have it.
var churnSizes = []mixed{
	{low: 10, high: 200},
	{low: 100_000, high: 1_000_000},
	{low: 200, high: 4000},
	{low: 4000, high: 100_000},
	{low: 10, high: 1_000_000},
	{low: 10, high: 100},
}

// Churn watches RSS while sizes turn.
func Churn(ctx context.Context, o Options) (*verdict.Report, error) {
	duration := o.Duration
	switch {
	case duration > 0:
	case o.Quick:
		duration = churnQuick
	default:
		duration = churnFull
	}
	r := &verdict.Report{}
	for _, kind := range []peer.Kind{peer.Panda} {
		o.logf("churn: %s for %v", kind, duration)
		err := o.with(o.spec(kind, 2, churnMemory), func(s *peer.Server) error {
			return o.churn(ctx, r, s, duration)
		})
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (o *Options) churn(ctx context.Context, r *verdict.Report, s *peer.Server, duration time.Duration) error {
	empty, err := s.Memory()
	if err != nil {
		return err
	}
	start := time.Now()
	var done, refused, sent atomic.Int64
	loaded := make(chan error, 1)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	go func() { loaded <- churnLoad(loading, s, start, duration, &done, &refused, &sent) }()
	most, when, samples := int64(0), time.Duration(0), 0
	for tick := time.NewTicker(time.Second); ; {
		select {
		case err := <-loaded:
			tick.Stop()
			if err != nil {
				return err
			}
			limit := int64(churnMemory) << 20
			above := float64(most-empty.RSS) / float64(limit)
			r.Say("%-9s -m %d: %d sets of 10 B-1 MB (%.0f MB, %d refused) in %v, RSS read %d times", s.Spec.Kind, churnMemory, done.Load(), mb(sent.Load()), refused.Load(), duration, samples)
			r.Hold(above <= churnBar, "%s RSS at most %.1f MB after %v, less %.1f MB when empty: %.1f %% of the limit (bar %.0f %%)",
				s.Spec.Kind, mb(most), when.Round(time.Second), mb(empty.RSS), 100*above, 100*churnBar)
			return nil
		case <-tick.C:
			m, err := s.Memory()
			if err != nil {
				stop()
				return errors.Join(err, <-loaded)
			}
			if samples++; m.RSS > most {
				most, when = m.RSS, time.Since(start)
			}
		}
	}
}

// churnLoad sets random keys until the time is over.
func churnLoad(ctx context.Context, s *peer.Server, start time.Time, duration time.Duration, done, refused, sent *atomic.Int64) error {
	const numbers = 1 << 30 // more than any duration needs
	var draws atomic.Uint64
	err := each(ctx, s, numbers, func(l *line, batch []int) error {
		elapsed := time.Since(start)
		if elapsed >= duration {
			return errEnough
		}
		// A load that is ahead of its rate waits.
		if ahead := time.Duration(float64(sent.Load())/churnRate*float64(time.Second)) - elapsed; ahead > 0 {
			time.Sleep(ahead)
		}
		m := churnSizes[int(elapsed*churnPhases/duration)%len(churnSizes)]
		m.seed = draws.Add(1) // a key has another size each time
		keys := 4 * (churnMemory << 20) / (m.low + (m.high-m.low)/8)
		if m.low >= 100_000 {
			batch = batch[:1+len(batch)/8]
		}
		size := 0
		for i := range batch {
			batch[i] = rand.IntN(keys)
			size += m.size(batch[i])
		}
		n, err := m.set(l, batch)
		done.Add(int64(len(batch)))
		refused.Add(int64(n))
		sent.Add(int64(size))
		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends a load that lasts for a time.
var errEnough = errors.New("density: the time is over")
