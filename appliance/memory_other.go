//go:build !linux

package appliance

// memoryBounds: nothing is known of them here.
func memoryBounds() []memoryBound { return nil }
