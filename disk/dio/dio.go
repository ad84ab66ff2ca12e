package dio

import (
	"io"
	"io/fs"
	"reflect"
)

// BlockSize is what direct I/O is aligned to: the page cache's unit, and a multiple
// of the logical block of every disk in use (512 and 4,096 bytes).
const BlockSize = 4096

// Mode says how a file is opened: to be read and written, unless ReadOnly says else.
type Mode uint8

const (
	// Create makes the file if it is not there.
	Create Mode = 1 << iota
	// New fails with fs.ErrExist if the file is there; it implies Create.
	New
	// Direct bypasses the page cache where that is possible.
	Direct
	// ReadOnly refuses to write (syscall.EBADF): another process may have the file.
	ReadOnly
)

// An FS is one folder. Names are relative to it and separated by slashes; the
// folders they lead through must exist. Errors are *fs.PathError, and fit
// fs.ErrNotExist and fs.ErrExist; a full disk is syscall.ENOSPC.
type FS interface {
	Open(name string, mode Mode) (File, error)
	// Rename replaces target, if it is there, at once.
	Rename(source, target string) error
	Remove(name string) error
	// MakeFolder makes a folder; one that is there is no error.
	MakeFolder(name string) error
	// List is what is in the folder name ("." for the FS itself), sorted by name.
	List(name string) ([]fs.FileInfo, error)
	// SyncFolder makes durable what became of names in the folder.
	SyncFolder(name string) error
	// Lock takes the whole-file lock of a file, which it makes. ErrInUse: another
	// process, or another Lock, has it. Close gives it back.
	Lock(name string) (io.Closer, error)
	// Space is what may still be written, and the size of it all, in bytes.
	Space() (free, total int64, err error)
}

// A File is one open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// ReadVec fills the buffers, one after the other, from offset on; io.EOF if the
	// file ends before they are full. n counts the bytes of all.
	ReadVec(buffers [][]byte, offset int64) (n int, err error)
	// WriteVec writes the buffers, one after the other, from offset on.
	WriteVec(buffers [][]byte, offset int64) (n int, err error)
	Size() (int64, error)
	Truncate(size int64) error
	// Allocate has the file system find room for n bytes from offset on, so that
	// writing there cannot fail with a full disk; a file that is shorter grows, and
	// reads as zero there. A file system that cannot do so only makes the file longer.
	Allocate(offset, n int64) error
	// Sync makes durable what was written, allocated and truncated (fdatasync: not
	// the times of the file).
	Sync() error
	// Direct says whether the page cache is bypassed.
	Direct() bool
}

// hugePage is the size of a huge page on amd64, and on arm64 with pages of 4 KiB.
const hugePage = 2 << 20

// Aligned makes a buffer of n bytes that direct I/O takes. The collector frees it.
func Aligned(n int) []byte { return alignedTo(BlockSize, n) }

// AlignedHuge is Aligned in huge pages, where the system has them and from 2 MiB on: of a
// write of 256 KiB the kernel then pins one page instead of 64, which saves 10 to 30 % of
// its processor's time. It takes 2 MiB more of the heap, and the advice outlives the
// buffer: it is for what is kept as long as the process runs.
func AlignedHuge(n int) []byte {
	b := alignedTo(hugePage, n)
	if whole := n &^ (hugePage - 1); whole > 0 {
		adviseHuge(b[:whole])
	}
	return b
}

func alignedTo(unit, n int) []byte {
	b := make([]byte, n+unit-1)
	skip := -int(address(b)) & (unit - 1)
	return b[skip : skip+n : skip+n]
}

// address is where b lies. Memory of this size is not moved by Go: only stacks are,
// and what has been passed to reflect is not on one.
func address(b []byte) uintptr { return reflect.ValueOf(&b[0]).Pointer() }

// CheckAligned is ErrUnaligned unless direct I/O takes buffer and offset.
func CheckAligned(buffer []byte, offset int64) error {
	if (int64(len(buffer))|offset)&(BlockSize-1) != 0 {
		return ErrUnaligned
	}
	if len(buffer) > 0 && address(buffer)&(BlockSize-1) != 0 {
		return ErrUnaligned
	}
	return nil
}
