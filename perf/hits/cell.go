package hits

import (
	"context"
	"fmt"

	"github.com/pandabeardb/panda/perf/trace"
)

// batchSize is the number of keys of one get.
const batchSize = 50

// warmUpVisits is the footprint, in multiples of the memory, that the warm-up
// visits once before the trace begins: enough to fill memory twice.
const warmUpVisits = 2

// Side is what one server did.
type Side struct {
	Count
	Items int64 // at the end
}

// Cell is what came out of a row.
type Cell struct {
	Name       string
	Keys       int // of the footprint
	Ours, Peer Side
}

func (c *Cell) String() string {
	return fmt.Sprintf("%-14s %.4f %.4f %+.4f  items %d %d", c.Name, c.Ours.Ratio(), c.Peer.Ratio(),
		c.Ours.Ratio()-c.Peer.Ratio(), c.Ours.Items, c.Peer.Items)
}

// Pass says whether ours hits as often, in what is printed.
func (c *Cell) Pass() bool { return notBelow(c.Ours.Ratio(), c.Peer.Ratio()) }

func (o *Options) cell(ctx context.Context, row Row) (*Cell, error) {
	cell := &Cell{Name: row.Name(), Keys: int(row.keys())}
	sides := [2]*Side{&cell.Ours, &cell.Peer}
	err := o.pair(ctx, sizes.Of, func(ctx context.Context, side int, c *client) (err error) {
		*sides[side], err = o.drive(ctx, row, c)
		return err
	})
	return cell, err
}

// drive warms one server up and counts its hits.
func (o *Options) drive(ctx context.Context, row Row, c *client) (s Side, err error) {
	visits := min(row.keys(), Row{Footprint: warmUpVisits}.keys())
	once := trace.LoopTrace().Source(visits, o.Seed)
	if _, err = readThrough(ctx, c, once, int(visits)); err != nil {
		return s, err
	}
	source := row.Trace.Source(row.keys(), o.Seed)
	if _, err = readThrough(ctx, c, source, o.Requests/2); err != nil {
		return s, err
	}
	if s.Count, err = readThrough(ctx, c, source, o.Requests); err != nil {
		return s, err
	}
	if err = c.settle(); err != nil {
		return s, err
	}
	s.Items, err = c.check()
	return s, err
}

// readThrough drives n requests of a source.
func readThrough(ctx context.Context, c *client, source trace.Source, n int) (sum Count, err error) {
	var keys [batchSize]uint32
	for n > 0 && err == nil {
		batch := keys[:min(n, batchSize)]
		for i := range batch {
			batch[i] = source.Next()
		}
		n -= len(batch)
		var count Count
		if count, err = c.batch(batch); err == nil {
			err = context.Cause(ctx)
		}
		sum.add(count)
	}
	return sum, err
}
