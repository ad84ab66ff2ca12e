package keyspace

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
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

// TestHeldSalvages: a store that was saved goes on with a damaged folder when that is to be
// salvaged; what it has is whole there then.
func TestHeldSalvages(t *testing.T) {
	for _, suffix := range []string{".log", ".snapshot head", ".snapshot trailer"} {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncNo)
		r := open(t, c)
		r.fill(1, 200)
		if err := r.k.Snapshot(); err != nil {
			t.Fatal(err)
		}
		for i := range 100 { // more than one segment
			r.set(0, fmt.Sprint("large", i%8), make([]byte, 10_000), slab.Spec{})
			r.wait(0)
		}
		want := r.contents()
		if err := r.k.Close(); err != nil {
			t.Fatal(err)
		}
		damageFile(t, disk, suffix)
		again := c
		again.Held = r.k.Mark()
		if _, err := Open(again, r.store); !IsDamage(err) {
			t.Errorf("%s: %v", suffix, err)
		}
		told := 0
		again.Salvage = func(error) { told++ }
		k, err := Open(again, r.store)
		if err != nil {
			t.Fatalf("%s: %v", suffix, err)
		}
		if told == 0 {
			t.Errorf("%s: nothing was told", suffix)
		}
		r.k = k
		sameContents(t, r.contents(), want)
		r.close()
		r = open(t, c)
		sameContents(t, r.contents(), want)
		r.close()
	}
}

// damageFile changes a block of the first log segment that is not the last, or of the
// snapshot's head or trailer.
func damageFile(t *testing.T, disk *diotest.FS, which string) {
	t.Helper()
	suffix, part, _ := strings.Cut(which, " ")
	infos, err := disk.List(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if !strings.HasSuffix(info.Name(), suffix) {
			continue
		}
		f, err := disk.Open(info.Name(), 0)
		if err != nil {
			t.Fatal(err)
		}
		offset := int64(0)
		switch part {
		case "trailer":
			offset = info.Size() - 8*dio.BlockSize // its sequences have several blocks
		case "":
			offset = 8 * dio.BlockSize
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, dio.BlockSize), offset); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no file %s", which)
}
