package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/effectlog"
)

// FuzzRead: whatever is done to a file's bytes, Read ends, and what it visits are whole
// records; without Salvage it takes no file that is not as it was written.
func FuzzRead(f *testing.F) {
	disk := diotest.New()
	if err := write(disk, 1, 7, Options{}); err != nil {
		f.Fatal(err)
	}
	file, err := disk.Open(fileName(1), 0)
	if err != nil {
		f.Fatal(err)
	}
	size, _ := file.Size()
	whole := make([]byte, size)
	file.ReadAt(whole, 0)
	f.Add([]byte{}, uint32(0), false)
	f.Add([]byte{0, 0x10, 12, 200, 0, 0x10, 16, 3}, uint32(0), true) // a frame's size and identity
	f.Add([]byte{0, 0, 24, 1}, uint32(0), true)                      // the identity in the head
	f.Add([]byte{0, 0x10, 40, 9}, uint32(9000), true)                // a frame's records, in a file cut off
	f.Fuzz(func(t *testing.T, changes []byte, size uint32, resealed bool) {
		b := slices.Clone(whole)
		if size > 0 {
			b = append(b, b...)[:min(int(size), 2*len(b))]
		}
		for ; len(changes) >= 4; changes = changes[4:] {
			at := int(changes[0])<<16 | int(changes[1])<<8 | int(changes[2])
			if at < len(b) {
				b[at] = changes[3]
			}
		}
		if resealed {
			resealAll(b)
		}
		disk := diotest.New()
		put(t, disk, fileName(1), b)
		visit := func(batch *Batch) error { return wholeRecords(batch) }
		for _, options := range []ReadOptions{{}, {Salvage: func(*DamageError) {}}, {Parallel: true}} {
			trailer, err := Read(disk, fileName(1), options, visit)
			var damage *DamageError
			switch {
			case err == nil && options.Salvage == nil && !resealed && !bytes.Equal(b, whole):
				t.Fatal("another file is taken for whole")
			case err == nil && trailer == nil, err != nil && !errors.As(err, &damage):
				t.Fatal(err)
			case err != nil && options.Salvage != nil && !laterVersion(err):
				t.Fatal(err)
			}
		}
		Newest(disk, ".")
	})
}

// resealAll gives the head, and all heads of frames, their checksums again.
func resealAll(b []byte) {
	if len(b) >= dio.BlockSize {
		reseal(b[:dio.BlockSize])
	}
	for at := dio.BlockSize; at+frameHead <= len(b); at += dio.BlockSize {
		head := b[at : at+frameHead]
		if !bytes.HasPrefix(head, []byte("PNDSFRM1")) {
			continue
		}
		if size := int(binary.LittleEndian.Uint32(head[12:])); size <= len(b)-at-frameHead {
			binary.LittleEndian.PutUint32(head[44:], crc32.Checksum(b[at+frameHead:][:size], castagnoli))
		}
		reseal(head)
	}
}

func wholeRecords(b *Batch) error {
	rest, n := b.Records, 0
	for ; len(rest) > 0; n++ {
		_, size, err := effectlog.ParseRecord(rest)
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
