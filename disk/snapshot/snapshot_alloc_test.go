package snapshot

import (
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/alloctest"
)

// What the engine does while clients wait for a processor.
func TestNothingAllocates(t *testing.T) {
	w, err := Create(diotest.New(), ".", Options{})
	must(t, err)
	defer w.Abandon()
	b := records(1, 0, 10)
	pieces := [][]byte{b[:30], b[30:]}
	alloctest.Zero(t, "append", func() { w.Append(b, 10) })
	alloctest.Zero(t, "append pieces", func() { w.AppendPieces(pieces, 10) })
}
