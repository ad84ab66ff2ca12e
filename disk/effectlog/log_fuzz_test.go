package effectlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// reseal makes a segment's head whole again.
func reseal(block []byte) {
	binary.LittleEndian.PutUint32(block[8:], crc32.Checksum(block[12:dio.BlockSize], castagnoli))
}

// FuzzRecord: what is parsed is what AppendRecord writes.
func FuzzRecord(f *testing.F) {
	for i := range 12 {
		r := sample(Epoch(i), i)
		f.Add(AppendRecord(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= recordHead { // the checksum is not what is tested
			size := binary.LittleEndian.Uint32(b[4:])
			if size >= recordHead && int(size) <= len(b) {
				Seal(b[:size])
			}
		}
		r, n, err := ParseRecord(b)
		if err != nil {
			if !errors.Is(err, ErrRecord) && !errors.Is(err, ErrVersion) || n != 0 {
				t.Errorf("%d, %v", n, err)
			}
			return
		}
		again, m, err := ParseRecord(AppendRecord(nil, &r))
		if err != nil || m > n || !same(r, again) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

// FuzzRead: whatever is done to a segment's bytes, Read ends, and what it visits are
// whole records; what it takes for the log's end can be repaired and prolonged.
func FuzzRead(f *testing.F) {
	disk := diotest.New()
	w, err := NewWriter(disk, ".", &Tail{}, small)
	if err != nil {
		f.Fatal(err)
	}
	writeEpochs(w, 1, 6)
	w.Sync()
	kept := diotest.Tears(0)[2]
	f.Add([]byte{}, uint16(0), true)
	f.Add([]byte{0, 1, 0xff, 3, 0, 1}, uint16(9000), false)
	f.Fuzz(func(t *testing.T, changes []byte, size uint16, resealed bool) {
		after := disk.Crash(kept)
		file, err := after.Open("0000000000000001.log", 0)
		must(t, err)
		if size > 0 {
			must(t, file.Truncate(int64(size)))
		}
		b := readFile(t, after, "0000000000000001.log")
		for ; len(changes) >= 3; changes = changes[3:] {
			if at := int(changes[0])<<8 | int(changes[1]); at < len(b) {
				b[at] = changes[2]
			}
		}
		if resealed {
			resealAll(b)
		}
		must(t, second(file.WriteAt(b, 0)))
		for _, options := range []ReadOptions{{}, {Salvage: func(*DamageError) {}}} {
			tail, err := Read(after, ".", options, func(batch *Batch) error { return wholeRecords(batch) })
			var damage *DamageError
			if err != nil {
				if !errors.As(err, &damage) {
					t.Fatal(err)
				}
				continue
			}
			if options.Salvage == nil && tail.Epoch < 1<<60 {
				must(t, prolongsAnything(after.Crash(kept), tail))
			}
		}
	})
}

// resealAll gives all heads of frames their checksums again.
func resealAll(b []byte) {
	if len(b) >= dio.BlockSize {
		reseal(b)
	}
	for at := dio.BlockSize; at+frameHead <= len(b); at += dio.BlockSize {
		if head := b[at : at+frameHead]; bytes.HasPrefix(head, []byte("PNDFRAM1")) {
			binary.LittleEndian.PutUint32(head[8:], crc32.Checksum(head[12:], castagnoli))
		}
	}
}

func wholeRecords(b *Batch) error {
	rest, n := b.Records, 0
	for ; len(rest) > 0; n++ {
		_, size, err := ParseRecord(rest)
		if err != nil {
			return err
		}
		rest = rest[size:]
	}
	if n != b.Count {
		return ErrFrame
	}
	return nil
}

func prolongsAnything(disk *diotest.FS, tail *Tail) error {
	if err := Repair(disk, ".", tail); err != nil {
		return err
	}
	w, err := NewWriter(disk, ".", tail, small)
	if err != nil {
		return err
	}
	if err := errors.Join(writeEpochs(w, tail.Epoch+1, tail.Epoch+2), w.Close()); err != nil {
		return err
	}
	end, err := Read(disk, ".", ReadOptions{}, wholeRecords)
	last := tail.Epoch + 2
	for len(chunksOf(last)) == 0 { // one without effects leaves nothing
		last--
	}
	if err == nil && end.Epoch != max(last, tail.Epoch) {
		err = ErrGap
	}
	return err
}
