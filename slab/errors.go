package slab

import "errors"

// Errors of New.
var (
	// ErrLimit: the limit is below what the smallest store needs (MinLimit).
	ErrLimit = errors.New("slab: memory limit too small")
	// ErrShards: not a power of two, or more than slots.
	ErrShards = errors.New("slab: shards must be a power of two up to 16,384")
	// ErrGroups: too many bounds, out of order, or not multiples of 8.
	ErrGroups = errors.New("slab: groups are not as they must be")
)

// Errors of Reserve and SetLimit.
var (
	// ErrNoMemory: nothing is free, and nothing may or can be evicted.
	ErrNoMemory = errors.New("slab: out of memory")
	// ErrTooLarge: the item could not fit even into an empty store.
	ErrTooLarge = errors.New("slab: item larger than the store")
	// ErrBounds: SetLimit was asked for more than the address space reserved at start.
	ErrBounds = errors.New("slab: limit out of bounds")
)
