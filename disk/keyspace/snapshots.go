package keyspace

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
	"github.com/pandabeardb/panda/slab"
)

const (
	// A snapshot walks for walkFor and rests for restFor, so that it has a small part of a
	// core and no loop waits behind it for longer than that.
	walkFor     = 200 * time.Microsecond
	restFor     = 300 * time.Microsecond
	walkBuckets = 16 // at a time: about 100 items, 20 us

	// everMS is a time at which nothing has expired: an item stays a part of the store
	// until an effect removes it, and before that a loop whose clock is behind may touch it.
	everMS = 0

	// dueEvery is how often is looked whether a snapshot is due.
	dueEvery = time.Second
)

// snapshots take them: one goroutine, for the asked and the due ones.
type snapshots struct {
	asked   chan struct{} // has one when waiting is set
	stop    chan struct{}
	done    chan struct{}
	running atomic.Bool

	doneItems, ofItems atomic.Int64  // of the one that is running
	states             atomic.Uint64 // how often a state became another one
	published          atomic.Uint64 // number of the newest since Open, where there is no log

	mu        sync.Mutex
	waiting   chan error // who asked for one that has not begun; nil: nobody
	closed    bool
	bytes     int64 // of the newest
	items     int64
	at        time.Time // when it was taken; zero: there is none
	takenAt   time.Time // the last try, or the start
	took      time.Duration
	taken     int64
	failures  int64
	logBytes  int64  // written to the log when it was taken
	changed   uint64 // changes when it was taken
	hasOldLog bool   // of ModeLog, which the first of ModeSnapshot replaces
}

// openSnapshots takes one, if the log does not have what the store has.
func (k *Keyspace) openSnapshots() error {
	s := &k.snapshots
	s.asked, s.stop, s.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	s.changed = k.changes()
	s.takenAt = time.Now()
	s.hasOldLog = !k.logs()
	if err := s.remember(k); err != nil {
		return err
	}
	if err := snapshot.RemoveLeftovers(k.disk, "."); err != nil {
		return err
	}
	if k.recovery.Evicted > 0 || k.ahead == sequencesSalvaged || k.unkept {
		// The log does not know of these evictions: without a snapshot they would be
		// there again, and a delete that found nothing would be undone. Nor is what was
		// salvaged to be salvaged anew at each start, or what the last stop could not
		// write to be lost behind what comes now.
		if k.ahead == sequencesSalvaged { // the newest may be what is damaged
			return k.take(atOnce)
		}
		return k.takeTight()
	}
	return nil
}

// atOnce is no rest.
func atOnce(time.Duration) bool { return true }

// takeTight takes a snapshot that nothing can wait for: on a disk that is full it takes the
// place of the one before the newest.
func (k *Keyspace) takeTight() error {
	err := k.take(atOnce)
	if errors.Is(err, ErrFull) {
		if err = snapshot.RemoveOlder(k.disk, "."); err == nil {
			err = k.take(atOnce)
		}
	}
	return err
}

// remember takes what there is to know of the newest snapshot from its file.
func (s *snapshots) remember(k *Keyspace) error {
	name, _, found, err := snapshot.Newest(k.disk, ".")
	if err == nil && found {
		var t *snapshot.Trailer
		if t, s.bytes, err = snapshot.ReadEnds(k.disk, name); err == nil {
			s.items, s.at = int64(t.Records), time.UnixMilli(t.CreatedMS)
		}
	}
	if IsDamage(err) && k.config.Salvage != nil { // it was told
		return nil
	}
	return err
}

// changes grows with every effect there ever was, flush, and state.
func (k *Keyspace) changes() uint64 {
	n := uint64(k.store.Flushes()) + k.snapshots.states.Load()
	for _, seq := range k.store.Sequences() {
		n += seq
	}
	return n
}

// runSnapshots is the snapshots' goroutine.
func (k *Keyspace) runSnapshots() {
	s := &k.snapshots
	defer s.end()
	tick := time.NewTicker(dueEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.asked:
			s.mu.Lock()
			answer := s.waiting
			s.waiting = nil
			s.running.Store(true)
			s.mu.Unlock()
			answer <- k.snapshot()
		case <-tick.C:
			if k.snapshotDue() || k.snapshotHelps() {
				if err := k.snapshot(); err != nil && !errors.Is(err, ErrClosed) {
					k.note("a snapshot failed", err)
				}
			}
		case <-s.stop:
			return
		}
	}
}

// end tells whoever waits that there will be no snapshot.
func (s *snapshots) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.waiting != nil {
		s.waiting <- ErrClosed
		s.waiting = nil
	}
	close(s.done)
}

// StartSnapshot has one taken now. What became of it comes from the channel, which
// nobody has to read. ErrBusy: one is on its way, or asked for. Any goroutine may call it.
func (k *Keyspace) StartSnapshot() (<-chan error, error) {
	s := &k.snapshots
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.waiting != nil || s.running.Load():
		return nil, ErrBusy
	}
	s.waiting = make(chan error, 1)
	s.asked <- struct{}{} // has room: nobody else waits
	return s.waiting, nil
}

// Snapshot takes one now, and waits for it. Any goroutine may call it.
func (k *Keyspace) Snapshot() error {
	answer, err := k.StartSnapshot()
	if err != nil {
		return err
	}
	return <-answer
}

// stats are the figures now.
func (s *snapshots) stats() SnapshotStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SnapshotStats{
		Running: s.running.Load() || s.waiting != nil, Done: s.doneItems.Load(), Of: s.ofItems.Load(),
		Taken: s.taken, Failures: s.failures, At: s.at, Took: s.took, Bytes: s.bytes, Items: s.items,
	}
}

// snapshotDue reports whether it is time for one.
func (k *Keyspace) snapshotDue() bool {
	s := &k.snapshots
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.logs() {
		return k.config.SnapshotBytes >= 0 && k.logWritten.Load()-s.logBytes > max(k.config.SnapshotBytes, s.bytes)
	}
	return k.config.SnapshotEvery > 0 && time.Since(s.takenAt) >= k.config.SnapshotEvery && k.changes() != s.changed
}

// snapshot takes one with rests between, unless the keyspace is closed meanwhile.
func (k *Keyspace) snapshot() error {
	err := k.take(k.rest)
	if err != nil {
		k.snapshots.mu.Lock()
		k.snapshots.failures++
		k.snapshots.takenAt = time.Now() // the next try is not at once
		k.snapshots.logBytes = k.logWritten.Load()
		k.snapshots.mu.Unlock()
	}
	return err
}

// rest waits, and reports false when the keyspace is closed.
func (k *Keyspace) rest(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-k.snapshots.stop:
		return false
	}
}

// take takes a snapshot: a walk over the store while others change it. Every effect
// up to the epoch begin is in it, since those are in the shards before the walk
// comes there; what it has of later ones is older than, or the same as, what the log
// behind begin leads to.
func (k *Keyspace) take(rest func(time.Duration) bool) error {
	s := &k.snapshots
	s.doneItems.Store(0)
	s.ofItems.Store(k.store.Stats().Items)
	s.running.Store(true)
	defer s.running.Store(false)
	begun := time.Now()
	changed, logBytes := k.changes(), k.logWritten.Load()
	defer k.full.reserved.Store(false)
	begin, err := k.closeEpoch()
	if err != nil {
		return err
	}
	w, err := snapshot.Create(k.disk, ".", snapshot.Options{Begin: begin, CreatedMS: k.config.NowMS()})
	if err != nil {
		return fullError(err)
	}
	walk := walk{k: k, w: w, flushes: k.store.Flushes()}
	err = walk.run(rest)
	if err == nil {
		err = walk.finish()
	}
	if err != nil {
		return fullError(errors.Join(err, w.Abandon()))
	}
	if err := k.forget(begin); err != nil {
		return err
	}
	if !k.logs() {
		if _, header, _, err := snapshot.Newest(k.disk, "."); err == nil {
			s.published.Store(header.Serial)
		}
	}
	s.mu.Lock()
	s.bytes, s.items, s.took, s.takenAt, s.at = walk.bytes, walk.items, time.Since(begun), time.Now(), begun
	s.taken++
	s.changed, s.logBytes = changed, logBytes
	s.mu.Unlock()
	return nil
}

// closeEpoch is the last epoch that is closed: what comes now is in a later one.
func (k *Keyspace) closeEpoch() (effectlog.Epoch, error) {
	if !k.logs() {
		return effectlog.Epoch(k.epoch.Add(1) - 1), nil
	}
	err := k.onWriter(k.writeAll)
	if errors.Is(err, ErrFull) { // what waits is behind the snapshot's beginning
		err = k.reserve()
	}
	return effectlog.Epoch(k.released.Load()), err
}

// forget removes what a published snapshot has made superfluous.
func (k *Keyspace) forget(begin effectlog.Epoch) error {
	if k.logs() {
		return k.onWriter(func() error { return k.log.Forget(begin) })
	}
	if !k.snapshots.hasOldLog {
		return nil
	}
	if err := k.changeFolder(func(m *manifest) { m.segment = 0 }); err != nil { // no segment is missing then
		return err
	}
	infos, err := k.disk.List(".")
	for _, info := range infos { // by name: the oldest goes first
		if err == nil && strings.HasSuffix(info.Name(), ".log") {
			err = k.disk.Remove(info.Name())
		}
	}
	k.snapshots.hasOldLog = err != nil
	return err
}

// closeSnapshots ends the goroutine, and the watch's. Where there is no log, the last
// snapshot is taken now.
func (k *Keyspace) closeSnapshots() error {
	close(k.snapshots.stop)
	<-k.snapshots.done
	k.watching.Wait()
	if k.logs() || k.changes() == k.snapshots.changed {
		return nil
	}
	return k.takeTight()
}

// walk is a snapshot on its way.
type walk struct {
	k      *Keyspace
	w      *snapshot.Writer
	record effectlog.Record // of the item that is collected
	half   half             // what was collected and is not written
	items  int64
	bytes  int64
	cursor slab.Cursor

	flushes uint32 // of the store, before

	tiered      []tiered // items whose values a tier has
	tieredBytes int
	lost        lostValues
}

// run walks over the whole store.
func (w *walk) run(rest func(time.Duration) bool) error {
	handle := w.k.store.Handle(0) // a walk uses nothing of it but the store
	for since := time.Now(); ; {
		done := handle.Walk(&w.cursor, everMS, walkBuckets, w.add)
		w.k.snapshots.doneItems.Store(w.items)
		if done || w.full() {
			if err := w.write(); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
		if time.Since(since) >= walkFor {
			if !rest(restFor) {
				return ErrClosed
			}
			since = time.Now()
		}
	}
}

// add collects an item, under its shard's lock.
func (w *walk) add(it slab.Item) bool {
	if w.full() {
		return false
	}
	r := &w.record
	recordOf(r, slab.KindSet, it.Stamp(), it)
	if it.OnTier() {
		w.addTiered(it, r)
		return true
	}
	w.bytes += int64(w.half.append(&w.k.blocks, r, it))
	w.items++
	return true
}

// full reports whether what was collected is to be written: a block, or one large
// value, which stays pinned meanwhile.
func (w *walk) full() bool {
	return len(w.tiered) >= tieredMax || w.tieredBytes >= tieredBytesMax || len(w.half.blocks) > 1 || len(w.half.blocks) == 1 && len(w.half.blocks[0].values) > 0
}

// write writes what was collected.
func (w *walk) write() (err error) {
	for _, b := range w.half.blocks {
		if err == nil {
			c := b.chunk()
			err = w.w.AppendPieces(c.Pieces, c.Records)
		}
	}
	w.half.clear(&w.k.blocks, w.k.store)
	if err == nil {
		err = w.writeTiered()
	}
	return err
}

// addStates collects what protocols want back, and up to where all is absent if there
// was a flush meanwhile, which a part of the walk has not seen.
func (w *walk) addStates() {
	k := w.k
	k.stateMu.Lock()
	defer k.stateMu.Unlock() // FlushAll has it: both of it, or neither
	for name, value := range k.states {
		w.half.appendPlain(&k.blocks, &effectlog.Record{Kind: effectlog.KindState, Key: []byte(name), Value: value})
	}
	if k.store.Flushes() != w.flushes {
		w.half.appendPlain(&k.blocks, flushRecord(k.store.FlushMarks()))
	}
}

// finish makes the snapshot durable, waits until the log has all that it may have
// seen, and publishes it.
func (w *walk) finish() error {
	k := w.k
	if err := w.mend(); err != nil {
		return err
	}
	w.addStates()
	if err := w.write(); err != nil {
		return err
	}
	seqs := k.store.Sequences()
	end := effectlog.Epoch(k.epoch.Load())
	if err := w.w.Finish(end, seqs); err != nil {
		return err
	}
	if k.logs() {
		if err := k.onWriter(k.writeTight); err != nil {
			return err
		}
	}
	err := w.w.Publish()
	if errors.Is(err, snapshot.ErrNotRemoved) {
		k.note("an older snapshot could not be removed", err)
		return nil
	}
	return err
}
