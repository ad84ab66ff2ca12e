//go:build !linux

package dio

import (
	"sync/atomic"
	"time"
)

// A Bell wakes a goroutine on Linux. Here nobody waits for it.
type Bell struct{}

// Open does nothing.
func (*Bell) Open() {}

// Close does nothing.
func (*Bell) Close() {}

// Ring reports that nobody waits.
func (*Bell) Ring() bool { return false }

// Wait reports that nobody has asked.
func (*Bell) Wait(*atomic.Bool, time.Duration) bool { return false }
