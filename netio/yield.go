package netio

// A goroutine that has not been scheduled anew for 10 ms is one that Go's runtime wants
// to be preempted. If its thread is in a system call when the runtime's monitor comes by,
// as that of a busy loop often is, the monitor takes the processor away from it and then
// looks every 20 µs, for 1 ms and more, whether there is another one to take: 2,000 to
// 3,400 times a second with two loops, 3 to 5 % of the process's time. A loop that goes
// through the scheduler of its own accord more often than that is left alone, and the
// monitor sleeps: docs/decisions/20261130-loops-yield.md.
const (
	yieldMS = 5 // half of what the runtime allows
	// yieldLook is how many events there are between two looks at the clock, of 30 ns. A
	// loop that has fewer in 10 ms than this is idle, and may lose its processor. It is not
	// batches: 200 connections that send 16 requests each are one of several milliseconds.
	yieldLook = 8
)

// yielding says when a loop is to yield.
type yielding struct {
	clock  Clock
	lastMS int64
	wait   int // events until the next look at the clock
}

// due is asked behind each batch, of that many events.
func (y *yielding) due(events int) bool {
	if y.wait -= events; y.wait > 0 {
		return false
	}
	y.wait = yieldLook
	now := y.clock.NowMS()
	if now-y.lastMS < yieldMS {
		return false
	}
	y.lastMS = now
	return true
}
