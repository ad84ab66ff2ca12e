//go:build race

package slab

// reserve takes the memory from the Go heap, so that the race detector sees
// every access to it.
func reserve(n int) ([]byte, error) { return make([]byte, n), nil }

func unreserve([]byte) error { return nil }

// growable: the reservation is real memory here, so it is no larger than asked.
const growable = false

func physicalMemory() int64 { return 0 }
