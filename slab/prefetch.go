//go:build amd64 || arm64

package slab

import "unsafe"

// prefetch asks for the cache line at p. It never faults.
//
//go:noescape
func prefetch(p unsafe.Pointer)
