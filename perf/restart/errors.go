package restart

import "errors"

// Errors of a measurement that say nothing about its figures.
var (
	// ErrServer says that a server did not do what the measurement rests on.
	ErrServer = errors.New("restart: unexpected answer")
	// ErrFile says that the memory file does not hold what it must.
	ErrFile = errors.New("restart: unexpected memory file")
)
