package effectlog

import (
	"errors"
	"io/fs"
	"path"

	"github.com/pandabeardb/panda/disk/dio"
)

// Repair ends the last segment behind what Read found whole in it, so that a log
// that goes on in the next one has no torn place within, and removes a segment that was
// only made ready. It may be interrupted, and done again, with the same Tail or that of
// another Read. Nothing is changed of a log that was closed.
func Repair(disk dio.FS, folder string, tail *Tail) error {
	for len(tail.blank) > 0 { // the newest first: a crash must not leave a gap
		newest := len(tail.blank) - 1
		if err := disk.Remove(tail.blank[newest]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := disk.SyncFolder(folder); err != nil {
			return err
		}
		tail.blank = tail.blank[:newest]
	}
	if tail.Empty() {
		return nil
	}
	last := &tail.segments[len(tail.segments)-1]
	f, err := disk.Open(path.Join(folder, last.name()), dio.Direct)
	if err != nil {
		return err
	}
	defer f.Close()
	if tail.ended {
		return f.Sync() // the process that wrote the end may have died before it did so
	}
	// First the rest is gone for good: an end with torn frames behind it is damage.
	if err := f.Truncate(tail.end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	block := dio.Aligned(dio.BlockSize)
	end := frame{segment: last.identity, first: tail.Epoch, epoch: tail.Epoch, durable: tail.Epoch, flags: frameEnd}
	end.put(block)
	if _, err := f.WriteAt(block, tail.end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	tail.ended = true
	last.bytes = tail.end + dio.BlockSize
	return nil
}

// Empty reports whether the log has no segment, but perhaps one that was only made ready.
func (t *Tail) Empty() bool { return len(t.segments) == 0 }

// Ends reports whether the log goes up to the segment of a number, which Stats.Begun was:
// nil, or what is missing.
func (t *Tail) Ends(folder string, begun uint64) error {
	if t.serial >= begun {
		return nil
	}
	missing := segment{serial: begun}
	return &DamageError{File: path.Join(folder, missing.name()), Record: -1, Err: ErrGap}
}
