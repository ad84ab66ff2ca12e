package snapshot

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
)

const benchBytes = 512 << 20 // of records, in a snapshot

// benchChunk is count records of this value's size.
func benchChunk(count, valueLen int) (b []byte) {
	r := effectlog.Record{Kind: effectlog.KindSet, Key: []byte("key:0123456789"), Value: bytes.Repeat([]byte("v"), valueLen)}
	for i := range count {
		r.Stamp = uint64(i)
		b = effectlog.AppendRecord(b, &r)
	}
	return b
}

func benchWrite(b *testing.B, disk dio.FS, chunk []byte, count int) {
	w, err := Create(disk, ".", Options{Keep: -1})
	for n := 0; n < benchBytes && err == nil; n += len(chunk) {
		err = w.Append(chunk, count)
	}
	if err == nil {
		err = w.Finish(0, make([]uint64, Slots))
	}
	if err == nil {
		err = w.Publish()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// The product's disk is that of TMPDIR.
func BenchmarkWrite(b *testing.B) {
	disk, err := dio.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	chunk := benchChunk(400, 100)
	b.SetBytes(benchBytes)
	for b.Loop() {
		benchWrite(b, disk, chunk, 400)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name            string
		count, valueLen int
	}{{"100", 400, 100}, {"10K", 20, 10_000}, {"4M", 1, 4 << 20}} {
		disk, err := dio.Folder(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		benchWrite(b, disk, benchChunk(c.count, c.valueLen), c.count)
		name, _, _, err := Newest(disk, ".")
		if err != nil {
			b.Fatal(err)
		}
		for _, parallel := range []bool{false, true} {
			b.Run(c.name+map[bool]string{false: "", true: " parallel"}[parallel], func(b *testing.B) {
				b.SetBytes(benchBytes)
				for b.Loop() {
					var n atomic.Int64
					t, err := Read(disk, name, ReadOptions{Parallel: parallel}, func(batch *Batch) error {
						n.Add(int64(batch.Count))
						return nil
					})
					if err != nil || n.Load() != int64(t.Records) {
						b.Fatal(n.Load(), err)
					}
				}
			})
		}
	}
}

// BenchmarkCheck is what checking alone costs, on one processor.
func BenchmarkCheck(b *testing.B) {
	chunk := benchChunk(7000, 100)
	w := &Writer{}
	w.frame = frame{records: 7000, size: uint32(len(chunk))}
	s := &span{bytes: make([]byte, padded(int64(len(chunk))))}
	copy(s.bytes[frameHead:], chunk)
	b.SetBytes(int64(len(chunk)))
	r := &reader{}
	for b.Loop() {
		f := Frame{Records: 7000, Bytes: len(chunk)}
		r.check(s, &f)
	}
}
