package slab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// arenaFile is the file that the arena lies in, see Config.File. It is locked as
// long as it is open: two processes that wrote into one arena would serve each
// other's damage.
type arenaFile struct {
	*os.File
	name string
}

// openArenaFile opens or makes the file, and locks it.
func openArenaFile(name string) (*arenaFile, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", name, ErrFileKind)
	}
	if err == nil {
		err = lockFile(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &arenaFile{f, name}, nil
}

func lockFile(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return fmt.Errorf("%s: %w", f.Name(), ErrFileInUse)
		default:
			return fmt.Errorf("%s: %w", f.Name(), os.NewSyscallError("flock", err))
		}
	}
}

// resize gives the file its size, without memory behind what is new. empty: it
// has none behind the rest either, and reads as zero.
func (f *arenaFile) resize(n int64, empty bool) error {
	if empty {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	return f.Truncate(n)
}

// system is the kernel's part for an arena in a file. Memory is made accessible by
// having the file system allocate it: what is only mapped would end the process by
// SIGBUS when the file system is full.
func (f *arenaFile) system(m mapping) *system {
	offset := func(b []byte) int64 { return offsetIn(m.bytes, b) }
	allocate := func(b []byte) error {
		return os.NewSyscallError("fallocate", f.allocate(offset(b), int64(len(b))))
	}
	return &system{
		open:   allocate,
		reopen: allocate,
		populate: func(b []byte) error {
			if err := allocate(b); err != nil {
				return err
			}
			return populate(b)
		},
		discard: func(b []byte) error { return f.punch(offset(b), b) },
		spare:   func(int) (mapping, error) { return mapping{}, nil }, // the file takes nothing from the Go runtime
		strict:  true,
	}
}

// checkSpace refuses a file system that cannot hold n bytes of the file.
func (f *arenaFile) checkSpace(n int64) error {
	free, have, ok := f.space()
	if !ok || free+have >= n {
		return nil
	}
	return fmt.Errorf("%s: %w: it needs %d bytes, has %d, and its file system has %d left", f.name, ErrFileSpace, n, have, free)
}

// Errors of New with Config.File.
var (
	// ErrFileKind: the arena can only lie in a regular file.
	ErrFileKind = errors.New("slab: the memory file is not a regular file")
	// ErrFileInUse: another process has its arena in the file.
	ErrFileInUse = errors.New("slab: the memory file is in use by another process")
	// ErrFileSpace: the file system is too small for the limit.
	ErrFileSpace = errors.New("slab: the memory file's file system is too small for the limit")
	// ErrMetadata: what has the metadata's name is something else.
	ErrMetadata = errors.New("slab: corrupt metadata file")
)
