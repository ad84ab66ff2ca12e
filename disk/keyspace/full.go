package keyspace

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
	"github.com/pandabeardb/panda/slab"
)

// When the disk has no room for the log's next segment, the epoch that is closed
// waits, and with it all that would change something: loops are told that they are
// full. Nothing that was acknowledged under FsyncAlways is lost by that, reads go on,
// and once there is room everything does.
//
// A snapshot makes room, if it fits: it begins with the last epoch that the log has. The
// snapshot before the newest goes for it, of what is free then the log takes nothing while
// it is taken, and, when it is whole, a segment as small as need be for what waits. Then
// the log of before is not needed any more.

const (
	// retryEvery is how often is looked whether there is room again.
	retryEvery = time.Second
	// sayFullEvery is how often is said that there is not.
	sayFullEvery = time.Minute

	// spaceEvery is how often is looked how much room the disk has.
	spaceEvery = 5 * time.Second
	// spaceShare and spaceSegments are what should be free: a part of the disk, and
	// segments besides two snapshots, of which one is being taken before the other goes.
	spaceShare    = 10
	spaceSegments = 4
)

// fullDisk is how the writer waits for room. Its fields are the writer's, who may be asked
// for held and times; reserved is of whoever takes a snapshot.
type fullDisk struct {
	held     atomic.Bool // an epoch waits
	reserved atomic.Bool // what room there is is a snapshot's
	times    atomic.Int64
	since    time.Time
	triedAt  time.Time
	saidAt   time.Time
}

// hold has the epoch that is being written wait, and returns ErrFull.
func (k *Keyspace) hold(cause error) error {
	f, now := &k.full, time.Now()
	f.triedAt = now
	switch {
	case !f.held.Load():
		f.held.Store(true)
		f.times.Add(1)
		f.since, f.saidAt = now, now
		k.note("the disk is full: what changes something waits until there is room, reads go on", cause)
	case now.Sub(f.saidAt) >= sayFullEvery:
		f.saidAt = now
		k.note(fmt.Sprintf("the disk has been full for %s", now.Sub(f.since).Round(time.Second)), cause)
	}
	return fmt.Errorf("%w: %w", ErrFull, cause)
}

// letGo ends the waiting, if there was any.
func (k *Keyspace) letGo() {
	if k.full.held.Load() {
		k.full.held.Store(false)
		k.wakeWriter() // loops wait for the next epoch, which may have nothing
		k.note(fmt.Sprintf("there is room on the disk again, after %s", time.Since(k.full.since).Round(time.Second)), nil)
	}
}

// waits reports whether an epoch waits, and it is not time to try again.
func (f *fullDisk) waits() bool {
	return f.held.Load() && (f.reserved.Load() || time.Since(f.triedAt) < retryEvery)
}

// isFull reports whether a write found no room, and has changed nothing.
func isFull(err error) bool { return errors.Is(err, effectlog.ErrFull) }

// fullError makes an error of what takes room an ErrFull, if it is one.
func fullError(err error) error {
	if !errors.Is(err, ErrFull) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// reserve keeps the room that there is, and that of the snapshot before the newest, for
// a snapshot and for the epoch that waits.
func (k *Keyspace) reserve() error {
	k.full.reserved.Store(true)
	if err := snapshot.RemoveOlder(k.disk, "."); err != nil {
		return err
	}
	return k.onWriter(func() error {
		waits := k.chunks
		if k.given { // it is in the log's memory
			waits = nil
		}
		return fullError(k.log.Spare(waits))
	})
}

// writeTight makes all durable, also what waits for room, if there is only a little. The
// writer's.
func (k *Keyspace) writeTight() error {
	k.log.Squeeze(true)
	defer k.log.Squeeze(false)
	if err := k.writeAll(); err != nil {
		return err
	}
	return k.sync()
}

// snapshotHelps reports whether a snapshot is likely to make room on a disk that is full:
// the log's files have more than it will have, and it fits. Once in a while it is tried.
func (k *Keyspace) snapshotHelps() bool {
	if !k.full.held.Load() || k.config.SnapshotBytes < 0 || k.config.FetchTier != nil {
		return false // what a tier has is not known
	}
	k.snapshots.mu.Lock()
	tried, bytes := k.snapshots.takenAt, k.snapshots.bytes
	k.snapshots.mu.Unlock()
	if time.Since(tried) < sayFullEvery {
		return false
	}
	free, _, err := k.disk.Space()
	if err != nil {
		return false
	}
	store := k.store.Stats()
	bytes = max(bytes, store.Bytes+store.Items*recordRoom+8*slab.Slots)
	return k.figures.segmentBytes.Load() > bytes && free+k.olderBytes() > bytes
}

// olderBytes is what the snapshots before the newest have.
func (k *Keyspace) olderBytes() (sum int64) {
	infos, err := k.disk.List(".")
	newest := int64(0)
	for _, info := range infos { // by name
		if err == nil && strings.HasSuffix(info.Name(), ".snapshot") {
			sum += newest
			newest = info.Size()
		}
	}
	return sum
}

// diskSpace is what is known of the disk's room. What is no atomic is the watch's.
type diskSpace struct {
	free, total atomic.Int64
	low         atomic.Bool
	lookedAt    time.Time
	failed      bool // the last look did
}

// watchSpace looks how much room there is, when it is time, and tells when that
// becomes too little, and when it no longer is.
func (k *Keyspace) watchSpace() {
	s := &k.space
	if !s.lookedAt.IsZero() && time.Since(s.lookedAt) < spaceEvery {
		return
	}
	s.lookedAt = time.Now()
	free, total, err := k.disk.Space()
	if err != nil {
		if !s.failed {
			k.note("it cannot be seen how full the disk is", err)
		}
		s.failed = true
		return
	}
	s.failed = false
	s.free.Store(free)
	s.total.Store(total)
	if total == 0 {
		return // a file system that does not say, such as ramfs
	}
	want := k.spaceWanted(total)
	switch low := s.low.Load(); {
	case !low && free < want:
		s.low.Store(true)
		k.note(fmt.Sprintf("%d MB are free on the disk, of %d MB: less than %d MB", free>>20, total>>20, want>>20), ErrSpace)
	case low && free >= want+want/spaceShare: // not at each byte
		s.low.Store(false)
		k.note(fmt.Sprintf("%d MB are free on the disk again", free>>20), nil)
	}
}

// spaceWanted is what should be free of a disk.
func (k *Keyspace) spaceWanted(total int64) int64 {
	k.snapshots.mu.Lock()
	want := 2 * k.snapshots.bytes
	k.snapshots.mu.Unlock()
	if k.logs() {
		want += spaceSegments * k.config.SegmentBytes
	}
	return max(want, total/spaceShare)
}
