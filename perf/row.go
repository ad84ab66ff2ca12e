package perf

import (
	"regexp"

	"github.com/pandabeardb/panda/perf/load"
)

// Row is one line of the comparison: a load, and what its cost may be as a
// multiple of the peer's.
type Row struct {
	Name string
	Load load.Config // without address and length
	// Requests of one cell at scale 1: some tenths of a second of CPU of the
	// cheaper server, since one reading is good to about a millisecond.
	Requests int64
	BarPeer  float64 // ours / memcached's, with -t 2
	BarFloor float64 // ours / the floor's, with -t 1; 0: not compared
}

// Sizes of the key spaces. All are loaded before the first row.
const (
	smallKeys, smallValue = 1_000_000, 100
	// pipelineKeys of the small ones: as many as the first figures were
	// measured with.
	pipelineKeys        = 100_000
	mediumKeys, mediumV = 5_000, 10 << 10
	largeKeys, largeV   = 64, 500 << 10
	// memoryMB holds all of them twice over in either server: nothing is
	// evicted, so every get hits.
	memoryMB = 1024
)

// connections of small and medium values, as many as a web server keeps, and
// of large ones, whose buffers would not fit the caches otherwise.
const (
	connections      = 50
	largeConnections = 8
)

// zipfSkew is the usual one of cache traces and of YCSB.
const zipfSkew = 0.99

// Rows are the lines of acceptance 4, in its order.
func Rows() []Row {
	set, get := small(1), small(0)
	meta := func(c load.Config) load.Config { c.Meta = true; return c }
	mixed := small(0.1)
	mixed.KeyCount, mixed.Zipf = smallKeys, zipfSkew
	return []Row{
		{"set/depth=1", depth(set, 1), 80_000, 1.05, 1.24},
		{"get/depth=1", depth(get, 1), 80_000, 1.05, 1.24},
		{"set/depth=16", depth(set, 16), 400_000, 0.60, 2.4},
		{"get/depth=16", depth(get, 16), 300_000, 0.17, 2.4},
		{"set/depth=64", depth(set, 64), 600_000, 0.36, 4.4},
		{"get/depth=64", depth(get, 64), 400_000, 0.10, 4.4},
		{"multiget/keys=16", keys(get, 16), 60_000, 0.7, 0},
		{"multiget/keys=100", keys(get, 100), 20_000, 0.7, 0},
		{"ms/depth=16", meta(depth(set, 16)), 400_000, 0.7, 0},
		{"mg/depth=16", meta(depth(get, 16)), 300_000, 0.7, 0},
		{"mixed-90-10-zipf/depth=1", depth(mixed, 1), 80_000, 1.05, 0},
		{"set/value=10KB", medium(1), 40_000, 1.0, 0},
		{"get/value=10KB", medium(0), 40_000, 1.0, 0},
		{"set/value=500KB", large(1), 2_500, 1.0, 0},
		{"get/value=500KB", large(0), 2_500, 1.0, 0},
	}
}

func small(setShare float64) load.Config {
	return load.Config{
		Connections: connections, SetShare: setShare,
		KeyPrefix: "key:", KeyCount: pipelineKeys, ValueSize: smallValue,
	}
}

func medium(setShare float64) load.Config {
	c := small(setShare)
	c.KeyPrefix, c.KeyCount, c.ValueSize = "mid:", mediumKeys, mediumV
	return c
}

func large(setShare float64) load.Config {
	c := small(setShare)
	c.KeyPrefix, c.KeyCount, c.ValueSize = "big:", largeKeys, largeV
	c.Connections = largeConnections
	return c
}

func depth(c load.Config, n int) load.Config { c.Depth = n; return c }
func keys(c load.Config, n int) load.Config  { c.KeysPerGet = n; return c }

// space is a set of keys with values of one size.
type space struct {
	prefix      string
	count, size int
}

// spaces returns what the rows need loaded: of each prefix as many keys as the
// row that uses most of them.
func spaces(rows []Row) []space {
	var all []space
next:
	for _, r := range rows {
		s := space{r.Load.KeyPrefix, r.Load.KeyCount, r.Load.ValueSize}
		for i := range all {
			if all[i].prefix == s.prefix {
				all[i].count = max(all[i].count, s.count)
				continue next
			}
		}
		all = append(all, s)
	}
	return all
}

// fill is the load that stores a space.
func (s space) fill() load.Config {
	c := load.Config{
		Connections: largeConnections, Depth: 64, SetShare: 1, Sequential: true,
		KeyPrefix: s.prefix, KeyCount: s.count, ValueSize: s.size,
	}
	if s.size > smallValue {
		c.Depth = 1
	}
	return c
}

// matching returns the rows whose name an expression matches; nil matches all.
func matching(rows []Row, name *regexp.Regexp) []Row {
	if name == nil {
		return rows
	}
	var some []Row
	for _, r := range rows {
		if name.MatchString(r.Name) {
			some = append(some, r)
		}
	}
	return some
}
