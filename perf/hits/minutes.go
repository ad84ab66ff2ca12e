package hits

import (
	"context"
	"fmt"
	"time"

	"github.com/pandabeardb/panda/perf/trace"
)

// Calcification is a workload whose values change their size and change back.
type Calcification struct {
	Minute time.Duration // how long one of its minutes is
	Rate   int           // requests a second, of each server
	Phases []Phase
}

// Phase is some minutes of values of one size.
type Phase struct {
	Minutes   int
	ValueSize int
	firstKey  uint32
}

// The keys of a phase: zipf, with a footprint of twice the memory.
const (
	minuteSkew      = 0.9
	minuteFootprint = 2
)

// DefaultCalcification takes seven minutes: 100 bytes for two, 4 KB for three,
// and 100 bytes for two. At its rate a minute asks for six times as many keys as
// fit in memory.
func DefaultCalcification() *Calcification {
	return &Calcification{Minute: time.Minute, Rate: 20_000, Phases: []Phase{{2, 100, 0}, {3, 4096, largeKeys}, {2, 100, 0}}}
}

// largeKeys is where the keys of large values begin.
const largeKeys = 50_000_000

// keys is the number of keys of a phase.
func (p Phase) keys() uint32 {
	return uint32(minuteFootprint * (MemoryMB << 20) / (keySize + p.ValueSize))
}

// Minute is what came out of one minute.
type Minute struct {
	ValueSize  int
	Ours, Peer Count
}

// Pass says whether ours hits as often, in what is printed.
func (m Minute) Pass() bool { return notBelow(m.Ours.Ratio(), m.Peer.Ratio()) }

// sizeOf tells a key's size by its number.
func (c *Calcification) sizeOf(key uint32) int {
	size := c.Phases[0].ValueSize
	for _, p := range c.Phases {
		if key >= p.firstKey && p.firstKey > 0 {
			size = p.ValueSize
		}
	}
	return size
}

func (o *Options) minutes(ctx context.Context) ([]Minute, error) {
	var all []Minute
	for _, p := range o.Minutes.Phases {
		for range p.Minutes {
			all = append(all, Minute{ValueSize: p.ValueSize})
		}
	}
	err := o.pair(ctx, o.Minutes.sizeOf, func(ctx context.Context, side int, c *client) error {
		return o.drivePhases(ctx, c, func(minute int, n Count) {
			if m := &all[minute]; side == 0 {
				m.Ours = n
				o.logf("minute %d: ours %.4f", minute+1, n.Ratio())
			} else {
				m.Peer = n
				o.logf("minute %d: peer %.4f", minute+1, n.Ratio())
			}
		})
	})
	return all, err
}

// drivePhases fills memory with the first phase's values, then goes on at the
// fixed rate.
func (o *Options) drivePhases(ctx context.Context, c *client, done func(minute int, n Count)) error {
	w := o.Minutes
	keys := w.Phases[0].keys()
	if _, err := readThrough(ctx, c, trace.LoopTrace().Source(keys, 0), int(keys)); err != nil {
		return err
	}
	minute, start := 0, time.Now()
	for i, p := range w.Phases {
		draws := trace.ZipfTrace(minuteSkew).Source(p.keys(), o.Seed+uint64(i))
		source := &pacedSource{ctx: ctx, draws: draws, first: p.firstKey, every: time.Second / time.Duration(w.Rate)}
		for range p.Minutes {
			source.start(start.Add(time.Duration(minute) * w.Minute))
			n, err := readThrough(ctx, c, source, int(w.Minute.Seconds()*float64(w.Rate)))
			if err != nil {
				return fmt.Errorf("minute %d: %w", minute+1, err)
			}
			done(minute, n)
			minute++
		}
	}
	if err := c.settle(); err != nil {
		return err
	}
	_, err := c.check()
	return err
}

// pacedSource yields each key at its planned time, to a batch.
type pacedSource struct {
	ctx   context.Context
	draws trace.Source
	first uint32
	every time.Duration
	begin time.Time
	n     int
}

func (s *pacedSource) start(at time.Time) { s.begin, s.n = at, 0 }

func (s *pacedSource) Next() uint32 {
	if s.n%batchSize == 0 {
		timer := time.NewTimer(time.Until(s.begin.Add(time.Duration(s.n) * s.every)))
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
		}
	}
	s.n++
	return s.first + s.draws.Next()
}
