package status

import (
	"fmt"
	"time"

	"github.com/pandabeardb/panda/appliance/console"
)

// Persist is how a keyspace that is kept stands.
type Persist struct {
	Mode  string `json:"mode"`            // log, snapshot
	Fsync string `json:"fsync,omitempty"` // always, everysec, no; of mode log

	PendingBytes      int64    `json:"pending_bytes"`    // made by requests, not in the log yet
	UndurableBytes    int64    `json:"undurable_bytes"`  // in the log, but a crash of the machine may take them back
	UndurableEpochs   uint64   `json:"undurable_epochs"` // closed, and not durable
	UndurableMS       float64  `json:"undurable_ms"`     // how long the oldest write has not been durable
	Waiting           int64    `json:"waiting_connections"`
	Deferred          uint64   `json:"deferred"` // requests that came again later, since the log was behind
	LogBytes          uint64   `json:"log_bytes_written"`
	Segments          int64    `json:"segments"`
	SegmentBytes      int64    `json:"segment_bytes"`
	Syncs             *Latency `json:"syncs,omitempty"`
	Waits             *Latency `json:"waits,omitempty"` // of the first reply of each group: always
	DiskFree          int64    `json:"disk_free"`
	DiskTotal         int64    `json:"disk_total"`
	DiskLow           bool     `json:"disk_low"`
	DiskFull          bool     `json:"disk_full"` // what changes something waits for room
	DiskFullTimes     uint64   `json:"disk_full_times"`
	Snapshot          Snapshot `json:"snapshot"`
	RecoverySeconds   float64  `json:"recovery_seconds"`
	RecoveredSnapshot int64    `json:"recovered_snapshot_records"`
	RecoveredLog      int64    `json:"recovered_log_records"`
}

// Snapshot is how a keyspace's snapshots stand.
type Snapshot struct {
	Running  bool    `json:"running"`
	Done     int64   `json:"done_items"` // of the one that is being taken, and of how many, about
	Of       int64   `json:"of_items"`
	TimeMS   int64   `json:"time_ms,omitempty"` // when the newest was taken; missing: there is none
	Seconds  float64 `json:"seconds"`           // that it took; 0: an earlier process took it
	Bytes    int64   `json:"bytes"`
	Items    int64   `json:"items"`
	Taken    uint64  `json:"taken"` // since the start
	Failures uint64  `json:"failures"`
}

// Share is how much of the snapshot that is being taken is done, from 0 to 1.
func (s *Snapshot) Share() float64 {
	if !s.Running || s.Of <= 0 {
		return 0
	}
	return min(1, float64(s.Done)/float64(s.Of))
}

// PersistRates are what happened in the interval.
type PersistRates struct {
	LogBytes float64    `json:"log_bytes"` // per second
	Syncs    float64    `json:"syncs"`     // per second
	Sync     *Quantiles `json:"sync,omitempty"`
	Wait     *Quantiles `json:"wait,omitempty"` // of the first reply of each group: always
}

// persist compares two readings.
func (p *Report) persist(before, now *Persist) {
	if now == nil {
		return
	}
	if before == nil {
		before = &Persist{}
	}
	syncs := now.Syncs.since(before.Syncs)
	p.Persist = now
	p.PersistRates = &PersistRates{
		LogBytes: p.per(before.LogBytes, now.LogBytes),
		Sync:     syncs.quantiles(),
		Wait:     now.Waits.since(before.Waits).quantiles(),
	}
	if syncs != nil {
		p.PersistRates.Syncs = float64(syncs.Count) / p.IntervalSeconds
	}
}

// persistWarnings are what somebody should see to.
func (p *Report) persistWarnings(page *console.Page) {
	k := p.Persist
	switch {
	case k == nil:
	case k.DiskFull:
		page.Line("! the disk is full: what changes something waits for room")
	case k.DiskLow:
		page.Line("! the disk is nearly full: %s of %s are free", console.Bytes(float64(k.DiskFree)), console.Bytes(float64(k.DiskTotal)))
	}
	if k != nil && k.Snapshot.Failures > 0 {
		page.Line("! %s snapshots failed since the start: the log says why", console.Count(float64(k.Snapshot.Failures)))
	}
}

// persistTable is what is kept, and how far that is behind.
func (p *Report) persistTable() *console.Table {
	t := console.NewTable(console.Column{Name: "persist", Left: true}, console.Column{Name: "not durable"}, console.Column{Name: "for"},
		console.Column{Name: "waiting"}, console.Column{Name: "log/s"}, console.Column{Name: "syncs/s"}, console.Column{Name: "p99"},
		console.Column{Name: "log"}, console.Column{Name: "snapshot"}, console.Column{Name: "age"}, console.Column{Name: "disk free"})
	k, r := p.Persist, p.PersistRates
	if k == nil {
		return t
	}
	mode, behind, since, p99 := k.Mode, "-", "-", "-"
	if k.Fsync != "" {
		mode += ", " + k.Fsync
		behind = console.Bytes(float64(k.PendingBytes + k.UndurableBytes))
	}
	if k.UndurableMS > 0 {
		since = console.Duration(time.Duration(k.UndurableMS * float64(time.Millisecond)))
	}
	if r.Sync != nil {
		p99 = console.Duration(time.Duration(r.Sync.P99))
	}
	t.Row(mode, behind, since, console.Count(float64(k.Waiting)), console.Bytes(r.LogBytes), console.Count(r.Syncs), p99,
		console.Bytes(float64(k.SegmentBytes)), p.snapshotCell(), p.snapshotAge(), console.Bytes(float64(k.DiskFree)))
	return t
}

// snapshotCell is the newest snapshot, or how far the one is that is being taken.
func (p *Report) snapshotCell() string {
	s := &p.Persist.Snapshot
	switch {
	case s.Running:
		return fmt.Sprintf("%.0f %%", 100*s.Share())
	case s.TimeMS == 0:
		return "none"
	}
	return console.Bytes(float64(s.Bytes))
}

func (p *Report) snapshotAge() string {
	if p.Persist.Snapshot.TimeMS == 0 {
		return "-"
	}
	return console.Span(max(0, p.TimeMS-p.Persist.Snapshot.TimeMS) / 1000)
}
