package keyspace

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A bell wakes the writer within a run of groups, through the kernel alone. A goroutine
// that a loop wakes is next on the loop's own processor: another thread has to be woken to
// steal it from there, and lets 3 µs pass before, which the kernel makes 60. That is half
// of what a fast disk takes for a sync.
type bell struct {
	fd    int         // an eventfd
	on    bool        // there is one
	waits atomic.Bool // the writer waits for it, or is about to
	poll  [1]unix.PollFd
}

// open makes it. Without a descriptor left there is none, and Go's scheduler does.
func (b *bell) open() {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	b.fd, b.on = fd, err == nil
}

// close is for when nobody rings any more.
func (b *bell) close() {
	if b.on {
		_ = unix.Close(b.fd)
	}
}

// ring wakes the writer if it waits here, and reports so.
func (b *bell) ring() bool {
	if !b.waits.Load() {
		return false
	}
	one := [8]byte{1}
	_, _ = unix.Write(b.fd, one[:]) // it fails if it has been rung often
	return true
}

// wait waits bellMS for asked to be set, and reports whether it is. Who sets it does so
// before he rings: either he finds that the writer waits, or the writer finds it set.
func (b *bell) wait(asked *atomic.Bool) bool {
	if !b.on {
		return false
	}
	b.waits.Store(true)
	if !asked.Load() {
		b.poll[0] = unix.PollFd{Fd: int32(b.fd), Events: unix.POLLIN}
		if n, _ := unix.Poll(b.poll[:], bellMS); n > 0 {
			var count [8]byte
			_, _ = unix.Read(b.fd, count[:])
		}
	}
	b.waits.Store(false)
	return asked.Load()
}
