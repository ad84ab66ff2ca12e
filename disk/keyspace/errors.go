package keyspace

import (
	"errors"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
)

// Errors of Open.
var (
	// ErrVersion: another version of the program has written the folder.
	ErrVersion = errors.New("keyspace: the data folder is of another version")
	// ErrFolder: the file that says what the folder is is not one of ours.
	ErrFolder = errors.New("keyspace: the data folder's KEYSPACE file is damaged")
	// ErrSnapshot: the newest snapshot is not there.
	ErrSnapshot = errors.New("keyspace: the newest snapshot is missing")
	// ErrMemory: the store is too small for what the folder has, and may not evict.
	ErrMemory = errors.New("keyspace: the data do not fit into the memory limit")
	// ErrHeld: the store that was saved is not what the folder has; one of both was used
	// without the other since. Open with an empty store.
	ErrHeld = errors.New("keyspace: the memory that was saved is not the data folder's")
)

// IsDamage reports whether an error of Open says that a file is damaged, or missing.
func IsDamage(err error) bool {
	var log *effectlog.DamageError
	var file *snapshot.DamageError
	return errors.As(err, &log) || errors.As(err, &file) || errors.Is(err, ErrSnapshot)
}

// IsVersion reports whether an error of Open says that a later version of the program
// has written something there.
func IsVersion(err error) bool {
	return errors.Is(err, ErrVersion) || errors.Is(err, effectlog.ErrVersion) || errors.Is(err, snapshot.ErrVersion)
}

// Errors of Snapshot and Close, and of Notes.
var (
	// ErrFull: the disk has no room for the log, and what changes something waits.
	ErrFull = errors.New("keyspace: the disk is full")
	// ErrSpace: the disk will be full soon.
	ErrSpace = errors.New("keyspace: the disk is nearly full")
	// ErrClosed: the keyspace is closed.
	ErrClosed = errors.New("keyspace: closed")
	// ErrBusy: a snapshot is on its way.
	ErrBusy = errors.New("keyspace: a snapshot is being taken")
)
