package trace

import "math"

// LogUniform gives each key a size between Min and Max, whose logarithm is
// evenly distributed: as many values between 50 and 100 bytes as between 1000
// and 2000, which is about how the values of real caches lie.
type LogUniform struct{ Min, Max float64 }

// Of returns the size of a key.
func (l LogUniform) Of(key uint32) int {
	u := float64(Hash(key)>>11) / (1 << 53)
	return int(l.Min * math.Exp(u*math.Log(l.Max/l.Min)))
}

// Mean is the mean size over all keys.
func (l LogUniform) Mean() float64 {
	if l.Max == l.Min {
		return l.Min
	}
	return (l.Max - l.Min) / math.Log(l.Max/l.Min)
}

// Hash scrambles a key's number: the finalizer of SplitMix64.
func Hash(key uint32) uint64 {
	x := uint64(key) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
