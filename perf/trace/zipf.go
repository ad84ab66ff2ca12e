package trace

import (
	"math"
	"math/rand/v2"
)

// Zipf draws ranks 0 … n-1 with probability proportional to 1/(rank+1)^s, for
// any s > 0, by rejection-inversion (Hörmann and Derflinger 1996): constant
// time and no table, unlike summing the weights of a million keys.
type Zipf struct {
	s         float64
	low, span float64 // image under the integral of the range that is inverted
	accept    float64 // a rank this close to its draw needs no test
	n         float64
}

// NewZipf returns one of n > 0 ranks with exponent s > 0.
func NewZipf(n int, s float64) Zipf {
	z := Zipf{s: s, n: float64(n)}
	first := z.integral(1.5) - 1
	z.low = z.integral(z.n + 0.5)
	z.span = first - z.low
	z.accept = 2 - z.inverse(z.integral(2.5)-z.weight(2))
	return z
}

// Rank draws one rank.
func (z *Zipf) Rank(r *rand.Rand) int {
	for {
		u := z.low + r.Float64()*z.span
		x := z.inverse(u)
		k := math.Floor(x + 0.5)
		k = max(1, min(k, z.n))
		if k-x <= z.accept || u >= z.integral(k+0.5)-z.weight(k) {
			return int(k) - 1
		}
	}
}

func (z *Zipf) weight(x float64) float64 { return math.Exp(-z.s * math.Log(x)) }

// integral is the antiderivative of weight: (x^(1-s) - 1) / (1-s), which is
// log x at s = 1.
func (z *Zipf) integral(x float64) float64 {
	l := math.Log(x)
	t := (1 - z.s) * l
	if math.Abs(t) < 1e-8 {
		return l
	}
	return math.Expm1(t) / t * l
}

// inverse undoes integral.
func (z *Zipf) inverse(y float64) float64 {
	t := y * (1 - z.s)
	if t < -1 {
		t = -1
	}
	if math.Abs(t) < 1e-8 {
		return math.Exp(y)
	}
	return math.Exp(math.Log1p(t) / t * y)
}
