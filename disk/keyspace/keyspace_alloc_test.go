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
		c.SegmentBytes = 64 << 20
		r := open(t, c)
		s := newSetter(r)
		for range 2000 {
			s.turn()
		}
		alloctest.Zero(t, "a turn of 16 sets", s.turn)
		r.close()
	}
}
