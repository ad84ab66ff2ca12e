package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandabeardb/panda/appliance/status"
)

// A persistMetric is a value of a keyspace that is kept, without panda_persist_.
type persistMetric struct {
	name  string
	kind  prometheus.ValueType
	value func(p *status.Persist, nowMS int64) float64
	help  string
}

// persistMetrics are those without labels. What an alert wants to know stands first.
var persistMetrics = []persistMetric{
	{"disk_full", gauge, func(p *status.Persist, _ int64) float64 { return truth(p.DiskFull) }, "1: what changes something waits for room on the disk."},
	{"disk_low", gauge, func(p *status.Persist, _ int64) float64 { return truth(p.DiskLow) }, "1: less than a tenth of the disk is free, or than four segments of the log and two snapshots take."},
	{"disk_full_total", counter, func(p *status.Persist, _ int64) float64 { return float64(p.DiskFullTimes) }, "Times that the disk became full."},
	{"disk_free_bytes", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.DiskFree) }, "What may still be written; looked at every 5 seconds."},
	{"disk_total_bytes", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.DiskTotal) }, "Size of the disk."},
	{"pending_bytes", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.PendingBytes) }, "Changes that are not in the log yet."},
	{"undurable_bytes", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.UndurableBytes) }, "What is in the log, and a crash of the machine may take back."},
	{"undurable_epochs", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.UndurableEpochs) }, "Groups of changes that are complete, and not durable."},
	{"undurable_seconds", gauge, func(p *status.Persist, _ int64) float64 { return p.UndurableMS / 1000 }, "How long the oldest change has not been durable; 0: all are."},
	{"waiting_connections", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.Waiting) }, "Connections whose replies wait for the disk."},
	{"deferred_requests_total", counter, func(p *status.Persist, _ int64) float64 { return float64(p.Deferred) }, "Requests that came again later, since the log was behind."},
	{"log_written_bytes_total", counter, func(p *status.Persist, _ int64) float64 { return float64(p.LogBytes) }, "Bytes written to the log."},
	{"log_segments", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.Segments) }, "Files of the log."},
	{"log_bytes", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.SegmentBytes) }, "Bytes that these files have on the disk."},
	{"snapshot_running", gauge, func(p *status.Persist, _ int64) float64 { return truth(p.Snapshot.Running) }, "1: a snapshot is being taken."},
	{"snapshot_progress_ratio", gauge, func(p *status.Persist, _ int64) float64 { return p.Snapshot.Share() }, "How much of it is done."},
	{"snapshot_age_seconds", gauge, snapshotAge, "Age of the newest snapshot; 0: there is none."},
	{"snapshot_duration_seconds", gauge, func(p *status.Persist, _ int64) float64 { return p.Snapshot.Seconds }, "How long the newest took; 0: an earlier process took it."},
	{"snapshot_bytes", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.Snapshot.Bytes) }, "Size of the newest."},
	{"snapshot_items", gauge, func(p *status.Persist, _ int64) float64 { return float64(p.Snapshot.Items) }, "Items in the newest."},
	{"recovery_duration_seconds", gauge, func(p *status.Persist, _ int64) float64 { return p.RecoverySeconds }, "How long the recovery at the start took."},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// snapshotAge is 0 where there is none.
func snapshotAge(p *status.Persist, nowMS int64) float64 {
	if p.Snapshot.TimeMS == 0 {
		return 0
	}
	return float64(max(0, nowMS-p.Snapshot.TimeMS)) / 1000
}

// persistDescs are what Prometheus knows them by.
type persistDescs struct {
	plain                     []*prometheus.Desc // of persistMetrics
	info, snapshots, recovery *prometheus.Desc
}

func newPersistDescs() (d persistDescs) {
	for _, m := range persistMetrics {
		d.plain = append(d.plain, prometheus.NewDesc("panda_persist_"+m.name, m.help, nil, nil))
	}
	d.info = prometheus.NewDesc("panda_persist_info", "What is kept, and when it is on the disk.", []string{"mode", "fsync"}, nil)
	d.snapshots = prometheus.NewDesc("panda_persist_snapshots_total", "Snapshots that were tried.", []string{"outcome"}, nil)
	d.recovery = prometheus.NewDesc("panda_persist_recovered_records", "Records that the start has read.", []string{"from"}, nil)
	return d
}

func (d *persistDescs) describe(out chan<- *prometheus.Desc) {
	for _, desc := range d.plain {
		out <- desc
	}
	out <- d.info
	out <- d.snapshots
	out <- d.recovery
}

// add adds the values, without the histograms.
func (d *persistDescs) add(p *status.Persist, nowMS int64, add adder) {
	for i, m := range persistMetrics {
		add(d.plain[i], m.kind, m.value(p, nowMS))
	}
	add(d.info, gauge, 1, p.Mode, p.Fsync)
	add(d.snapshots, counter, float64(p.Snapshot.Taken), "success")
	add(d.snapshots, counter, float64(p.Snapshot.Failures), "failure")
	add(d.recovery, gauge, float64(p.RecoveredSnapshot), "snapshot")
	add(d.recovery, gauge, float64(p.RecoveredLog), "log")
}

// persistHistograms are times, where they are measured.
func persistHistograms(p *status.Persist) (list []Histogram) {
	if p.Syncs != nil {
		list = append(list, histogramOf("panda_persist_fsync_duration_seconds", "How long syncs of the log took.", p.Syncs))
	}
	if p.Waits != nil {
		list = append(list, histogramOf("panda_persist_wait_duration_seconds",
			"From the first reply of a group beginning to wait for the disk to the group being let go.", p.Waits))
	}
	return list
}

// histogramOf is a reading's histogram as Prometheus has it.
func histogramOf(name, help string, l *status.Latency) Histogram {
	h := Histogram{Name: name, Help: help, Sum: float64(l.SumNS) / 1e9}
	for _, b := range l.Buckets {
		if b.UpToNS > 0 {
			h.Bounds = append(h.Bounds, float64(b.UpToNS)/1e9)
		}
		h.Counts = append(h.Counts, b.Count)
	}
	return h
}
