package keyspace

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/slab"
)

// gate is a hook of a disk that has calls of one kind wait.
type gate struct {
	disk    *diotest.FS
	reached chan string   // one for each call that waits
	open    chan struct{} // lets one go
}

// gateAt has calls of a kind wait from now on, until the gate is ended.
func gateAt(disk *diotest.FS, call string) *gate {
	g := &gate{disk, make(chan string), make(chan struct{})}
	disk.Before(func(e diotest.Event) error {
		if e.Call == call {
			select {
			case g.reached <- e.Name:
				<-g.open
			case <-g.open: // ended
			}
		}
		return nil
	})
	return g
}

func (g *gate) end() {
	g.disk.Before(nil)
	close(g.open)
}

// TestStats: what is not durable shows while it is not, and what was done is counted.
func TestStats(t *testing.T) {
	disk := diotest.New()
	r := open(t, testConfig(disk, ModeLog, FsyncAlways))
	defer r.close()
	r.set(0, "before", []byte("value"), slab.Spec{})
	r.wait(0)
	published := func() { r.k.onWriter(func() error { return nil }) }
	published()
	before := r.k.Stats()
	if before.UndurableFor != 0 || before.PendingBytes != 0 || before.Syncs.Counts == (Histogram{}).Counts || before.LogBytes == 0 ||
		before.Segments == 0 || before.SegmentBytes == 0 {
		t.Errorf("%+v", before)
	}

	g := gateAt(disk, "sync")
	r.set(0, "key", bytes.Repeat([]byte("v"), 1000), slab.Spec{})
	waits := r.k.Loop(0).EndTurn()
	r.k.Loop(0).EndBatch()
	<-g.reached
	during := r.k.Stats()
	if during.UndurableFor <= 0 || during.PendingBytes < 1000 || during.UndurableEpochs != waits-r.k.Released().Load() {
		t.Errorf("while it is synced: %+v", during)
	}
	g.end()
	for r.k.Released().Load() < waits {
	}
	published()
	after := r.k.Stats()
	if after.UndurableFor != 0 || after.PendingBytes != 0 || after.UndurableEpochs != 0 || after.UndurableBytes != 0 {
		t.Errorf("afterwards: %+v", after)
	}
	count := func(h Histogram) (n int64) {
		for _, c := range h.Counts {
			n += c
		}
		return n
	}
	if count(after.Syncs) != count(before.Syncs)+1 || count(after.Waits) != count(before.Waits)+1 {
		t.Errorf("%d syncs and %d waits, then %d and %d", count(before.Syncs), count(before.Waits), count(after.Syncs), count(after.Waits))
	}
}

// TestNothingStaysInTheProcess: what was written outlives a process that is killed,
// whatever fsync says, though no crash of the machine.
func TestNothingStaysInTheProcess(t *testing.T) {
	for _, fsync := range []Fsync{FsyncEverySecond, FsyncNo} {
		disk := diotest.New()
		c := testConfig(disk, ModeLog, fsync)
		r := open(t, c)
		r.set(0, "key", []byte("value"), slab.Spec{})
		if err := r.k.onWriter(r.k.write); err != nil {
			t.Fatal(err)
		}
		want := r.contents()
		c.Disk = disk.Crash(kept())
		again := open(t, c)
		sameContents(t, again.contents(), want)
		again.close()
		r.close()
	}
}

// kept is the tear of a process that dies alone.
func kept() diotest.Tear {
	return diotest.Tear{Name: "kept", Sector: 512, Keep: func(int, int, int) bool { return true }, Sizes: true, Names: 1}
}

// TestHistogramBounds: each duration is below its bucket's bound, and not below the
// one before.
func TestHistogramBounds(t *testing.T) {
	for _, d := range []time.Duration{0, 1, time.Microsecond, 999 * time.Microsecond, time.Second, time.Hour} {
		var h histogram
		h.note(d)
		r := h.read()
		for i, n := range r.Counts {
			if n == 0 {
				continue
			}
			if bound := r.Bound(i); bound != 0 && d >= bound || i > 0 && d < r.Bound(i-1) {
				t.Errorf("%s is in bucket %d, which ends at %s", d, i, r.Bound(i))
			}
		}
	}
}

// TestStartSnapshot: one at a time; what it did shows, also after a restart.
func TestStartSnapshot(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncEverySecond)
	r := open(t, c)
	for _, key := range []string{"a", "b", "c"} {
		r.set(0, key, []byte("value"), slab.Spec{})
	}
	if s := r.k.Stats().Snapshot; s.Running || !s.At.IsZero() {
		t.Errorf("before: %+v", s)
	}
	g := gateAt(disk, "rename")
	answer, err := r.k.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	<-g.reached
	if s := r.k.Stats().Snapshot; !s.Running || s.Done != 3 || s.Of != 3 {
		t.Errorf("meanwhile: %+v", s)
	}
	if _, err := r.k.StartSnapshot(); !errors.Is(err, ErrBusy) {
		t.Errorf("another one: %v", err)
	}
	g.end()
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	taken := r.k.Stats().Snapshot
	if taken.Running || taken.Taken != 1 || taken.Items != 3 || taken.Bytes == 0 || taken.At.IsZero() {
		t.Errorf("afterwards: %+v", taken)
	}
	disk.Before(func(e diotest.Event) error {
		if e.Call == "rename" {
			return dio.ErrSyncFailed
		}
		return nil
	})
	if err := r.k.Snapshot(); !errors.Is(err, dio.ErrSyncFailed) {
		t.Error(err)
	}
	disk.Before(nil)
	if s := r.k.Stats().Snapshot; s.Running || s.Failures != 1 || s.Taken != 1 {
		t.Errorf("after one that failed: %+v", s)
	}
	r.close()
	if _, err := r.k.StartSnapshot(); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed one: %v", err)
	}
	again := open(t, c)
	defer again.close()
	if s := again.k.Stats().Snapshot; s.At.UnixMilli() != testNowMS || s.Items != 3 || s.Bytes == 0 {
		t.Errorf("after a restart: %+v", s)
	}
}

// TestStatsOfHeld: a store that was saved goes on with the figures of the newest snapshot,
// and a snapshot is due when the log is long, whichever process wrote it.
func TestStatsOfHeld(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncNo)
	c.SnapshotBytes = 20_000
	r := open(t, c)
	r.set(0, "key", []byte("value"), slab.Spec{})
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r.set(0, "key", make([]byte, 10_000), slab.Spec{})
		r.wait(0)
		if err := r.k.Close(); err != nil {
			t.Fatal(err)
		}
		again := c
		again.Held = r.k.Mark()
		k, err := Open(again, r.store)
		if err != nil {
			t.Fatal(err)
		}
		r.k = k
		s := k.Stats().Snapshot
		if s.Items != 1 || s.Bytes == 0 || s.At.UnixMilli() != testNowMS {
			t.Errorf("%+v", s)
		}
		k.snapshots.mu.Lock()
		k.snapshots.bytes = 0
		k.snapshots.mu.Unlock()
		if due := k.snapshotDue(); due != (i >= 1) {
			t.Errorf("behind %d sets: due %v, %d bytes", i+1, due, k.logWritten.Load())
		}
	}
	r.close()
}
