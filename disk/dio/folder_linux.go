package dio

import (
	"os"

	"golang.org/x/sys/unix"
)

func readVec(fd int, buffers [][]byte, offset int64) (int, error) {
	return unix.Preadv(fd, buffers, offset)
}

func writeVec(fd int, buffers [][]byte, offset int64) (int, error) {
	return unix.Pwritev(fd, buffers, offset)
}

// bypassCache turns direct I/O on, and says whether the file system has it: it
// refuses the flag, or a read of one block.
func bypassCache(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return false
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, flags|unix.O_DIRECT); err != nil {
		return false
	}
	if _, err := unix.Pread(int(f.Fd()), Aligned(BlockSize), 0); err == unix.EINVAL {
		_, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, flags)
		return err != nil
	}
	return true
}

// adviseHuge asks for huge pages. A kernel without them says no, and all is well.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// allocate only makes the file longer where the file system cannot allocate.
func allocate(f *os.File, offset, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, offset, n)
		switch err {
		case unix.EINTR:
			continue
		case unix.EOPNOTSUPP, unix.ENOSYS:
			return grow(f, offset+n)
		}
		return err
	}
}
