package density

import (
	"context"
	"fmt"

	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

const (
	// keyPrefix and eight digits are a key of 20 bytes.
	keyPrefix  = "panda:items:"
	keyLength  = len(keyPrefix) + 8
	valueBytes = 100

	itemsFull   = 5_000_000
	itemsQuick  = 500_000
	itemsMemory = 2048 // MB: more than either needs
	// itemsBar is the ratio of RSS an item to memcached's.
	itemsBar = 0.78
)

// Items measures RSS an item of 20 bytes of key and 100 of value.
func Items(ctx context.Context, o Options) (*verdict.Report, error) {
	n := itemsFull
	if o.Quick {
		n = itemsQuick
	}
	r := &verdict.Report{}
	perItem := map[peer.Kind]float64{}
	for _, kind := range kinds {
		err := o.with(o.spec(kind, 2, itemsMemory), func(s *peer.Server) (err error) {
			perItem[kind], err = o.rssOfItems(ctx, r, s, n)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	ratio := perItem[peer.Panda] / perItem[peer.Memcached]
	r.Hold(ratio <= itemsBar, "RSS per item, ratio to memcached: %.3f (bar %.2f)", ratio, itemsBar)
	return r, nil
}

func (o *Options) rssOfItems(ctx context.Context, r *verdict.Report, s *peer.Server, n int) (float64, error) {
	before, err := s.Memory()
	if err != nil {
		return 0, err
	}
	o.logf("items: %s, %d items", s.Spec.Kind, n)
	if _, err := store(ctx, s, n); err != nil {
		return 0, err
	}
	after, err := s.Memory()
	if err != nil {
		return 0, err
	}
	stats, err := statistics(s)
	if err != nil {
		return 0, err
	}
	items := stats["curr_items"]
	if items != int64(n) {
		return 0, fmt.Errorf("%w: %s has %d of %d items", ErrServer, s.Spec.Kind, items, n)
	}
	// Nothing is taken off: what stood ready before is used by items now.
	perItem := float64(after.RSS) / float64(items)
	r.Say("%-9s %d items of %d + %d bytes: RSS %.1f MB (%.1f MB when empty): %.1f bytes an item, %.1f of overhead",
		s.Spec.Kind, items, keyLength, valueBytes, mb(after.RSS), mb(before.RSS), perItem, perItem-float64(keyLength+valueBytes))
	return perItem, nil
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// store stores n items and returns how many were refused for want of memory:
// memcached does that at times, though it evicts.
func store(ctx context.Context, s *peer.Server, n int) (refused int64, err error) {
	result, err := load.Run(ctx, load.Config{
		Network: s.Network, Address: s.Address, Connections: 16, Depth: 64,
		KeyPrefix: keyPrefix, KeyCount: n, Sequential: true, SetShare: 1, ValueSize: valueBytes,
	})
	if err != nil {
		return 0, err
	}
	return result.Errors, nil
}

// readBack gets n items and returns how many are there.
func readBack(ctx context.Context, s *peer.Server, n int) (int64, error) {
	result, err := load.Run(ctx, load.Config{
		Network: s.Network, Address: s.Address, Connections: 16, Depth: 64,
		KeyPrefix: keyPrefix, KeyCount: n, Sequential: true, ValueSize: valueBytes,
	})
	if err != nil {
		return 0, err
	}
	return result.Hits, nil
}
