//go:build !race

package slab

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve maps n bytes of zeroed memory that cost nothing until touched.
func reserve(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	return b, os.NewSyscallError("mmap", err)
}

// unreserve gives the memory back.
func unreserve(b []byte) error {
	return os.NewSyscallError("munmap", unix.Munmap(b))
}

// growable: address space beyond the limit is free, so the limit can be raised
// up to the machine's memory.
const growable = true
