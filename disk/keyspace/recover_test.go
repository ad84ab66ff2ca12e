package keyspace

import (
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/slab"
)

// TestRecoveredIndexFits: keys that are set again and again make recovery expect more than
// comes; in the end the index is as large as for a log where each is set once.
func TestRecoveredIndexFits(t *testing.T) {
	const keys = 60_000
	index := func(times int) int64 {
		c := testConfig(diotest.New(), ModeLog, FsyncNo)
		c.SegmentBytes = 1 << 20
		r := open(t, c)
		for n := range keys * times {
			r.set(0, fmt.Sprintf("key-%06d", n%keys), []byte("value"), slab.Spec{})
			r.wait(0)
		}
		r.close()
		r = open(t, c)
		defer r.close()
		st := r.store.Stats()
		if st.Items != keys {
			t.Errorf("set %d times: %d items, want %d", times, st.Items, keys)
		}
		return st.IndexBytes
	}
	if once, twice := index(1), index(2); twice > once+once/8 {
		t.Errorf("%d bytes of index, and %d with keys that are set twice", once, twice)
	}
}
