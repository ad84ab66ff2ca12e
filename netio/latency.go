package netio

import (
	"math/bits"
	"time"
)

// How long a connection waits for its reply is measured on one batch of events
// in latencySample: from the moment at which the poller returned with the batch
// to the end of the connection's turn, its reply written. So it contains the
// turns of the connections before it in the batch; it does not contain how long
// the batch waited for the loop, nor what a turn left for the ready list, or for the
// barrier to be passed.
const (
	latencySample   = 64 // two clock readings are 0.1 µs: with one connection a request costs 6 µs, so that is 0.03 %
	latencyShiftMin = 10 // the first bucket ends at 1 µs
	latencyShiftMax = 30 // the last but one at 1 s; what is longer is in the last
	latencyHalves   = 2  // buckets of each power of two
	latencyBuckets  = (latencyShiftMax-latencyShiftMin)*latencyHalves + 2
)

// latency is what one loop has measured.
type latency struct {
	began  time.Time // of the batch that is measured
	on     bool      // one is
	wait   int       // batches until the next
	counts [latencyBuckets]Counter
	sumNS  Counter
}

// batch begins a batch of events.
func (l *latency) batch() {
	l.on = false
	if l.wait--; l.wait < 0 {
		l.wait = latencySample - 1
		l.on, l.began = true, time.Now()
	}
}

// turned notes the end of a connection's turn in a measured batch.
func (l *latency) turned() {
	ns := int64(time.Since(l.began))
	l.counts[latencyBucket(ns)].Add(1)
	l.sumNS.Add(ns)
}

// latencyBucket is the first bucket whose bound is at least ns.
func latencyBucket(ns int64) int {
	if ns <= 1<<latencyShiftMin {
		return 0
	}
	shift := bits.Len64(uint64(ns-1)) - 1 // 1<<shift < ns <= 2<<shift
	if shift >= latencyShiftMax {
		return latencyBuckets - 1
	}
	i := (shift-latencyShiftMin)*latencyHalves + 1
	if ns > 3<<shift/2 {
		i++
	}
	return i
}

// latencyBound is the longest time that a bucket counts, in ns; 0: there is none.
func latencyBound(bucket int) int64 {
	if bucket == latencyBuckets-1 {
		return 0
	}
	shift := latencyShiftMin + bucket/latencyHalves
	if bucket%latencyHalves == 1 {
		return 3 << shift / 2
	}
	return 1 << shift
}

// Latency is a histogram of how long connections waited for their turn and its
// replies, measured on one batch of events in 64.
type Latency struct {
	Buckets []LatencyBucket // in ascending order; each counts what no one before it does
	SumNS   int64
	Count   int64
}

// LatencyBucket is a class of times.
type LatencyBucket struct {
	BoundNS int64 // the longest; 0 in the last, which has none
	Count   int64
}

// Latency sums over the loops. Any goroutine may call it.
func (s *Server) Latency() Latency {
	sum := Latency{Buckets: make([]LatencyBucket, latencyBuckets)}
	for i := range sum.Buckets {
		b := &sum.Buckets[i]
		b.BoundNS = latencyBound(i)
		for _, l := range s.loops {
			b.Count += l.latency.counts[i].Load()
		}
		sum.Count += b.Count
	}
	for _, l := range s.loops {
		sum.SumNS += l.latency.sumNS.Load()
	}
	return sum
}
