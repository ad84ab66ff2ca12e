//go:build !race && !linux

package slab

import "golang.org/x/sys/unix"

// mapNoReserve: these kernels overcommit anonymous memory by default.
const mapNoReserve = 0

func adviseHuge([]byte, bool) {}

// populate does nothing: loops touch the memory themselves.
func populate([]byte) error { return nil }

// discard gives the memory behind b back when others want it. The advice leaves
// open when b is zero, so it is made zero.
func discard(b []byte) error {
	clear(b)
	return unix.Madvise(b, unix.MADV_FREE)
}

func strictCommit() bool { return false }

// physicalMemory is not asked for: the reservation is the limit.
func physicalMemory() int64 { return 0 }
