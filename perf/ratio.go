package perf

import "slices"

// median returns the middle value, the mean of the two middle ones of an even
// number, and 0 of none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// Ratio is ours / the peer's, round by round: both halves of a round ran next
// to each other, so what the machine did to one it did to the other.
type Ratio struct{ Median, Min, Max float64 }

func newRatio(ours, peer []float64) Ratio {
	r := make([]float64, min(len(ours), len(peer)))
	if len(r) == 0 {
		return Ratio{}
	}
	for i := range r {
		r[i] = ours[i] / peer[i]
	}
	return Ratio{median(r), slices.Min(r), slices.Max(r)}
}
