package status

import (
	"cmp"
	"slices"
)

// Report is what happened between two readings, and how things stand after it.
// As JSON it is what `panda status --json` prints.
type Report struct {
	Format          int         `json:"format"`
	TimeMS          int64       `json:"time_ms"`
	IntervalSeconds float64     `json:"interval_seconds"`
	SinceStart      bool        `json:"since_start,omitempty"` // of a single reading: over the server's whole life
	Server          Server      `json:"server"`
	Rates           Rates       `json:"rates"`
	HitRatio        *float64    `json:"hit_ratio"` // null: no gets
	CPU             float64     `json:"cpu"`       // cores that were busy
	Percentiles     *Quantiles  `json:"latency,omitempty"`
	Connections     Connections `json:"connections"`
	Items           Items       `json:"items"`
	Memory          Memory      `json:"memory"`
	Classes         []ClassRate `json:"classes"`
	Runs            []Run       `json:"runs,omitempty"`
	Loops           []LoopShare `json:"loops,omitempty"`
	HotKeys         *HotKeys    `json:"hot_keys,omitempty"`

	Persist      *Persist      `json:"persist,omitempty"`
	PersistRates *PersistRates `json:"persist_rates,omitempty"`
}

// Rates are per second.
type Rates struct {
	Get          float64 `json:"get"`
	Set          float64 `json:"set"`
	Delete       float64 `json:"delete"`
	Other        float64 `json:"other"`
	BytesRead    float64 `json:"bytes_read"`
	BytesWritten float64 `json:"bytes_written"`
	Connections  float64 `json:"connections"` // new ones
	Rejected     float64 `json:"rejected"`
	Evictions    float64 `json:"evictions"`
	Expired      float64 `json:"expired"`
	Refused      float64 `json:"refused"` // stores, for their size or for memory
	AuthErrors   float64 `json:"auth_errors"`
	TLSErrors    float64 `json:"tls_errors"`
	UDPDropped   float64 `json:"udp_dropped"`
}

// Quantiles of the time that connections waited for their replies, in
// nanoseconds. A histogram's buckets are half a power of two wide.
type Quantiles struct {
	Count uint64 `json:"count"` // measured, one batch of events in 64
	Mean  int64  `json:"mean_ns"`
	P50   int64  `json:"p50_ns"`
	P90   int64  `json:"p90_ns"`
	P99   int64  `json:"p99_ns"`
	P999  int64  `json:"p999_ns"`
	Max   int64  `json:"max_ns"` // at most
}

// ClassRate is a class, and what happened in it per second.
type ClassRate struct {
	Class
	GetRate   float64 `json:"get_hits_per_second"`
	SetRate   float64 `json:"sets_per_second"`
	EvictRate float64 `json:"evicted_per_second"`
}

// LoopShare is a loop's part of the interval.
type LoopShare struct {
	Connections int64   `json:"connections"`
	Gets        float64 `json:"gets_per_second"`
	Sets        float64 `json:"sets_per_second"`
	Bytes       float64 `json:"bytes_per_second"` // both ways
	Share       float64 `json:"share"`            // of gets and sets
}

// Since reports what happened between an earlier reading and r. before nil, or
// another process's: since the server's start.
func (r *Reading) Since(before *Reading) *Report {
	p := &Report{
		Format: Format, TimeMS: r.TimeMS, Server: r.Server,
		Connections: r.Connections, Items: r.Items, Memory: r.Memory, Runs: r.Runs, HotKeys: r.HotKeys,
	}
	if before == nil || !before.sameProcess(r) || before.TimeMS >= r.TimeMS {
		before = &Reading{TimeMS: r.TimeMS - max(1, r.Server.UptimeSeconds)*1000}
		p.SinceStart = true
	}
	p.IntervalSeconds = float64(r.TimeMS-before.TimeMS) / 1000
	p.rates(before, r)
	p.CPU = max(0, r.CPUSeconds-before.CPUSeconds) / p.IntervalSeconds
	p.classes(before, r)
	p.loops(before, r)
	p.persist(before.Persist, r.Persist)
	p.Percentiles = r.Latency.since(before.Latency).quantiles()
	return p
}

// sameProcess reports whether a later reading is of the same process.
func (r *Reading) sameProcess(later *Reading) bool {
	return r.Server.PID == later.Server.PID && r.Server.UptimeSeconds <= later.Server.UptimeSeconds
}

// delta is how much a total grew. One that is smaller than before was reset.
func delta(before, now uint64) float64 {
	if now < before {
		before = 0
	}
	return float64(now - before)
}

func (p *Report) per(before, now uint64) float64 { return delta(before, now) / p.IntervalSeconds }

func (p *Report) rates(before, now *Reading) {
	b, n := &before.Commands, &now.Commands
	p.Rates = Rates{
		Get:          p.per(b.Get.total(), n.Get.total()),
		Set:          p.per(b.Set, n.Set),
		Delete:       p.per(b.Delete.total(), n.Delete.total()),
		Other:        p.per(b.other(), n.other()),
		BytesRead:    p.per(before.Network.BytesRead, now.Network.BytesRead),
		BytesWritten: p.per(before.Network.BytesWritten, now.Network.BytesWritten),
		Connections:  p.per(before.Connections.Total, now.Connections.Total),
		Rejected:     p.per(before.Connections.Rejected, now.Connections.Rejected),
		Evictions:    p.per(before.Items.Evicted, now.Items.Evicted),
		Expired:      p.per(before.Items.Expired, now.Items.Expired),
		Refused:      p.per(before.Items.TooLarge+before.Items.NoMemory, now.Items.TooLarge+now.Items.NoMemory),
	}
	p.Rates.AuthErrors = p.per(before.Auth.errors(), now.Auth.errors())
	p.Rates.TLSErrors = p.per(before.TLS.errors(), now.TLS.errors())
	p.Rates.UDPDropped = p.per(before.UDP.dropped(), now.UDP.dropped())
	if gets := delta(b.Get.total(), n.Get.total()); gets > 0 {
		ratio := delta(b.Get.Hits, n.Get.Hits) / gets
		p.HitRatio = &ratio
	}
}

func (p *Report) classes(before, now *Reading) {
	p.Classes = make([]ClassRate, 0, len(now.Classes))
	for _, c := range now.Classes {
		was := Class{}
		if i := slices.IndexFunc(before.Classes, func(o Class) bool { return o.Class == c.Class }); i >= 0 {
			was = before.Classes[i]
		}
		p.Classes = append(p.Classes, ClassRate{c, p.per(was.Gets, c.Gets), p.per(was.Sets, c.Sets), p.per(was.Evicted, c.Evicted)})
	}
}

func (p *Report) loops(before, now *Reading) {
	sum := 0.0
	for i, l := range now.Loops {
		was := Loop{}
		if i < len(before.Loops) {
			was = before.Loops[i]
		}
		s := LoopShare{
			Connections: l.Connections,
			Gets:        p.per(was.Gets, l.Gets),
			Sets:        p.per(was.Sets, l.Sets),
			Bytes:       p.per(was.BytesRead, l.BytesRead) + p.per(was.BytesWritten, l.BytesWritten),
		}
		sum += s.Gets + s.Sets
		p.Loops = append(p.Loops, s)
	}
	for i := range p.Loops {
		if l := &p.Loops[i]; sum > 0 {
			l.Share = (l.Gets + l.Sets) / sum
		}
	}
}

// since is what a histogram counted after an earlier one of the same buckets.
func (l *Latency) since(before *Latency) *Latency {
	if l == nil || before == nil || len(before.Buckets) != len(l.Buckets) || before.Count > l.Count {
		return l
	}
	d := &Latency{Count: l.Count - before.Count, SumNS: l.SumNS - min(before.SumNS, l.SumNS)}
	for i, b := range l.Buckets {
		b.Count -= min(before.Buckets[i].Count, b.Count)
		d.Buckets = append(d.Buckets, b)
	}
	return d
}

// quantiles of a histogram; nil when nothing was measured.
func (l *Latency) quantiles() *Quantiles {
	if l == nil {
		return nil
	}
	total := uint64(0)
	for _, b := range l.Buckets {
		total += b.Count
	}
	if total == 0 {
		return nil
	}
	return &Quantiles{
		Count: total, Mean: int64(l.SumNS / cmp.Or(l.Count, 1)),
		P50: l.at(0.5, total), P90: l.at(0.9, total), P99: l.at(0.99, total), P999: l.at(0.999, total), Max: l.at(1, total),
	}
}

// at is the time that so much of the total did not exceed: between a bucket's
// bounds as if its times were spread evenly. The last bucket has no upper one,
// its times are told as its lower bound.
func (l *Latency) at(q float64, total uint64) int64 {
	want, seen, low := q*float64(total), 0.0, int64(0)
	for _, b := range l.Buckets {
		n := float64(b.Count)
		if n > 0 && seen+n >= want {
			if b.UpToNS == 0 {
				return low
			}
			return low + int64(float64(b.UpToNS-low)*(want-seen)/n)
		}
		seen += n
		if b.UpToNS != 0 {
			low = b.UpToNS
		}
	}
	return low
}
