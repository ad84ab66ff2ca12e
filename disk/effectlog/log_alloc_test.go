package effectlog

import (
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/internal/alloctest"
)

// What loops do for each command, and recovery for each record, allocates nothing.
func TestAllocations(t *testing.T) {
	r := typical()
	b := make([]byte, 0, 1<<10)
	alloctest.Zero(t, "AppendRecord", func() { b = AppendRecord(b[:0], &r) })
	alloctest.Zero(t, "AppendHead and Seal", func() {
		b = append(AppendHead(b[:0], &r, len(r.Value)), r.Value...)
		Seal(b)
	})
	alloctest.Zero(t, "ParseRecord", func() { ParseRecord(b) })
	alloctest.Zero(t, "ParseChecked", func() { ParseChecked(b) })
}

// Nor does the writer for each epoch.
func TestWriterAllocations(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	must(t, err)
	w, err := NewWriter(disk, ".", &Tail{}, Options{})
	must(t, err)
	r := typical()
	chunks := []Chunk{{Pieces: [][]byte{AppendRecord(nil, &r)}, Records: 1}}
	epoch := Epoch(0)
	alloctest.Zero(t, "Write and Sync", func() {
		epoch++
		w.Write(epoch, chunks)
		w.Sync()
	})
	must(t, w.Close())
}
