//go:build !race && !linux

package slab

// mapNoReserve: these kernels overcommit anonymous memory by default.
const mapNoReserve = 0

func adviseHuge([]byte) {}

const populates = false

func populate([]byte) error { return nil }

// physicalMemory is not asked for: the reservation is the limit.
func physicalMemory() int64 { return 0 }
