//go:build race

package slab

const hugePage = 2 << 20

type mapping struct{ bytes []byte }

// reserve takes the memory from the Go heap, so that the race detector sees
// every access to it.
func reserve(n int) (mapping, error) { return mapping{make([]byte, n)}, nil }

func (m mapping) release() error { return nil }

// growable: the reservation is real memory here, so it is no larger than asked.
const growable = false

const populates = false

func populate([]byte) error { return nil }

func physicalMemory() int64 { return 0 }
