package keyspace

import (
	"errors"
	"time"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
)

const (
	// writeEvery is how long an epoch is open where nobody waits for it, unless its
	// loop has eagerBytes. Epochs of 20 ms are 50 writes a second.
	writeEvery = 20 * time.Millisecond
	eagerBytes = 512 << 10

	// A group that took gatherFrom or more is followed by a rest of a gatherShare of that,
	// at most gatherMax: longer than a client needs to send again what its reply let it
	// send, and of 100 ms of a slow disk no more than is needed. Below that the rest is
	// shorter than the timer is exact.
	gatherFrom  = time.Millisecond
	gatherShare = 8
	gatherMax   = 2 * time.Millisecond

	// bellWait is how long the writer waits by itself for the next group, before it leaves
	// that to Go's scheduler: some groups of a fast disk.
	bellWait = 2 * time.Millisecond

	// syncEvery is fsync=everysec, with room for a write and a sync.
	syncEvery = 900 * time.Millisecond
)

// wakeWriter has the writer close the epoch that is open, soon.
func (k *Keyspace) wakeWriter() {
	if k.asked.Swap(true) {
		return
	}
	if k.slots != nil {
		k.askedNS.Store(time.Now().UnixNano())
	}
	if k.bell.Ring() {
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run is the writer's goroutine.
func (k *Keyspace) run() {
	defer close(k.done)
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	rung := make(chan struct{}) // in place of wake, when the bell was rung
	close(rung)
	grouped := false // a group was written: the next one may be close behind
	for {
		err, wake := error(nil), k.wake
		if grouped = grouped && k.bell.Wait(&k.asked, bellWait); grouped {
			wake = rung
		}
		select {
		case <-wake:
			k.gather()
			err = k.step(true)
			grouped = true
		case <-tick.C:
			err = k.step(grouped)
		case request := <-k.requests:
			request()
			err = k.Err()
		case <-k.stop:
			if err := k.finish(); err != nil {
				k.fail(err)
			}
			return
		}
		k.publish()
		if err != nil {
			k.fail(err)
			k.log.Close() // for its goroutine and file; what went wrong is told
			return
		}
	}
}

// gather waits behind a group that a slow disk took long for, so that the clients whose
// replies went with it are in the next one. Else they would wait for each other's half
// in turns, two groups each. Who comes when nobody waited before is not held up.
func (k *Keyspace) gather() {
	if k.took < gatherFrom {
		return
	}
	if rest := min(k.took/gatherShare, gatherMax) - time.Since(k.letGoAt); rest > 0 {
		time.Sleep(rest)
	}
}

// step closes an epoch, writes it, and syncs it if it is time. Asked, it does so
// even if there is nothing in it.
func (k *Keyspace) step(asked bool) error {
	k.asked.Store(false) // before the epoch is closed: who asks later is in the next one
	k.figures.begin(k.askedNS.Swap(0))
	if k.full.waits() {
		return nil
	}
	if !asked && k.idle() {
		if k.unsynced {
			return k.syncDue()
		}
		if !k.noted {
			k.noted = true
			return k.log.Note()
		}
		return nil
	}
	if err := k.write(); !errors.Is(err, ErrFull) {
		return err
	}
	return nil
}

// idle reports whether no buffer has anything.
func (k *Keyspace) idle() bool {
	for i := range k.buffers {
		if !k.buffers[i].idle() {
			return false
		}
	}
	return true
}

// write closes the epoch that is open and writes it, or writes the one that waits for
// room. ErrFull: it waits.
func (k *Keyspace) write() error {
	if !k.full.held.Load() {
		k.closeOpen()
	}
	begun := time.Now()
	err := k.append()
	if isFull(err) {
		return k.hold(err)
	}
	clear(k.chunks)
	if err == nil && k.slots != nil {
		k.markDurable()
	}
	for i := range k.buffers {
		k.buffers[i].wrote(k)
	}
	if err != nil {
		return err
	}
	k.letGo()
	k.release(k.writing)
	if k.slots != nil {
		k.letGoAt = time.Now()
		k.took = k.letGoAt.Sub(begun)
	}
	return k.syncDue()
}

// writeAll writes up to the epoch that is open now, also behind one that waits for room.
func (k *Keyspace) writeAll() error {
	if k.full.held.Load() {
		if err := k.write(); err != nil {
			return err
		}
	}
	return k.write()
}

// closeOpen closes the epoch that is open, and takes what it has.
func (k *Keyspace) closeOpen() {
	k.writing, k.given = effectlog.Epoch(k.epoch.Add(1)-1), false
	k.chunks = k.chunks[:0]
	for i := range k.buffers {
		for _, b := range k.buffers[i].take(k.writing).blocks {
			k.chunks = append(k.chunks, b.chunk())
		}
	}
	if len(k.chunks) > 0 {
		k.figures.gave()
	}
}

// append gives the epoch that is being written to the log, and sees to it that nothing
// of it stays in memory. It may be called again after ErrFull.
func (k *Keyspace) append() error {
	if !k.given {
		if err := k.log.Write(k.writing, k.chunks); err != nil {
			return err
		}
		k.given = true
	}
	if len(k.chunks) > 0 && !k.unsynced {
		k.unsynced, k.noted, k.unsyncedAt = true, false, time.Now()
	}
	if k.config.Fsync == FsyncAlways {
		return k.sync()
	}
	return k.log.Flush() // so that nothing is lost when only the process dies
}

// wrote forgets what the writer had taken, and gives back what was pinned for it.
func (b *buffer) wrote(k *Keyspace) {
	size := b.spare.bytes()
	b.spare.clear(&k.blocks, k.store)
	k.logWritten.Add(size)
	b.written.Add(size)
}

// markDurable notes up to where the slots of the written epoch are durable.
func (k *Keyspace) markDurable() {
	for i := range k.buffers {
		for _, stamp := range k.buffers[i].spare.stamps {
			s := &k.slots[stamp&slotMask]
			if seq := stamp >> slotBits; seq > s.durable.Load() {
				s.durable.Store(seq)
			}
		}
	}
}

// release lets go whoever waits for epoch.
func (k *Keyspace) release(epoch effectlog.Epoch) {
	k.released.Store(uint64(epoch))
	k.figures.released()
	if k.config.Passed != nil {
		k.config.Passed()
	}
}

// syncDue is fsync=everysec's.
func (k *Keyspace) syncDue() error {
	if !k.unsynced || k.config.Fsync != FsyncEverySecond || time.Since(k.unsyncedAt) < syncEvery {
		return nil
	}
	return k.sync()
}

func (k *Keyspace) sync() error {
	if !k.unsynced {
		return nil
	}
	begun := time.Now()
	if err := k.log.Sync(); err != nil {
		return err
	}
	k.unsynced = false
	k.durable.Store(uint64(k.log.Durable()))
	k.figures.synced(time.Since(begun))
	return nil
}

// finish writes what there is, and closes the log. The loops have stopped.
func (k *Keyspace) finish() error {
	err := k.writeTight()
	if errors.Is(err, ErrFull) { // nothing is lost without the snapshot before the newest
		if err = snapshot.RemoveOlder(k.disk, "."); err == nil {
			err = k.writeTight()
		}
	}
	return errors.Join(err, k.log.Close())
}

// fail ends the log: nothing is released any more. The first error is kept.
func (k *Keyspace) fail(err error) {
	k.failOnce.Do(func() {
		k.failure = err
		close(k.failed)
	})
}

// Failed is closed when the log cannot be written any more: no reply that waits will
// go, and whoever runs the server must end it. Err says why.
func (k *Keyspace) Failed() <-chan struct{} { return k.failed }

// Err is why Failed was closed.
func (k *Keyspace) Err() error {
	select {
	case <-k.failed:
		return k.failure
	default:
		return nil
	}
}

// onWriter has the writer's goroutine run f, and waits for it. A log that fails
// meanwhile fails as if the writer had found it by itself.
func (k *Keyspace) onWriter(f func() error) error {
	result := make(chan error, 1)
	request := func() {
		err := f()
		if errors.Is(err, effectlog.ErrFailed) {
			k.fail(err)
		}
		result <- err
	}
	select {
	case k.requests <- request:
		return <-result
	case <-k.done:
		return errors.Join(ErrClosed, k.Err())
	}
}
