package effectlog

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// scratched is a disk on which some blocks of a file cannot be read.
type scratched struct {
	dio.FS
	name   string
	blocks map[int64]bool // by offset
}

func (s *scratched) Open(name string, mode dio.Mode) (dio.File, error) {
	f, err := s.FS.Open(name, mode)
	if err != nil || name != s.name {
		return f, err
	}
	return &scratchedFile{f, s}, nil
}

type scratchedFile struct {
	dio.File
	disk *scratched
}

func (f *scratchedFile) ReadAt(p []byte, offset int64) (int, error) {
	for at := offset; at < offset+int64(len(p)); at += dio.BlockSize {
		if f.disk.blocks[at] {
			return 0, syscall.EIO
		}
	}
	return f.File.ReadAt(p, offset)
}

// A sector that cannot be read ends Read with its place, and not salvage, which loses
// what lies in it: a record, a frame's head, or a segment's.
func TestUnreadable(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 90))
	must(t, w.Close())
	frames := framesOf(t, disk)
	for _, f := range frames {
		for offset := f.Offset; offset < f.Offset+f.Bytes; offset += dio.BlockSize {
			bad := &scratched{disk, f.File, map[int64]bool{offset: true}}
			_, _, err := readAll(bad, ReadOptions{})
			var damage *DamageError
			if !errors.As(err, &damage) || damage.File != f.File || damage.Offset != offset || !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s, offset %d: %v", f.File, offset, err)
			}
			lost, _ := salvage(t, bad)
			if most := f.Records; lost > most || lost == 0 && most > 0 && offset == f.Offset {
				t.Fatalf("%s, offset %d: %d records are lost of %d", f.File, offset, lost, most)
			}
		}
	}
	bad := &scratched{disk, frames[0].File, map[int64]bool{0: true}}
	if lost, _ := salvage(t, bad); lost > 0 {
		t.Errorf("a segment's head: %d records are lost", lost)
	}
}

// early is a disk from which a block is read, at one time, before it was written.
type early struct {
	dio.FS
	name  string
	block int64
	reads int // of it, until that time
}

func (e *early) Open(name string, mode dio.Mode) (dio.File, error) {
	f, err := e.FS.Open(name, mode)
	if err != nil || name != e.name {
		return f, err
	}
	return &earlyFile{f, e}, nil
}

type earlyFile struct {
	dio.File
	disk *early
}

func (f *earlyFile) ReadAt(p []byte, offset int64) (n int, err error) {
	n, err = f.File.ReadAt(p, offset)
	if at := f.disk.block - offset; at >= 0 && at < int64(n) {
		if f.disk.reads--; f.disk.reads == 0 {
			clear(p[at : at+dio.BlockSize])
		}
	}
	return n, err
}

// A frame that was read before it was written, and others behind it after that, is no
// damage: that is how a log looks which is in use.
func TestReadTooEarly(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	for epoch := Epoch(1); epoch <= 7; epoch++ {
		must(t, writeEpochs(w, epoch, epoch))
		must(t, w.Sync())
	}
	for _, f := range framesOf(t, disk) {
		e := &early{FS: disk, name: f.File, block: f.Offset, reads: 2} // the first one sees whether there is anything
		if _, last, err := readAll(e, ReadOptions{}); f.Epoch < 6 && (err != nil || last != 7) {
			t.Errorf("epoch %d: up to %d, %v", f.Epoch, last, err)
		}
	}
}

// A visitor's error ends Read, wherever it comes, and nothing is left running.
func TestVisitorsError(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 90))
	must(t, w.Close())
	enough := errors.New("enough")
	for n := range 60 {
		seen := 0
		_, err := Read(disk, ".", ReadOptions{chunk: 4 << 10}, func(*Batch) error {
			if seen++; seen > n {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || seen != n+1 {
			t.Fatalf("at %d of %d: %v", seen, n, err)
		}
	}
}

// A log may be inspected while it is written: it is never taken for damaged.
func TestInspectInUse(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	must(t, err)
	w, err := NewWriter(disk, ".", &Tail{}, Options{SegmentBytes: segmentBytesMin, frameBytes: 8 << 10})
	must(t, err)
	var writing sync.WaitGroup
	stop := make(chan struct{})
	writing.Go(func() {
		for epoch := Epoch(1); ; epoch++ {
			select {
			case <-stop:
				return
			default:
			}
			err := w.Write(epoch, chunksOf(epoch))
			if epoch%3 == 0 {
				err = errors.Join(err, w.Sync())
			}
			if epoch%64 == 0 {
				err = errors.Join(err, w.Forget(epoch-40))
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 200 {
		last := Epoch(0)
		tail, err := Inspect(disk, ".", "", &Inspector{
			Segment: func(*Segment) {},
			Damage:  func(d *DamageError) { err = errors.Join(err, d) },
			Frame: func(f *Frame) {
				if !f.End && !f.Note && f.Epoch < last {
					err = errors.Join(err, fmt.Errorf("epoch %d follows %d", f.Epoch, last))
				}
				last = f.Epoch
			},
		})
		if err != nil {
			t.Errorf("up to %d, %v: %v", last, tail, err)
			break
		}
	}
	close(stop)
	writing.Wait()
	must(t, w.Close())
}
