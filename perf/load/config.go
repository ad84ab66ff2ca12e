package load

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Limits of a Config, and why.
const (
	// KeysMax is what 8 digits can name.
	KeysMax = 100_000_000
	// ConnectionsMax keeps a run below the usual limit of 1,024 descriptors.
	ConnectionsMax = 1000
	// DepthMax bounds the requests and keys that a stream remembers.
	DepthMax = 4096
	// ValueSizeMax keeps a request's template (one per stream) affordable.
	ValueSizeMax = 8 << 20
	// DatagramValueMax fits into a datagram with its request, on any network.
	DatagramValueMax = 1000
	// StallLimit is how long a run may go without any reply.
	StallLimit = 10 * time.Second
	// OutstandingMax bounds what an open loop leaves unanswered on one
	// connection; what is due beyond it is sent later, late by its due time.
	OutstandingMax = 1024
)

// Config says what to send. The zero value of a field is its default where one
// is named.
type Config struct {
	Network, Address string      // "tcp", "unix" or "udp"
	TLS              *tls.Config // nil: plain text

	Connections int // default 50
	Workers     int // goroutines that drive them, default 1
	Depth       int // requests per write of the closed loop, default 1

	Meta       bool    // mg and ms instead of get and set
	Binary     bool    // the binary protocol; deeper than 1 its quiet requests, with a noop behind
	RESP       bool    // redis's protocol: GET and SET
	SetShare   float64 // share of requests that store: 0 all GET, 1 all SET
	KeysPerGet int     // keys of one get, default 1

	KeyPrefix  string  // default "key:", then 8 digits
	KeyCount   int     // keys 0 … KeyCount-1
	Zipf       float64 // skew; 0 is uniform
	Sequential bool    // keys in order, each once: loads KeyCount keys
	ValueSize  int     // bytes, default 100

	Requests int64         // stop after so many
	Duration time.Duration // or after so long
	Rate     float64       // requests per second of the open loop; 0: closed
	Burst    int           // requests of the open loop that are due together, on one connection; default 1

	Latency bool   // fill Result.Latency (an open loop always does)
	AnyKey  bool   // accept any key's reply of the right size: for the floor
	Seed    uint64 // of keys and of the mix
}

// Result is what a run did. A multiget is one request; its keys count one by
// one in Hits and Misses.
type Result struct {
	Requests int64
	Hits     int64
	Misses   int64
	Stores   int64
	Errors   int64 // replies ERROR, CLIENT_ERROR and SERVER_ERROR
	Elapsed  time.Duration
	// Latency is in nanoseconds, from the due time (open loop) or from the
	// write (closed loop) to the read of the reply.
	Latency *hdrhistogram.Histogram
}

// PerSecond is the rate of requests.
func (r *Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Quantile returns the latency at q in 0..1, zero without a histogram.
func (r *Result) Quantile(q float64) time.Duration {
	if r.Latency == nil {
		return 0
	}
	return time.Duration(r.Latency.ValueAtQuantile(q * 100))
}

// Bounds of the histogram: from 1 µs, below which loopback never answers, to
// a minute, above which StallLimit has ended the run; 3 digits are ±0.05 %.
const (
	latencyMin    = int64(time.Microsecond)
	latencyMax    = int64(time.Minute)
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latencyMin, latencyMax, latencyDigits)
}

func (c Config) withDefaults() Config {
	c.Connections = defaultInt(c.Connections, 50)
	c.Workers = min(defaultInt(c.Workers, 1), c.Connections)
	c.Depth = defaultInt(c.Depth, 1)
	c.Burst = defaultInt(c.Burst, 1)
	c.KeysPerGet = defaultInt(c.KeysPerGet, 1)
	c.ValueSize = defaultInt(c.ValueSize, 100)
	if c.KeyPrefix == "" {
		c.KeyPrefix = "key:"
	}
	if c.Sequential && c.Requests == 0 {
		c.Requests = int64(c.KeyCount)
	}
	c.Latency = c.Latency || c.Rate > 0
	return c
}

func defaultInt(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

// check reports the first thing in a config with defaults that cannot be run.
func (c Config) check() error {
	for _, r := range []struct {
		name   string
		n      int
		lo, hi int
	}{
		{"connections", c.Connections, 1, ConnectionsMax},
		{"workers", c.Workers, 1, ConnectionsMax},
		{"depth", c.Depth, 1, DepthMax},
		{"burst", c.Burst, 1, OutstandingMax},
		{"keys per get", c.KeysPerGet, 1, DepthMax},
		{"key count", c.KeyCount, 1, KeysMax},
		{"value size", c.ValueSize, 1, ValueSizeMax},
		{"key length", len(c.KeyPrefix) + digits, 1, 250},
	} {
		if r.n < r.lo || r.n > r.hi {
			return fmt.Errorf("%w: %s is %d, not within %d..%d", ErrConfig, r.name, r.n, r.lo, r.hi)
		}
	}
	switch {
	case c.Requests <= 0 && c.Duration <= 0:
		return fmt.Errorf("%w: neither requests nor duration bound the run", ErrConfig)
	case c.SetShare < 0 || c.SetShare > 1:
		return fmt.Errorf("%w: the share of sets is %g", ErrConfig, c.SetShare)
	case c.Zipf < 0 || c.Rate < 0:
		return fmt.Errorf("%w: negative zipf or rate", ErrConfig)
	case c.RESP && (c.Meta || c.Binary || c.KeysPerGet > 1 || c.Network == "udp"):
		return fmt.Errorf("%w: RESP is no protocol of memcached's, and GET takes one key", ErrConfig)
	case c.Meta && c.KeysPerGet > 1:
		return fmt.Errorf("%w: mg takes one key", ErrConfig)
	case c.Binary && (c.Meta || c.KeysPerGet > 1 || c.Rate > 0 && c.Depth > 1 || c.AnyKey):
		return fmt.Errorf("%w: binary requests have one key, and an open loop is not quiet", ErrConfig)
	case c.Network == "udp" && (c.Depth > 1 || c.Rate > 0 || c.TLS != nil || c.ValueSize > DatagramValueMax):
		return fmt.Errorf("%w: a datagram holds one small request, and the next one waits for its reply", ErrConfig)
	case c.Sequential && c.KeysPerGet > 1:
		return fmt.Errorf("%w: sequential keys are for loading", ErrConfig)
	}
	return nil
}
