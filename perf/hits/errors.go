package hits

import "errors"

var (
	// ErrOptions says that the options ask for nothing that can be measured.
	ErrOptions = errors.New("hits: bad options")
	// ErrReply says that a server answered what it must not: a wrong value, an
	// error, or counts that are not ours.
	ErrReply = errors.New("hits: wrong reply")
)
