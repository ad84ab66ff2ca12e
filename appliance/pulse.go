package appliance

import (
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// hungAfter is when a loop that does not come to its tick counts as hung. Its
	// longest step is some milliseconds of work; the rest is for machines that
	// swap, or are suspended for a moment.
	hungAfter = 5 * time.Second

	// hungMin is the least that a watchdog may ask for: a few ticks, on a busy machine.
	hungMin = 10 * tickEvery
)

// pulse is when each loop last came to its tick.
type pulse struct {
	started time.Time
	beats   []beat
	limit   time.Duration // hungAfter; tests have less patience
	resting atomic.Bool   // no loop has to run any more
}

// beat has a cache line for itself: loops write them.
type beat struct {
	sinceNS atomic.Int64 // since pulse.started
	_       [56]byte
}

func newPulse(loops int) *pulse {
	return &pulse{started: time.Now(), beats: make([]beat, loops), limit: hungAfter}
}

// tick is called by each loop, ten times a second.
func (p *pulse) tick(loop int) { p.beats[loop].sinceNS.Store(int64(time.Since(p.started))) }

// begin is called when the loops start.
func (p *pulse) begin() {
	for i := range p.beats {
		p.tick(i)
	}
}

// rest is called when the loops are told to end. What comes then, saving the memory
// or waiting for a successor that takes it over, can last minutes, in which systemd
// must not take the process for dead.
func (p *pulse) rest() { p.resting.Store(true) }

// hung names a loop that has not run for so long; nil: all run.
func (p *pulse) hung(after time.Duration) error {
	if p.resting.Load() {
		return nil
	}
	now := time.Since(p.started)
	for i := range p.beats {
		if silent := now - time.Duration(p.beats[i].sinceNS.Load()); silent > after {
			return fmt.Errorf("loop %d hangs: it has not run for %s", i, silent.Round(time.Millisecond))
		}
	}
	return nil
}
