//go:build race

package slab

import (
	"io"
	"sync/atomic"
	"unsafe"
)

const hugePage = 2 << 20

type mapping struct{ bytes []byte }

// reserve takes the memory from the Go heap, so that the race detector sees
// every access to it.
func reserve(n int) (mapping, error) { return mapping{make([]byte, n)}, nil }

func (m mapping) release() error { return nil }

// reserveFile copies the file into the Go heap, so that all but the kernel's part
// of a restart is tested here, too.
func reserveFile(f *arenaFile, n int) (mapping, error) {
	m := mapping{make([]byte, n)}
	if _, err := f.ReadAt(m.bytes, 0); err != nil && err != io.EOF {
		return mapping{}, err
	}
	return m, nil
}

func (m mapping) writeTo(f *arenaFile, n int) error {
	if _, err := f.WriteAt(m.bytes[:n], 0); err != nil {
		return err
	}
	return f.Sync()
}

// offsetIn is where b, a part of whole, begins in it.
func offsetIn(whole, b []byte) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole))))
}

// forget is for what a hole in the file has made zero.
func forget(b []byte) { _ = discard(b) }

func newRuns(n int) ([]run, mapping, error) { return make([]run, n), mapping{}, nil }

// growable: the reservation is real memory here, so it is no larger than asked.
const growable = false

func spareMemory(int) (mapping, error) { return mapping{}, nil }

func openMemory([]byte) error { return nil }

func adviseHuge([]byte, bool) {}

func populate([]byte) error { return nil }

// discard makes b zero, as the kernel would. A look ahead, which takes no lock,
// may read it meanwhile.
func discard(b []byte) error {
	for i := 0; i < len(b); i += 8 {
		atomic.StoreUint64((*uint64)(unsafe.Pointer(&b[i])), 0)
	}
	return nil
}

func strictCommit() bool { return false }

func physicalMemory() int64 { return 0 }
