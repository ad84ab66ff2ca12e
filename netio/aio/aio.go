package aio

import "errors"

// ErrUnsupported: the system has no such queue.
var ErrUnsupported = errors.New("aio: not supported by this system")

// An Event is what became of a Read.
type Event struct {
	Tag   uint64 // as given to Read
	N     int    // bytes
	Error error  // a syscall.Errno, or nil
}
