package tier

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// FuzzKept changes what stands behind a file's pages, also with a checksum that fits: the next
// tier opens, gives values as they were or none, and takes new ones.
func FuzzKept(f *testing.F) {
	f.Add(uint16(0), []byte{1}, false)
	f.Add(uint16(keptHead), []byte{1, 2, 3, 4}, true) // a page's version
	f.Add(uint16(keptHead+4), []byte{0, 0x10, 0, 0, 9, 9, 9, 9}, true)
	f.Add(uint16(keptHead+20), []byte{7, 7, 7, 7}, true) // bucket and state
	f.Fuzz(func(t *testing.T, at uint16, change []byte, fits bool) {
		r := newKept(t)
		tier := r.open()
		r.fill(tier, 0, 40)
		r.keep(tier)
		changeKept(t, r.disk, int(at), change, fits)
		tier = r.open()
		r.check(tier)
		before := r.values
		r.values = map[Ref]string{}
		r.fill(tier, 100, 140)
		for ref := range r.values {
			if _, taken := before[ref]; taken {
				t.Errorf("%v names what came before, too", ref)
			}
		}
		r.check(tier)
		r.close(tier)
	})
}

// changeKept changes the list of the first file.
func changeKept(t *testing.T, disk *diotest.FS, at int, change []byte, fits bool) {
	t.Helper()
	const pages = 6
	file, err := disk.Open("one", dio.Direct)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := dio.Aligned(keptSize(pages))
	if _, err := file.ReadAt(b, pages*testPage); err != nil {
		t.Fatal(err)
	}
	end := keptHead + pages*keptPage
	for i, c := range change {
		b[(at+i)%(end+keptSum)] ^= c
	}
	if fits {
		binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
	}
	if _, err := file.WriteAt(b, pages*testPage); err != nil {
		t.Fatal(err)
	}
}
