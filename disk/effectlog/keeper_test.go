package effectlog

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// writeSmall writes epochs that go into one frame, while a condition holds.
func writeSmall(t *testing.T, w *Writer, epoch *Epoch, while func() bool) {
	t.Helper()
	for ; while(); *epoch++ {
		must(t, w.Write(*epoch, []Chunk{chunk(*epoch, 2)}))
		must(t, w.Sync())
	}
}

// The next segment is there before it is needed; if it could not be made, it is tried
// again when it is.
func TestSegmentAhead(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	epoch := Epoch(1)
	writeSmall(t, w, &epoch, func() bool { return w.spare == nil })
	if w.offset < w.size/2 || w.ended || !w.spare.ready.Load() {
		t.Errorf("the segment is at %d of %d, ended: %v, ready: %v", w.offset, w.size, w.ended, w.spare.ready.Load())
	}
	calls := map[string]int{}
	disk.Before(func(e diotest.Event) error { calls[e.Call]++; return nil })
	writeSmall(t, w, &epoch, func() bool { return w.spare != nil })
	if calls["sync"] != calls["write"] || calls["open"]+calls["allocate"]+calls["syncfolder"]+calls["truncate"] > 0 {
		t.Errorf("to rotate took %v", calls)
	}
	disk.Before(nil)

	disk.SetSpace(1)
	writeSmall(t, w, &epoch, func() bool { return !w.ended })
	if !errors.Is(w.spare.err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", w.spare.err)
	}
	disk.SetSpace(0)
	writeSmall(t, w, &epoch, func() bool { return w.ended })
	must(t, w.Close())
	if tail, err := Read(disk, ".", ReadOptions{}, wholeRecords); err != nil || tail.Epoch != epoch-1 {
		t.Errorf("%+v, %v", tail, err)
	}
}

// Overwriting, a segment is filled before it is needed, and the first is small.
func TestOverwrite(t *testing.T) {
	disk := diotest.New()
	options := small
	options.SegmentBytes, options.Overwrite = 4*firstFilled, true
	w, err := NewWriter(disk, ".", &Tail{}, options)
	must(t, err)
	if w.size != firstFilled {
		t.Errorf("the first segment has %d bytes", w.size)
	}
	if next := w.newSpare(1).size; next != 2*firstFilled {
		t.Errorf("the second segment has %d bytes", next)
	}
	must(t, w.Close())

	disk = diotest.New()
	written := int64(0)
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" {
			written += int64(e.Size)
		}
		return nil
	})
	options.SegmentBytes = 8 << 20
	w, err = NewWriter(disk, ".", &Tail{}, options)
	must(t, err)
	if written != options.SegmentBytes {
		t.Errorf("%d bytes are filled of the first segment", written)
	}
	disk.Before(nil)
	epoch := Epoch(1)
	writeSmall(t, w, &epoch, func() bool { return w.spare == nil })
	if w.spare.filled != w.spare.asked || w.spare.asked < fillBytes || w.spare.asked > 3*fillBytes {
		t.Errorf("at first %d bytes are filled of %d", w.spare.filled, w.spare.asked)
	}
	writeSmall(t, w, &epoch, func() bool { return !w.ended })
	if w.spare.filled != w.spare.size || !w.spare.ready.Load() {
		t.Errorf("in the end %d bytes are filled of %d", w.spare.filled, w.spare.size)
	}
	must(t, w.Close())
	if infos, err := disk.List("."); err != nil || len(infos) != 1 {
		t.Errorf("%d files are left, %v", len(infos), err)
	}
}

// A segment that could not be removed is tried again, before those behind it.
func TestForgetAgain(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 90))
	broken := errors.New("broken")
	disk.Before(func(e diotest.Event) error {
		if e.Call == "remove" && strings.HasPrefix(e.Name, "0000000000000001") {
			return broken
		}
		return nil
	})
	before := w.Stats()
	must(t, w.Forget(40))
	if err := w.Forget(60); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if infos, err := disk.List("."); err != nil || infos[0].Name() != "0000000000000001.log" || infos[1].Name() != "0000000000000002.log" {
		t.Errorf("removed out of order: %v, %v", infos, err)
	}
	disk.Before(nil)
	w.Forget(60)
	must(t, w.Forget(60))
	infos, err := disk.List(".")
	must(t, err)
	after := w.Stats()
	spare := 0
	if w.spare != nil {
		spare = 1
	}
	if after.Segments != len(infos)-spare || after.Segments >= before.Segments || after.Oldest <= before.Oldest || after.Bytes >= before.Bytes {
		t.Errorf("%d files, %+v, before: %+v", len(infos), after, before)
	}
	must(t, w.Close())
	if _, last, err := readAll(disk, ReadOptions{After: 60}); err != nil || last != 90 {
		t.Errorf("up to %d, %v", last, err)
	}
}

// Epochs wait in memory for Flush, and are pending until Sync.
func TestStage(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	written := w.Stats().Written
	for epoch := Epoch(1); epoch <= 3; epoch++ {
		must(t, w.Write(epoch, []Chunk{chunk(epoch, 1)}))
	}
	if s := w.Stats(); s.Written != written || s.Pending == 0 {
		t.Errorf("three small epochs: %+v", s)
	}
	must(t, w.Flush())
	if s := w.Stats(); s.Written == written || s.Pending != s.Written-written || w.Durable() != 0 {
		t.Errorf("flushed: %+v, %d is durable", s, w.Durable())
	}
	must(t, w.Sync())
	if s := w.Stats(); s.Pending != 0 || w.Durable() != 3 {
		t.Errorf("synced: %+v, %d is durable", s, w.Durable())
	}
	if frames := framesOf(t, disk); len(frames) != 1 || frames[0].First != 1 || frames[0].Epoch != 3 {
		t.Errorf("frames %+v", frames)
	}
	must(t, w.Close())
}

// A disk that has no room for a whole segment gets smaller ones, down to a part of one; to
// begin with, and squeezed, as small as need be.
func TestSmallDisk(t *testing.T) {
	const whole = 64 * segmentBytesMin
	options := small
	options.SegmentBytes = whole
	for _, c := range []struct{ room, first int64 }{
		{whole, whole},
		{whole - 1, whole / 4},
		{whole / 2, whole / 4},
		{whole / 16, whole / 32},
		{2 * segmentBytesMin, segmentBytesMin},
		{segmentBytesMin, segmentBytesMin},
		{segmentBytesMin - 1, 0},
	} {
		disk := diotest.New()
		disk.SetSpace(c.room)
		w, err := NewWriter(disk, ".", &Tail{}, options)
		if c.first == 0 {
			if !errors.Is(err, ErrFull) {
				t.Errorf("%d bytes: %v", c.room, err)
			}
			continue
		}
		must(t, err)
		if w.size != c.first {
			t.Errorf("%d bytes: the first segment has %d", c.room, w.size)
		}
		epoch := Epoch(1)
		for err == nil {
			if err = w.Write(epoch, chunksOf(epoch)); err == nil {
				epoch++
				err = w.Flush()
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("%d bytes: %v", c.room, err)
		}
		if used := w.Stats().Bytes; c.room > whole/leastShare && used < c.room/2 {
			t.Errorf("%d bytes: it is full when %d are used", c.room, used)
		}
		disk.SetSpace(w.Stats().Bytes + 3*segmentBytesMin) // in a least segment there is no room
		w.Squeeze(true)
		if err := w.Sync(); err != nil || w.Durable() == 0 {
			t.Errorf("%d bytes, squeezed: %v", c.room, err)
		}
		must(t, w.Close())
		if _, last, err := readAll(disk, ReadOptions{}); err != nil || last < lastOf(epoch-1) {
			t.Errorf("%d bytes: up to %d of %d, %v", c.room, last, epoch-1, err)
		}
	}
}
