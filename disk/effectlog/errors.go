package effectlog

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrRecord: the bytes are no whole record.
	ErrRecord = errors.New("effectlog: damaged record")
	// ErrVersion: a later version of this program has written here.
	ErrVersion = errors.New("effectlog: written by a later version")
	// ErrFrame: the bytes are no whole frame.
	ErrFrame = errors.New("effectlog: damaged frame")
	// ErrSegment: the file is no segment, or its head is damaged.
	ErrSegment = errors.New("effectlog: not a segment, or its head is damaged")
	// ErrGap: a segment, or the end of one, is missing.
	ErrGap = errors.New("effectlog: a part of the log is missing")
	// ErrFailed: an earlier write or sync failed; the log takes no more.
	ErrFailed = errors.New("effectlog: an earlier write failed")
	// ErrFull: the disk, or the user's share of it, has no room for a segment.
	ErrFull = errors.New("effectlog: no room for the log on the disk")
	// ErrChunk: a chunk of several records above 8 MiB.
	ErrChunk = errors.New("effectlog: a chunk is too large")
	// ErrEpoch: an epoch that is not above the last one.
	ErrEpoch = errors.New("effectlog: an epoch comes too late")
	// ErrNotRepaired: the log's end is not mended.
	ErrNotRepaired = errors.New("effectlog: the log was interrupted, and not repaired")
)

// checkFull makes an error of what takes room an ErrFull, if it is one.
func checkFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// A DamageError says where the log cannot be believed.
type DamageError struct {
	File   string
	Offset int64 // in the file, of the frame or record
	Record int   // its number in the segment, from 0; -1: a frame's or segment's head
	Err    error
}

func (e *DamageError) Error() string {
	if e.Record < 0 {
		return fmt.Sprintf("%s, offset %d: %v", e.File, e.Offset, e.Err)
	}
	return fmt.Sprintf("%s, offset %d, record %d: %v", e.File, e.Offset, e.Record, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
