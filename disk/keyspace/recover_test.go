package keyspace

import (
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/slab"
)

// TestRecoveredIndexFits: keys that are set again make recovery expect more than comes; in
// the end the index is as large as for a log where each is set once.
func TestRecoveredIndexFits(t *testing.T) {
	const keys = 150_000 // whose index has 25 of the arena's runs
	index := func(times int) int64 {
		c := testConfig(diotest.New(), ModeLog, FsyncNo)
		c.SegmentBytes = 1 << 20
		reopen := func() *rig {
			s, err := slab.New(slab.Config{LimitBytes: 64 << 20, Shards: 16, Loops: 2, StartMS: testNowMS})
			if err != nil {
				t.Fatal(err)
			}
			k, err := Open(c, s)
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t: t, store: s, k: k}
		}
		r := reopen()
		for n := range keys * times {
			r.set(0, fmt.Sprintf("key-%06d", n%keys), []byte("value"), slab.Spec{})
			if n%16 == 0 {
				r.wait(0)
			}
		}
		r.close()
		r = reopen()
		defer r.close()
		st := r.store.Stats()
		if st.Items != keys {
			t.Errorf("set %d times: %d items, want %d", times, st.Items, keys)
		}
		return st.IndexBytes
	}
	if once, twice := index(1), index(2); twice > once+once/6 {
		t.Errorf("%d bytes of index, and %d with keys that are set twice", once, twice)
	}
}

// TestForesightOfRemovals: a log that removes more than it sets is not expected to go on so;
// shards that are empty get the room that others have, and no more.
func TestForesightOfRemovals(t *testing.T) {
	const removed = 1 << 20
	r := open(t, testConfig(diotest.New(), ModeSnapshot, FsyncNo))
	defer r.close()
	h := r.store.Handle(0)
	for i := 0; r.store.Stats().Items < 20_000; i++ { // all in one of 16 shards
		if key := fmt.Sprint(i); h.Key(0, []byte(key)).Slot&15 == 0 {
			r.set(0, key, nil, slab.Spec{})
		}
	}
	before := r.store.Stats()
	f := foresight{store: r.store, had: before.Items + removed}
	f.progress(1000, 100_000)
	if st := r.store.Stats(); st.IndexBytes <= before.IndexBytes || st.IndexBytes > before.IndexBytes+before.LimitBytes/16 {
		t.Errorf("%d bytes of index became %d", before.IndexBytes, st.IndexBytes)
	}
	if f.had != before.Items || f.at != 1000 {
		t.Errorf("%d items at %d are remembered", f.had, f.at)
	}
}

// TestRecoverSmallBeforeLarge: a snapshot whose first records are small and whose others
// are larger than a frame; what fitted fits again.
func TestRecoverSmallBeforeLarge(t *testing.T) {
	const (
		limit = 160 << 20 // less, and any index had room in what recovery may take beyond it
		size  = 2_000_001
		small = 2000
		large = limit * 31 / 32 / size
	)
	for _, evict := range []bool{true, false} {
		c := testConfig(diotest.New(), ModeSnapshot, FsyncNo)
		reopen := func() *rig {
			s, err := slab.New(slab.Config{LimitBytes: limit, Shards: 64, Loops: 2, Evict: evict, StartMS: testNowMS})
			if err != nil {
				t.Fatal(err)
			}
			k, err := Open(c, s)
			if err != nil {
				t.Fatal(err)
			}
			return &rig{t: t, store: s, k: k}
		}
		r := reopen()
		value := make([]byte, size)
		for i := range small {
			r.set(0, fmt.Sprint("small", i), value[:10], slab.Spec{Evictable: true})
		}
		h := r.store.Handle(0)
		for i := 0; r.store.Stats().Items < small+large; i++ { // in the last shards
			if key := fmt.Sprint("large", i); h.Key(0, []byte(key)).Slot%64 >= 32 {
				r.set(0, key, value, slab.Spec{Evictable: true})
			}
		}
		want := r.store.Stats()
		r.close()
		r = reopen()
		if got := r.store.Stats(); got.Items != small+large || want.Evictions != 0 {
			t.Errorf("evict=%v: %d items, want %d; %d evicted before", evict, got.Items, small+large, want.Evictions)
		}
		r.close()
	}
}
