package dio_test

import (
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/internal/alloctest"
)

// The calls that a log and a tier live on.
func TestNothingAllocates(t *testing.T) {
	f := openFile(t, folder(t, t.TempDir()), "a", dio.Create|dio.Direct)
	block := dio.Aligned(dio.BlockSize)
	alloctest.Zero(t, "write", func() { f.WriteAt(block, 0) })
	alloctest.Zero(t, "read", func() { f.ReadAt(block, 0) })
	alloctest.Zero(t, "sync", func() { f.Sync() })

	p := dio.NewPool(1)
	defer p.Close()
	done := make(chan struct{}, 1)
	call := &dio.Call{File: f, Buffers: [][]byte{block}, Done: func(*dio.Call) { done <- struct{}{} }}
	alloctest.Zero(t, "pool", func() {
		if p.Submit(call) == nil {
			<-done
		}
	})
}
