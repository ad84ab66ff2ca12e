package warmup

import "errors"

// The dump.
var (
	ErrLine       = errors.New("a line that is longer than any of a dump's")
	ErrKey        = errors.New("not the URI encoding of a key")
	ErrBusy       = errors.New("the source's crawler is busy, for longer than we wait")
	ErrLocked     = errors.New("the source's hash table is locked, for longer than we wait")
	ErrNotAllowed = errors.New("the source does not allow dumps (it was started with -X)")
	ErrDisabled   = errors.New("the source's crawler is off (`lru_crawler enable` starts it)")
	ErrRefused    = errors.New("the source refuses to list its keys")
	ErrDumpCut    = errors.New("closed the connection in the middle of the list of its keys")
)

// Values.
var (
	ErrReply   = errors.New("a reply that no meta command has")
	ErrNoMeta  = errors.New("does not know the meta commands (memcached has them since 1.6)")
	ErrStalled = errors.New("nothing came or went for too long")
)
