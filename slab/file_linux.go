package slab

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate has the file system allocate a part of the file. One that cannot do that is
// taken at its word when it maps the file.
func (f *arenaFile) allocate(from, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, from, n)
		switch err {
		case unix.EINTR:
			continue
		case unix.EOPNOTSUPP, unix.ENOSYS:
			return nil
		}
		return err
	}
}

// punch gives the file system back what is behind b, which lies at from.
func (f *arenaFile) punch(from int64, b []byte) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, int64(len(b)))
	if err == nil {
		forget(b)
	}
	return os.NewSyscallError("fallocate", err)
}

// space is what the file system has left, and what the file has already.
func (f *arenaFile) space() (free, have int64, ok bool) {
	var system unix.Statfs_t
	var file unix.Stat_t
	if unix.Fstatfs(int(f.Fd()), &system) != nil || unix.Fstat(int(f.Fd()), &file) != nil {
		return 0, 0, false
	}
	if system.Blocks == 0 { // a tmpfs without a limit
		return 0, 0, false
	}
	const statBlock = 512
	return int64(system.Bavail) * system.Bsize, file.Blocks * statBlock, true
}
