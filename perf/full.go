package perf

import (
	"context"
	"errors"

	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
)

// fullKeys of fullPrefix fill memoryMB in either server before a row is measured:
// panda's items take 148 bytes, memcached's 192.
const (
	fullPrefix = "new:"
	fullKeys   = 9_000_000
)

// FullRows are loads on a full cache, which evicts with every new key. Nine in
// ten of the keys that they choose are new.
func FullRows() []Row {
	c := small(1)
	c.KeyPrefix, c.KeyCount = fullPrefix, load.KeysMax
	return []Row{
		{Name: "set-new-full/depth=16", Load: depth(c, 16), Requests: 400_000, BarPeer: 0.6},
	}
}

// againstFull compares full caches.
func (o *Options) againstFull(ctx context.Context, report *Report, other peer.Spec, bar func(*Row) float64) error {
	rows := matching(FullRows(), o.Rows)
	if len(rows) == 0 {
		return nil
	}
	c, err := newContest(o, o.subject(peerThreads), other, rows, bar)
	if err != nil {
		return err
	}
	c.peer.lossy = true
	c.spaces = []space{{fullPrefix, fullKeys, smallValue}}
	return errors.Join(c.compare(ctx, report), c.stop())
}
