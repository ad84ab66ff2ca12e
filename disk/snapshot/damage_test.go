package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/internal/invariant"
)

// put makes b the file's bytes.
func put(t *testing.T, disk dio.FS, name string, b []byte) {
	t.Helper()
	f, err := disk.Open(name, dio.Create)
	must(t, err)
	must(t, f.Truncate(0))
	must(t, second(f.WriteAt(b, 0)))
	must(t, f.Sync())
	must(t, f.Close())
}

// clean is a snapshot's bytes, and its frames.
func clean(t *testing.T, seed, frames int) (b []byte, found []Frame) {
	t.Helper()
	disk := diotest.New()
	must(t, write(disk, seed, frames, Options{}))
	name, _ := newest(t, disk)
	_, err := Inspect(disk, name, &Inspector{
		Damage: func(d *DamageError) { t.Error(d) },
		Frame:  func(f *Frame) { found = append(found, *f) },
	})
	must(t, err)
	return readFile(t, disk, name), found
}

// salvage reads what can be read, and is the numbers of the records that came.
func salvage(t *testing.T, disk dio.FS, seed int, options ReadOptions) (numbers []uint64, told []*DamageError, trailer *Trailer) {
	t.Helper()
	options.Salvage = func(d *DamageError) { told = append(told, d) }
	trailer, err := Read(disk, fileName(1), options, func(b *Batch) error {
		rest := b.Records
		for i := range b.Count {
			number := b.First + uint64(i)
			want := records(seed, int(number), 1)
			if !bytes.HasPrefix(rest, want) {
				return fmt.Errorf("another record %d", number)
			}
			rest = rest[len(want):]
			numbers = append(numbers, number)
		}
		return nil
	})
	must(t, err)
	slices.Sort(numbers)
	return numbers, told, trailer
}

// place is where damage at an offset is to be found: the record or the frame.
func place(b []byte, frames []Frame, offset int64) (at int64, record int) {
	for _, f := range frames {
		body := f.Offset + frameHead
		switch {
		case offset < f.Offset, offset >= f.Offset+padded(int64(f.Bytes)):
			continue
		case offset < body, offset >= body+int64(f.Bytes):
			return f.Offset, -1
		}
		for i := 0; ; i++ {
			n := int64(binary.LittleEndian.Uint32(b[body+4:]))
			if offset < body+n {
				return body, int(f.First) + i
			}
			body += n
		}
	}
	if offset < dio.BlockSize {
		return 0, -1
	}
	return int64(len(b)) - trailerBytes, -1
}

// Every flipped bit is noticed, and the error names file, offset and record. Salvaging,
// one record is lost, or one frame if the bit is in its head, or a length.
func TestBitFlips(t *testing.T) {
	trials := 10_000
	if testing.Short() || invariant.On {
		trials = 500
	}
	b, frames := clean(t, 1, 12)
	disk := diotest.New()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range trials {
		offset, bit := random.Int64N(int64(len(b))), random.IntN(8)
		if i%2 == 0 { // the trailer is large
			offset = random.Int64N(int64(len(b)) - trailerBytes)
		}
		b[offset] ^= 1 << bit
		put(t, disk, fileName(1), b)
		b[offset] ^= 1 << bit
		what := fmt.Sprintf("offset %d, bit %d", offset, bit)
		at, record := place(b, frames, offset)
		_, err := Read(disk, fileName(1), ReadOptions{}, func(*Batch) error { return nil })
		var damage *DamageError
		if !errors.As(err, &damage) || damage.File != fileName(1) || damage.Offset != at || damage.Record != record {
			t.Fatalf("%s: %v; wanted %d, %d", what, err, at, record)
		}
		if i%4 > 1 {
			continue
		}
		lost := 0
		switch isLength := record >= 0 && offset-at >= 4 && offset-at < 8; {
		case isLength || record < 0 && at > 0 && at < int64(len(b))-trailerBytes && offset < at+frameHead:
			lost = 10
		case record >= 0:
			lost = 1
		}
		numbers, told, trailer := salvage(t, disk, 1, ReadOptions{})
		if len(numbers) < 120-lost || len(told) != 1 || trailer.Seqs == nil != (at == int64(len(b))-trailerBytes) {
			t.Fatalf("%s: %d records, %v", what, len(numbers), told)
		}
	}
}

// Frames that are missing, doubled, exchanged or another file's, and files that are cut
// off or too long, are noticed; and what is whole is salvaged.
func TestHarm(t *testing.T) {
	b, frames := clean(t, 1, 12)
	other, _ := clean(t, 1, 12)
	cut := func(i, j int) []byte { // frames from i up to before j
		end := int64(len(b)) - trailerBytes
		if j < len(frames) {
			end = frames[j].Offset
		}
		return b[frames[i].Offset:end]
	}
	head, trailer := b[:dio.BlockSize], b[len(b)-trailerBytes:]
	end := int64(len(b)) - trailerBytes
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	for _, c := range []struct {
		name  string
		bytes []byte
		lost  int
		err   error
		at    int64
	}{
		{"nothing", nil, 120, ErrHead, 0},
		{"only a head", head, 120, ErrTrailer, 0},
		{"no head", b[dio.BlockSize:], 10, ErrHead, 0}, // the first frame is in its place
		{"no frames", join(head, trailer), 120, ErrOrder, dio.BlockSize},
		{"first missing", join(head, cut(1, 12), trailer), 10, ErrOrder, dio.BlockSize},
		{"one missing", join(head, cut(0, 5), cut(6, 12), trailer), 10, ErrOrder, frames[5].Offset},
		{"last missing", join(head, cut(0, 11), trailer), 10, ErrOrder, frames[11].Offset},
		{"one doubled", join(head, cut(0, 6), cut(5, 12), trailer), 0, ErrOrder, frames[6].Offset},
		{"last doubled", join(head, cut(0, 12), cut(11, 12), trailer), 0, ErrOrder, end},
		{"two exchanged", join(head, cut(0, 3), cut(4, 5), cut(3, 4), cut(5, 12), trailer), 0, ErrOrder, frames[3].Offset},
		{"foreign frame", join(head, cut(0, 3), other[frames[3].Offset:frames[4].Offset], cut(4, 12), trailer), 10, ErrFrame, frames[3].Offset},
		{"foreign head", join(other[:dio.BlockSize], b[dio.BlockSize:]), 0, ErrTrailer, end},
		{"foreign trailer", join(b[:len(b)-trailerBytes], other[len(b)-trailerBytes:]), 0, ErrTrailer, end},
		{"no trailer", b[:len(b)-trailerBytes], 0, ErrTrailer, max(end-trailerBytes, 0)},
		{"cut off in the trailer", b[:len(b)-dio.BlockSize], 0, ErrTrailer, end - dio.BlockSize},
		{"cut off in a block", b[:len(b)-10], 0, ErrTrailer, end - 10},
		{"cut off in a frame", b[:frames[11].Offset+dio.BlockSize], 10, ErrTrailer, 0},
		{"longer", join(b, make([]byte, dio.BlockSize)), 0, ErrTrailer, end + dio.BlockSize},
		{"longer by a byte", join(b, []byte{0}), 0, ErrTrailer, end + 1},
		{"two trailers", join(b, trailer), 0, ErrFrame, end},
		{"zeros in a frame", join(b[:frames[4].Offset], make([]byte, dio.BlockSize), b[frames[4].Offset+dio.BlockSize:]), 10, ErrFrame, frames[4].Offset},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := diotest.New()
			put(t, disk, fileName(1), c.bytes)
			var damage *DamageError
			_, err := Read(disk, fileName(1), ReadOptions{}, func(*Batch) error { return nil })
			if !errors.Is(err, c.err) || !errors.As(err, &damage) || damage.File != fileName(1) || damage.Offset != c.at {
				t.Errorf("%v", err)
			}
			numbers, told, _ := salvage(t, disk, 1, ReadOptions{})
			if got := len(slices.Compact(numbers)); got != 120-c.lost || len(told) == 0 {
				t.Errorf("%d records are lost, wanted %d: %v", 120-got, c.lost, told)
			}
			if c.name == "cut off in a frame" && told[len(told)-1].Offset != frames[11].Offset {
				t.Errorf("%v", told)
			}
		})
	}
}

// Parts that are whole in themselves, and not those that were written, are noticed by
// the checksum of what they are parts of: records by the frame's, frames by the file's.
func TestExchangedWithin(t *testing.T) {
	b, frames := clean(t, 1, 4)
	body := b[frames[2].Offset+frameHead:][:frames[2].Bytes]
	first := body[:binary.LittleEndian.Uint32(body[4:])]
	second := body[len(first):][:binary.LittleEndian.Uint32(body[len(first)+4:])]
	copy(body, slices.Concat(second, first))
	disk := diotest.New()
	read := func(want error, offset int64) {
		t.Helper()
		put(t, disk, fileName(1), b)
		_, err := Read(disk, fileName(1), ReadOptions{}, func(*Batch) error { return nil })
		var damage *DamageError
		if !errors.Is(err, want) || !errors.As(err, &damage) || damage.Offset != offset || damage.Record != -1 {
			t.Errorf("%v", err)
		}
	}
	read(ErrFrame, frames[2].Offset)
	head := b[frames[2].Offset:][:frameHead]
	binary.LittleEndian.PutUint32(head[44:], crc32.Checksum(body, castagnoli))
	reseal(head)
	read(ErrOrder, int64(len(b))-trailerBytes)

	last := frames[3]
	head = b[last.Offset:][:frameHead]
	head[40]-- // the records in it
	reseal(head)
	put(t, disk, fileName(1), b)
	_, err := Read(disk, fileName(1), ReadOptions{}, func(*Batch) error { return nil })
	var damage *DamageError
	if !errors.As(err, &damage) || damage.Record != 39 {
		t.Errorf("a frame of more records than it says: %v", err)
	}
}

// Damage ends Read's goroutines, in a file of many spans.
func TestDamageEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		disk := diotest.New()
		w, err := Create(disk, ".", Options{})
		must(t, err)
		large := effectlog.Record{Kind: effectlog.KindSet, Key: []byte("key"), Value: make([]byte, stageBytes/2)}
		for range 24 * spanBytes / stageBytes {
			must(t, w.Append(effectlog.AppendRecord(nil, &large), 1))
		}
		must(t, w.Finish(1, sequences(1)))
		must(t, w.Publish())
		f, err := disk.Open(fileName(1), 0)
		must(t, err)
		must(t, second(f.WriteAt([]byte{1}, dio.BlockSize+8)))
		_, err = Read(disk, fileName(1), ReadOptions{Checkers: 1}, func(*Batch) error { return nil })
		wantIs(t, err, ErrFrame)
	})
}

// What a later version has written is refused, and not salvaged.
func TestLaterVersion(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"file": func(b []byte) {
			b[12]++
			reseal(b[:dio.BlockSize])
		},
		"frame": func(b []byte) {
			b[dio.BlockSize+48] = frameFlagsEnd
			reseal(b[dio.BlockSize:][:frameHead])
		},
		"record": func(b []byte) {
			record := b[dio.BlockSize+frameHead:]
			record[8] = 200
			effectlog.Seal(record[:binary.LittleEndian.Uint32(record[4:])])
		},
		"trailer": func(b []byte) {
			trailer := b[len(b)-trailerBytes:]
			trailer[48] = frameFlagsEnd
			reseal(trailer[:frameHead])
		},
	} {
		b, _ := clean(t, 1, 2)
		change(b)
		disk := diotest.New()
		put(t, disk, fileName(1), b)
		for _, options := range []ReadOptions{{}, {Salvage: func(*DamageError) {}}} {
			if _, err := Read(disk, fileName(1), options, func(*Batch) error { return nil }); !laterVersion(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, found, err := Newest(disk, "."); !found || (name == "file") != errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

// reseal makes a head whole again.
func reseal(head []byte) {
	binary.LittleEndian.PutUint32(head[8:], crc32.Checksum(head[12:], castagnoli))
}

// A newest snapshot that is damaged is named, and not passed over for an older one;
// one that has another's name is damaged.
func TestNewestIsDamaged(t *testing.T) {
	disk := diotest.New()
	must(t, second(session(disk, 1, 2)))
	b := readFile(t, disk, fileName(2))
	b[20] ^= 1
	put(t, disk, fileName(2), b)
	name, _, found, err := Newest(disk, ".")
	var damage *DamageError
	if name != fileName(2) || !found || !errors.As(err, &damage) || damage.File != name || !errors.Is(err, ErrHead) {
		t.Errorf("%s, %v, %v", name, found, err)
	}
	must(t, write(disk, 3, 1, Options{})) // mends it
	must(t, disk.Rename(fileName(3), fileName(9)))
	if name, _, _, err = Newest(disk, "."); name != fileName(9) || !errors.Is(err, ErrHead) {
		t.Errorf("%s, %v", name, err)
	}
	if _, err := Read(disk, fileName(9), ReadOptions{}, func(*Batch) error { return nil }); !errors.Is(err, ErrHead) {
		t.Errorf("%v", err)
	}
	must(t, disk.Rename(fileName(9), "copy"))
	must(t, sameAs(disk, "copy", 3, 1, ReadOptions{}))
}

// The log notices that the newest snapshot was removed: it has forgotten what is
// behind the older one.
func TestNewestIsMissing(t *testing.T) {
	disk := diotest.New()
	log, err := effectlog.NewWriter(disk, ".", &effectlog.Tail{}, effectlog.Options{SegmentBytes: 64 << 10})
	must(t, err)
	for epoch := effectlog.Epoch(1); epoch <= 300; epoch++ {
		must(t, log.Write(epoch, []effectlog.Chunk{{Pieces: [][]byte{records(int(epoch), 0, 10)}, Records: 10}}))
		if epoch%100 == 0 {
			must(t, write(disk, int(epoch)/100, 1, Options{}))
			_, h := newest(t, disk)
			must(t, log.Forget(h.Begin))
		}
	}
	must(t, log.Close())
	replay := func() error {
		_, h := newest(t, disk)
		_, err := effectlog.Read(disk, ".", effectlog.ReadOptions{After: h.Begin}, func(*effectlog.Batch) error { return nil })
		return err
	}
	must(t, replay())
	must(t, disk.Remove(fileName(3)))
	wantIs(t, replay(), effectlog.ErrGap)
}

// A sector that cannot be read is named; salvaging, its block is lost.
func TestUnreadable(t *testing.T) {
	b, frames := clean(t, 1, 12)
	disk := &unreadable{FS: diotest.New()}
	put(t, disk, fileName(1), b)
	for _, c := range []struct {
		at   int64
		lost int
	}{{frames[7].Offset, 10}, {0, 0}, {int64(len(b)) - dio.BlockSize, 0}} {
		disk.from, disk.to = c.at, c.at+dio.BlockSize
		if _, err := Read(disk, fileName(1), ReadOptions{}, func(*Batch) error { return nil }); !errors.Is(err, syscall.EIO) {
			t.Errorf("at %d: %v", c.at, err)
		}
		numbers, told, _ := salvage(t, disk, 1, ReadOptions{})
		if len(numbers) != 120-c.lost || len(told) == 0 || !errors.Is(told[0], syscall.EIO) {
			t.Errorf("at %d: %d records, %v", c.at, len(numbers), told)
		}
	}
}

// unreadable is a disk that cannot read from from to to.
type unreadable struct {
	dio.FS
	from, to int64
}

type unreadableFile struct {
	dio.File
	fs *unreadable
}

func (u *unreadable) Open(name string, mode dio.Mode) (dio.File, error) {
	f, err := u.FS.Open(name, mode)
	return &unreadableFile{f, u}, err
}

func (f *unreadableFile) ReadAt(p []byte, offset int64) (int, error) {
	if offset < f.fs.to && offset+int64(len(p)) > f.fs.from {
		return 0, syscall.EIO
	}
	n, err := f.File.ReadAt(p, offset)
	if err == io.EOF && n == len(p) {
		err = nil
	}
	return n, err
}

// Inspect tells what is in a frame that is damaged.
func TestInspect(t *testing.T) {
	b, frames := clean(t, 1, 3)
	b[frames[1].Offset+frameHead+30] ^= 1
	disk := diotest.New()
	put(t, disk, "copy", b)
	var told []string
	frame := func(f *Frame) {
		text := fmt.Sprintf("frame %d at %d: records %d to %d, %d bytes, %d damaged;", f.Number, f.Offset, f.First, f.First+uint64(f.Records), f.Bytes, len(f.Damage))
		for _, b := range f.Batches {
			text += fmt.Sprintf(" %d from %d", b.Count, b.First)
			r := sample(1, int(b.First))
			if at := b.Offset - frames[f.Number].Offset - frameHead; !bytes.Equal(b.Records, frames[f.Number].Batches[0].Records[at:]) ||
				!bytes.HasPrefix(b.Records, effectlog.AppendRecord(nil, &r)) {
				t.Errorf("other records from %d on", b.First)
			}
		}
		told = append(told, text)
	}
	trailer, err := Inspect(disk, "copy", &Inspector{
		Header: func(h *Header) { told = append(told, fmt.Sprintf("number %d, begin %d", h.Serial, h.Begin)) },
		Damage: func(d *DamageError) { told = append(told, d.Error()) },
		Frame:  frame,
	})
	must(t, err)
	want := []string{
		"number 1, begin 100",
		fmt.Sprintf("frame 0 at 4096: records 0 to 10, %d bytes, 0 damaged; 10 from 0", frames[0].Bytes),
		fmt.Sprintf("copy, offset %d, record 10: effectlog: damaged record", frames[1].Offset+frameHead),
		fmt.Sprintf("frame 1 at %d: records 10 to 20, %d bytes, 1 damaged; 9 from 11", frames[1].Offset, frames[1].Bytes),
		fmt.Sprintf("frame 2 at %d: records 20 to 30, %d bytes, 0 damaged; 10 from 20", frames[2].Offset, frames[2].Bytes),
	}
	if !slices.Equal(told, want) || trailer.Records != 30 || trailer.Seqs == nil {
		t.Errorf("%q", told)
	}
}
