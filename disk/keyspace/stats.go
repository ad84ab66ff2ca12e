package keyspace

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/disk/effectlog"
)

// Stats are the figures of a keyspace, for its operator. Any goroutine may ask, also
// after Close.
type Stats struct {
	PendingBytes    int64         // that loops have made, and the log does not have yet
	UndurableBytes  int64         // that the log has, and a crash of the machine may take back
	UndurableEpochs uint64        // that are closed, and not durable
	UndurableFor    time.Duration // how long the oldest write has not been durable; 0: there is none
	LogBytes        int64         // written to the log's files since Open
	Segments        int           // of the log
	SegmentBytes    int64         // of these files
	Syncs           Histogram     // how long they took
	Waits           Histogram     // how long the first reply of a group waited: FsyncAlways
	Fulls           int64         // requests that came again later, since the log was behind
	DiskFull        bool          // what changes something waits for room
	DisksFull       int64         // how often it did
	DiskFree        int64         // bytes
	DiskTotal       int64         // bytes
	DiskLow         bool          // an operator was warned
	Snapshot        SnapshotStats
}

// SnapshotStats are those of snapshots.
type SnapshotStats struct {
	Running  bool
	Done, Of int64 // items, of the one that is being taken; Of is an estimate

	Taken    int64     // since Open
	Failures int64     // since Open
	At       time.Time // when the newest was taken, maybe by an earlier process; zero: there is none
	Took     time.Duration
	Bytes    int64
	Items    int64
}

// Stats are the figures now.
func (k *Keyspace) Stats() Stats {
	s := Stats{
		Snapshot: k.snapshots.stats(), DiskFull: k.full.held.Load(), DisksFull: k.full.times.Load(),
		DiskFree: k.space.free.Load(), DiskTotal: k.space.total.Load(), DiskLow: k.space.low.Load(),
	}
	if !k.logs() {
		return s
	}
	f := &k.figures
	for i := range k.buffers {
		s.PendingBytes += k.buffers[i].pending()
	}
	for i := range k.loops {
		s.Fulls += k.loops[i].fulls.Load()
	}
	durable := k.durable.Load() // before what it is behind
	s.UndurableEpochs = max(k.epoch.Load()-1, durable) - durable
	if since := f.undurableNS.Load(); since != 0 {
		s.UndurableFor = max(time.Since(time.Unix(0, since)), 1)
	}
	s.UndurableBytes, s.LogBytes = f.undurableBytes.Load(), f.logBytes.Load()
	s.Segments, s.SegmentBytes = int(f.segments.Load()), f.segmentBytes.Load()
	s.Syncs, s.Waits = f.syncs.read(), f.waits.read()
	return s
}

// figures are what the writer's goroutine tells Stats.
type figures struct {
	undurableNS    atomic.Int64 // time of the oldest write that is not durable; 0: there is none
	undurableBytes atomic.Int64
	logBytes       atomic.Int64
	segments       atomic.Int64
	segmentBytes   atomic.Int64
	begun          atomic.Uint64 // see effectlog.Stats
	syncs, waits   histogram

	askedNS int64 // time at which the first reply began to wait for the epoch being written; 0: none did
}

// begin is called before an epoch is closed.
func (f *figures) begin(askedNS int64) { f.askedNS = askedNS }

// gave is called before effects are given to the log.
func (f *figures) gave() { f.undurableNS.CompareAndSwap(0, time.Now().UnixNano()) }

// synced is called when all that was given to the log is durable.
func (f *figures) synced(took time.Duration) {
	f.syncs.note(took)
	f.undurableNS.Store(0)
}

// released is called when the replies of an epoch may go.
func (f *figures) released() {
	if f.askedNS != 0 {
		f.waits.note(time.Duration(time.Now().UnixNano() - f.askedNS))
		f.askedNS = 0
	}
}

// publish tells Stats how the log stands.
func (k *Keyspace) publish() {
	f, s := &k.figures, k.log.Stats()
	f.undurableBytes.Store(s.Pending)
	f.logBytes.Store(s.Written)
	f.segments.Store(int64(s.Segments))
	f.segmentBytes.Store(s.Bytes)
	f.begun.Store(s.Begun)
	if durable := uint64(k.log.Durable()); durable > k.durable.Load() { // by the log itself, at a segment's end
		k.durable.Store(durable)
		if f.undurableNS.Load() != 0 {
			f.undurableNS.Store(k.undurableSince(effectlog.Epoch(durable)))
		}
	}
}

// undurableSince is figures.undurableNS, when all up to an epoch has become durable.
func (k *Keyspace) undurableSince(durable effectlog.Epoch) int64 {
	if uint64(durable) >= k.released.Load() {
		return 0
	}
	return time.Now().UnixNano()
}

// histogramBuckets: the last but one ends at 4.2 s.
const histogramBuckets = 24

// histogram counts durations by powers of two of microseconds.
type histogram struct {
	counts [histogramBuckets]atomic.Int64
	sumUS  atomic.Int64
}

func (h *histogram) note(d time.Duration) {
	us := max(d.Microseconds(), 0)
	h.counts[min(bits.Len64(uint64(us)), histogramBuckets-1)].Add(1)
	h.sumUS.Add(us)
}

// Histogram is how often something took how long: Counts[i] are those below 2^i
// microseconds which no count before it has, the last one all others.
type Histogram struct {
	Counts [histogramBuckets]int64
	Sum    time.Duration
}

// Bound is what is below in Counts[i]; 0: nothing is, it is the last.
func (h *Histogram) Bound(i int) time.Duration {
	if i == histogramBuckets-1 {
		return 0
	}
	return time.Microsecond << i
}

func (h *histogram) read() (r Histogram) {
	for i := range h.counts {
		r.Counts[i] = h.counts[i].Load()
	}
	r.Sum = time.Duration(h.sumUS.Load()) * time.Microsecond
	return r
}
