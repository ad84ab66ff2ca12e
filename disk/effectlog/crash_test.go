package effectlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/invariant"
)

const crashEpochs = 40 // with rotations

// promised is what a session was told.
type promised struct {
	durable   Epoch
	forgotten Epoch // a snapshot has it
}

// A session writes, syncs now and then, forgets, and closes.
func session(disk *diotest.FS, tail *Tail, every int, options Options) (p promised, err error) {
	p.durable = tail.Epoch
	w, err := NewWriter(disk, ".", tail, options)
	if err != nil {
		return p, err
	}
	for epoch := tail.Epoch + 1; err == nil && epoch <= tail.Epoch+crashEpochs; epoch++ {
		err = w.Write(epoch, chunksOf(epoch))
		if err == nil && int(epoch)%every == 0 {
			err = w.Sync()
		}
		if err == nil && int(epoch)%every == 3 {
			err = w.Flush()
		}
		p.durable = w.Durable()
		if err == nil && int(epoch)%every == 0 && epoch%3 > 0 {
			err = w.Note()
		}
		if err == nil && epoch%8 == 0 {
			p.forgotten = p.durable / 2
			err = w.Forget(p.forgotten)
		}
	}
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		p.durable = w.Durable()
	}
	return p, err
}

// The writer dies at each of its calls, and the machine with it, tearing what was not
// synced in each way. All that was durable is there, as whole epochs; the log goes on
// behind it; and a second death while it is mended changes nothing.
func TestCrash(t *testing.T) {
	stride := 1
	if testing.Short() || invariant.On {
		stride = 7 // the race detector makes it 100 s, and there is one goroutine
	}
	overwrite, beside, large := small, small, small
	large.SegmentBytes *= 24 // than which the disk is smaller
	overwrite.Overwrite = true
	beside.inline = false // calls are in no certain order
	for name, kind := range map[string]struct {
		every, stride int
		options       Options
		space         int64 // of the disk; 0: without end
	}{
		"always": {1, 1, small, 0}, "now and then": {7, 2, small, 0},
		"overwriting": {2, 5, overwrite, 0}, "a goroutine": {1, 7, beside, 0},
		"a small disk": {1, 5, large, 16 * segmentBytesMin},
	} {
		t.Run(name, func(t *testing.T) { crashes(t, kind.every, kind.stride*stride, kind.options, kind.space) })
	}
}

func crashes(t *testing.T, every, stride int, options Options, space int64) {
	whole := diotest.New()
	whole.SetSpace(space)
	if _, err := session(whole, &Tail{}, every, options); err != nil {
		t.Fatal(err)
	}
	calls := whole.Calls()
	for n := 1; n <= calls; n += stride {
		disk := diotest.New()
		disk.SetSpace(space)
		disk.StopAt(n)
		p, err := session(disk, &Tail{}, every, options)
		if !errors.Is(err, diotest.ErrStopped) && (options.inline || err != nil) {
			t.Fatalf("stopped at %d of %d: %v", n, calls, err)
		}
		for _, tear := range diotest.Tears(uint64(n)) {
			if err := recovers(disk, tear, p, n%5 == 0); err != nil {
				t.Fatalf("synced every %d, stopped at call %d, %s: %v", every, n, tear.Name, err)
			}
		}
	}
}

// recovers crashes the disk, and mends and prolongs the log.
func recovers(disk *diotest.FS, tear diotest.Tear, p promised, twice bool) error {
	after := disk.Crash(tear)
	after.SetSpace(0)
	tail, last, err := readAll(after, ReadOptions{After: p.forgotten})
	if err != nil {
		return err
	}
	if last < lastOf(p.durable) {
		return fmt.Errorf("up to %d, although %d was durable", last, p.durable)
	}
	if twice {
		if err := recoversTwice(after, tear, tail, p.forgotten); err != nil {
			return err
		}
	}
	return prolongs(after, tail, p.forgotten)
}

// recoversTwice dies at each call of Repair and of the first epochs after it.
func recoversTwice(disk *diotest.FS, tear diotest.Tear, tail *Tail, forgotten Epoch) error {
	none := diotest.Tears(0)[2] // kept: a copy
	for n := 1; ; n++ {
		again := disk.Crash(none)
		again.StopAt(n)
		itsTail := *tail
		itsTail.segments, itsTail.blank = slices.Clone(tail.segments), slices.Clone(tail.blank)
		err := Repair(again, ".", &itsTail)
		if err == nil {
			var w *Writer
			if w, err = NewWriter(again, ".", &itsTail, small); err == nil {
				err = writeEpochs(w, itsTail.Epoch+1, itsTail.Epoch+2)
			}
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, diotest.ErrStopped) {
			return err
		}
		crashed := again.Crash(tear)
		found, last, err := readAll(crashed, ReadOptions{After: forgotten})
		if err != nil || last < tail.Epoch {
			return fmt.Errorf("after a second crash at call %d: up to %d of %d, %w", n, last, tail.Epoch, err)
		}
		if err := prolongs(crashed, found, forgotten); err != nil {
			return fmt.Errorf("after a second crash at call %d: %w", n, err)
		}
	}
}

// prolongs mends the log, writes to it, and reads it all.
func prolongs(disk *diotest.FS, tail *Tail, forgotten Epoch) error {
	for range 2 { // the second time there is nothing to do
		if err := Repair(disk, ".", tail); err != nil {
			return err
		}
	}
	w, err := NewWriter(disk, ".", tail, small)
	if err != nil {
		return err
	}
	if err := writeEpochs(w, tail.Epoch+1, tail.Epoch+3); err != nil {
		return err
	}
	if err := Repair(disk, ".", tail); err != nil { // too late for anything
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	end, last, err := readAll(disk, ReadOptions{After: forgotten})
	if err == nil && (last != lastOf(tail.Epoch+3) || end.Torn != nil) {
		err = fmt.Errorf("prolonged to %d, up to %d, torn: %v", tail.Epoch+3, last, end.Torn)
	}
	return err
}

// A process dies when a segment has its end, which is not durable, and the next process
// goes on behind it: that end must be durable before.
func TestEndedAndNotDurable(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	last := Epoch(0)
	for !w.ended {
		last++
		must(t, w.Write(last, []Chunk{chunk(last, 2)}))
		must(t, w.Flush())
	}
	tail, err := Read(disk, ".", ReadOptions{}, wholeRecords)
	must(t, err)
	if tail.Epoch != last || !tail.ended {
		t.Fatalf("up to %d of %d, ended: %v", tail.Epoch, last, tail.ended)
	}
	must(t, Repair(disk, ".", tail))
	next := start(t, disk, tail)
	must(t, next.Write(last+1, []Chunk{chunk(last+1, 2)}))
	must(t, next.Sync())
	for _, tear := range diotest.Tears(1) {
		found, err := Read(disk.Crash(tear), ".", ReadOptions{}, wholeRecords)
		if err != nil || found.Epoch != last+1 {
			t.Errorf("%s: %+v, %v", tear.Name, found, err)
		}
	}
}

// All but the segment that was made ahead is forgotten, and the process dies: there is
// nothing to repair, and the log goes on with the number of that one.
func TestOnlyBlank(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	last := Epoch(0)
	for !w.ended || w.segment.serial < 3 {
		last++
		must(t, w.Write(last, []Chunk{chunk(last, 2)}))
		must(t, w.Sync())
	}
	begun := w.Stats().Begun
	must(t, w.begin(last+1)) // as the next epoch does, before it is written
	must(t, w.Forget(last))
	for range 2 {
		tail, err := Read(disk, ".", ReadOptions{After: last}, wholeRecords)
		must(t, err)
		if !tail.Empty() || tail.Ends(".", begun) != nil || tail.Ends(".", begun+1) == nil {
			t.Errorf("%+v, begun %d", tail, begun)
		}
		must(t, Repair(disk, ".", tail))
		w = start(t, disk, tail)
		if w.segment.serial != begun+1 || w.Stats().Begun != begun {
			t.Errorf("goes on in segment %d, begun %d", w.segment.serial, w.Stats().Begun)
		}
	}
}
