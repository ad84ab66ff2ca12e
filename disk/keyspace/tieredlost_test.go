package keyspace

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

// tierRig is a rig whose store has little memory, and a tier for the rest.
type tierRig struct {
	*rig
	tier  *memoryTier
	notes []Note
}

func openTierRig(t *testing.T, disk *diotest.FS, mode Mode) *tierRig {
	t.Helper()
	return openTierRigOf(t, testConfig(disk, mode, FsyncNo))
}

func openTierRigOf(t *testing.T, c Config) *tierRig {
	t.Helper()
	store, err := slab.New(slab.Config{LimitBytes: 2 << 20, Shards: 4, Loops: 2, Evict: true, StartMS: testNowMS})
	if err != nil {
		t.Fatal(err)
	}
	r := &tierRig{rig: &rig{t: t, store: store}}
	r.tier = &memoryTier{values: map[slab.TierRef][]byte{}, broken: map[slab.TierRef]bool{}, store: store}
	store.UseTier(r.tier, slab.TierRules{LeastBytes: 512, AgeS: 0})
	c.FetchTier, c.Note = r.tier.fetch, func(n Note) { r.notes = append(r.notes, n) }
	if r.k, err = Open(c, store); err != nil {
		t.Fatal(err)
	}
	return r
}

// fill sets keys, and has all their values go to the tier.
func (r *tierRig) fill(from, to, size int) {
	for i := from; i < to; i++ {
		r.set(0, fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, size+i%7), slab.Spec{Evictable: true})
		r.wait(0)
	}
	for n := -1; n != len(r.tier.values); {
		n = len(r.tier.values)
		r.store.Handle(0).Tick(testNowMS + 1000)
	}
}

// breaks has the tier not give the values of these keys back.
func (r *tierRig) breaks(keys ...string) {
	h := r.store.Handle(0)
	for _, key := range keys {
		k := h.Key(0, []byte(key))
		v, ok := h.OnTier(&k, testNowMS)
		if !ok {
			r.t.Fatalf("the value of %s is not in the tier", key)
		}
		r.tier.broken[v.Ref] = true
	}
}

// whole is what the store has, with the values from the tier.
func (r *tierRig) whole() map[string]string {
	all := map[string]string{}
	var c slab.Cursor
	for !r.store.Handle(0).Walk(&c, testNowMS, 1<<20, func(it slab.Item) bool {
		value := []byte(nil)
		if it.OnTier() {
			value = r.tier.values[it.TierRef()]
		} else {
			value = it.AppendValue(nil)
		}
		all[string(it.Key())] = fmt.Sprintf("%x %d %d %d %q", it.CAS(), it.Flags(), it.ExpiresAtMS(), it.Marks()&^slab.MarkFetched, value)
		return true
	}) {
	}
	return all
}

// mark marks a key, whose value stays.
func (r *tierRig) mark(key string) {
	h := r.store.Handle(1)
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	it, _ := l.Find(testNowMS)
	if _, ok := l.MarkStale(it, 0); !ok {
		r.t.Error("no mark")
	}
	l.Unlock()
	r.wait(1)
}

func (r *tierRig) told(text string) bool {
	for _, n := range r.notes {
		if errors.Is(n.Err, errRead) && strings.Contains(n.Text, text) {
			return true
		}
	}
	return false
}

// TestSnapshotOfUnreadable: a value that the tier has and cannot give is taken from what
// the snapshot is to replace, and the log that had it may go then.
func TestSnapshotOfUnreadable(t *testing.T) {
	disk := diotest.New()
	r := openTierRig(t, disk, ModeLog)
	r.fill(0, 40, 2000)
	if err := r.k.Snapshot(); err != nil { // 0 to 19 are in it, the others in the log
		t.Fatal(err)
	}
	r.fill(20, 60, 2000)
	r.mark("3")
	r.mark("33")
	r.touch(0, "34", testNowMS+1<<40)
	r.remove(0, "35")
	r.wait(0)
	r.breaks("1", "2", "3", "30", "31", "33", "34", "55")
	want := r.whole()
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if !r.told("8 values") {
		t.Errorf("notes %v", r.notes)
	}
	r.breaks("0", "3", "33")
	if err := r.k.Snapshot(); err != nil { // a value that was found once is found again
		t.Fatal(err)
	}
	r.close()
	again := openRoomy(t, disk)
	defer again.close()
	if got := again.contents(); !maps.Equal(got, want) {
		t.Errorf("%d items, want %d", len(got), len(want))
		for key := range want {
			if got[key] != want[key] {
				t.Errorf("%s is %.60s, want %.60s", key, got[key], want[key])
			}
		}
	}
}

// TestLostOnFullDisk: when the disk is full by the time that values are looked for, what flash
// cannot give is taken from what the log has; not an older value in the place of one that
// the log may lack.
func TestLostOnFullDisk(t *testing.T) {
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) { testLostOnFullDisk(t, waits) })
	}
}

func testLostOnFullDisk(t *testing.T, waits bool) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncNo)
	c.SegmentBytes = 4 << 20
	r := openTierRigOf(t, c)
	r.fill(100, 120, 2000)
	snapshotsOf20(t, r.rig)
	r.fill(110, 120, 2000)
	r.mark("101")
	fetch := r.k.config.FetchTier
	reached, goOn := make(chan struct{}), make(chan struct{})
	r.k.config.FetchTier = func(list []TierFetch) {
		select {
		case reached <- struct{}{}:
			<-goOn
		case <-goOn:
		}
		fetch(list)
	}
	answer, err := r.k.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	<-reached // the snapshot is being taken, and the disk becomes full
	fullForLog(disk, 200<<10)
	fillLog(t, r.rig, 0)
	r.breaks("100", "101", "115")
	if waits {
		r.mark("102") // which the log does not have
		r.breaks("102")
	}
	want := r.whole()
	close(goOn)
	err = <-answer
	switch {
	case waits && (!errors.Is(err, errLost) || !errors.Is(err, ErrFull) || !strings.Contains(fmt.Sprint(err), "log: 1, ")):
		t.Errorf("a snapshot of what may not be the last value: %v", err)
	case !waits && err != nil || !r.told("3 values"):
		t.Errorf("%v, notes %v", err, r.notes)
	}
	disk.Before(nil)
	pass(2 * retryEvery)
	r.close()
	again := openRoomy(t, disk)
	defer again.close()
	sameContents(t, again.contents(), want)
}

// fullForLog has the disk be full for new segments, but for those of at most so many bytes.
func fullForLog(disk *diotest.FS, bytes int64) {
	disk.Before(func(e diotest.Event) error {
		if e.Call == "allocate" && strings.HasSuffix(e.Name, ".log") && int64(e.Size) > bytes {
			return syscall.ENOSPC
		}
		return nil
	})
}

// TestSearchLeavesRoom: the room that a snapshot has for itself is not the log's when
// values are looked for.
func TestSearchLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncNo)
		c.SegmentBytes = 4 << 20
		r := open(t, c)
		defer r.close()
		fullForLog(disk, 0)
		fillLog(t, r, 0)
		r.k.full.reserved.Store(true)
		disk.Before(nil)
		if err := r.k.onWriter(r.k.writeSeen); !errors.Is(err, ErrFull) || !r.k.full.held.Load() {
			t.Errorf("what waits was written: %v", err)
		}
		r.k.full.reserved.Store(false)
	})
}

// TestSnapshotOfDeadFlash: when many values cannot be read there is no snapshot, and a
// start that needs no tier has all.
func TestSnapshotOfDeadFlash(t *testing.T) {
	disk := diotest.New()
	r := openTierRig(t, disk, ModeLog)
	r.fill(0, lostMax+1, 600)
	want := r.whole()
	for ref := range r.tier.values {
		r.tier.broken[ref] = true
	}
	if err := r.k.Snapshot(); !errors.Is(err, errLostMany) || !errors.Is(err, errRead) {
		t.Errorf("a snapshot of what cannot be read: %v", err)
	}
	r.close()
	again := openRoomy(t, disk)
	defer again.close()
	if got := again.contents(); !maps.Equal(got, want) {
		t.Errorf("%d items, want %d, or others", len(got), len(want))
	}
}

// TestSnapshotModeOfUnreadable: without a log the value of before is taken if it is the
// item's, and what is nowhere is named.
func TestSnapshotModeOfUnreadable(t *testing.T) {
	disk := diotest.New()
	r := openTierRig(t, disk, ModeSnapshot)
	r.fill(0, 20, 2000)
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	r.fill(10, 20, 2000) // as long as before, and others
	r.breaks("1", "11")
	want := r.whole()
	delete(want, "11")
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if !r.told("1 values back, the first") || !r.told("does not have") {
		t.Errorf("notes %v", r.notes)
	}
	r.close()
	again := openRoomy(t, disk)
	defer again.close()
	if got := again.contents(); !maps.Equal(got, want) {
		t.Errorf("%d items, want %d", len(got), len(want))
	}
}

// TestSnapshotOfLost: there is no snapshot without a value that is in no file either.
func TestSnapshotOfLost(t *testing.T) {
	disk := diotest.New()
	r := openTierRig(t, disk, ModeLog)
	defer r.close()
	r.fill(0, 20, 2000)
	r.breaks("7", "8")
	infos, err := disk.List(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos { // the log's files get other names, for a while
		if name := info.Name(); strings.HasSuffix(name, ".log") {
			rename(t, disk, name, name+".hidden")
			defer rename(t, disk, name+".hidden", name)
		}
	}
	if err := r.k.Snapshot(); !errors.Is(err, errLost) {
		t.Errorf("a snapshot of what is lost: %v", err)
	}
}

func rename(t *testing.T, disk *diotest.FS, source, target string) {
	t.Helper()
	if err := disk.Rename(source, target); err != nil {
		t.Error(err)
	}
}

// TestSnapshotOfDropped: a value that the tier has dropped is as one that was evicted.
func TestSnapshotOfDropped(t *testing.T) {
	disk := diotest.New()
	r := openTierRig(t, disk, ModeLog)
	r.fill(0, 20, 2000)
	h := r.store.Handle(0)
	k := h.Key(0, []byte("7"))
	v, _ := h.OnTier(&k, testNowMS)
	delete(r.tier.values, v.Ref)
	want := r.whole()
	delete(want, "7")
	if err := r.k.Snapshot(); err != nil || len(r.notes) > 0 {
		t.Errorf("%v, notes %v", err, r.notes)
	}
	r.close()
	again := openRoomy(t, disk)
	defer again.close()
	if got := again.contents(); !maps.Equal(got, want) {
		t.Errorf("%d items, want %d", len(got), len(want))
	}
}

// TestLostValue: it is the last one up to the item's stamp, in whatever order they come.
func TestLostValue(t *testing.T) {
	records := []byte(nil)
	for _, seq := range []uint64{5, 3, 9, 7} { // effects of two loops
		r := effectlog.Record{Kind: effectlog.KindSet, Stamp: seq << slotBits, Key: []byte("k"), Value: fmt.Append(nil, seq)}
		records = effectlog.AppendRecord(records, &r)
		r.Stamp, r.DB = 8<<slotBits, 1 // another key
		records = effectlog.AppendRecord(records, &r)
	}
	for _, c := range []struct {
		seq   uint64
		exact bool
		want  string
		err   error
	}{{9, false, "9", errEnough}, {8, false, "7", nil}, {7, true, "7", errEnough}, {8, true, "", nil}, {2, false, "", nil}} {
		var l lostValues
		it := tiered{record: effectlog.Record{Stamp: c.seq << slotBits, Key: []byte("k")}}
		if err := l.add(&it, errRead); err != nil {
			t.Fatal(err)
		}
		l.left, l.exact = 1, c.exact
		err := l.look(records)
		if got := string(l.byKey[string(l.keyOf(0, []byte("k")))].value); got != c.want || err != c.err {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}
