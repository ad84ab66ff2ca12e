package load

import (
	"errors"
	"fmt"
)

var (
	// ErrConfig says that a Config cannot be run.
	ErrConfig = errors.New("load: bad config")
	// ErrReply says that the server's answer is not one to our request.
	ErrReply = errors.New("load: wrong reply")
	// ErrStalled says that no reply came within StallLimit.
	ErrStalled = errors.New("load: the server stopped answering")
	// ErrClosed says that the server closed a connection in mid-run.
	ErrClosed = errors.New("load: the server closed the connection")
)

// excerptMax bounds the part of a wrong reply that an error shows.
const excerptMax = 64

func wrongReply(want string, got []byte) error {
	if len(got) > excerptMax {
		got = got[:excerptMax]
	}
	return fmt.Errorf("%w: want %s, got %q", ErrReply, want, got)
}

// errStopped ends a worker whose run was cancelled or failed in another one.
var errStopped = errors.New("load: stopped")
