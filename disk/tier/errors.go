package tier

import "errors"

// Of Open.
var (
	// ErrSizes: pages and buffers are multiples of dio.BlockSize, a page of a buffer.
	ErrSizes = errors.New("tier: page and buffer sizes must be multiples of 4096, and a buffer no larger than a page")
	// ErrNoPage: a file is smaller than one page, or there is no file.
	ErrNoPage = errors.New("tier: not even one page fits into a file")
	// ErrTooManyPages: a Ref names no more.
	ErrTooManyPages = errors.New("tier: too many pages, larger ones are needed")
)

// Of Read.
var (
	// ErrGone: the page has been dropped, and the value with it.
	ErrGone = errors.New("tier: the value is gone")
	// ErrDamaged: what was read is not what was written.
	ErrDamaged = errors.New("tier: the value is damaged")
	// ErrClosed: the tier is closed.
	ErrClosed = errors.New("tier: closed")
)

// ErrRecord: the bytes are no record of that place.
var ErrRecord = errors.New("tier: no record")
