package snapshot

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/invariant"
)

const crashFrames = 8 // of each snapshot in these tests

// session publishes snapshots up to number to, and says which was published last.
func session(disk dio.FS, from, to int) (published int, err error) {
	published = from - 1
	for seed := from; seed <= to && err == nil; seed++ {
		if err = write(disk, seed, crashFrames, Options{}); err == nil {
			published = seed
		}
	}
	return published, err
}

// The writer dies at each of its calls, and the machine with it, tearing what was not
// synced in each way. The newest snapshot is the last that was published, or the one
// that was about to be; all that have a name are whole; and the next can be written.
func TestCrash(t *testing.T) {
	stride := 1
	if testing.Short() || invariant.On {
		stride = 7
	}
	whole := diotest.New()
	if _, err := session(whole, 1, 4); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls", whole.Calls())
	for n := 1; n <= whole.Calls(); n += stride {
		disk := diotest.New()
		disk.StopAt(n)
		published, err := session(disk, 1, 4)
		if !errors.Is(err, diotest.ErrStopped) {
			t.Fatalf("stopped at %d: %v", n, err)
		}
		for _, tear := range diotest.Tears(uint64(n)) {
			if err := recovers(disk.Crash(tear), published, published+1); err != nil {
				t.Fatalf("stopped at call %d, %s: %v", n, tear.Name, err)
			}
		}
	}
}

// recovers checks what is there, and goes on: the newest is to be number low or high.
func recovers(disk dio.FS, low, high int) error {
	name, h, found, err := Newest(disk, ".")
	if err != nil {
		return err
	}
	last := int(h.Begin) / 100
	if last < low || last > high || found != (last > 0) {
		return fmt.Errorf("%s is the newest, and number %d was published", name, low)
	}
	if err := sameNames(disk, last); err != nil {
		return err
	}
	if _, err := session(disk, last+1, last+1); err != nil {
		return err
	}
	if err := sameNames(disk, last+1); err != nil {
		return err
	}
	infos, err := disk.List(".")
	if err == nil && len(infos) != min(2, last+1) {
		err = fmt.Errorf("%d files are there", len(infos))
	}
	return err
}

// sameNames checks that all published snapshots are whole, to the last.
func sameNames(disk dio.FS, last int) error {
	serials, err := published(disk, ".")
	if err != nil {
		return err
	}
	for i, serial := range serials {
		seed := last - (len(serials) - 1 - i)
		if err := sameAs(disk, fileName(serial), seed, crashFrames, ReadOptions{}); err != nil {
			return fmt.Errorf("%s: %w", fileName(serial), err)
		}
	}
	return nil
}

// Each call fails, once. What was published before is as it was, the room is given
// back, and a crash then finds nothing else.
func TestEachCallFails(t *testing.T) {
	whole := diotest.New()
	must(t, second(session(whole, 1, 2)))
	before := whole.Calls()
	must(t, second(session(whole, 3, 3)))
	calls := whole.Calls() - before
	stride := 1
	if invariant.On {
		stride = 4
	}
	for n := 1; n <= calls; n += stride {
		disk := diotest.New()
		must(t, second(session(disk, 1, 2)))
		count := 0
		call := ""
		disk.Before(func(e diotest.Event) error {
			if count++; count == n {
				call = e.Call + " " + e.Name
				return syscall.EIO
			}
			return nil
		})
		err := write(disk, 3, crashFrames, Options{})
		disk.Before(nil)
		last := 2
		if err == nil || errors.Is(err, ErrNotRemoved) {
			last = 3 // a close or a comparison that failed does no harm
		}
		if err != nil && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: %v", call, err)
		}
		if name, _ := newest(t, disk); name != fileName(uint64(last)) {
			t.Errorf("%s fails: %v, and the newest is %s", call, err, name)
		}
		if err := errors.Join(sameNames(disk, last), noLeftovers(disk)); err != nil {
			t.Errorf("%s fails: %v", call, err)
		}
		for _, tear := range diotest.Tears(uint64(n)) {
			// The name's sync may have failed after it was done.
			if err := recovers(disk.Crash(tear), last, 3); err != nil {
				t.Errorf("%s fails, %s: %v", call, tear.Name, err)
			}
		}
	}
	t.Logf("%d calls", calls)
}

func noLeftovers(disk dio.FS) error {
	infos, err := disk.List(".")
	for _, info := range infos {
		if strings.HasSuffix(info.Name(), suffixTemp) {
			err = fmt.Errorf("%s is left", info.Name())
		}
	}
	return err
}

// A disk that is full at any size ends the snapshot, and has its room again.
func TestFullDisk(t *testing.T) {
	disk := diotest.New()
	must(t, second(session(disk, 1, 2)))
	need := readSize(t, disk, fileName(2))
	must(t, disk.Remove(fileName(2)))
	used := readSize(t, disk, fileName(1))
	for more := int64(0); more < need-1; more += 2 * dio.BlockSize {
		disk.SetSpace(used + more + 1)
		if err := write(disk, 2, crashFrames, Options{}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with %d bytes: %v", more, err)
		}
		if free, _, err := disk.Space(); free != more+1 || err != nil {
			t.Fatalf("%d of %d bytes are free", free, more+1)
		}
		must(t, sameNames(disk, 1))
	}
	disk.SetSpace(used + need)
	must(t, write(disk, 2, crashFrames, Options{}))
	must(t, sameNames(disk, 2))
}

// The room is given back when the write fails, before anybody calls.
func TestFullDiskAtOnce(t *testing.T) {
	disk := diotest.New()
	removed := make(chan string, 1)
	disk.Before(func(e diotest.Event) error {
		if e.Call == "remove" {
			removed <- e.Name
		}
		return nil
	})
	w, err := Create(disk, ".", Options{})
	must(t, err)
	disk.SetSpace(dio.BlockSize)
	must(t, w.Append(records(1, 0, 10), 10))
	w.endFrame()
	w.handOver()
	if name := <-removed; name != tempName(1) {
		t.Errorf("%s was removed", name)
	}
	for err = nil; err == nil; { // until the writer's goroutine has told
		err = w.Append(records(1, 0, 10), 10)
	}
	wantIs(t, err, ErrFailed)
	wantIs(t, err, syscall.ENOSPC)
	wantIs(t, w.Finish(1, sequences(1)), ErrFailed)
	wantIs(t, w.Publish(), ErrFailed)
	must(t, w.Abandon())
	wantNames(t, disk)
}

// What could not be removed is so later.
func TestAbandonAgain(t *testing.T) {
	disk := diotest.New()
	w, err := Create(disk, ".", Options{})
	must(t, err)
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" || e.Call == "remove" {
			return syscall.EIO
		}
		return nil
	})
	must(t, w.Append(records(1, 0, 10), 10))
	wantIs(t, w.Finish(1, sequences(1)), syscall.EIO)
	wantIs(t, w.Abandon(), syscall.EIO)
	disk.Before(nil)
	must(t, w.Abandon())
	wantNames(t, disk)
	next, err := Create(disk, ".", Options{})
	must(t, err)
	must(t, w.Abandon()) // has nothing there any more
	wantNames(t, disk, tempName(1))
	must(t, next.Abandon())
}

// cached is a file system without direct I/O.
type cached struct {
	dio.FS
	syncs atomic.Int32
}

type cachedFile struct {
	dio.File
	fs *cached
}

func (c *cached) Open(name string, mode dio.Mode) (dio.File, error) {
	f, err := c.FS.Open(name, mode)
	return &cachedFile{f, c}, err
}

func (f *cachedFile) Direct() bool { return false }

func (f *cachedFile) Sync() error {
	f.fs.syncs.Add(1)
	return f.File.Sync()
}

// Where the page cache is in between, it is synced on the way; and a failure of that
// ends the snapshot.
func TestSyncsOnTheWay(t *testing.T) {
	disk := &cached{FS: diotest.New()}
	w, err := Create(disk, ".", Options{})
	must(t, err)
	large := make([]byte, 3*syncBytes)
	must(t, w.Append(large, 1)) // no record, which nobody reads
	must(t, w.Finish(1, sequences(1)))
	if syncs := disk.syncs.Load(); syncs != 4 {
		t.Errorf("%d syncs", syncs)
	}
	must(t, w.Publish())
	w, err = Create(disk, ".", Options{})
	must(t, err)
	disk.FS.(*diotest.FS).Before(func(e diotest.Event) error {
		if e.Call == "sync" {
			return syscall.EIO
		}
		return nil
	})
	for err = nil; err == nil; {
		err = w.Append(large, 1)
	}
	wantIs(t, err, syscall.EIO)
	must(t, w.Abandon())
	wantNames(t, disk, fileName(1))
}
