package trace

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The draws have the distribution's frequencies: a chi-square test over the
// hottest ranks and the rest.
func TestZipfFrequencies(t *testing.T) {
	const n, draws, bins = 1000, 200_000, 20
	for _, skew := range []float64{0.5, 0.99, 1, 1.3} {
		z := NewZipf(n, skew)
		r := rand.New(rand.NewPCG(1, 2))
		var got [bins + 1]float64
		for range draws {
			k := z.Rank(r)
			if k < 0 || k >= n {
				t.Fatalf("skew %g: rank %d", skew, k)
			}
			got[min(k, bins)]++
		}
		var sum float64
		for k := range n {
			sum += math.Pow(float64(k+1), -skew)
		}
		rest, chi := float64(draws), 0.0
		for k := range bins {
			want := draws * math.Pow(float64(k+1), -skew) / sum
			rest -= want
			chi += (got[k] - want) * (got[k] - want) / want
		}
		chi += (got[bins] - rest) * (got[bins] - rest) / rest
		// 45.3 is the 99.9 % point for 20 degrees of freedom; the seed is fixed.
		if chi > 45.3 {
			t.Errorf("skew %g: chi-square %.1f: %v", skew, chi, got)
		}
	}
}
