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
	Over     Transport
}

// Transport is what carries a row's requests.
type Transport string

// The transports.
const (
	OverTCP Transport = ""
	OverTLS Transport = "tls"
	OverUDP Transport = "udp"
)

// load is the row's load, over its transport.
func (r *Row) load() load.Config {
	l := r.Load
	if r.Over == OverUDP {
		l.Network = "udp"
	}
	return l
}

// over returns the rows of a transport.
func over(rows []Row, t Transport) (some []Row) {
	for _, r := range rows {
		if r.Over == t {
			some = append(some, r)
		}
	}
	return some
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

// Rows are the lines of the acceptances, in their order. memcached hangs when
// sets come in pipelines over TLS, so that only gets are compared there.
func Rows() []Row {
	set, get := small(1), small(0)
	meta := func(c load.Config) load.Config { c.Meta = true; return c }
	binary := func(c load.Config) load.Config { c.Binary = true; return c }
	mixed := small(0.1)
	mixed.KeyCount, mixed.Zipf = smallKeys, zipfSkew
	return []Row{
		{Name: "set/depth=1", Load: depth(set, 1), Requests: 80_000, BarPeer: 1.05, BarFloor: 1.24},
		{Name: "get/depth=1", Load: depth(get, 1), Requests: 80_000, BarPeer: 1.05, BarFloor: 1.24},
		{Name: "set/depth=16", Load: depth(set, 16), Requests: 400_000, BarPeer: 0.60, BarFloor: 2.4},
		{Name: "get/depth=16", Load: depth(get, 16), Requests: 300_000, BarPeer: 0.17, BarFloor: 2.4},
		{Name: "set/depth=64", Load: depth(set, 64), Requests: 600_000, BarPeer: 0.36, BarFloor: 4.4},
		{Name: "get/depth=64", Load: depth(get, 64), Requests: 400_000, BarPeer: 0.10, BarFloor: 4.4},
		{Name: "multiget/keys=16", Load: keys(get, 16), Requests: 60_000, BarPeer: 0.7},
		{Name: "multiget/keys=100", Load: keys(get, 100), Requests: 20_000, BarPeer: 0.7},
		{Name: "ms/depth=16", Load: meta(depth(set, 16)), Requests: 400_000, BarPeer: 0.7},
		{Name: "mg/depth=16", Load: meta(depth(get, 16)), Requests: 300_000, BarPeer: 0.7},
		{Name: "mixed-90-10-zipf/depth=1", Load: depth(mixed, 1), Requests: 80_000, BarPeer: 1.05},
		{Name: "set/value=10KB", Load: medium(1), Requests: 40_000, BarPeer: 1.0},
		{Name: "get/value=10KB", Load: medium(0), Requests: 40_000, BarPeer: 1.0},
		{Name: "set/value=500KB", Load: large(1), Requests: 2_500, BarPeer: 1.0},
		{Name: "get/value=500KB", Load: large(0), Requests: 2_500, BarPeer: 1.0},
		{Name: "binary-set/depth=1", Load: binary(depth(set, 1)), Requests: 80_000, BarPeer: 1.0},
		{Name: "binary-get/depth=1", Load: binary(depth(get, 1)), Requests: 80_000, BarPeer: 1.0},
		{Name: "binary-setq/depth=16", Load: binary(depth(set, 16)), Requests: 400_000, BarPeer: 0.5},
		{Name: "binary-getkq/depth=16", Load: binary(depth(get, 16)), Requests: 400_000, BarPeer: 0.5},
		{Name: "tls-set/depth=1", Load: depth(set, 1), Requests: 60_000, BarPeer: 0.9, Over: OverTLS},
		{Name: "tls-get/depth=1", Load: depth(get, 1), Requests: 60_000, BarPeer: 0.9, Over: OverTLS},
		{Name: "tls-get/depth=16", Load: depth(get, 16), Requests: 200_000, BarPeer: 0.3, Over: OverTLS},
		{Name: "udp-get/depth=1", Load: depth(get, 1), Requests: 80_000, BarPeer: 1.0, Over: OverUDP},
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
