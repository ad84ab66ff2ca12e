package peer

import "errors"

var (
	// ErrMissing says that a server's program is not on this machine.
	ErrMissing = errors.New("peer: program not found")
	// ErrNoGroup says that this machine gives us no control group to bound memory with.
	ErrNoGroup = errors.New("peer: no control group of memory")
	// ErrStart says that a server did not come up.
	ErrStart = errors.New("peer: server did not start")
	// ErrStop says that a server had to be killed.
	ErrStop = errors.New("peer: server did not stop")
	// ErrProc says that /proc, or what a server says of itself, did not hold what it should.
	ErrProc = errors.New("peer: unexpected contents of /proc")
	// ErrSnapshot says that a server took no snapshot.
	ErrSnapshot = errors.New("peer: no snapshot")
)
