//go:build !race

package slab

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is what the arena is aligned to, so that the kernel can give it
// pages of that size: amd64's, and arm64's with pages of 4 KiB.
const hugePage = 2 << 20

// mapping is reserved address space. bytes is the usable part of raw.
type mapping struct{ raw, bytes []byte }

// reserve maps n bytes of zeroed memory that cost nothing until touched.
func reserve(n int) (mapping, error) {
	raw, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return mapping{}, os.NewSyscallError("mmap", err)
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (hugePage - 1)
	m := mapping{raw, raw[skip : skip+n : skip+n]}
	adviseHuge(m.bytes)
	return m, nil
}

// release gives the memory back.
func (m mapping) release() error {
	return os.NewSyscallError("munmap", unix.Munmap(m.raw))
}

// growable: address space beyond the limit is free, so the limit can be raised
// up to the machine's memory.
const growable = true
