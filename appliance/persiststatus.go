package appliance

import (
	"errors"
	"time"

	"github.com/pandabeardb/panda/appliance/admin"
	"github.com/pandabeardb/panda/appliance/status"
	"github.com/pandabeardb/panda/disk/keyspace"
)

// addPersist tells the operator's port of the keyspace, if it is kept.
func (n *Node) addPersist(s *admin.Source) {
	if n.keyspace == nil {
		return
	}
	s.Persist = n.persistStatus
	s.TakeSnapshot = n.takeSnapshot
}

// takeSnapshot has a snapshot taken.
func (n *Node) takeSnapshot() (<-chan error, error) {
	result, err := n.keyspace.StartSnapshot()
	if errors.Is(err, keyspace.ErrBusy) {
		err = admin.ErrBusy
	}
	return result, err
}

// persistStatus is how the keyspace stands.
func (n *Node) persistStatus() *status.Persist {
	k, recovery := n.keyspace.Stats(), n.keyspace.Recovery()
	p := &status.Persist{
		Mode:         n.config.Persist.Mode,
		PendingBytes: k.PendingBytes, UndurableBytes: k.UndurableBytes, UndurableEpochs: k.UndurableEpochs,
		UndurableMS: float64(k.UndurableFor) / float64(time.Millisecond),
		Waiting:     n.net.Transport().BarredConnections, Deferred: uint64(k.Fulls),
		LogBytes: uint64(k.LogBytes), Segments: int64(k.Segments), SegmentBytes: k.SegmentBytes,
		DiskFree: k.DiskFree, DiskTotal: k.DiskTotal, DiskLow: k.DiskLow, DiskFull: k.DiskFull, DiskFullTimes: uint64(k.DisksFull),
		Snapshot: status.Snapshot{
			Running: k.Snapshot.Running, Done: k.Snapshot.Done, Of: k.Snapshot.Of, Seconds: k.Snapshot.Took.Seconds(),
			Bytes: k.Snapshot.Bytes, Items: k.Snapshot.Items, Taken: uint64(k.Snapshot.Taken), Failures: uint64(k.Snapshot.Failures),
		},
		RecoverySeconds: recovery.Took.Seconds(), RecoveredSnapshot: recovery.SnapshotRecords, RecoveredLog: recovery.LogRecords,
	}
	if !k.Snapshot.At.IsZero() {
		p.Snapshot.TimeMS = k.Snapshot.At.UnixMilli()
	}
	if n.keyspace.Logs() {
		p.Fsync = n.config.Persist.Fsync
		p.Syncs = timesOf(&k.Syncs)
		if p.Fsync == "always" {
			p.Waits = timesOf(&k.Waits)
		}
	}
	return p
}

// timesOf is a keyspace's histogram as a reading has it.
func timesOf(h *keyspace.Histogram) *status.Latency {
	l := &status.Latency{SumNS: uint64(h.Sum)}
	for i, count := range h.Counts {
		l.Count += uint64(count)
		l.Buckets = append(l.Buckets, status.Bucket{UpToNS: int64(h.Bound(i)), Count: uint64(count)})
	}
	return l
}
