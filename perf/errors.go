package perf

import "errors"

var (
	// ErrOptions says that the options ask for nothing that can be measured.
	ErrOptions = errors.New("perf: bad options")
	// ErrMeasurement says that a run was not what the row describes: a miss
	// where every key is stored, an error reply, or no CPU time at all.
	ErrMeasurement = errors.New("perf: the measurement is void")
	// ErrProfile says that a profile could not be taken.
	ErrProfile = errors.New("perf: no profile")
)
