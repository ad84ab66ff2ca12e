//go:build !race

package slab

import "golang.org/x/sys/unix"

// mapNoReserve keeps the reservation out of the kernel's commit accounting.
const mapNoReserve = unix.MAP_NORESERVE

// physicalMemory is the machine's memory in bytes.
func physicalMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
