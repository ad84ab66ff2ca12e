package keyspace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/slab"
)

// logFiles are the names of the log's files.
func logFiles(t *testing.T, disk *diotest.FS) (names []string) {
	t.Helper()
	infos, err := disk.List(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if strings.HasSuffix(info.Name(), ".log") {
			names = append(names, info.Name())
		}
	}
	return names
}

// TestMissingLastSegment: a log whose last files are gone is named as damaged, also one
// that the process was killed with, a while after the last segment was begun.
func TestMissingLastSegment(t *testing.T) {
	for _, fsync := range []Fsync{FsyncAlways, FsyncEverySecond} {
		for _, closed := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				disk := diotest.New()
				c := testConfig(disk, ModeLog, fsync)
				r := open(t, c)
				for i := range 100 {
					r.set(0, fmt.Sprint(i), make([]byte, 2000), slab.Spec{})
					pass(writeEvery)
				}
				pass(3 * watchEvery)
				if closed {
					r.close()
				} else {
					disk = disk.Crash(kept())
					defer r.close()
				}
				names := logFiles(t, disk)
				if len(names) < 4 {
					t.Fatalf("files %v", names)
				}
				testMissing(t, c, disk, names)
			})
		}
	}
}

// TestMissingWithinASnapshot: also one that the process was killed with while a snapshot
// waited for the disk, however long.
func TestMissingWithinASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncAlways)
		r := open(t, c)
		goOn := stallSnapshots(disk)
		if _, err := r.k.StartSnapshot(); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			r.set(0, fmt.Sprint(i), make([]byte, 2000), slab.Spec{})
			pass(writeEvery)
		}
		pass(3 * watchEvery)
		crashed := disk.Crash(kept())
		if names := logFiles(t, crashed); len(names) < 4 {
			t.Errorf("files %v", names)
		} else {
			testMissing(t, c, crashed, names)
		}
		goOn()
		r.close()
	})
}

// TestMissingNewestSnapshot: where there is no log, the folder's file says which snapshot there
// must be, a second after it was taken, or behind a stop.
func TestMissingNewestSnapshot(t *testing.T) {
	for _, closed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			disk := diotest.New()
			c := testConfig(disk, ModeSnapshot, FsyncNo)
			r := open(t, c)
			for i := range 3 {
				r.set(0, fmt.Sprint(i), []byte("x"), slab.Spec{})
				if i == 2 && closed {
					r.close()
				} else if err := r.k.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			pass(2 * watchEvery)
			if !closed {
				disk = disk.Crash(diotest.Tears(1)[0])
				defer r.close()
			}
			testMissingNewest(t, c, disk)
		})
	}
}

func testMissingNewest(t *testing.T, c Config, disk *diotest.FS) {
	c.Disk = disk
	r := open(t, c)
	if n := len(r.contents()); n != 3 {
		t.Errorf("%d of 3 keys", n)
	}
	r.close()
	if err := disk.Remove("0000000000000003.snapshot"); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{ModeSnapshot, ModeLog} {
		c.Mode = mode
		if _, err := tryOpen(t, c); !errors.Is(err, ErrSnapshot) || !IsDamage(err) {
			t.Errorf("without the newest, mode %d: %v", mode, err)
		}
	}
	c.Mode = ModeSnapshot
	told := 0
	c.Salvage = func(error) { told++ }
	r = open(t, c)
	if n := len(r.contents()); n != 2 || told != 1 {
		t.Errorf("%d of 2 keys, told %d times", n, told)
	}
	r.close()
	c.Salvage = nil
	open(t, c).close() // it is as it is now
}

// stallSnapshots has writes of snapshots wait until goOn is called.
func stallSnapshots(disk *diotest.FS) (goOn func()) {
	open := make(chan struct{})
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" && strings.Contains(e.Name, ".snapshot") {
			<-open
		}
		return nil
	})
	return func() { close(open) }
}

func testMissing(t *testing.T, c Config, disk *diotest.FS, names []string) {
	for gone := range names {
		c.Disk = disk.Crash(kept())
		for _, name := range names[len(names)-1-gone:] { // the newest may be one that is only made ahead
			if err := c.Disk.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		r, err := tryOpen(t, c)
		switch {
		case err == nil:
			if n := len(r.contents()); gone > 0 || n < 100 {
				t.Errorf("without %d files: %d of 100 keys, and no error", gone+1, n)
			}
			r.close()
			continue
		case !IsDamage(err) || !strings.Contains(err.Error(), ".log"):
			t.Errorf("without %d files: %v", gone+1, err)
		}
		told := 0
		c.Salvage = func(error) { told++ }
		open(t, c).close()
		c.Salvage = nil
		if told != 1 {
			t.Errorf("without %d files: told of %d damages", gone+1, told)
		}
		open(t, c).close() // it is as it is now
	}
}

// TestNoSegmentIsMissing: that the log is not there, since there is none in this mode, is
// no damage; nor is what a stop at any call leaves of the log's last removal.
func TestNoSegmentIsMissing(t *testing.T) {
	disk := diotest.New()
	log, snapshots := testConfig(disk, ModeLog, FsyncNo), testConfig(disk, ModeSnapshot, FsyncNo)
	r := open(t, log)
	r.fill(1, 300)
	want := r.contents()
	r.close()
	r = open(t, snapshots)
	r.remove(0, slices.Sorted(maps.Keys(want))[0])
	disk.Before(func(e diotest.Event) error {
		after := log
		for _, tear := range diotest.Tears(1)[:3] {
			after.Disk = disk.Crash(tear)
			open(t, after).close()
		}
		return nil
	})
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	disk.Before(nil)
	if names := logFiles(t, disk); len(names) > 0 {
		t.Errorf("the log is there: %v", names)
	}
	want = r.contents()
	r.close()
	for _, c := range []Config{log, snapshots, log} {
		r = open(t, c)
		sameContents(t, r.contents(), want)
		r.close()
	}
}
