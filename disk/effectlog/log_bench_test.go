package effectlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
)

// typical is a set of a 16-byte key and a 64-byte value.
func typical() Record {
	return Record{Kind: KindSet, Stamp: 77<<14 | 5, ExpiryMS: 1_800_000_000_000, Flags: 1,
		Key: []byte("key:000000000001"), Value: make([]byte, 64)}
}

// What a loop does for each set, under a lock.
func BenchmarkAppendRecord(b *testing.B) {
	r := typical()
	buffer := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(buffer)+256 > cap(buffer) {
			buffer = buffer[:0]
		}
		buffer = AppendRecord(buffer, &r)
	}
}

// The same without its checksum, which somebody has to make.
func BenchmarkAppendUnsealed(b *testing.B) {
	r := typical()
	buffer := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(buffer)+256 > cap(buffer) {
			buffer = buffer[:0]
		}
		buffer = append(AppendHead(buffer, &r, len(r.Value)), r.Value...)
	}
}

// Whoever makes it behind the loop has to walk the records for it.
func BenchmarkSealLater(b *testing.B) {
	r := typical()
	var buffer []byte
	for len(buffer) < 1<<20 {
		buffer = append(AppendHead(buffer, &r, len(r.Value)), r.Value...)
	}
	rest := buffer
	for b.Loop() {
		if len(rest) == 0 {
			rest = buffer
		}
		_, _, n := Peek(rest)
		Seal(rest[:n])
		rest = rest[n:]
	}
}

func BenchmarkParseRecord(b *testing.B) {
	r := typical()
	record := AppendRecord(nil, &r)
	for b.Loop() {
		ParseRecord(record)
	}
}

func BenchmarkParseChecked(b *testing.B) {
	r := typical()
	record := AppendRecord(nil, &r)
	for b.Loop() {
		ParseChecked(record)
	}
}

// onDisk is a folder on the disk, where TMPDIR is on one.
func onDisk(b *testing.B) dio.FS {
	disk, err := dio.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return disk
}

// BenchmarkSync is fsync=always: epochs of so many bytes, each made durable.
func BenchmarkSync(b *testing.B) {
	for _, overwrite := range []bool{false, true} {
		for _, records := range []int{1, 30, 500} {
			b.Run(fmt.Sprintf("overwrite=%v/records=%d", overwrite, records), func(b *testing.B) {
				w, err := NewWriter(onDisk(b), ".", &Tail{}, Options{SegmentBytes: 8 << 20, Overwrite: overwrite})
				if err != nil {
					b.Fatal(err)
				}
				defer w.Close()
				r := typical()
				one := Chunk{Records: records}
				for range records {
					one.Pieces = append(one.Pieces, AppendRecord(nil, &r))
				}
				var took []time.Duration
				epoch := Epoch(0)
				for b.Loop() {
					epoch++
					begun := time.Now()
					if err := errors.Join(w.Write(epoch, []Chunk{one}), w.Sync()); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(begun))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
				b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
			})
		}
	}
}

// BenchmarkWrite is fsync=no: as fast as the disk takes it.
func BenchmarkWrite(b *testing.B) {
	w, err := NewWriter(onDisk(b), ".", &Tail{}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	c := largeChunk(1 << 18)
	b.SetBytes(c.size())
	b.ReportAllocs()
	epoch := Epoch(0)
	for b.Loop() {
		epoch++
		if err := w.Write(epoch, []Chunk{c}); err != nil {
			b.Fatal(err)
		}
		if epoch%1024 == 0 {
			if err := w.Forget(epoch - 1024); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// largeChunk is typical records of so many bytes.
func largeChunk(size int) Chunk {
	r := typical()
	var c Chunk
	var all []byte
	for ; len(all) < size; c.Records++ {
		all = AppendRecord(all, &r)
	}
	c.Pieces = [][]byte{all}
	return c
}

// BenchmarkRead reads and checks, and decodes every record.
func BenchmarkRead(b *testing.B) {
	disk := onDisk(b)
	w, err := NewWriter(disk, ".", &Tail{}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	c := largeChunk(1 << 18)
	for epoch := Epoch(1); epoch <= 4096; epoch++ { // 1 GiB
		if err := w.Write(epoch, []Chunk{c}); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	for _, decode := range []bool{false, true} {
		b.Run(fmt.Sprintf("decode=%v", decode), func(b *testing.B) {
			b.SetBytes(4096 * c.size())
			records := 0
			for b.Loop() {
				_, err := Read(disk, ".", ReadOptions{}, func(batch *Batch) error {
					records += batch.Count
					for rest := batch.Records; decode && len(rest) > 0; {
						_, n := ParseChecked(rest)
						rest = rest[n:]
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
		})
	}
}
