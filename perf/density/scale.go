package density

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

const (
	scaleFew      = 100_000
	scaleMany     = 50_000_000
	scaleQuick    = 2_000_000
	scaleValue    = 10    // bytes; small, so that the items and not their values are many
	scaleMemory   = 10240 // MB
	scalePrefix   = "k:"
	scaleRequests = 1_000_000 // of a cell
	scaleRounds   = 5
	// scaleBar is the ratio of CPU per request, many items to few.
	scaleBar = 1.3
)

// Scale measures CPU per request with many items against few.
func Scale(ctx context.Context, o Options) (*verdict.Report, error) {
	many, requests, rounds := scaleMany, int64(scaleRequests), scaleRounds
	if o.Quick {
		many, requests, rounds = scaleQuick, scaleRequests/4, 3
	}
	r := &verdict.Report{}
	for _, kind := range kinds {
		if o.Alone && kind != peer.Panda {
			continue
		}
		ratio, err := o.scale(ctx, r, kind, many, requests, rounds)
		if err != nil {
			return nil, err
		}
		if kind == peer.Panda {
			r.Hold(ratio <= scaleBar, "CPU per get at %d items, ratio to %d: %.2f (bar %.1f)", many, scaleFew, ratio, scaleBar)
		} else {
			r.Say("     %s's ratio: %.2f", kind, ratio)
		}
	}
	return r, nil
}

// scale measures one kind of server: the median of the rounds' ratios.
func (o *Options) scale(ctx context.Context, r *verdict.Report, kind peer.Kind, many int, requests int64, rounds int) (ratio float64, err error) {
	spec := o.spec(kind, 2, scaleMemory)
	if kind == peer.Memcached {
		// Both begin with a table of the right size: growth is not what is measured.
		spec.Extra = []string{"-o", "hashpower=26"}
	}
	err = o.with(spec, func(big *peer.Server) error {
		o.logf("scale: %s, %d items", kind, many)
		if err := scaleStore(ctx, big, many); err != nil {
			return err
		}
		spec.Extra = nil
		return o.with(spec, func(small *peer.Server) error {
			if err := scaleStore(ctx, small, scaleFew); err != nil {
				return err
			}
			ratio, err = scaleRun(ctx, r, small, big, many, requests, rounds)
			return err
		})
	})
	return ratio, err
}

func scaleStore(ctx context.Context, s *peer.Server, n int) error {
	result, err := load.Run(ctx, load.Config{
		Network: s.Network, Address: s.Address, Connections: 16, Depth: 64,
		KeyPrefix: scalePrefix, KeyCount: n, Sequential: true, SetShare: 1, ValueSize: scaleValue,
	})
	if err == nil && result.Errors > 0 {
		err = fmt.Errorf("%w: %s refused %d items", ErrServer, s.Spec.Kind, result.Errors)
	}
	return err
}

// scaleRun runs A B B A rounds.
func scaleRun(ctx context.Context, r *verdict.Report, small, big *peer.Server, many int, requests int64, rounds int) (float64, error) {
	var few, lots, ratios []float64
	for round := range rounds {
		var sum [2]float64 // few, many
		for i := range 4 {
			side := [4]int{0, 1, 1, 0}[i]
			if round%2 == 1 {
				side = 1 - side
			}
			s, n := small, scaleFew
			if side == 1 {
				s, n = big, many
			}
			us, err := scaleCell(ctx, s, n, requests, uint64(round*4+i))
			if err != nil {
				return 0, err
			}
			sum[side] += us / 2
		}
		few, lots, ratios = append(few, sum[0]), append(lots, sum[1]), append(ratios, sum[1]/sum[0])
	}
	m, err := big.Memory()
	r.Say("%-9s get hits, random keys, depth 16: %.2f us at %d items, %.2f us at %d (RSS %.0f MB); ratios %.2f..%.2f",
		big.Spec.Kind, median(few), scaleFew, median(lots), many, mb(m.RSS), slices.Min(ratios), slices.Max(ratios))
	return median(ratios), err
}

func scaleCell(ctx context.Context, s *peer.Server, n int, requests int64, seed uint64) (us float64, err error) {
	before, err := s.CPU()
	if err != nil {
		return 0, err
	}
	result, err := load.Run(ctx, load.Config{
		Network: s.Network, Address: s.Address, Connections: 50, Depth: 16,
		KeyPrefix: scalePrefix, KeyCount: n, ValueSize: scaleValue, Requests: requests, Seed: seed,
	})
	if err != nil {
		return 0, err
	}
	after, err := s.CPU()
	if result.Misses > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %s missed %d of %d keys", ErrServer, s.Spec.Kind, result.Misses, result.Requests))
	}
	return float64((after - before).Nanoseconds()) / 1000 / float64(result.Requests), err
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
