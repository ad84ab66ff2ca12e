package netio

import (
	"sync/atomic"
	"time"
)

// Clock tells the time in milliseconds since the Unix epoch.
type Clock interface {
	NowMS() int64
}

// systemClock is the Unix time at its start plus monotonic time, so that it
// never runs backwards, whatever is done to the system's clock. start must have
// its monotonic reading, and is looked at by nothing but time.Since.
type systemClock struct {
	start   time.Time
	startMS int64
}

func newSystemClock() *systemClock { return clockFrom(time.Now()) }

func clockFrom(now time.Time) *systemClock { return &systemClock{now, now.UnixMilli()} }

// NowMS implements Clock.
func (c *systemClock) NowMS() int64 {
	return c.startMS + int64(time.Since(c.start)/time.Millisecond)
}

// Counter is a number that one goroutine changes and others read.
type Counter struct{ n atomic.Int64 }

// Add is for the owner.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Load is for everybody.
func (c *Counter) Load() int64 { return c.n.Load() }
