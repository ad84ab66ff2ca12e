package dio

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Bell wakes a goroutine that writes to a disk for others, through the kernel alone. A
// goroutine that another one wakes through a channel is next on that one's own processor
// of Go's: while that runs on, a thread has to be woken to steal it from there, which lets
// 3 µs pass before, that the kernel's timers make 60: half of what a fast disk takes for a
// sync. Its zero value never waits.
type Bell struct {
	fd    int         // an eventfd
	on    bool        // there is one
	waits atomic.Bool // somebody is in Wait
	poll  [1]unix.PollFd
}

// Open makes it. If no descriptor is left, it stays as it was.
func (b *Bell) Open() {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	b.fd, b.on = fd, err == nil
}

// Close is for when nobody rings any more.
func (b *Bell) Close() {
	if b.on {
		b.on = false
		_ = unix.Close(b.fd)
	}
}

// Ring ends the Wait that somebody is in, and reports whether somebody is. Any goroutine
// may call it, when it has set what Wait is told to look at.
func (b *Bell) Ring() bool {
	if !b.waits.Load() {
		return false
	}
	one := [8]byte{1}
	_, _ = unix.Write(b.fd, one[:]) // it fails if it has been rung often
	return true
}

// Wait waits until asked is set, at most for limit, of whole milliseconds, and reports
// whether it is. Who sets it rings behind that: either he finds that somebody waits, or it
// is found to be set. One goroutine may call it.
func (b *Bell) Wait(asked *atomic.Bool, limit time.Duration) bool {
	if !b.on {
		return false
	}
	b.waits.Store(true)
	if !asked.Load() {
		b.poll[0] = unix.PollFd{Fd: int32(b.fd), Events: unix.POLLIN}
		if n, _ := unix.Poll(b.poll[:], int(limit/time.Millisecond)); n > 0 {
			var count [8]byte
			_, _ = unix.Read(b.fd, count[:])
		}
	}
	b.waits.Store(false)
	return asked.Load()
}
