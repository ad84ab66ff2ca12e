//go:build !linux

package aio

// Queue is there on Linux only.
type Queue struct{}

// New fails.
func New(int) (*Queue, error) { return nil, ErrUnsupported }

// FD is that of no file.
func (*Queue) FD() int { return -1 }

// Add refuses.
func (*Queue) Add(uintptr, []byte, int64, uint64) bool { return false }

// Flush does nothing.
func (*Queue) Flush() {}

// Take has nothing.
func (*Queue) Take([]Event) int { return 0 }

// Wait has nothing.
func (*Queue) Wait([]Event) int { return 0 }

// Close does nothing.
func (*Queue) Close() error { return nil }
