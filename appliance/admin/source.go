package admin

import (
	"github.com/pandabeardb/panda/appliance/status"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache"
)

// Source is how a node is asked. Its functions may be called on any goroutine,
// until Detach.
type Source struct {
	Version    string                   // of panda
	Snapshot   func() memcache.Snapshot // what the statistics commands say
	Memory     func() slab.Stats        // of the store
	Histograms func() []Histogram       // of times; nil: none
	Transport  func() wire.Transport    // for what no exporter names: TLS, UDP; nil: none
	Status     func(r *status.Reading)  // adds what statistics commands do not say
	Persist    func() *status.Persist   // of a keyspace that is kept; nil: none is
	Flash      func() Flash             // of a second tier; nil: there is none
	Health     func() error             // nil: clients are served

	// TakeSnapshot has a snapshot taken; what became of it comes from the channel, also
	// when the node stops. ErrBusy: one is being taken. nil: nothing is kept.
	TakeSnapshot func() (<-chan error, error)
}

// Flash is what memcached's statistics do not say of a second tier.
type Flash struct {
	DebtBytes int64 // of full pages: dead values, padding and gaps
	DebtPages int64 // that wait for compaction
}

// Histogram is how often something took how long, since the start.
type Histogram struct {
	Name   string    // of the metric, in seconds
	Help   string    //
	Bounds []float64 // upper bounds of the buckets, rising
	Counts []uint64  // of each bucket by itself, and one more for what took longer
	Sum    float64   // seconds
}
