//go:build unix

package dio

import (
	"os"

	"golang.org/x/sys/unix"
)

func lockFile(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch err {
		case unix.EINTR:
			continue
		case unix.EWOULDBLOCK:
			return ErrInUse
		}
		return err
	}
}

func space(path string) (free, total int64, err error) {
	var system unix.Statfs_t
	if err := unix.Statfs(path, &system); err != nil {
		return 0, 0, err
	}
	return int64(system.Bavail) * int64(system.Bsize), int64(system.Blocks) * int64(system.Bsize), nil
}

// grow gives a file that is shorter this size, without room behind it.
func grow(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return f.Truncate(size)
}
