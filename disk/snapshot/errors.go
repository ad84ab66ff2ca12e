package snapshot

import (
	"errors"

	"github.com/pandabeardb/panda/disk/effectlog"
)

// Of a Writer.
var (
	// ErrFailed: an earlier call failed; the file is gone.
	ErrFailed = errors.New("snapshot: an earlier write failed")
	// ErrOver: the snapshot is finished, published or abandoned already.
	ErrOver = errors.New("snapshot: it is finished or abandoned already")
	// ErrNotFinished: Publish before Finish.
	ErrNotFinished = errors.New("snapshot: it is not finished")
	// ErrRecords: several records above 8 MiB in one call, or none.
	ErrRecords = errors.New("snapshot: records above 8 MiB come one at a time")
	// ErrSlots: Finish wants the sequence of each of the slots.
	ErrSlots = errors.New("snapshot: not the sequences of 16,384 slots")
	// ErrEpoch: a snapshot that begins before the newest one, or ends before it begins.
	ErrEpoch = errors.New("snapshot: an epoch comes too late")
	// ErrNotRemoved: the snapshot is published, but an older one could not be removed.
	ErrNotRemoved = errors.New("snapshot: published, but an older one is not removed")
)

// Of a file. They come in a DamageError, which names the place.
var (
	// ErrHead: the file is no snapshot, or its head is damaged.
	ErrHead = errors.New("snapshot: not a snapshot, or its head is damaged")
	// ErrFrame: the bytes are no whole frame.
	ErrFrame = errors.New("snapshot: damaged frame")
	// ErrOrder: a frame is missing before this one, or it was there already.
	ErrOrder = errors.New("snapshot: a frame is missing, or out of its order")
	// ErrTrailer: the trailer is damaged, or not there: the file was cut off.
	ErrTrailer = errors.New("snapshot: its trailer is damaged or missing")
	// ErrVersion: a later version of this program has written the file.
	ErrVersion = errors.New("snapshot: written by a later version")
)

// A DamageError says where a file cannot be believed: File is its name as it was given,
// Record counts from the file's beginning.
type DamageError = effectlog.DamageError
