package effectlog

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/invariant"
)

const crashEpochs = 40 // with a rotation

// A session writes, syncs now and then, and closes. It says what it was promised to be
// durable.
func session(disk *diotest.FS, tail *Tail, every int) (durable Epoch, err error) {
	durable = tail.Epoch
	w, err := NewWriter(disk, ".", tail, Options{SegmentBytes: segmentBytesMin})
	for epoch := tail.Epoch + 1; err == nil && epoch <= tail.Epoch+crashEpochs; epoch++ {
		err = w.Write(epoch, []Chunk{chunk(epoch, recordsOf(epoch))})
		if err == nil && int(epoch)%every == 0 {
			err = w.Sync()
		}
		durable = w.Durable()
		if err == nil && int(epoch)%every == 1 {
			err = w.Note()
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		durable = w.Durable()
	}
	return durable, err
}

// The writer dies at each of its calls, and the machine with it, tearing what was not
// synced in each way. All that was durable is there, as whole epochs; the log goes on
// behind it; and a second death while it is mended changes nothing.
func TestCrash(t *testing.T) {
	stride := 1
	if testing.Short() || invariant.On {
		stride = 7 // the race detector makes it 100 s, and there is one goroutine
	}
	for _, every := range []int{1, 7} { // always, and now and then
		whole := diotest.New()
		if _, err := session(whole, &Tail{}, every); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= whole.Calls(); n += stride {
			disk := diotest.New()
			disk.StopAt(n)
			durable, err := session(disk, &Tail{}, every)
			if !errors.Is(err, diotest.ErrStopped) {
				t.Fatalf("stopped at %d: %v", n, err)
			}
			for _, tear := range diotest.Tears(uint64(n)) {
				if err := recovers(disk, tear, durable, n%5 == 0); err != nil {
					t.Fatalf("synced every %d, stopped at call %d, %s: %v", every, n, tear.Name, err)
				}
			}
		}
	}
}

// recovers crashes the disk, and mends and prolongs the log.
func recovers(disk *diotest.FS, tear diotest.Tear, durable Epoch, twice bool) error {
	after := disk.Crash(tear)
	tail, last, err := readAll(after, ReadOptions{})
	if err != nil {
		return err
	}
	if last < durable {
		return fmt.Errorf("up to %d, although %d was durable", last, durable)
	}
	if twice {
		if err := recoversTwice(after, tear, tail); err != nil {
			return err
		}
	}
	return prolongs(after, tail)
}

// recoversTwice dies at each call of Repair and of the first epochs after it.
func recoversTwice(disk *diotest.FS, tear diotest.Tear, tail *Tail) error {
	none := diotest.Tears(0)[2] // kept: a copy
	for n := 1; ; n++ {
		again := disk.Crash(none)
		again.StopAt(n)
		itsTail := *tail
		err := Repair(again, ".", &itsTail)
		if err == nil {
			var w *Writer
			if w, err = NewWriter(again, ".", &itsTail, Options{SegmentBytes: segmentBytesMin}); err == nil {
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
		found, last, err := readAll(crashed, ReadOptions{})
		if err != nil || last < tail.Epoch {
			return fmt.Errorf("after a second crash at call %d: up to %d of %d, %w", n, last, tail.Epoch, err)
		}
		if err := prolongs(crashed, found); err != nil {
			return fmt.Errorf("after a second crash at call %d: %w", n, err)
		}
	}
}

// prolongs mends the log, writes to it, and reads it all.
func prolongs(disk *diotest.FS, tail *Tail) error {
	for range 2 { // the second time there is nothing to do
		if err := Repair(disk, ".", tail); err != nil {
			return err
		}
	}
	w, err := NewWriter(disk, ".", tail, Options{SegmentBytes: segmentBytesMin})
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
	end, last, err := readAll(disk, ReadOptions{})
	if err == nil && (last != tail.Epoch+3 || end.Torn != nil) {
		err = fmt.Errorf("prolonged to %d, up to %d, torn: %v", tail.Epoch+3, last, end.Torn)
	}
	return err
}
