package trace

import (
	"fmt"
	"math/rand/v2"
)

// Trace is a named sequence of keys.
type Trace struct {
	Name string
	// Source starts the sequence over keys 0 … keys-1. A scan goes on beyond them.
	Source func(keys uint32, seed uint64) Source
}

// Source yields the keys of one run, without end.
type Source interface{ Next() uint32 }

// A scan is about half of what a cache of 64 MB holds, and the zipf draws
// between two of them about as many as it holds: a nightly job over a live cache.
const (
	scanEvery  = 100_000
	scanLength = 50_000
)

// ZipfTrace draws keys independently, with exponent skew.
func ZipfTrace(skew float64) Trace {
	return Trace{fmt.Sprintf("zipf-%.1f", skew), func(keys uint32, seed uint64) Source {
		return newZipfSource(keys, skew, seed)
	}}
}

// ScanTrace is ZipfTrace, polluted by scans.
func ScanTrace(skew float64) Trace {
	return Trace{"zipf-scan", func(keys uint32, seed uint64) Source {
		return &scanSource{draws: newZipfSource(keys, skew, seed), fresh: keys}
	}}
}

// LoopTrace asks for all keys in one order, again and again.
func LoopTrace() Trace {
	return Trace{"loop", func(keys uint32, _ uint64) Source { return &loopSource{keys: keys} }}
}

type zipfSource struct {
	rng  *rand.Rand
	zipf Zipf
	keys uint32
}

func newZipfSource(keys uint32, skew float64, seed uint64) *zipfSource {
	return &zipfSource{rng: rand.New(rand.NewPCG(seed, 'z')), zipf: NewZipf(int(keys), skew), keys: keys}
}

func (s *zipfSource) Next() uint32 { return Scatter(uint32(s.zipf.Rank(s.rng)), s.keys) }

// Scatter maps ranks onto keys one to one, so that a key's number says nothing
// of how hot it is: the factor is a prime above every number of keys.
func Scatter(rank, keys uint32) uint32 {
	const prime = 2_654_435_761
	return uint32(uint64(rank) * prime % uint64(keys))
}

type scanSource struct {
	draws *zipfSource
	turn  int    // in the cycle of draws and scan
	fresh uint32 // the next key that nobody asked for yet
}

func (s *scanSource) Next() uint32 {
	turn := s.turn
	if s.turn++; s.turn == scanEvery+scanLength {
		s.turn = 0
	}
	if turn < scanEvery {
		return s.draws.Next()
	}
	s.fresh++
	return s.fresh - 1
}

type loopSource struct{ next, keys uint32 }

func (s *loopSource) Next() uint32 {
	key := s.next
	if s.next++; s.next == s.keys {
		s.next = 0
	}
	return key
}
