package perf

import "time"

// Sample is one cell: a load on one server in one round.
type Sample struct {
	Requests int64
	Hits     int64         // of gets that may miss
	CPU      time.Duration // of the server
	Elapsed  time.Duration
	// P50 … are latencies at a fixed rate; zero in a closed loop.
	P50, P99, P999 time.Duration
}

// add joins a second half to a sample. Latencies are not halved: they stay as
// they were.
func (s *Sample) add(half Sample) {
	s.Requests += half.Requests
	s.Hits += half.Hits
	s.CPU += half.CPU
	s.Elapsed += half.Elapsed
}

// cpuNS is the server's CPU per request in nanoseconds.
func (s Sample) cpuNS() float64 { return float64(s.CPU) / float64(s.Requests) }

func (s Sample) p999NS() float64 { return float64(s.P999) }

// RowResult is a row's cells, one per round.
type RowResult struct {
	Name       string
	Bar        float64
	Ours, Peer []Sample
}

// Ratio compares the CPU per request.
func (r *RowResult) Ratio() Ratio {
	return newRatio(figures(r.Ours, Sample.cpuNS), figures(r.Peer, Sample.cpuNS))
}

// Pass says whether the median holds the bar.
func (r *RowResult) Pass() bool { return r.Ratio().Median <= r.Bar }

func figures(samples []Sample, of func(Sample) float64) []float64 {
	f := make([]float64, len(samples))
	for i, s := range samples {
		f[i] = of(s)
	}
	return f
}

// Contest is what one pair of servers did.
type Contest struct {
	Ours, Peer string
	Threads    int
	Rows       []RowResult
	// Memory of both after loading, and the number of items; bytes.
	Items            int
	OursMem, PeerMem int64
}

// LatencyResult is the tail at a fixed rate.
type LatencyResult struct {
	Ours, Peer string
	Threads    int
	MaxRate    float64 // the peer's, closed loop
	Rate       float64 // what both were given
	OursAt     []Sample
	PeerAt     []Sample
}

// latencyBar: no worse than the peer.
const latencyBar = 1.0

// Ratio compares p99.9.
func (l *LatencyResult) Ratio() Ratio {
	return newRatio(figures(l.OursAt, Sample.p999NS), figures(l.PeerAt, Sample.p999NS))
}

// Report is all that one command measured.
type Report struct {
	Label    string
	When     time.Time
	Versions []string // what the servers say they are
	Machine  string
	// Load is the machine's load average before the run: what else it does.
	Load     float64
	Rounds   int
	Contests []Contest
	Latency  *LatencyResult
	Figures  []Figure // of durability
	Flash    []Figure // of second tiers
	Skipped  []string // rows that could not be measured, with their reasons
}

func (r *Report) skip(row string, why error) {
	r.Skipped = append(r.Skipped, row+": "+why.Error())
}

// busyLoad is a load average from which other work disturbs the figures: two
// threads that take turns on one core do not contend as two on two cores do, so
// a busy machine flatters the server whose threads share more.
const busyLoad = 1.0

// Failed counts the figures that do not hold their bar.
func (r *Report) Failed() (n int) {
	for i := range r.Contests {
		for j := range r.Contests[i].Rows {
			if !r.Contests[i].Rows[j].Pass() {
				n++
			}
		}
	}
	if r.Latency != nil && r.Latency.Ratio().Median > latencyBar {
		n++
	}
	for _, figures := range [][]Figure{r.Figures, r.Flash} {
		for i := range figures {
			if !figures[i].Pass() {
				n++
			}
		}
	}
	return n
}
