//go:build !linux

package keyspace

import "sync/atomic"

// A bell is Linux's.
type bell struct{}

func (*bell) open()                  {}
func (*bell) close()                 {}
func (*bell) ring() bool             { return false }
func (*bell) wait(*atomic.Bool) bool { return false }
