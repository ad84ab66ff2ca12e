package load

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
		z := newZipf(n, skew)
		r := rand.New(rand.NewPCG(1, 2))
		var got [bins + 1]float64
		for range draws {
			k := z.rank(r)
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

func TestScatterIsPermutation(t *testing.T) {
	const n = 10_000
	seen := make([]bool, n)
	for i := range uint32(n) {
		k := scatter(i, n)
		if seen[k] {
			t.Fatalf("key %d twice", k)
		}
		seen[k] = true
	}
}

func TestUniformCoversAllKeys(t *testing.T) {
	c := Config{KeyCount: 100}.withDefaults()
	p := newPicker(&c, nil, 3)
	var seen [100]int
	for range 100_000 {
		seen[p.pick()]++
	}
	for k, n := range seen {
		if n < 800 || n > 1200 {
			t.Errorf("key %d drawn %d times of about 1000", k, n)
		}
	}
}

// Streams of a sequential load store every key exactly once between them.
func TestSequentialCoversEachKeyOnce(t *testing.T) {
	for _, keys := range []int{1, 6, 7, 8, 100} {
		c := Config{KeyCount: keys, Connections: 7, Sequential: true}.withDefaults()
		seen := make([]int, keys)
		for i := range c.Connections {
			p := newPicker(&c, nil, i)
			for range quota(c.Requests, i, c.Connections) {
				seen[p.pick()]++
			}
		}
		for k, n := range seen {
			if n != 1 {
				t.Errorf("%d keys: key %d picked %d times", keys, k, n)
			}
		}
	}
}

func TestPutDigits(t *testing.T) {
	var b [digits]byte
	putDigits(b[:], 1234567)
	if string(b[:]) != "01234567" {
		t.Fatalf("%q", b)
	}
}
