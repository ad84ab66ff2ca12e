package keyspace

import (
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/slab"
)

// TestGoneStaysAway: what was evicted, or has expired, before the end or since, is not
// there again, from a log nor from a snapshot.
func TestGoneStaysAway(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncEverySecond)
		nowMS := int64(testNowMS)
		c.NowMS = func() int64 { return nowMS }
		store := func() *slab.Store {
			s, err := slab.New(slab.Config{LimitBytes: 8 << 20, Shards: 16, Loops: 2, Evict: true, StartMS: nowMS})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		r := &rig{t: t, store: store()}
		var err error
		if r.k, err = Open(c, r.store); err != nil {
			t.Fatal(err)
		}
		r.set(0, "mortal", []byte("x"), slab.Spec{ExpiresAtMS: nowMS + 1000})
		r.set(0, "short", []byte("x"), slab.Spec{ExpiresAtMS: nowMS + 10})
		for i := range 3000 { // 15 MB
			r.set(i&1, fmt.Sprintf("key-%d", i), make([]byte, 5000), slab.Spec{Evictable: true})
		}
		if snapshot {
			if err := r.k.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
		want := r.contents()
		if r.store.Stats().Evictions == 0 || want["mortal"] == "" {
			t.Fatalf("%d evictions, %d keys", r.store.Stats().Evictions, len(want))
		}
		r.close()
		nowMS += 500
		delete(want, "short")
		r = &rig{t: t, store: store()}
		if r.k, err = Open(c, r.store); err != nil {
			t.Fatal(err)
		}
		got := r.contents()
		for key := range want { // what is played back may need more room for a while
			if got[key] == "" && r.k.Recovery().Evicted > 0 {
				delete(want, key)
			}
		}
		sameContents(t, got, want)
		if len(got) < 1000 || got["mortal"] == "" {
			t.Errorf("%d keys came back", len(got))
		}
		r.close()
	}
}
