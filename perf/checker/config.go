package checker

import (
	"fmt"
	"io"
	"time"
)

// Config says what to check, and how hard.
type Config struct {
	Network string
	Address string
	// Duration bounds Run.
	Duration time.Duration

	Clients    int  // connections that own keys
	Keys       int  // of each client
	SharedKeys int  // that all of them write
	Depth      int  // requests in one write, at most
	Evicts     bool // the server evicts: then any read may miss
	Original   bool // it is memcached, of which the package's oddities are accepted
	Flash      bool // values are on flash, which append and prepend refuse, as memcached's
	MemoryMB   int  // its -m, around which the limit moves when LimitMoves
	LimitMoves bool
	FlushEvery time.Duration // 0: never
	Phase      time.Duration // how long one mix of sizes lasts
	// Slack is how far from its time an expiry may be seen: what the machine and
	// the server's clock may be late; more than a second for memcached.
	Slack time.Duration
	Seed  uint64
	Log   io.Writer // a line now and then; nil: none

	// Restart ends a server that keeps its data, in order, starts it again, and returns
	// its address. It is called Restarts times while Run runs, the last time in the end;
	// each time all keys are read behind it: nothing that was gone is there again. nil: never.
	Restart  func() (address string, err error)
	Restarts int // default 1
}

const (
	clientsMax = 64
	keysMax    = 10_000_000
	depthMax   = 256
	// valueMax keeps an item below memcached's 1 MiB with all that counts.
	valueMax = 1_000_000
	// largeValue is the size that acceptance names.
	largeValue = 500_000
	// partsMax is how many segments append and prepend make of a value.
	partsMax = 6
	// stall is how long a reply may take before it counts as none.
	stall = 30 * time.Second
)

func (c Config) withDefaults() Config {
	c.Clients = fallback(c.Clients, 8)
	c.Keys = fallback(c.Keys, 4000)
	c.SharedKeys = fallback(c.SharedKeys, 64)
	c.Depth = fallback(c.Depth, 16)
	c.MemoryMB = fallback(c.MemoryMB, 64)
	c.Phase = fallback(c.Phase, 10*time.Second)
	c.Slack = fallback(c.Slack, 200*time.Millisecond)
	c.Restarts = fallback(c.Restarts, 1)
	return c
}

func fallback[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c Config) check() error {
	switch {
	case c.Clients < 1 || c.Clients > clientsMax:
		return fmt.Errorf("%w: %d clients", ErrConfig, c.Clients)
	case c.Keys < 1 || c.Keys > keysMax || c.SharedKeys < 1 || c.SharedKeys > keysMax:
		return fmt.Errorf("%w: %d keys, %d shared", ErrConfig, c.Keys, c.SharedKeys)
	case c.Depth < 1 || c.Depth > depthMax:
		return fmt.Errorf("%w: depth %d", ErrConfig, c.Depth)
	case c.Duration <= 0:
		return fmt.Errorf("%w: no duration", ErrConfig)
	case c.Restarts < 1:
		return fmt.Errorf("%w: %d restarts", ErrConfig, c.Restarts)
	case c.LimitMoves && !c.Evicts:
		return fmt.Errorf("%w: a limit that moves takes what does not fit, so the server must evict", ErrConfig)
	}
	return nil
}
