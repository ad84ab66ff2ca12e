package density

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

const (
	fitMemory = 64 // MB
	// fitItems is three to four times what fits.
	fitItems = 1_500_000
	// fitMixed values of 7.2 KB in the mean are more than four times the memory.
	fitMixed = 40_000
)

// fitThreads are those that acceptance names.
var fitThreads = []int{2, 8}

// kept is what a server kept of what was stored.
type kept struct{ items, bytes int64 }

// Fit measures how many items, and how many bytes of mixed sizes, -m 64 holds.
func Fit(ctx context.Context, o Options) (*verdict.Report, error) {
	r := &verdict.Report{}
	for _, threads := range fitThreads {
		same, mix := map[peer.Kind]kept{}, map[peer.Kind]kept{}
		for _, kind := range kinds {
			o.logf("fit: %s -t %d", kind, threads)
			spec := o.spec(kind, threads, fitMemory)
			err := o.with(spec, func(s *peer.Server) (err error) {
				same[kind], err = o.fitSame(ctx, r, s)
				return err
			})
			if err != nil {
				return nil, err
			}
			err = o.with(spec, func(s *peer.Server) (err error) {
				mix[kind], err = o.fitMixed(ctx, r, s)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		ours, theirs := same[peer.Panda].items, same[peer.Memcached].items
		r.Hold(ours >= theirs, "-m %d -t %d: items of %d bytes kept, ratio to memcached: %.3f (bar 1)", fitMemory, threads, valueBytes, float64(ours)/float64(theirs))
		ours, theirs = mix[peer.Panda].bytes, mix[peer.Memcached].bytes
		r.Hold(ours >= theirs, "-m %d -t %d: bytes of mixed sizes kept, ratio to memcached: %.3f (bar 1)", fitMemory, threads, float64(ours)/float64(theirs))
	}
	return r, nil
}

func (o *Options) fitSame(ctx context.Context, r *verdict.Report, s *peer.Server) (k kept, err error) {
	refused, err := store(ctx, s, fitItems)
	if err != nil {
		return k, err
	}
	stats, err := statistics(s)
	if err != nil {
		return k, err
	}
	if k.items, err = readBack(ctx, s, fitItems); err != nil {
		return k, err
	}
	if k.items != stats["curr_items"] {
		return k, fmt.Errorf("%w: %s: %d items came back, it had %d", ErrServer, s.Spec.Kind, k.items, stats["curr_items"])
	}
	return k, o.fitSay(r, s, fmt.Sprintf("%d bytes", valueBytes), k, refused)
}

func (o *Options) fitMixed(ctx context.Context, r *verdict.Report, s *peer.Server) (k kept, err error) {
	m := mixed{low: 50, high: 50_000}
	var refused, items, size atomic.Int64
	err = each(ctx, s, fitMixed, func(l *line, numbers []int) error {
		n, err := m.set(l, numbers)
		refused.Add(int64(n))
		return err
	})
	if err != nil {
		return k, err
	}
	stats, err := statistics(s)
	if err != nil {
		return k, err
	}
	err = each(ctx, s, fitMixed, func(l *line, numbers []int) error {
		n, b, err := m.get(l, numbers)
		items.Add(n)
		size.Add(b)
		return err
	})
	if err != nil {
		return k, err
	}
	k = kept{items.Load(), size.Load()}
	if k.items != stats["curr_items"] {
		return k, fmt.Errorf("%w: %s: %d items came back, it had %d", ErrServer, s.Spec.Kind, k.items, stats["curr_items"])
	}
	return k, o.fitSay(r, s, "50 B-50 KB", k, refused.Load())
}

func (o *Options) fitSay(r *verdict.Report, s *peer.Server, what string, k kept, refused int64) error {
	m, err := s.Memory()
	size := ""
	if k.bytes > 0 {
		size = fmt.Sprintf(", %.1f MB", mb(k.bytes))
	}
	r.Say("%-9s -m %d -t %d, values of %s: %d items%s kept, %d refused; RSS %.1f MB", s.Spec.Kind, fitMemory, s.Spec.Threads, what, k.items, size, refused, mb(m.RSS))
	return err
}
