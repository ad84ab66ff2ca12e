package keyspace

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

// Mode says what is kept.
type Mode uint8

const (
	ModeSnapshot Mode = iota // what the last snapshot has
	ModeLog                  // every change
)

// Fsync says when the log is made durable.
type Fsync uint8

const (
	FsyncEverySecond Fsync = iota
	FsyncAlways            // before the reply
	FsyncNo                // when the system likes
)

// Config of a Keyspace.
type Config struct {
	Disk  dio.FS // its folder
	Mode  Mode
	Fsync Fsync
	Loops int // of the store

	// LoopBytes is how much of a loop's effects may wait for the log; 0: default, which
	// all loops together hold to a sixteenth of the store's limit, or to 16 MB each.
	LoopBytes int64
	// SegmentBytes is the size of the log's files; 0: default.
	SegmentBytes int64
	// SnapshotBytes is how long the log gets, at least, before a snapshot makes it
	// short again; 0: default; < 0: never.
	SnapshotBytes int64
	// SnapshotEvery is how often ModeSnapshot takes one if something has changed; 0: only when asked.
	SnapshotEvery time.Duration

	// Held is what Mark said when the store was saved that is given to Open: it has all
	// already, and nothing is read but the log's end. "": the store is empty.
	Held string

	// FetchTier reads values that the store's tier has, and waits for them. nil: there is
	// no tier.
	FetchTier func([]TierFetch)

	// Passed is called by the writer's goroutine when Released has grown. May be nil.
	Passed func()
	// Salvage is told of damage; nil: damage is an error of Open.
	Salvage func(error)
	// Progress is told how much of recovery is done, in bytes. May be nil.
	Progress func(done, total int64)
	// Note is told what an operator should know. May be nil.
	Note func(Note)

	// NowMS is the time for expiries; nil: the system's.
	NowMS func() int64
}

// A Note is something that an operator should know.
type Note struct {
	Text string
	Err  error // nil: it is good news
}

const (
	slotBits = 14
	slotMask = 1<<slotBits - 1

	// loopBytesDefault is what a loop makes in about 50 ms at its best, or a disk
	// writes meanwhile.
	loopBytesDefault = 16 << 20
	// waitingShare of a small store may wait: large values are pinned meanwhile, and what
	// is pinned cannot be evicted, so that stores would be refused for want of memory.
	waitingShare = 16
	// segmentBytesDefault is half a second of a fast disk.
	segmentBytesDefault = 256 << 20
	// snapshotBytesDefault is a segment's size: no part of one can be given back, and
	// recovery from it takes a second or two.
	snapshotBytesDefault = 256 << 20

	// sequencesAhead is how many effects of one slot a crash may have taken back whose
	// tokens clients have seen: more than a slot has in a second, by far, see raiseBase.
	sequencesAhead = 1 << 24
	// sequencesSalvaged is the same when something was lost that had sequences.
	sequencesSalvaged = 1 << 36
)

// Keyspace makes a store durable.
type Keyspace struct {
	config Config
	store  *slab.Store
	disk   dio.FS
	lock   io.Closer

	epoch    atomic.Uint64 // that is open
	released atomic.Uint64
	durable  atomic.Uint64 // the last epoch that a crash cannot take back
	blocks   blocks
	buffers  []buffer // one a loop, one for who is none
	loops    []Loop
	slots    []slotState // nil unless replies wait

	stateMu    sync.Mutex
	states     map[string][]byte
	flushState atomic.Pointer[effectlog.Record] // goes with the next FlushAll's record

	// The writer's.
	log        *effectlog.Writer
	chunks     []effectlog.Chunk
	unsynced   bool
	noted      bool
	unsyncedAt time.Time
	took       time.Duration // to write and sync the last epoch, where replies wait
	letGoAt    time.Time     // when its replies could go
	logWritten atomic.Int64  // bytes of records since Open, and what it found
	figures    figures       // for Stats
	writing    effectlog.Epoch
	given      bool // the log has it
	full       fullDisk
	space      diskSpace

	bell     dio.Bell // where replies wait
	asked    atomic.Bool
	askedNS  atomic.Int64 // when, where replies wait; 0: not known
	wake     chan struct{}
	requests chan func()
	stop     chan struct{}
	done     chan struct{}
	failOnce sync.Once
	failed   chan struct{}
	failure  error

	snapshots snapshots
	recovery  Recovery
	ahead     uint64 // how far sequences jump at this start
	unkept    bool   // the store has more than the folder, at a start, and behind Close

	watching     sync.WaitGroup
	folderMu     sync.Mutex // of manifest, while others use the keyspace
	manifest                // what the folder's file says; its base is of this start and no other
	folderSaidAt time.Time  // raiseBase's: when it was said that the file could not be written
}

// Open recovers what the folder has into a store that is empty, and goes on from
// there. Nothing else may use the store yet. The errors are those of errors.go,
// *effectlog.DamageError, *snapshot.DamageError, dio.ErrInUse, and the disk's.
func Open(config Config, store *slab.Store) (*Keyspace, error) {
	if config.LoopBytes == 0 {
		config.LoopBytes = loopBytes(store.Stats().LimitBytes, config.Loops)
	}
	if config.SnapshotBytes == 0 {
		config.SnapshotBytes = snapshotBytesDefault
	}
	if config.SegmentBytes == 0 {
		config.SegmentBytes = segmentBytesDefault
	}
	if config.NowMS == nil {
		config.NowMS = func() int64 { return time.Now().UnixMilli() }
	}
	k := &Keyspace{
		config: config, store: store, disk: config.Disk,
		ahead:    sequencesAhead,
		states:   map[string][]byte{},
		wake:     make(chan struct{}, 1),
		requests: make(chan func()),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		failed:   make(chan struct{}),
	}
	var err error
	if k.lock, err = k.disk.Lock(lockName); err != nil {
		return nil, err
	}
	if err = k.open(); err != nil {
		return nil, errors.Join(err, k.lock.Close())
	}
	return k, nil
}

// loopBytes is the default of Config.LoopBytes.
func loopBytes(limit int64, loops int) int64 {
	return min(loopBytesDefault, limit/waitingShare/int64(max(loops, 1)))
}

func (k *Keyspace) open() error {
	var err error
	if k.manifest, err = k.openFolder(); err != nil {
		return err
	}
	if err = k.checkNewest(); err != nil {
		return err
	}
	var tail *effectlog.Tail
	if k.config.Held != "" {
		tail, err = k.resume(k.base)
	} else {
		tail, err = k.recover()
	}
	if err == nil {
		err = k.checkEnd(tail)
	}
	if err != nil {
		return err
	}
	base, err := k.goOn(tail)
	if err != nil {
		return err
	}
	if k.logs() {
		if err := k.openLog(tail); err != nil {
			return err
		}
		go k.run()
	} else {
		close(k.done)
	}
	err = k.openSnapshots()
	if err == nil {
		err = k.changeFolder(func(m *manifest) { m.base = base })
	}
	if err != nil {
		return errors.Join(err, k.closeLog())
	}
	go k.runSnapshots()
	k.watching.Go(k.watch)
	return nil
}

// goOn sees to it that no token is given out twice, and that no segment is missing when
// one is removed that was only made ready. It returns the folder's new base. The folder of
// a store that was saved gets that last of all: until then the store fits to the folder, and
// may be all that has what the last stop could not write.
func (k *Keyspace) goOn(tail *effectlog.Tail) (base uint64, err error) {
	base, list := k.base, k.store.Sequences()
	for _, seq := range list {
		base = max(base, seq)
	}
	base += k.ahead
	for i := range list {
		list[i] = base
	}
	k.store.RestoreSequences(list, 0)
	return base, k.changeFolder(func(m *manifest) {
		if tail.Empty() {
			m.segment = 0
		}
		if k.config.Held == "" {
			m.base = base
		}
	})
}

// openLog begins the log's next segment, and has the store tell of its effects.
func (k *Keyspace) openLog(tail *effectlog.Tail) (err error) {
	if err = effectlog.Repair(k.disk, ".", tail); err != nil {
		return err
	}
	if k.log, err = effectlog.NewWriter(k.disk, ".", tail, effectlog.Options{SegmentBytes: k.config.SegmentBytes, Overwrite: k.config.Fsync == FsyncAlways}); err != nil {
		return err
	}
	k.durable.Store(k.epoch.Load() - 1)
	k.publish()
	k.makeBuffers(k.config.Loops + 1)
	k.loops = make([]Loop, k.config.Loops)
	for i := range k.loops {
		k.loops[i] = Loop{k: k, b: &k.buffers[i]}
	}
	if k.config.Fsync == FsyncAlways {
		k.slots = make([]slotState, slab.Slots)
		for slot, seq := range k.store.Sequences() {
			k.slots[slot].last = seq
			k.slots[slot].durable.Store(seq)
		}
		k.bell.Open()
	}
	k.store.LogEffects(k)
	return nil
}

// logs reports whether there is a log.
func (k *Keyspace) logs() bool { return k.config.Mode == ModeLog }

// Logs reports whether loops have to tell what they do, by Loop.
func (k *Keyspace) Logs() bool { return k.logs() }

// Released is the number up to which waiting replies may go. It only grows.
func (k *Keyspace) Released() *atomic.Uint64 { return &k.released }

// Close makes all durable and gives the folder back. The loops have stopped, and the
// store is still there.
func (k *Keyspace) Close() error {
	err := k.closeSnapshots()
	err = errors.Join(err, k.closeLog())
	k.unkept = err != nil
	k.raiseBase() // the log has an end now, or there is a last snapshot
	return errors.Join(err, k.lock.Close())
}

func (k *Keyspace) closeLog() error {
	if !k.logs() {
		return nil
	}
	close(k.stop)
	<-k.done
	k.bell.Close()
	k.publish()
	return k.Err()
}

func (k *Keyspace) note(text string, err error) {
	if k.config.Note != nil {
		k.config.Note(Note{text, err})
	}
}
