package effectlog

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/invariant"
)

// damaged is a log with one bit flipped.
func damaged(t *testing.T, disk *diotest.FS, name string, offset int64, bit int) *diotest.FS {
	t.Helper()
	kept := diotest.Tears(0)[2]
	after := disk.Crash(kept)
	flip(t, after, name, offset, bit)
	return after
}

// flip turns a bit around.
func flip(t *testing.T, disk *diotest.FS, name string, offset int64, bit int) {
	t.Helper()
	f, err := disk.Open(name, 0)
	must(t, err)
	b := make([]byte, 1)
	must(t, second(f.ReadAt(b, offset)))
	b[0] ^= 1 << bit
	must(t, second(f.WriteAt(b, offset)))
}

// maxSample is more than a record of the tests' takes, or what is behind a frame's last.
const maxSample = 4200

// Every flipped bit of a log that was closed is noticed, and the error says where it
// is, to the frame or record. Salvaging, every other record is there, or, where it is a
// frame's head or a record's length that is damaged, what is in other frames.
func TestBitFlips(t *testing.T) {
	trials := 10_000
	if testing.Short() || invariant.On {
		trials = 500
	}
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	for epoch := Epoch(1); epoch <= 90; epoch++ {
		must(t, w.Write(epoch, chunksOf(epoch)))
		if epoch%4 == 0 {
			must(t, w.Flush()) // frames of several epochs, of one, and of a part of one
		}
	}
	must(t, w.Close())
	infos, err := disk.List(".")
	must(t, err)
	frames := framesOf(t, disk)
	random := rand.New(rand.NewPCG(1, 2))
	for range trials {
		file := infos[random.IntN(len(infos))]
		offset, bit := random.Int64N(file.Size()), random.IntN(8)
		flip(t, disk, file.Name(), offset, bit)
		tail, last, err := readAll(disk, ReadOptions{})
		if err == nil && tail.Torn != nil && last == 90 {
			err = tail.Torn
		}
		var damage *DamageError
		if !errors.As(err, &damage) {
			t.Fatalf("%s, offset %d, bit %d: %v", file.Name(), offset, bit, err)
		}
		if damage.File != file.Name() || damage.Offset > offset || damage.Offset < offset-frameHead-maxSample {
			t.Fatalf("%s, offset %d, bit %d: found at %v", file.Name(), offset, bit, damage)
		}
		lost, told := salvage(t, disk)
		most := 0
		for _, f := range frames {
			if f.File == file.Name() && f.Offset <= offset && offset < f.Offset+f.Bytes {
				most = f.Records
				if damage.Record >= 0 && offset-damage.Offset >= 8 {
					most = 1 // its length is believed
				}
				if offset-f.Offset >= frameHead && damage.Record < 0 {
					most = 0 // behind the records
				}
			}
		}
		if lost > most || damage.Record >= 0 && lost == 0 || told > 1 {
			t.Fatalf("%s, offset %d, bit %d: %d records are lost of at most %d, told %d times: %v", file.Name(), offset, bit, lost, most, told, damage)
		}
		flip(t, disk, file.Name(), offset, bit) // back
	}
}

// A flipped bit of a log whose writer was interrupted, all of it durable and noted, is
// noticed as well, or it lies where nothing of the log is: then all is there.
func TestBitFlipsInterrupted(t *testing.T) {
	trials := 3_000
	if testing.Short() || invariant.On {
		trials = 500
	}
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	for epoch := Epoch(1); epoch <= 90 || w.spare == nil; epoch++ {
		must(t, w.Write(epoch, chunksOf(min(epoch, 90)))) // with a segment made ahead
		must(t, w.Sync())
	}
	must(t, w.Note())
	last := w.last
	infos, err := disk.List(".")
	must(t, err)
	want := salvaged(t, disk)
	random := rand.New(rand.NewPCG(3, 4))
	harmless := 0
	for range trials {
		file := infos[random.IntN(len(infos))]
		offset, bit := random.Int64N(file.Size()), random.IntN(8)
		flip(t, disk, file.Name(), offset, bit)
		var got []string
		tail, err := Read(disk, ".", ReadOptions{chunk: 8 << 10}, func(b *Batch) error {
			got = append(got, recordsIn(b.Records)...)
			return nil
		})
		var damage *DamageError
		switch {
		case err != nil && (!errors.As(err, &damage) || damage.File != file.Name() || damage.Offset > offset):
			t.Fatalf("%s, offset %d, bit %d: %v", file.Name(), offset, bit, err)
		case err == nil && (tail.Epoch != last || !slices.Equal(got, want)):
			t.Fatalf("%s, offset %d, bit %d: up to %d of %d, %d records of %d", file.Name(), offset, bit, tail.Epoch, last, len(got), len(want))
		case err == nil:
			harmless++
		}
		flip(t, disk, file.Name(), offset, bit) // back
	}
	t.Logf("%d of %d were harmless", harmless, trials)
}

// salvaged is all the records that salvage finds.
func salvaged(t *testing.T, disk dio.FS) (records []string) {
	t.Helper()
	_, err := Read(disk, ".", ReadOptions{Salvage: func(d *DamageError) { t.Error(d) }}, func(b *Batch) error {
		records = append(records, recordsIn(b.Records)...)
		return nil
	})
	must(t, err)
	return records
}

// framesOf is all frames of a log.
func framesOf(t *testing.T, disk dio.FS) (frames []Frame) {
	t.Helper()
	_, err := Inspect(disk, ".", "", &Inspector{
		Segment: func(*Segment) {},
		Frame:   func(f *Frame) { frames = append(frames, *f) },
		Damage:  func(d *DamageError) { t.Error(d) },
	})
	must(t, err)
	return frames
}

// salvage is how many of the records of 90 epochs are not there as they were written,
// and how often damage is told.
func salvage(t *testing.T, disk dio.FS) (lost, told int) {
	t.Helper()
	var got []string
	all := all90()
	_, err := Read(disk, ".", ReadOptions{Salvage: func(*DamageError) { told++ }, chunk: 8 << 10}, func(b *Batch) error {
		records := recordsIn(b.Records)
		if len(records) != b.Count {
			t.Errorf("%d records in place of %d", len(records), b.Count)
		}
		got = append(got, records...)
		return nil
	})
	must(t, err)
	lost = len(all) - len(got)
	if told == 0 && lost > 0 {
		t.Error("nothing was said to be salvaged around")
	}
	for _, record := range got { // what is there is so in the order in which it was written
		i := slices.Index(all, record)
		if i < 0 {
			t.Fatal("a record that nobody has written, or in another order")
		}
		all = all[i+1:]
	}
	return lost, told
}

// all90 is every record of 90 epochs.
var all90 = sync.OnceValue(func() (all []string) {
	for epoch := Epoch(1); epoch <= 90; epoch++ {
		all = append(all, recordsIn(content(epoch))...)
	}
	return all
})

// recordsIn is each of the records.
func recordsIn(b []byte) (records []string) {
	for len(b) > 0 {
		_, _, n := Peek(b)
		records = append(records, string(b[:n]))
		b = b[n:]
	}
	return records
}

// A log that was not closed has a torn end, if it is behind what was durable; a place
// before that is damage.
func TestTornOrDamaged(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	var offsets []int64
	for epoch := Epoch(1); epoch <= 10; epoch++ {
		offsets = append(offsets, w.offset)
		must(t, writeEpochs(w, epoch, epoch))
		if epoch == 6 {
			must(t, w.Sync())
		}
	}
	for epoch := Epoch(1); epoch <= 10; epoch++ {
		_, last, err := readAll(damaged(t, disk, "0000000000000001.log", offsets[epoch-1]+70, 3), ReadOptions{})
		var damage *DamageError
		switch {
		case epoch <= 6 && !errors.As(err, &damage):
			t.Errorf("damage in the durable epoch %d: up to %d, %v", epoch, last, err)
		case epoch <= 6 && damage.Offset != offsets[epoch-1]+frameHead:
			t.Errorf("damage at %d is found at %v", offsets[epoch-1]+70, err)
		case epoch > 6 && (err != nil || last != epoch-1):
			t.Errorf("a torn epoch %d: up to %d, %v", epoch, last, err)
		}
	}
}

func TestMissingParts(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 90))
	must(t, w.Close())
	kept := diotest.Tears(0)[2]
	for name, harm := range map[string]func(*diotest.FS) error{
		"no first segment":  func(d *diotest.FS) error { return d.Remove("0000000000000001.log") },
		"no second segment": func(d *diotest.FS) error { return d.Remove("0000000000000002.log") },
		"exchanged segments": func(d *diotest.FS) error {
			return errors.Join(d.Rename("0000000000000001.log", "x"),
				d.Rename("0000000000000002.log", "0000000000000001.log"), d.Rename("x", "0000000000000002.log"))
		},
		"a short segment": func(d *diotest.FS) error { return truncate(d, "0000000000000001.log", 5*dio.BlockSize) },
		"no end": func(d *diotest.FS) error {
			return truncate(d, "0000000000000001.log", int64(len(readFile(t, d, "0000000000000001.log")))-dio.BlockSize)
		},
	} {
		t.Run(name, func(t *testing.T) {
			after := disk.Crash(kept)
			must(t, harm(after))
			var damage *DamageError
			if _, last, err := readAll(after, ReadOptions{}); !errors.As(err, &damage) {
				t.Errorf("up to %d, %v", last, err)
			}
		})
	}
	after := disk.Crash(kept)
	f, err := after.Open("0000000000000002.log", 0)
	must(t, err)
	head := readFile(t, after, "0000000000000002.log")[:dio.BlockSize]
	head[12]++ // the version
	reseal(head)
	must(t, second(f.WriteAt(head, 0)))
	for _, options := range []ReadOptions{{}, {Salvage: func(*DamageError) {}}} {
		if _, _, err := readAll(after, options); !errors.Is(err, ErrVersion) {
			t.Errorf("a segment of a later version: %v", err)
		}
	}
}

func truncate(disk *diotest.FS, name string, size int64) error {
	f, err := disk.Open(name, 0)
	if err != nil {
		return err
	}
	return f.Truncate(size)
}

// What is durable is damaged, not torn, when a Note was written behind it; and also
// where a snapshot has it, so that it is not wanted.
func TestNoteAndAfter(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	var offsets []int64
	for epoch := Epoch(1); epoch <= 10; epoch++ {
		offsets = append(offsets, w.offset)
		must(t, writeEpochs(w, epoch, epoch))
		must(t, w.Sync())
	}
	_, last, err := readAll(damaged(t, disk, "0000000000000001.log", offsets[4]+70, 3), ReadOptions{After: 9})
	var damage *DamageError
	if !errors.As(err, &damage) {
		t.Errorf("behind damage in what is not wanted: up to %d, %v", last, err)
	}
	must(t, w.Note())
	must(t, w.Note())
	if _, last, err = readAll(damaged(t, disk, "0000000000000001.log", offsets[9]+70, 3), ReadOptions{}); !errors.As(err, &damage) {
		t.Errorf("the last epoch, damaged: up to %d, %v", last, err)
	}
	must(t, writeEpochs(w, 11, 12))
	must(t, w.Close())
	if tail, last, err := readAll(disk, ReadOptions{}); err != nil || last != 12 || tail.Torn != nil {
		t.Errorf("up to %d, %v, %v", last, tail, err)
	}
}

// A damaged head does not change a segment's place in the log.
func TestDamagedHead(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	must(t, writeEpochs(w, 1, 90))
	must(t, w.Forget(30))
	must(t, w.Close())
	infos, err := disk.List(".")
	must(t, err)
	after := damaged(t, disk, infos[0].Name(), 20, 1)
	tail, err := Read(after, ".", ReadOptions{After: 30, Salvage: func(*DamageError) {}}, wholeRecords)
	must(t, err)
	if tail.Epoch != 90 {
		t.Errorf("up to %d", tail.Epoch)
	}
	must(t, Repair(after, ".", tail))
	w = start(t, after, tail)
	must(t, w.Forget(91))
	must(t, writeEpochs(w, 91, 95))
	must(t, w.Close())
	if _, last, err := readAll(after, ReadOptions{After: 90}); err != nil || last != 95 {
		t.Errorf("up to %d, %v", last, err)
	}
}
