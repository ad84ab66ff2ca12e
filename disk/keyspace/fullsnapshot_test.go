package keyspace

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/invariant"
	"github.com/pandabeardb/panda/slab"
)

// fillLog sets the same keys again and again until the disk is full, and returns what was
// there when the last reply came.
func fillLog(t *testing.T, r *rig, space int64) (acked map[string]string) {
	t.Helper()
	for i := 0; !r.k.full.held.Load(); i++ {
		if i == 10_000 {
			t.Fatalf("%d bytes of a disk are not full", space)
		}
		acked = r.tokens()
		r.set(i&1, fmt.Sprint(i%20), []byte(strings.Repeat("v", 60_000+i%13)), slab.Spec{})
		r.k.Loop(i & 1).EndTurn()
		pass(25 * time.Millisecond)
	}
	return acked
}

// snapshotsOf20 leaves two snapshots of the keys that fillLog sets.
func snapshotsOf20(t *testing.T, r *rig) {
	t.Helper()
	for i := range 20 {
		r.set(0, fmt.Sprint(i), make([]byte, 60_000), slab.Spec{})
	}
	for range 3 {
		if err := r.k.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSnapshotMakesRoom: on a disk that is full, a snapshot that fits, beside the newest
// one, takes the place of the log, whenever the machine stops meanwhile.
func TestSnapshotMakesRoom(t *testing.T) {
	for _, fsync := range []Fsync{FsyncAlways, FsyncNo} {
		t.Run(fmt.Sprint(fsync), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testSnapshotMakesRoom(t, fsync) }) })
	}
}

func testSnapshotMakesRoom(t *testing.T, fsync Fsync) {
	const space = 9 << 20
	disk := diotest.New()
	told := &notes{}
	c := testConfig(disk, ModeLog, fsync)
	c.SegmentBytes, c.Note = 4<<20, told.add
	r := open(t, c)
	snapshotsOf20(t, r)
	disk.SetSpace(space)
	acked := fillLog(t, r, space)
	if used(t, disk) < space/2 {
		t.Fatalf("%d bytes are used", used(t, disk))
	}
	every := 4
	if invariant.On { // the race detector makes it long
		every = 32
	}
	var mu sync.Mutex // calls come from several goroutines
	calls := 0
	disk.Before(func(e diotest.Event) error {
		mu.Lock()
		defer mu.Unlock()
		for i, tear := range diotest.Tears(uint64(calls)) {
			if (calls+i)%every != 0 {
				continue
			}
			after := c
			after.Disk, after.Note = disk.Crash(tear), nil
			if got := tokensOf(t, after); fsync == FsyncAlways && !hasAll(got, acked) || len(got) < 2 {
				t.Errorf("call %d (%s %s), tear %q: %d of %d keys", calls, e.Call, e.Name, tear.Name, len(got), len(acked))
			}
		}
		calls++
		return nil
	})
	want := r.tokens()
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	disk.Before(nil)
	pass(2 * retryEvery)
	const atMost = 4<<20 + 4<<20 // two snapshots, a segment that is made ahead, and a small one
	if s := r.k.Stats(); s.DiskFull || s.Segments != 1 || used(t, disk) > atMost || calls < 10 {
		t.Errorf("%d bytes are used, %d calls, %+v", used(t, disk), calls, s)
	}
	if _, full := r.k.Loop(0).Full(); full {
		t.Error("changes wait")
	}
	sameContents(t, tokensOf(t, Config{Disk: disk.Crash(diotest.Tears(1)[0]), Mode: c.Mode, Fsync: fsync, Loops: 2, SegmentBytes: c.SegmentBytes, SnapshotBytes: -1, NowMS: c.NowMS}), want)
	checkNotes(t, told.take(), "there is room on the disk again")
	r.set(0, "more", []byte("x"), slab.Spec{})
	want = r.tokens()
	r.close()
	sameContents(t, tokensOf(t, c), want)
}

// tokens are those of all that is in the store: no two sets have the same.
func (r *rig) tokens() map[string]string {
	all := map[string]string{}
	var c slab.Cursor
	for !r.store.Handle(0).Walk(&c, testNowMS, 1<<20, func(it slab.Item) bool {
		all[string(it.Key())] = fmt.Sprint(it.CAS(), it.ValueLen())
		return true
	}) {
	}
	return all
}

// tokensOf is what a start finds.
func tokensOf(t *testing.T, c Config) map[string]string {
	t.Helper()
	if disk, ok := c.Disk.(*diotest.FS); ok {
		disk.SetSpace(0)
	}
	r, err := tryOpen(t, c)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer r.close()
	return r.tokens()
}

// hasAll reports whether got has every key of want, as it is or as a later request,
// which was on its way, made it.
func hasAll(got, want map[string]string) bool {
	others := 0
	for key, state := range want {
		if got[key] != state {
			others++
		}
	}
	return others <= 1
}

// TestSnapshotWithoutRoom: one that does not fit is none, changes go on waiting, and
// once there is room nothing is lost.
func TestSnapshotWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncAlways)
		r := open(t, c)
		space := used(t, disk) + 1000
		disk.SetSpace(space)
		fillLog(t, r, space)
		want := r.tokens()
		if err := r.k.Snapshot(); !errors.Is(err, ErrFull) {
			t.Errorf("a snapshot: %v", err)
		}
		if s := r.k.Stats(); !s.DiskFull || r.k.full.reserved.Load() || s.Snapshot.Failures != 1 {
			t.Errorf("%+v", s)
		}
		disk.SetSpace(0)
		r.k.full.reserved.Store(true) // as a snapshot does
		pass(2 * retryEvery)
		if s := r.k.Stats(); !s.DiskFull {
			t.Error("the log took what is reserved")
		}
		r.k.full.reserved.Store(false)
		pass(retryEvery + 2*writeEvery)
		if s := r.k.Stats(); s.DiskFull {
			t.Errorf("%+v", s)
		}
		r.close()
		sameContents(t, tokensOf(t, c), want)
	})
}

// TestFullDiskHelpsItself: a snapshot that will fit, and be shorter than the log, is taken
// without being asked for.
func TestFullDiskHelpsItself(t *testing.T) {
	for _, never := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const space = 9 << 20
			disk := diotest.New()
			c := testConfig(disk, ModeLog, FsyncEverySecond)
			c.SegmentBytes = 4 << 20
			if !never {
				c.SnapshotBytes = 1 << 40
			}
			r := open(t, c)
			snapshotsOf20(t, r)
			disk.SetSpace(space)
			fillLog(t, r, space)
			pass(2 * sayFullEvery)
			if s := r.k.Stats(); s.DiskFull != never || s.Snapshot.Taken != map[bool]int64{false: 4, true: 3}[never] {
				t.Errorf("never: %v: %+v", never, s)
			}
			want := r.tokens()
			disk.SetSpace(0)
			pass(2 * retryEvery)
			r.close()
			sameContents(t, tokensOf(t, c), want)
		})
	}
}

// TestCloseWithLittleRoom: the end writes what waits for room for a whole segment into a
// small one, and takes the room of the snapshot before the newest if it must.
func TestCloseWithLittleRoom(t *testing.T) {
	for _, free := range []int64{2 * 64 << 10, 0} {
		synctest.Test(t, func(t *testing.T) {
			disk := diotest.New()
			c := testConfig(disk, ModeLog, FsyncEverySecond)
			c.SegmentBytes = 4 << 20
			r := open(t, c)
			snapshotsOf20(t, r)
			disk.SetSpace(used(t, disk) + free)
			fillLog(t, r, free)
			disk.SetSpace(used(t, disk) + free)
			r.set(0, "behind", []byte("x"), slab.Spec{})
			want := r.tokens()
			r.close()
			sameContents(t, tokensOf(t, c), want)
		})
	}
}

// TestSnapshotMakesRoomForLargeEpoch: what waits may be larger than the segment that was begun
// for it; that becomes longer before the snapshot takes the disk's room.
func TestSnapshotMakesRoomForLargeEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncAlways)
		r := open(t, c)
		largeAndSmallSnapshot(t, r)
		err := r.k.onWriter(func() error {
			disk.SetSpace(used(t, disk) + c.SegmentBytes + 1000) // for one more segment, which begins
			for i := range 8 {
				r.set(0, fmt.Sprint(i), []byte(strings.Repeat("w", 60_000)), slab.Spec{})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		pass(retryEvery)
		if !r.k.full.held.Load() {
			t.Fatal("the disk is not full")
		}
		disk.SetSpace(used(t, disk) + 2*c.SegmentBytes)
		if err := r.k.Snapshot(); err != nil {
			t.Error(err)
		}
		pass(2 * retryEvery)
		if s := r.k.Stats(); s.DiskFull {
			t.Errorf("%+v", s)
		}
		want := r.tokens()
		sameContents(t, tokensOf(t, Config{Disk: disk.Crash(diotest.Tears(1)[0]), Mode: c.Mode, Fsync: c.Fsync, Loops: 2, SegmentBytes: c.SegmentBytes, SnapshotBytes: -1, NowMS: c.NowMS}), want)
		disk.SetSpace(0)
		r.close()
	})
}

// largeAndSmallSnapshot leaves a snapshot of 30 keys, and a newer one of 20 of them.
func largeAndSmallSnapshot(t *testing.T, r *rig) {
	t.Helper()
	for i := range 30 {
		r.set(0, fmt.Sprint(i), make([]byte, 60_000), slab.Spec{})
	}
	for range 2 {
		if err := r.k.Snapshot(); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			r.remove(0, fmt.Sprint(20+i))
		}
	}
}

// TestSnapshotOfAStop: where there is no log, a stop has the room of the snapshot before the
// newest, too.
func TestSnapshotOfAStop(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeSnapshot, FsyncNo)
	r := open(t, c)
	largeAndSmallSnapshot(t, r)
	r.set(0, "later", []byte("x"), slab.Spec{})
	disk.SetSpace(used(t, disk) + 1000)
	want := r.tokens()
	r.close()
	sameContents(t, tokensOf(t, c), want)
}
