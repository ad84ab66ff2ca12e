package effectlog

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// chunkOf is a chunk of one record of so many bytes.
func chunkOf(size int) Chunk {
	r := Record{Kind: KindSet, Stamp: 1, Key: []byte("key")}
	head := AppendRecord(nil, &r)
	r.Value = make([]byte, size-len(head))
	return Chunk{Pieces: [][]byte{AppendRecord(nil, &r)}, Records: 1}
}

// epochsToSpare are chunks of an epoch, of all kinds of frames.
func epochsToSpare() map[string][]Chunk {
	epochs := map[string][]Chunk{}
	for _, size := range []int{100, dio.BlockSize, 10_000, 40_000, 64<<10 - FrameHead, 100_000, 1_000_000} {
		epochs[fmt.Sprintf("one of %d", size)] = []Chunk{chunkOf(size)}
		epochs[fmt.Sprintf("a block of %d", size)] = []Chunk{blockOf(chunkOf(size))}
	}
	for _, n := range []int{2, 20, 100} {
		var blocks, mixed []Chunk
		for i := range n {
			blocks = append(blocks, blockOf(chunkOf(4100+i))) // most of a block is lost to each
			mixed = append(mixed, chunkOf(100+i), blockOf(chunkOf(9000+i)))
		}
		epochs[fmt.Sprintf("%d blocks", n)], epochs[fmt.Sprintf("%d of both", n)] = blocks, mixed
	}
	return epochs
}

// TestSpare: when room was made for an epoch, it is written though the disk has none: behind
// what waits in memory, and wherever the segment stands.
func TestSpare(t *testing.T) {
	for name, chunks := range epochsToSpare() {
		for before := range 40 {
			for _, waits := range []bool{false, true} {
				testSpare(t, fmt.Sprintf("%s behind %d, waits: %v", name, before, waits), chunks, before, waits)
			}
		}
	}
}

func testSpare(t *testing.T, name string, chunks []Chunk, before int, waits bool) {
	t.Helper()
	disk := diotest.New()
	options := small
	options.SegmentBytes = int64(1+before%3) * segmentBytesMin
	w, err := NewWriter(disk, ".", &Tail{}, options)
	must(t, err)
	disk.SetSpace(1) // there is no spare segment but what Spare makes
	epoch := Epoch(1)
	for ; epoch <= Epoch(before); epoch++ {
		err := w.Write(epoch, []Chunk{chunkOf(3000)})
		if err == nil {
			err = w.Flush()
		}
		if errors.Is(err, ErrFull) {
			epoch++
			break
		}
		must(t, err)
	}
	if waits && w.pending.size == 0 {
		must(t, w.Write(epoch, []Chunk{chunkOf(5000)}))
		epoch++
	}
	if err := w.Spare(chunks); !errors.Is(err, ErrFull) && w.size-w.offset < w.need(chunks) {
		t.Errorf("%s: without room: %v", name, err)
	}
	disk.SetSpace(0)
	must(t, w.Spare(chunks))
	must(t, w.Spare(chunks)) // it is there already
	disk.SetSpace(1)
	if err := w.Write(epoch, chunks); err != nil {
		t.Errorf("%s: %v", name, err)
	} else if err := w.Sync(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	disk.SetSpace(0)
	must(t, w.Close())
	if tail, err := Read(disk, ".", ReadOptions{}, wholeRecords); err != nil || tail.Epoch < epoch {
		t.Errorf("%s: %+v, %v", name, tail, err)
	}
}

// TestSpareTooSmall: a segment that was made ahead gives way to one that is large enough, and
// so does one that is being made.
func TestSpareTooSmall(t *testing.T) {
	for _, ready := range []bool{true, false} {
		disk := diotest.New()
		w := start(t, disk, &Tail{})
		epoch := Epoch(1)
		writeSmall(t, w, &epoch, func() bool { return w.spare == nil })
		w.spare.ready.Store(ready)
		large := []Chunk{chunkOf(3 * segmentBytesMin)}
		must(t, w.Spare(large))
		disk.SetSpace(1)
		must(t, w.Write(epoch, large))
		must(t, w.Sync())
		disk.SetSpace(0)
		must(t, w.Close())
		if tail, err := Read(disk, ".", ReadOptions{}, wholeRecords); err != nil || tail.Epoch != epoch {
			t.Errorf("%+v, %v", tail, err)
		}
	}
}

// TestLargeEpochOnFullDisk: an epoch that is larger than a new segment, for which there is no
// room, takes none.
func TestLargeEpochOnFullDisk(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	const room = 10 * dio.BlockSize
	disk.SetSpace(w.size + room)
	large := []Chunk{chunkOf(3 * segmentBytesMin)}
	for range 2 {
		if err := w.Write(1, large); !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		if free, _, err := disk.Space(); free != room || err != nil {
			t.Errorf("%d bytes are free, %v", free, err)
		}
	}
	disk.SetSpace(0)
	must(t, w.Spare(large)) // the segment has only its head, and becomes longer
	if w.spare != nil {
		t.Error("another segment is made")
	}
	disk.SetSpace(1)
	must(t, w.Write(1, large))
	disk.SetSpace(0)
	must(t, w.Close())
	if tail, err := Read(disk, ".", ReadOptions{}, wholeRecords); err != nil || tail.Epoch != 1 {
		t.Errorf("%+v, %v", tail, err)
	}
}

// TestSpareInASmallSegment: a segment that was begun on a nearly full disk, and has only its
// head, becomes as long as what must be free in one of that length wants.
func TestSpareInASmallSegment(t *testing.T) {
	for name, chunks := range epochsToSpare() {
		for _, waits := range []bool{false, true} {
			testSpareInASmallSegment(t, fmt.Sprintf("%s, waits: %v", name, waits), chunks, waits)
		}
	}
}

func testSpareInASmallSegment(t *testing.T, name string, chunks []Chunk, waits bool) {
	t.Helper()
	disk := diotest.New()
	options := small
	options.SegmentBytes = 64 << 20
	disk.SetSpace(segmentBytesMin)
	w, err := NewWriter(disk, ".", &Tail{}, options)
	must(t, err)
	if w.size != segmentBytesMin {
		t.Fatalf("the segment has %d bytes", w.size)
	}
	epoch := Epoch(1)
	if waits {
		must(t, w.Write(epoch, []Chunk{chunkOf(5000)}))
		epoch++
	}
	disk.SetSpace(0)
	must(t, w.Spare(chunks))
	disk.SetSpace(1)
	if err := w.Write(epoch, chunks); err != nil {
		t.Errorf("%s: %v", name, err)
	} else if err := w.Sync(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	disk.SetSpace(0)
	must(t, w.Close())
}
