package keyspace

import (
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/effectlog"
)

// slotState is what a slot's effects have come to, where replies wait.
type slotState struct {
	last    uint64          // sequence of the last effect; under the shard's lock
	touched uint64          // of the last KindTouch, which leaves the item's stamp; likewise
	epoch   effectlog.Epoch // of last; likewise
	durable atomic.Uint64   // sequence up to which all is durable; the writer's
}

// Loop is one loop's side of the keyspace. Only its goroutine calls it.
type Loop struct {
	k     *Keyspace
	b     *buffer
	waits effectlog.Epoch // for what was seen in this turn and is not durable
	fulls atomic.Int64    // how often it was full
	wants bool            // a turn's replies wait, and the writer was not woken for them
}

// Loop is loop i's side.
func (k *Keyspace) Loop(i int) *Loop { return &k.loops[i] }

// pending is the buffer's, for its loop.
func (l *Loop) pending() int64 { return l.b.appended - l.b.written.Load() }

// Observe is told, under the shard's lock, what a request has seen of a key: its
// item's stamp, or 0 if there is none. If a crash could still take that back, the
// reply waits: for a key that is there, only if itself was written, or a key of its slot
// was given another expiry, for one that is not, if any key of its slot was written.
func (l *Loop) Observe(slot uint16, stamp uint64) {
	if l.k.slots == nil {
		return
	}
	s := &l.k.slots[slot]
	seq := s.last
	if stamp != 0 {
		seq = max(stamp>>slotBits, s.touched)
	}
	if seq > s.durable.Load() {
		l.waits = max(l.waits, s.epoch)
	}
}

// ObserveAll is Observe for a reply that tells of any number of keys.
func (l *Loop) ObserveAll() {
	if l.k.slots != nil {
		l.waits = effectlog.Epoch(l.k.epoch.Load())
	}
}

// BeginTurn says that EndTurn will be called, before the loop waits for anything. Where
// replies wait, what a turn has done is not held back by the rest of it, nor does a turn
// wait for what a tick did before: of that a reply tells by Observe, or not at all.
func (l *Loop) BeginTurn() {
	if l.k.slots == nil {
		l.b.turn = true
	} else {
		l.b.touched = 0
	}
}

// EndTurn returns the number that the replies of a turn wait for, see
// Keyspace.Released; 0: for nothing.
func (l *Loop) EndTurn() (wait uint64) {
	b := l.b
	touched := b.touched
	b.touched, b.turn = 0, false
	if b.kept {
		b.kept = false
		if b.wanted.Load() != 0 {
			b.handOver()
		}
		b.mu.Unlock()
	}
	if l.k.slots == nil {
		if touched != 0 && l.pending() > eagerBytes {
			l.k.wakeWriter()
		}
		return 0
	}
	waits := uint64(max(l.waits, touched))
	l.waits = 0
	if waits <= l.k.released.Load() {
		return 0
	}
	l.wants = true
	return waits
}

// EndBatch wakes the writer for the turns that ended since the last call: behind a batch
// of events, so that what they did is one group. If it is not called, the writer comes
// by itself within writeEvery.
func (l *Loop) EndBatch() {
	if l.wants {
		l.wants = false
		l.k.wakeWriter()
	}
}

// Full reports whether the loop has so much that the log has not taken that nothing
// that changes the keyspace may run, or the disk is full; and the number to wait for.
func (l *Loop) Full() (wait uint64, full bool) {
	if l.pending() < l.k.config.LoopBytes && !l.k.full.held.Load() {
		return 0, false
	}
	l.fulls.Add(1)
	wait = l.k.epoch.Load() // before the writer is woken: nobody may ever close the next one
	l.k.wakeWriter()
	return wait, true
}
