package keyspace

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/snapshot"
	"github.com/pandabeardb/panda/internal/invariant"
	"github.com/pandabeardb/panda/slab"
)

// fullStop is a keyspace that was closed while the disk was full: the store has more than
// the folder.
func fullStop(t *testing.T, c Config) *rig {
	t.Helper()
	disk := c.Disk.(*diotest.FS)
	r := open(t, c)
	disk.SetSpace(used(t, disk) + 1000)
	for i := 0; !r.k.full.held.Load() && i < 1000; i++ {
		r.set(i&1, fmt.Sprintf("key-%d", i), make([]byte, 1000), slab.Spec{})
		r.k.Loop(i & 1).EndTurn()
		pass(25 * time.Millisecond)
	}
	if err := r.k.Close(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	return r
}

// crashedHas reports what a machine that stops now leaves.
func crashedHas(t *testing.T, c Config, want map[string]string) {
	t.Helper()
	c.Disk, c.Held = c.Disk.(*diotest.FS).Crash(diotest.Tears(1)[0]), ""
	after := open(t, c)
	sameContents(t, after.contents(), want)
	after.close()
}

// TestHeldAfterAFullStop: what a stop on a full disk could not write, and memory has, is in
// the folder before anything comes behind it.
func TestHeldAfterAFullStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncEverySecond)
		r := fullStop(t, c)
		disk.SetSpace(0)
		c.Held = r.k.Mark()
		r.reopen(c)
		r.set(0, "later", []byte("value"), slab.Spec{})
		want := r.contents()
		pass(3 * time.Second) // virtual
		crashedHas(t, c, want)
		r.close()
	})
}

// reopen goes on with the same store.
func (r *rig) reopen(c Config) {
	r.t.Helper()
	k, err := Open(c, r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	r.k = k
}

// TestHeldRefusedStart: a start that is refused since the disk is still full leaves the
// folder as one to which the store fits that was saved; a later one keeps what it has.
func TestHeldRefusedStart(t *testing.T) {
	for _, room := range []int64{0, 64 << 10, 80 << 10} { // for a segment or not, and never for a snapshot
		synctest.Test(t, func(t *testing.T) {
			disk := diotest.New()
			c := testConfig(disk, ModeLog, FsyncEverySecond)
			r := fullStop(t, c)
			want := r.contents()
			c.Held = r.k.Mark()
			for range 2 {
				disk.SetSpace(used(t, disk) + room + 200) // and for the folder's file
				if _, err := Open(c, r.store); !errors.Is(err, ErrFull) && !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("%d bytes of room: %v", room, err)
				}
			}
			disk.SetSpace(0)
			r.reopen(c)
			sameContents(t, r.contents(), want)
			crashedHas(t, c, want)
			r.close()
		})
	}
}

// TestHeldStartFails: whatever call of a start finds no room, or fails, the next start has
// all: the store that was saved fits, or the folder has what it had.
func TestHeldStartFails(t *testing.T) {
	step := 4
	switch {
	case *everyCrash:
		step = 1
	case invariant.On: // the race detector makes it long
		step = 16
	}
	for _, mode := range []Mode{ModeLog, ModeSnapshot} {
		for i, cause := range []error{syscall.ENOSPC, syscall.EIO} {
			failed := true
			for n := 1 + 2*i; failed; n += step {
				synctest.Test(t, func(t *testing.T) { failed = testHeldStartFails(t, mode, n, cause) })
			}
		}
	}
}

// testHeldStartFails has call n of a start fail, and reports whether the start did.
func testHeldStartFails(t *testing.T, mode Mode, n int, cause error) (failed bool) {
	disk := diotest.New()
	c := testConfig(disk, mode, FsyncEverySecond)
	r := unkeptRig(t, c)
	want := r.contents()
	c.Held = r.k.Mark()
	var mu sync.Mutex // calls come from several goroutines
	calls, where := 0, ""
	disk.Before(func(e diotest.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls != n || e.Call == "lock" {
			return nil
		}
		where = e.Call + " " + e.Name
		return cause
	})
	k, err := Open(c, r.store)
	disk.Before(nil)
	mu.Lock()
	failed = calls >= n
	mu.Unlock()
	if err == nil { // the call was one that may fail
		r.k = k
		r.close()
		return failed
	}
	k, err = Open(c, r.store)
	if errors.Is(err, ErrHeld) {
		c.Held = ""
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
		r.store = newStore(t)
		k, err = Open(c, r.store)
	}
	if err != nil {
		t.Fatalf("call %d (%s): %v", n, where, err)
	}
	r.k = k
	if got := r.contents(); len(got) != len(want) {
		t.Errorf("mode %d, call %d (%s): %d of %d keys", mode, n, where, len(got), len(want))
	}
	r.set(0, "later", []byte("value"), slab.Spec{})
	want = r.contents()
	if err := r.k.Snapshot(); err != nil {
		t.Errorf("call %d (%s): %v", n, where, err)
	}
	crashedHas(t, c, want)
	r.close()
	return failed
}

// unkeptRig is a keyspace whose Close has failed, with more than the folder has.
func unkeptRig(t *testing.T, c Config) *rig {
	t.Helper()
	disk := c.Disk.(*diotest.FS)
	r := open(t, c)
	r.set(0, "kept", []byte("value"), slab.Spec{})
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	disk.SetSpace(used(t, disk) + 1000)
	for i := range 200 {
		r.set(i&1, fmt.Sprintf("key-%d", i), []byte(strings.Repeat("v", 1000)), slab.Spec{})
	}
	pass(25 * time.Millisecond)
	if err := r.k.Close(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	disk.SetSpace(0)
	return r
}

// TestHeldStartOnFullDisk: a start that has to take a snapshot has the room of the one before
// the newest, but not where the newest is damaged.
func TestHeldStartOnFullDisk(t *testing.T) {
	for _, mode := range []Mode{ModeLog, ModeSnapshot} {
		for _, damaged := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) { testHeldStartOnFullDisk(t, mode, damaged) })
		}
	}
}

func testHeldStartOnFullDisk(t *testing.T, mode Mode, damaged bool) {
	disk := diotest.New()
	c := testConfig(disk, mode, FsyncEverySecond)
	r := open(t, c)
	largeAndSmallSnapshot(t, r)
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" {
			return syscall.EIO // and the snapshot before the newest stays
		}
		return nil
	})
	r.set(0, "unkept", make([]byte, 70_000), slab.Spec{})
	if err := r.k.Close(); err == nil {
		t.Error("closed")
	}
	disk.Before(nil)
	want := r.contents()
	c.Held = r.k.Mark()
	if damaged {
		damageNewestSnapshot(t, disk)
		c.Salvage = func(error) {}
	}
	disk.SetSpace(used(t, disk) + 64<<10 + 1000) // for a segment, and the folder's file
	if damaged {
		if _, err := Open(c, r.store); !errors.Is(err, ErrFull) {
			t.Errorf("mode %d, damaged: %v", mode, err)
		}
		disk.SetSpace(0)
	}
	r.reopen(c)
	sameContents(t, r.contents(), want)
	crashedHas(t, c, want)
	disk.SetSpace(0)
	r.close()
}

func damageNewestSnapshot(t *testing.T, disk *diotest.FS) {
	t.Helper()
	name, _, _, err := snapshot.Newest(disk, ".")
	if err != nil {
		t.Fatal(err)
	}
	f, err := disk.Open(name, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("damage"), 100)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
}
