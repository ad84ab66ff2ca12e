package trace

import (
	"math"
	"slices"
	"testing"
)

func take(s Source, n int) []uint32 {
	keys := make([]uint32, n)
	for i := range keys {
		keys[i] = s.Next()
	}
	return keys
}

func TestSameSeedSameKeys(t *testing.T) {
	for _, trace := range []Trace{ZipfTrace(0.8), ScanTrace(1), LoopTrace()} {
		const n = 200_000
		a := take(trace.Source(5000, 7), n)
		if !slices.Equal(a, take(trace.Source(5000, 7), n)) {
			t.Errorf("%s: not the same keys again", trace.Name)
		}
		if trace.Name != "loop" && slices.Equal(a, take(trace.Source(5000, 8), n)) {
			t.Errorf("%s: the seed changes nothing", trace.Name)
		}
	}
}

// The share of the hottest hundredth of the keys is the distribution's, and the
// hottest keys do not lie side by side.
func TestZipfTraceShare(t *testing.T) {
	const keys, draws = 10_000, 400_000
	for _, skew := range []float64{0.8, 1, 1.2} {
		var count [keys]int
		for _, k := range take(ZipfTrace(skew).Source(keys, 1), draws) {
			count[k]++
		}
		if count[0] < count[1] || count[0] < count[2] {
			t.Errorf("skew %g: key 0 is rank 0 and not the hottest", skew)
		}
		if slices.IsSortedFunc(count[:100], func(a, b int) int { return b - a }) {
			t.Errorf("skew %g: hot keys are neighbours", skew)
		}
		slices.SortFunc(count[:], func(a, b int) int { return b - a })
		var got, want, all float64
		for rank, n := range count {
			p := math.Pow(float64(rank+1), -skew)
			if all += p; rank < keys/100 {
				got, want = got+float64(n), want+p
			}
		}
		if got, want = got/draws, want/all; math.Abs(got-want) > 0.01 {
			t.Errorf("skew %g: the hottest hundredth has %.3f of the draws, want %.3f", skew, got, want)
		}
	}
}

func TestScanAsksForEachFreshKeyOnce(t *testing.T) {
	const keys = 1000
	all := take(ScanTrace(1).Source(keys, 1), 3*(scanEvery+scanLength))
	var drawn, fresh int
	for i, k := range all {
		inScan := i%(scanEvery+scanLength) >= scanEvery
		switch {
		case inScan && k != uint32(keys+fresh):
			t.Fatalf("request %d of a scan is key %d, want %d", i, k, keys+fresh)
		case inScan:
			fresh++
		case k >= keys:
			t.Fatalf("draw %d is key %d of %d", i, k, keys)
		default:
			drawn++
		}
	}
	if drawn != 3*scanEvery || fresh != 3*scanLength {
		t.Fatalf("%d drawn and %d scanned", drawn, fresh)
	}
}

func TestLoopIsALoop(t *testing.T) {
	if got := take(LoopTrace().Source(3, 1), 7); !slices.Equal(got, []uint32{0, 1, 2, 0, 1, 2, 0}) {
		t.Fatal(got)
	}
}

func TestScatterIsPermutation(t *testing.T) {
	const n = 10_000
	seen := make([]bool, n)
	for i := range uint32(n) {
		k := Scatter(i, n)
		if seen[k] {
			t.Fatalf("key %d twice", k)
		}
		seen[k] = true
	}
}

func TestLogUniformSizes(t *testing.T) {
	l := LogUniform{50, 2000}
	const n = 200_000
	var sum float64
	var decades [2]int // 50 … 316, 316 … 2000: the same number in both
	for k := range uint32(n) {
		size := l.Of(k)
		if size < 50 || size >= 2000 || size != l.Of(k) {
			t.Fatalf("key %d: %d bytes", k, size)
		}
		sum += float64(size)
		if size < 316 {
			decades[0]++
		} else {
			decades[1]++
		}
	}
	if mean := sum / n; math.Abs(mean-l.Mean()) > 5 {
		t.Errorf("mean %.1f, want %.1f", mean, l.Mean())
	}
	if math.Abs(float64(decades[0]-decades[1])) > n/100 {
		t.Errorf("halves of the logarithm hold %v", decades)
	}
	if fixed := (LogUniform{100, 100}); fixed.Of(9) != 100 || fixed.Mean() != 100 {
		t.Errorf("one size: %d, mean %g", fixed.Of(9), fixed.Mean())
	}
}
