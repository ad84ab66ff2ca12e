package tier

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/pandabeardb/panda/disk/dio"
)

// What CloseKeeping keeps stands behind the pages of each file:
//
//	 0  magic     8  "PandaFls"
//	 8  save     16  a random number, the same in all files and in the mark
//	24  page     4   size of one
//	28  first    4   page of the file
//	32  count    4   of pages
//	36  pages, each: version, used, taken, objects, bytes 4 each; bucket, state, damaged 1 each, 0
//	    checksum 4   CRC-32C of all that; zeros up to a block's end
//
// The next Open takes it if the mark that it is given has the same number, and takes it
// away before anything else is written: a file is that of the mark, and as it was then, or
// begins empty. Versions go on from the mark's in either case, so that no Ref of before
// names what comes later. Records have their checksums as ever.
const (
	keptMagic = "PandaFls"
	keptID    = 16
	keptHead  = len(keptMagic) + keptID + 3*4
	keptPage  = 5*4 + 4
	keptSum   = 4
)

// keptSize is how many bytes stand behind a number of pages.
func keptSize(count int) int { return blocks(keptHead + count*keptPage + keptSum) }

// mark is what an owner keeps in between.
type mark struct {
	id      [keptID]byte
	version uint32 // of the last page that was opened
}

func (m *mark) String() string { return fmt.Sprintf("%x %d", m.id, m.version) }

// parseMark reads what String wrote.
func parseMark(s string) (m mark, ok bool) {
	id, version, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(version, 10, 32)
	if err != nil || len(id) != 2*keptID {
		return mark{}, false
	}
	if _, err := hex.Decode(m.id[:], []byte(id)); err != nil {
		return mark{}, false
	}
	m.version = uint32(n)
	return m, true
}

// CloseKeeping is Close, behind which an Open of the same files goes on with what is in
// them, if Config.Kept is the mark that is returned. What an error cost is not there then;
// the mark is good for the rest, and for what is in no file any more.
func (t *Tier) CloseKeeping() (keeps string, err error) {
	err = t.shut()
	t.lock.Lock()
	for _, b := range t.open {
		if b != nil {
			t.closeBuffer(b)
		}
	}
	t.lock.Unlock()
	t.reads.Close()
	t.writes.Close()
	m := mark{version: t.version}
	binary.LittleEndian.PutUint64(m.id[:], rand.Uint64())
	binary.LittleEndian.PutUint64(m.id[8:], rand.Uint64())
	for _, f := range t.files {
		if f.failed {
			continue // it cannot be written
		}
		if _, e := f.handle.WriteAt(t.appendKept(f, &m), f.end(t)); e != nil {
			err = errors.Join(err, e)
		} else {
			err = errors.Join(err, f.handle.Sync())
		}
	}
	return m.String(), errors.Join(err, t.closeFiles())
}

// end is where a file's pages end.
func (f *file) end(t *Tier) int64 { return int64(f.count) * int64(t.config.PageSize) }

// pagesOf are a file's pages.
func (t *Tier) pagesOf(f *file) []page { return t.pages[f.first : f.first+f.count] }

// appendKept is what stands behind a file's pages.
func (t *Tier) appendKept(f *file, m *mark) []byte {
	le := binary.LittleEndian
	b := append(dio.Aligned(keptSize(f.count))[:0], keptMagic...)
	b = append(b, m.id[:]...)
	for _, n := range [...]int{t.config.PageSize, f.first, f.count} {
		b = le.AppendUint32(b, uint32(n))
	}
	for i := range t.pagesOf(f) {
		p := &t.pages[f.first+i]
		for _, n := range [...]int64{int64(p.version.Load()), int64(p.used), p.taken, p.objects, p.bytes} {
			b = le.AppendUint32(b, uint32(n))
		}
		damaged := byte(0)
		if p.damaged {
			damaged = 1
		}
		b = append(b, byte(p.bucket), byte(p.state), damaged, 0)
	}
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:cap(b)]
}

// restore takes what was kept, and makes sure that nobody else does.
func (t *Tier) restore() error {
	t.version = rand.Uint32() // no page has a version of what is still in the files
	m, wanted := parseMark(t.config.Kept)
	if wanted {
		t.version = m.version
	}
	for _, f := range t.files {
		b := dio.Aligned(keptSize(f.count))
		_, err := f.handle.ReadAt(b, f.end(t))
		if wanted && err == nil && t.takeKept(f, b, &m) {
			f.kept = true
		}
		if string(b[:len(keptMagic)]) != keptMagic {
			continue
		}
		clear(b[:dio.BlockSize])
		if _, err := f.handle.WriteAt(b[:dio.BlockSize], f.end(t)); err != nil {
			return err
		}
		if err := f.handle.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// takeKept gives a file's pages what b says, if that is of the mark.
func (t *Tier) takeKept(f *file, b []byte, m *mark) bool {
	le := binary.LittleEndian
	end := keptHead + f.count*keptPage
	at := len(keptMagic) + keptID
	if string(b[:len(keptMagic)]) != keptMagic || string(b[len(keptMagic):at]) != string(m.id[:]) ||
		le.Uint32(b[at:]) != uint32(t.config.PageSize) || le.Uint32(b[at+4:]) != uint32(f.first) || le.Uint32(b[at+8:]) != uint32(f.count) ||
		le.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return false
	}
	for i := range t.pagesOf(f) {
		if !t.keptPageFits(b[keptHead+i*keptPage:]) {
			return false
		}
	}
	for i := range t.pagesOf(f) {
		t.takePageKept(&t.pages[f.first+i], b[keptHead+i*keptPage:])
	}
	return true
}

// keptPageFits reports whether a page can be as b says.
func (t *Tier) keptPageFits(b []byte) bool {
	le := binary.LittleEndian
	used, taken, objects, bytes := le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:])
	return used <= uint32(t.config.PageSize) && used&(dio.BlockSize-1) == 0 && bytes <= used && objects <= taken && Bucket(b[20]) < BucketCount
}

// takePageKept makes p as b says. One that was being filled goes on with that.
func (t *Tier) takePageKept(p *page, b []byte) {
	le := binary.LittleEndian
	version, state := le.Uint32(b), pageState(b[21])
	p.objects = int64(le.Uint32(b[12:]))
	if version == 0 || p.objects == 0 || state != pageOpen && state != pageClosed {
		p.objects = 0
		return
	}
	p.used, p.taken, p.bytes = int(le.Uint32(b[4:])), int64(le.Uint32(b[8:])), int64(le.Uint32(b[16:]))
	p.bucket, p.damaged = Bucket(b[20]), b[22] != 0
	p.state = pageClosed
	if state == pageOpen && t.current[p.bucket] == nil {
		p.state, t.current[p.bucket] = pageOpen, p
	}
	p.version.Store(version)
	t.counts.BytesUsed += p.bytes
	t.counts.ObjectsUsed += p.objects
}

// NotKept are the files that do not have what Config.Kept names: their values are gone.
func (t *Tier) NotKept() (names []string) {
	for _, f := range t.files {
		if !f.kept {
			names = append(names, f.Name)
		}
	}
	return names
}
