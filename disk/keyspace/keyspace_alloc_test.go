package keyspace

import (
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/internal/alloctest"
)

// TestEffectsAllocateNothing: neither on the loop nor on the writer, once buffers
// have grown.
func TestEffectsAllocateNothing(t *testing.T) {
	for _, fsync := range []Fsync{FsyncEverySecond, FsyncAlways} {
		disk, err := dio.Folder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(disk, ModeLog, fsync)
		c.SegmentBytes = 256 << 20 // no other is begun
		r := open(t, c)
		s := newSetter(r, 1000)
		for range 1500 { // until the index is as large as it gets
			s.turn()
		}
		alloctest.Zero(t, "a turn of 16 sets", s.turn)
		r.close()
	}
}
