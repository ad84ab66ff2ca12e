//go:build darwin || freebsd

package dio

import (
	"os"

	"golang.org/x/sys/unix"
)

// One buffer a call: what is developed on these systems need not be fast there.
func readVec(fd int, buffers [][]byte, offset int64) (int, error) {
	return unix.Pread(fd, buffers[0], offset)
}

func writeVec(fd int, buffers [][]byte, offset int64) (int, error) {
	return unix.Pwrite(fd, buffers[0], offset)
}

func bypassCache(*os.File) bool { return false }

func adviseHuge([]byte) {}

// syncData is os.File's Sync, which asks darwin's disks to empty their caches.
func syncData(f *os.File) error { return f.Sync() }

func allocate(f *os.File, offset, n int64) error { return grow(f, offset+n) }
