package effectlog

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
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/*.txt anew")

// sample is record number i of an epoch: every kind and field in turn, values of all
// sizes.
func sample(epoch Epoch, i int) Record {
	r := Record{
		Kind:  Kind(1 + i%int(kindEnd-1)),
		Stamp: uint64(epoch)<<14 | uint64(i),
		Key:   fmt.Appendf(nil, "key:%d:%d", epoch, i),
	}
	if i%2 == 1 {
		r.ExpiryMS, r.Flags = 1_800_000_000_000+int64(i), uint32(i)
	}
	if i%3 == 1 {
		r.CAS, r.Bits, r.DB = 1<<63|uint64(i), 7, 15
	}
	switch r.Kind {
	case KindSet, KindState:
		r.Value = bytes.Repeat([]byte{byte('a' + epoch%26)}, (int(epoch%3000)*977+i*131)%3000)
	case KindFlushAll:
		for slot := range 1 + i%9 {
			r.Value = AppendMark(r.Value, uint64(epoch)<<14|uint64(slot*7))
		}
	}
	return r
}

// chunk is records 0 to n-1 of an epoch.
func chunk(epoch Epoch, n int) Chunk {
	var b []byte
	for i := range n {
		r := sample(epoch, i)
		b = AppendRecord(b, &r)
	}
	return Chunk{Pieces: [][]byte{b[:len(b)/3], b[len(b)/3:]}, Records: n}
}

// recordsOf is how many records the tests give an epoch.
func recordsOf(epoch Epoch) int { return 1 + int(epoch)%5 }

// writeEpochs writes epochs, each in frames of its own.
func writeEpochs(w *Writer, from, to Epoch) error {
	for epoch := from; epoch <= to; epoch++ {
		if err := w.Write(epoch, chunksOf(epoch)); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// chunksOf is an epoch of the tests: some take several frames, some have no effects.
func chunksOf(epoch Epoch) []Chunk {
	switch {
	case epoch%11 == 0:
		return []Chunk{chunk(epoch, 12), blockOf(chunk(epoch, 11)), blockOf(chunk(epoch, 13)), chunk(epoch, 10), blockOf(chunk(epoch, 14))}
	case epoch%16 == 13:
		return nil
	}
	return []Chunk{chunk(epoch, recordsOf(epoch))}
}

// blockOf is a chunk that may be written from where it is.
func blockOf(c Chunk) Chunk {
	whole := slices.Concat(c.Pieces...)
	c.Block = dio.Aligned(int(padded(int64(len(whole)))))
	for i := range c.Block {
		c.Block[i] = 0xff // of another use
	}
	n := copy(c.Block[FrameHead:], whole)
	c.Pieces = [][]byte{c.Block[FrameHead:][:n]}
	return c
}

// lastOf is the last epoch up to this one that has effects.
func lastOf(epoch Epoch) Epoch {
	for epoch > 0 && len(chunksOf(epoch)) == 0 {
		epoch--
	}
	return epoch
}

func start(t *testing.T, disk dio.FS, tail *Tail) *Writer {
	t.Helper()
	w, err := NewWriter(disk, ".", tail, small)
	must(t, err)
	t.Cleanup(w.keeper.close)
	return w
}

// small is for segments and frames of which there are many, and calls in an order.
var small = Options{SegmentBytes: segmentBytesMin, frameBytes: 8 << 10, ownBytes: 1, inline: true}

// readAll reads the log, and checks that what it has is epochs from after+1 on, whole
// and as they were written.
func readAll(disk dio.FS, options ReadOptions) (tail *Tail, last Epoch, err error) {
	got := &written{last: options.After}
	options.chunk = []int64{4 << 10, 12 << 10, 0}[reads.Add(1)%3] // windows are small, or hold it all
	tail, err = Read(disk, ".", options, got.visit)
	if err == nil {
		err = got.whole()
	}
	if err == nil && tail.Epoch != got.last {
		err = fmt.Errorf("the tail is at %d, the last epoch was %d", tail.Epoch, got.last)
	}
	return tail, got.last, err
}

var reads atomic.Int64

// written checks that batches are what the tests have written.
type written struct {
	last Epoch  // of what was visited
	rest []byte // of epochs of several batches
}

func (w *written) visit(b *Batch) error {
	if b.First > w.last+1 && len(w.rest) == 0 || b.Epoch < w.last || b.First > b.Epoch {
		return fmt.Errorf("epochs %d to %d follow %d", b.First, b.Epoch, w.last)
	}
	if b.Epoch > w.last {
		if err := w.whole(); err != nil {
			return err
		}
		for epoch := b.First; epoch <= b.Epoch; epoch++ {
			w.rest = append(w.rest, content(epoch)...)
		}
		w.last = b.Epoch
	}
	n := 0
	for rest := b.Records; len(rest) > 0; n++ {
		_, _, size := Peek(rest)
		rest = rest[size:]
	}
	if n != b.Count {
		return fmt.Errorf("%d records in place of %d", n, b.Count)
	}
	rest, ok := bytes.CutPrefix(w.rest, b.Records)
	if !ok {
		return fmt.Errorf("epochs %d to %d have other records", b.First, b.Epoch)
	}
	w.rest = rest
	return nil
}

// whole says whether the last epoch is.
func (w *written) whole() error {
	if len(w.rest) > 0 {
		return fmt.Errorf("epoch %d is not whole", w.last)
	}
	return nil
}

// content is the records of an epoch, which are made once.
func content(epoch Epoch) []byte {
	made, ok := contents.Load(epoch)
	if !ok {
		var b []byte
		for _, c := range chunksOf(epoch) {
			b = append(b, slices.Concat(c.Pieces...)...)
		}
		made, _ = contents.LoadOrStore(epoch, b)
	}
	return made.([]byte)
}

var contents sync.Map

func TestRecord(t *testing.T) {
	for i := range 60 {
		want := sample(7, i)
		b := AppendRecord([]byte("before"), &want)[6:]
		got, n, err := ParseRecord(append(b, "behind"...))
		if err != nil || n != len(b) || !same(got, want) {
			t.Fatalf("%+v, %d, %v; wanted %+v, %d", got, n, err, want, len(b))
		}
		if kind, stamp, n := Peek(b); kind != want.Kind || stamp != want.Stamp || n != len(b) {
			t.Fatalf("peeked %d, %d, %d; wanted %+v, %d", kind, stamp, n, want, len(b))
		}
		pieces := AppendHead(nil, &want, len(want.Value))
		Seal(pieces, want.Value[:len(want.Value)/2], want.Value[len(want.Value)/2:])
		if !bytes.Equal(append(pieces, want.Value...), b) {
			t.Fatal("sealed in pieces it is another")
		}
		for cut := range b {
			if _, _, err := ParseRecord(b[:cut]); !errors.Is(err, ErrRecord) {
				t.Fatalf("cut to %d: %v", cut, err)
			}
		}
	}
}

func same(a, b Record) bool {
	keys := bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	a.Key, a.Value, b.Key, b.Value = nil, nil, nil, nil
	return keys && fmt.Sprint(a) == fmt.Sprint(b)
}

// A record of a kind, a type or a field that this version does not know is no damage.
func TestRecordOfLaterVersion(t *testing.T) {
	for _, change := range []func(b []byte){
		func(b []byte) { b[8] = byte(kindEnd) },
		func(b []byte) { b[9] = byte(typeEnd) },
		func(b []byte) { b[10] = fieldEnd },
	} {
		r := sample(1, 0)
		b := AppendRecord(nil, &r)
		change(b)
		Seal(b)
		if _, _, err := ParseRecord(b); !errors.Is(err, ErrVersion) {
			t.Errorf("%v", err)
		}
	}
}

// The marks of a flush are one for a slot, in their order, and whole.
func TestMarks(t *testing.T) {
	value := AppendMark(AppendMark(AppendMark(nil, 9<<14), 7<<14|5), 8<<14|slotMask)
	r := Record{Kind: KindFlushAll, Stamp: 9 << 14, Value: value}
	got, _, err := ParseRecord(AppendRecord(nil, &r))
	if marks := slices.Collect(Marks(got.Value)); err != nil || !slices.Equal(marks, []uint64{9 << 14, 7<<14 | 5, 8<<14 | slotMask}) {
		t.Errorf("%x, %v", marks, err)
	}
	for name, value := range map[string][]byte{
		"cut off":  value[:len(value)-1],
		"twice":    AppendMark(slices.Clone(value), 10<<14|slotMask),
		"disorder": AppendMark(slices.Clone(value), 10<<14|6),
	} {
		r.Value = value
		if _, _, err := ParseRecord(AppendRecord(nil, &r)); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
		r.Kind = KindSet // in whose value they are bytes as any others
		if _, _, err := ParseRecord(AppendRecord(nil, &r)); err != nil {
			t.Errorf("%s, as a value: %v", name, err)
		}
		r.Kind = KindFlushAll
	}
}

func TestLog(t *testing.T) {
	disk := diotest.New()
	tail, last, err := readAll(disk, ReadOptions{})
	if err != nil || last != 0 {
		t.Fatalf("an empty folder: %d, %v", last, err)
	}
	w := start(t, disk, tail)
	must(t, writeEpochs(w, 1, 100))
	if w.Durable() >= 100 {
		t.Errorf("epoch %d is said to be durable", w.Durable())
	}
	must(t, w.Sync())
	if w.Durable() != 100 {
		t.Errorf("epoch %d is durable", w.Durable())
	}
	must(t, w.Close())
	if err := w.Write(101, []Chunk{chunk(101, 1)}); !errors.Is(err, ErrFailed) {
		t.Errorf("a closed log: %v", err)
	}
	for _, after := range []Epoch{0, 1, 50, 99, 100, 200} {
		tail, last, err = readAll(disk, ReadOptions{After: after})
		if err != nil || last != max(after, 100) || tail.Torn != nil {
			t.Errorf("after %d: up to %d, %v, %v", after, last, tail.Torn, err)
		}
	}
	must(t, Repair(disk, ".", tail))
	tail, _, err = readAll(disk, ReadOptions{})
	must(t, err)
	w = start(t, disk, tail)
	must(t, writeEpochs(w, 101, 110))
	must(t, w.Close())
	if _, last, err = readAll(disk, ReadOptions{}); err != nil || last != 110 {
		t.Errorf("up to %d, %v", last, err)
	}
}

// An epoch larger than a segment makes its segment larger, and takes several frames.
func TestLargeEpoch(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	large := Record{Kind: KindSet, Stamp: 1, Key: []byte("large"), Value: bytes.Repeat([]byte("v"), frameMax/2)}
	one := Chunk{Pieces: [][]byte{AppendRecord(nil, &large)}, Records: 1}
	must(t, w.Write(1, []Chunk{one, one, one}))
	must(t, w.Write(2, []Chunk{one}))
	must(t, w.Close())
	var frames []string
	tail, err := Read(disk, ".", ReadOptions{}, func(b *Batch) error {
		frames = append(frames, fmt.Sprintf("%d:%d of %s", b.Epoch, b.Count, b.File))
		r, _, err := ParseRecord(b.Records)
		if !same(r, large) {
			t.Error("another record")
		}
		return err
	})
	want := "1:1 of 0000000000000001.log, 1:1 of 0000000000000001.log, 1:1 of 0000000000000001.log, 2:1 of 0000000000000002.log"
	if got := strings.Join(frames, ", "); got != want || err != nil || tail.Epoch != 2 {
		t.Errorf("%s, %v", got, err)
	}
}

// What a snapshot has is forgotten, in whole segments.
func TestForget(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 200))
	before := len(w.earlier)
	must(t, w.Forget(100))
	if kept := len(w.earlier); kept == 0 || kept >= before {
		t.Errorf("%d of %d segments are kept", kept, before)
	}
	must(t, w.Close())
	if _, last, err := readAll(disk, ReadOptions{After: 100}); last != 200 || err != nil {
		t.Errorf("up to %d, %v", last, err)
	}
	if _, _, err := readAll(disk, ReadOptions{}); !errors.Is(err, ErrGap) {
		t.Errorf("without the snapshot: %v", err)
	}
	if err := w.Forget(1000); err != nil || len(w.earlier) != 0 {
		t.Errorf("%d segments are left, %v", len(w.earlier), err)
	}
}

// A write or a sync that failed ends the log, and nothing is said to be durable that is
// not.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	for name, arm := range map[string]func(*diotest.FS) error{
		"sync": func(disk *diotest.FS) error {
			disk.Before(func(e diotest.Event) error {
				if e.Call == "sync" {
					return broken
				}
				return nil
			})
			return broken
		},
		"write": func(disk *diotest.FS) error {
			disk.Before(func(e diotest.Event) error {
				if e.Call == "write" {
					return broken
				}
				return nil
			})
			return broken
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := diotest.New()
			w := start(t, disk, &Tail{})
			must(t, writeEpochs(w, 1, 10))
			must(t, w.Sync())
			want := arm(disk)
			err := writeEpochs(w, 11, 200) // beyond the segment
			if err == nil {
				err = w.Sync()
			}
			if !errors.Is(err, want) || !errors.Is(err, ErrFailed) {
				t.Errorf("%v", err)
			}
			disk.Before(nil)
			disk.SetSpace(0)
			if err := w.Write(500, []Chunk{chunk(500, 1)}); !errors.Is(err, want) {
				t.Errorf("later: %v", err)
			}
			if err := w.Sync(); !errors.Is(err, want) {
				t.Errorf("later: %v", err)
			}
			w.Close()
			_, last, err := readAll(disk.Crash(diotest.Tears(1)[0]), ReadOptions{})
			if err != nil || last < lastOf(w.Durable()) {
				t.Errorf("up to %d of %d, %v", last, w.Durable(), err)
			}
		})
	}
}

// What is forgotten after a restart is what a snapshot has, whatever it has; and who
// wants more than is left is told so.
func TestForgetLater(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 200))
	must(t, w.Close())
	for forgotten := Epoch(1); forgotten <= 200; forgotten += 7 {
		after := disk.Crash(diotest.Tears(0)[2])
		tail, _, err := readAll(after, ReadOptions{})
		must(t, err)
		w := start(t, after, tail)
		must(t, w.Forget(forgotten))
		oldest := w.Stats().Oldest
		must(t, w.Close())
		if _, last, err := readAll(after, ReadOptions{After: forgotten}); err != nil || last != 200 {
			t.Fatalf("forgotten up to %d: up to %d, %v", forgotten, last, err)
		}
		if _, last, err := readAll(after, ReadOptions{After: oldest - 1}); err != nil || last != 200 {
			t.Fatalf("from %d on: up to %d, %v", oldest, last, err)
		}
		if oldest < 2 {
			continue
		}
		if _, last, err := readAll(after, ReadOptions{After: oldest - 2}); !errors.Is(err, ErrGap) {
			t.Fatalf("before %d: up to %d, %v", oldest, last, err)
		}
	}
}

// A disk that is full, at any moment and for any segment or large epoch, has the same
// call come again, loses nothing that was durable meanwhile, and nothing at all later.
func TestFullDisk(t *testing.T) {
	full := 0
	for space := int64(0); space < 6*segmentBytesMin; space += 3 * dio.BlockSize {
		disk := diotest.New()
		w := start(t, disk, &Tail{})
		disk.SetSpace(segmentBytesMin + space)
		again := func(call func() error) {
			t.Helper()
			err := call()
			if errors.Is(err, ErrFull) && errors.Is(err, syscall.ENOSPC) {
				full++
				if err := call(); !errors.Is(err, ErrFull) {
					t.Fatalf("again: %v", err)
				}
				if _, last, err := readAll(disk.Crash(diotest.Tears(1)[0]), ReadOptions{}); err != nil || last < lastOf(w.Durable()) {
					t.Fatalf("a crash while it is full: up to %d of %d, %v", last, w.Durable(), err)
				}
				disk.SetSpace(0)
				err = call()
			}
			must(t, err)
		}
		for epoch := Epoch(1); epoch <= 60; epoch++ {
			again(func() error { return w.Write(epoch, chunksOf(epoch)) })
			if epoch%3 == 0 {
				again(w.Flush)
			}
			if epoch%5 == 0 {
				again(w.Sync)
			}
		}
		must(t, w.Close())
		if _, last, err := readAll(disk, ReadOptions{}); err != nil || last != lastOf(60) {
			t.Fatalf("%d bytes: up to %d, %v", space, last, err)
		}
	}
	if full < 10 {
		t.Errorf("the disk was full %d times", full)
	}
}

// A log that found no room for its next segment has lost nothing by it.
func TestForgetAfterFullDisk(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 10))
	disk.SetSpace(1)
	if err := writeEpochs(w, 11, 200); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	w.Forget(3)
	w.Close()
	disk.SetSpace(0)
	if _, last, err := readAll(disk, ReadOptions{}); err != nil || last < lastOf(w.Durable()) || last < 10 {
		t.Errorf("up to %d of %d, %v", last, w.Durable(), err)
	}
}

// Epochs that come too late, and chunks that are too large, are refused, and the log
// goes on. An epoch without effects is durable with what was before it.
func TestEpochs(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 3))
	for _, epoch := range []Epoch{0, 2, 3} {
		if err := w.Write(epoch, []Chunk{chunk(epoch, 1)}); !errors.Is(err, ErrEpoch) {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
	large := Chunk{Pieces: [][]byte{make([]byte, frameMax), {1}}, Records: 2}
	if err := w.Write(4, []Chunk{large}); !errors.Is(err, ErrChunk) {
		t.Errorf("a chunk of two records: %v", err)
	}
	must(t, w.Write(4, nil))
	if w.Durable() != 0 {
		t.Errorf("%d is durable", w.Durable())
	}
	must(t, w.Sync())
	must(t, w.Write(5, nil))
	if w.Durable() != 5 {
		t.Errorf("%d is durable", w.Durable())
	}
	must(t, w.Close())
	if _, last, err := readAll(disk, ReadOptions{}); err != nil || last != 3 {
		t.Errorf("up to %d, %v", last, err)
	}
}

// Only what has a segment's name is one; a log that was interrupted must be repaired.
func TestNamesAndRepair(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 3))
	for _, name := range []string{"panda.log", "1.log", "0000000000000001.log.old", "zzzzzzzzzzzzzzzz.log"} {
		f, err := disk.Open(name, dio.New)
		must(t, err)
		must(t, f.Close())
	}
	tail, last, err := readAll(disk, ReadOptions{})
	if err != nil || last != 3 {
		t.Fatalf("up to %d, %v", last, err)
	}
	if _, err := NewWriter(disk, ".", tail, Options{}); !errors.Is(err, ErrNotRepaired) {
		t.Errorf("%v", err)
	}
}

// TestLayout holds the bytes: files of this version must be read for ever.
func TestLayout(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	w.segment.identity = 0x1122334455667788 // in place of a random one
	w.segment.put(w.stage)
	must(t, second(w.file.WriteAt(w.stage[:dio.BlockSize], 0)))
	set := Record{Kind: KindSet, Stamp: 3<<14 | 5, ExpiryMS: 0x0102030405060708, CAS: 0x1112131415161718,
		Flags: 0x21222324, Bits: 0x31323334, DB: 0x41424344, Key: []byte("key"), Value: []byte("value")}
	gone := Record{Kind: KindDelete, Stamp: 4<<14 | 5, Key: []byte("key")}
	all := Record{Kind: KindFlushAll, Stamp: 5 << 14, Value: AppendMark(AppendMark(nil, 5<<14), 4<<14|5)}
	state := Record{Kind: KindState, Stamp: 6 << 14, Key: []byte("memcache"), Value: []byte("its own")}
	var b []byte
	for _, r := range []*Record{&set, &gone, &all, &state} {
		b = AppendRecord(b, r)
	}
	must(t, w.Write(9, []Chunk{{Pieces: [][]byte{b}, Records: 4}}))
	must(t, w.Close())
	got := hex.Dump(readFile(t, disk, "0000000000000001.log"))
	got = dropZeros(got)
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
