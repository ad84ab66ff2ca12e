package load

import (
	"math/rand/v2"

	"github.com/pandabeardb/panda/perf/trace"
)

// zipfDraws is the number of zipf keys drawn before a run: drawing costs two
// logarithms and an exponential, reading them back in order costs nothing.
const zipfDraws = 1 << 20

// keyTable draws zipf keys, hot ones scattered over the key numbers, since
// neighbours were stored together and would share cache lines and pages.
func keyTable(count int, skew float64, seed uint64) []uint32 {
	r := rand.New(rand.NewPCG(seed, 'z'))
	z := trace.NewZipf(count, skew)
	table := make([]uint32, zipfDraws)
	for i := range table {
		table[i] = trace.Scatter(uint32(z.Rank(r)), uint32(count))
	}
	return table
}

// picker yields the key numbers of one stream.
type picker struct {
	rng   rand.PCG
	count uint64
	next  uint64   // sequential: the next key; zipf: position in the table
	step  uint64   // sequential: distance to the one after; 0: random
	table []uint32 // zipf: shared, read-only
}

func newPicker(c *Config, table []uint32, stream int) picker {
	p := picker{rng: *rand.NewPCG(c.Seed, uint64(stream)+1), count: uint64(c.KeyCount), table: table}
	switch {
	case c.Sequential:
		p.next, p.step = uint64(stream), uint64(c.Connections)
	case table != nil:
		p.next = p.rng.Uint64() % zipfDraws
	}
	return p
}

func (p *picker) pick() uint32 {
	if p.step > 0 {
		k := p.next % p.count
		p.next += p.step
		return uint32(k)
	}
	if p.table != nil {
		k := p.table[p.next%zipfDraws]
		p.next++
		return k
	}
	// Multiply-shift: a bias of count/2^32 at most, and no division.
	return uint32((p.rng.Uint64() >> 32) * p.count >> 32)
}

// digits is the length of a key's number, fixed so that requests are templates.
const digits = 8

// putDigits writes n into the digits places of dst.
func putDigits(dst []byte, n uint32) {
	_ = dst[digits-1]
	for i := digits - 1; i >= 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
}
