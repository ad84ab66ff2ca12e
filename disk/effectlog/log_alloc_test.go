package effectlog

import (
	"testing"

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
