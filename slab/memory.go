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

// reserve maps n bytes of address space that cost nothing: no memory, and no
// promise of any where the kernel counts what it promised (overcommit_memory=2).
// It may be touched where system.open made it accessible.
func reserve(n int) (mapping, error) {
	raw, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return mapping{}, os.NewSyscallError("mmap", err)
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (hugePage - 1)
	m := mapping{raw, raw[skip : skip+n : skip+n]}
	adviseHuge(m.bytes, true)
	return m, nil
}

// reserveFile maps the first n bytes of a file in the place of memory.
func reserveFile(f *arenaFile, n int) (mapping, error) {
	raw, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return mapping{}, os.NewSyscallError("mmap", err)
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (hugePage - 1)
	m := mapping{raw, raw[skip : skip+n : skip+n]}
	at := unsafe.Pointer(unsafe.SliceData(m.bytes))
	if _, err := unix.MmapPtr(int(f.Fd()), 0, at, uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		_ = m.release()
		return mapping{}, os.NewSyscallError("mmap", err)
	}
	adviseHuge(m.bytes, true)
	return m, nil
}

// writeTo makes sure that the file has what the mapping has, as far as n.
func (m mapping) writeTo(f *arenaFile, n int) error {
	if err := unix.Msync(m.bytes[:n], unix.MS_SYNC); err != nil {
		return os.NewSyscallError("msync", err)
	}
	return f.Sync()
}

// offsetIn is where b, a part of whole, begins in it.
func offsetIn(whole, b []byte) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole))))
}

// forget is for what a hole in the file has made zero.
func forget([]byte) {}

// release gives the memory back.
func (m mapping) release() error {
	if m.raw == nil {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(m.raw))
}

// newRuns makes the table of runs, which is as long as the machine's memory
// allows and touched only as far as runs are used. It is not on the Go heap,
// whose collections would be as rare as if all of it lived there. It holds no
// pointers.
func newRuns(n int) ([]run, mapping, error) {
	size := n * int(unsafe.Sizeof(run{}))
	raw, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return nil, mapping{}, os.NewSyscallError("mmap", err)
	}
	return unsafe.Slice((*run)(unsafe.Pointer(unsafe.SliceData(raw))), n), mapping{raw, raw}, nil
}

func openMemory(b []byte) error {
	return os.NewSyscallError("mprotect", unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE))
}

// spareMemory maps memory that nobody touches.
func spareMemory(n int) (mapping, error) {
	raw, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	return mapping{raw, raw}, os.NewSyscallError("mmap", err)
}

// growable: address space beyond the limit is free, so the limit can be raised
// up to the machine's memory.
const growable = true
