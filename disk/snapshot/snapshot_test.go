package snapshot

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/effectlog"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/*.txt anew")

// sample is record number i of a snapshot of this seed.
func sample(seed, i int) effectlog.Record {
	r := effectlog.Record{
		Kind:  effectlog.KindSet,
		Stamp: uint64(seed)<<40 | uint64(i),
		Key:   fmt.Appendf(nil, "key:%d:%d", seed, i),
		Value: bytes.Repeat([]byte{byte('a' + seed%26)}, (seed*977+i*131)%700),
	}
	if i%2 == 1 {
		r.ExpiryMS, r.Flags = 1_800_000_000_000+int64(i), uint32(i)
	}
	return r
}

// records are those from number from on, as bytes.
func records(seed, from, count int) (b []byte) {
	for i := range count {
		r := sample(seed, from+i)
		b = effectlog.AppendRecord(b, &r)
	}
	return b
}

// sequences are those of the slots, of this seed.
func sequences(seed int) []uint64 {
	seqs := make([]uint64, Slots)
	for i := range seqs {
		seqs[i] = uint64(seed)<<32 | uint64(i)
	}
	return seqs
}

// write publishes a snapshot of the seed, with frames of 10 records each.
func write(disk dio.FS, seed, frames int, options Options) error {
	options.Begin = effectlog.Epoch(seed * 100)
	options.CreatedMS = int64(seed) * 1000
	w, err := Create(disk, ".", options)
	if err != nil {
		return err
	}
	for i := 0; i < frames && err == nil; i++ {
		err = w.Append(records(seed, i*10, 6), 6)
		if err == nil {
			b := records(seed, i*10+6, 4)
			err = w.AppendPieces([][]byte{b[:7], nil, b[7:90], b[90:]}, 4)
		}
		w.endFrame() // earlier than a full stage would
		if i%3 == 2 {
			w.handOver()
		}
	}
	if err == nil {
		err = w.Finish(options.Begin+7, sequences(seed))
	}
	if err == nil {
		err = w.Publish()
	}
	return errors.Join(err, w.Abandon())
}

// sameAs reads a snapshot, and says what is not as write made it.
func sameAs(disk dio.FS, name string, seed, frames int, options ReadOptions) error {
	had := map[uint64][]byte{}
	t, err := Read(disk, name, options, func(b *Batch) error {
		if had[b.First] != nil {
			return fmt.Errorf("record %d came twice", b.First)
		}
		had[b.First] = bytes.Clone(b.Records)
		return nil
	})
	if err != nil {
		return err
	}
	var all []byte
	for _, first := range sortedKeys(had) {
		all = append(all, had[first]...)
	}
	want := records(seed, 0, frames*10)
	switch {
	case !bytes.Equal(all, want):
		return fmt.Errorf("%d bytes of records, wanted %d of others", len(all), len(want))
	case t.Begin != effectlog.Epoch(seed*100), t.End != t.Begin+7, t.CreatedMS != int64(seed)*1000,
		!slices.Equal(t.Seqs, sequences(seed)), t.Records != uint64(frames*10), t.Bytes != uint64(len(want)):
		t.Seqs = nil
		return fmt.Errorf("another trailer: %+v", t)
	}
	return nil
}

func sortedKeys(m map[uint64][]byte) (keys []uint64) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func newest(t *testing.T, disk dio.FS) (string, Header) {
	t.Helper()
	name, h, found, err := Newest(disk, ".")
	if err != nil || !found {
		t.Fatalf("found: %v, %v", found, err)
	}
	return name, h
}

func TestSnapshot(t *testing.T) {
	disk := diotest.New()
	if _, _, found, err := Newest(disk, "."); found || err != nil {
		t.Fatalf("in an empty folder: %v, %v", found, err)
	}
	for seed := 1; seed <= 4; seed++ {
		frames := []int{0, 1, 20, 3}[seed-1]
		must(t, write(disk, seed, frames, Options{}))
		name, h := newest(t, disk)
		if want := fileName(uint64(seed)); name != want || h.Begin != effectlog.Epoch(seed*100) || h.CreatedMS != int64(seed)*1000 {
			t.Errorf("%s, %+v; wanted %s", name, h, want)
		}
		for checkers := range 4 {
			must(t, sameAs(disk, name, seed, frames, ReadOptions{Checkers: checkers}))
		}
	}
	wantNames(t, disk, "0000000000000003.snapshot", "0000000000000004.snapshot")
	must(t, sameAs(disk, "0000000000000003.snapshot", 3, 20, ReadOptions{}))
	must(t, write(disk, 5, 1, Options{Keep: 5}))
	wantNames(t, disk, "0000000000000003.snapshot", "0000000000000004.snapshot", "0000000000000005.snapshot")
	must(t, write(disk, 6, 1, Options{Keep: -1}))
	wantNames(t, disk, "0000000000000006.snapshot")
	if err := write(disk, 5, 1, Options{}); !errors.Is(err, ErrEpoch) {
		t.Errorf("an older one: %v", err)
	}
	wantNames(t, disk, "0000000000000006.snapshot")
}

func wantNames(t *testing.T, disk dio.FS, want ...string) {
	t.Helper()
	infos, err := disk.List(".")
	must(t, err)
	var got []string
	for _, info := range infos {
		got = append(got, info.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v; wanted %v", got, want)
	}
}

// Records of all sizes, which fill stages, are as large as one, or larger than a span.
func TestSizes(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	must(t, err)
	w, err := Create(disk, ".", Options{})
	must(t, err)
	sizes := []int{1, 4000, stageBytes - 2*frameHead, stageBytes - frameHead - 24, stageBytes - frameHead - 23, 100, stageBytes, 5 << 20,
		spanBytes - 100, 1, 9 << 20, 20, 20, 700_000, 700_000, 12 << 20, 3 << 20}
	for i := range 30 {
		sizes = append(sizes, 600_000+10_000*i) // one in a frame, which two spans may share
	}
	for i, size := range sizes {
		r := effectlog.Record{Kind: effectlog.KindSet, Stamp: uint64(i), Value: bytes.Repeat([]byte{byte(i)}, size)}
		b := effectlog.AppendRecord(nil, &r)
		must(t, w.AppendPieces([][]byte{b[:10], b[10 : len(b)/2], b[len(b)/2:]}, 1))
	}
	must(t, w.Finish(3, sequences(1)))
	must(t, w.Publish())
	whole := readFile(t, disk, fileName(1))
	for _, parallel := range []bool{false, true} {
		seen := make([]int, len(sizes)) // each by one goroutine
		done := int64(0)
		options := ReadOptions{Checkers: 3, Parallel: parallel, Progress: func(n, total int64) {
			if n < done || n > total {
				t.Errorf("%d of %d bytes after %d", n, total, done)
			}
			done = n
		}}
		trailer, err := Read(disk, fileName(1), options, func(b *Batch) error {
			rest := b.Records
			for range b.Count {
				r, n, err := effectlog.ParseRecord(rest)
				if err != nil {
					return err
				}
				if !bytes.Equal(r.Value, bytes.Repeat([]byte{byte(r.Stamp)}, len(r.Value))) {
					return errors.New("another value")
				}
				seen[r.Stamp] = len(r.Value)
				rest = rest[n:]
			}
			return nil
		})
		must(t, err)
		if !slices.Equal(seen, sizes) || trailer.Records != uint64(len(sizes)) {
			t.Errorf("%v", seen)
		}
		_, err = Inspect(disk, fileName(1), &Inspector{Damage: func(d *DamageError) { t.Error(d) }, Frame: func(f *Frame) {
			if head, err := parseFrame(whole[f.Offset:]); err != nil || head.number != f.Number {
				t.Errorf("frame %d is not at %d: %v", f.Number, f.Offset, err)
			}
		}})
		must(t, err)
		if info := readSize(t, disk, fileName(1)); done != info {
			t.Errorf("%d of %d bytes were told of", done, info)
		}
	}
}

func readSize(t *testing.T, disk dio.FS, name string) int64 {
	t.Helper()
	f, err := disk.Open(name, 0)
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	return size
}

// What is not as the methods want it is refused, and changes nothing.
func TestRefused(t *testing.T) {
	disk := diotest.New()
	w, err := Create(disk, ".", Options{Begin: 9})
	must(t, err)
	wantIs(t, w.Append(nil, 0), ErrRecords)
	wantIs(t, w.Append(make([]byte, frameMax+1), 2), ErrRecords)
	wantIs(t, w.Publish(), ErrNotFinished)
	wantIs(t, w.Finish(8, sequences(1)), ErrEpoch)
	wantIs(t, w.Finish(9, nil), ErrSlots)
	must(t, w.Append(records(1, 0, 10), 10))
	must(t, w.Finish(9, sequences(1)))
	wantIs(t, w.Append(records(1, 0, 10), 10), ErrOver)
	wantIs(t, w.Finish(9, sequences(1)), ErrOver)
	if _, _, found, err := Newest(disk, "."); found || err != nil {
		t.Errorf("before it is published: %v, %v", found, err)
	}
	must(t, w.Publish())
	wantIs(t, w.Publish(), ErrOver)
	must(t, w.Abandon())
	must(t, w.Abandon())
	wantNames(t, disk, fileName(1))
	w, err = Create(disk, ".", Options{Begin: 9})
	must(t, err)
	must(t, w.Abandon())
	wantIs(t, w.Append(records(1, 0, 10), 10), ErrFailed)
	wantNames(t, disk, fileName(1))
}

// What a process has left that died is ignored, and removed.
func TestLeftovers(t *testing.T) {
	disk := diotest.New()
	must(t, write(disk, 1, 1, Options{}))
	for _, name := range []string{tempName(2), tempName(7), "panda.log", "1.snapshot", "0000000000000009.snapshot.old", "zzzzzzzzzzzzzzzz.snapshot"} {
		f, err := disk.Open(name, dio.New)
		must(t, err)
		must(t, f.Close())
	}
	if name, _ := newest(t, disk); name != fileName(1) {
		t.Errorf("%s", name)
	}
	must(t, RemoveLeftovers(disk, "."))
	wantNames(t, disk, fileName(1), "0000000000000009.snapshot.old", "1.snapshot", "panda.log", "zzzzzzzzzzzzzzzz.snapshot")
	must(t, write(disk, 2, 1, Options{}))
	if name, _ := newest(t, disk); name != fileName(2) {
		t.Errorf("%s", name)
	}
}

// The visitor's error ends Read, and is returned.
func TestVisitorFails(t *testing.T) {
	disk := diotest.New()
	must(t, write(disk, 1, 300, Options{}))
	broken := errors.New("broken")
	for _, parallel := range []bool{false, true} {
		_, err := Read(disk, fileName(1), ReadOptions{Parallel: parallel}, func(b *Batch) error {
			if b.First >= 1000 {
				return broken
			}
			return nil
		})
		if err != broken {
			t.Errorf("%v", err)
		}
	}
}

// TestLayout holds the bytes: files of this version must be read for ever.
func TestLayout(t *testing.T) {
	disk := diotest.New()
	w, err := Create(disk, ".", Options{Begin: 0x0102030405060708, CreatedMS: 0x1112131415161718})
	must(t, err)
	w.header.Identity = 0x1122334455667788 // in place of a random one
	w.total.Header = w.header
	w.header.put(w.stage.bytes)
	w.total.sum = 0
	w.total.sum = addFrame(0, w.stage.bytes)
	must(t, second(w.file.WriteAt(w.stage.bytes[:dio.BlockSize], 0)))
	set := effectlog.Record{Kind: effectlog.KindSet, Stamp: 3<<14 | 5, Key: []byte("key"), Value: []byte("value")}
	must(t, w.Append(effectlog.AppendRecord(nil, &set), 1))
	w.endFrame()
	set.Key = []byte("later")
	must(t, w.Append(effectlog.AppendRecord(nil, &set), 1))
	seqs := make([]uint64, Slots)
	seqs[0], seqs[5], seqs[Slots-1] = 0x2122232425262728, 3, 0x3132333435363738
	must(t, w.Finish(0x4142434445464748, seqs))
	must(t, w.Publish())
	must(t, second(0, func() error {
		_, err := Read(disk, fileName(1), ReadOptions{}, func(*Batch) error { return nil })
		return err
	}()))
	got := dropZeros(hex.Dump(readFile(t, disk, fileName(1))))
	const golden = "testdata/layout.txt"
	if *rewrite {
		must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s", err, got)
	}
}

// dropZeros leaves out the lines of a dump in which there is nothing.
func dropZeros(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.Contains(line, strings.Repeat("00 ", 8)+" "+strings.Repeat("00 ", 8)) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func readFile(t *testing.T, disk dio.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open(name, 0)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

func second(_ int, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%v; wanted %v", err, target)
	}
}

// TestRemoveOlder: the newest stays.
func TestRemoveOlder(t *testing.T) {
	disk := diotest.New()
	if err := RemoveOlder(disk, "."); err != nil {
		t.Error(err)
	}
	for _, serial := range []uint64{3, 4, 9} {
		f, err := disk.Open(fileName(serial), dio.New)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := RemoveOlder(disk, "."); err != nil {
			t.Error(err)
		}
		if serials, err := published(disk, "."); err != nil || len(serials) != 1 || serials[0] != 9 {
			t.Errorf("%v are left, %v", serials, err)
		}
	}
}
