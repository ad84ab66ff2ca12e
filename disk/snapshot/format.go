package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
)

// Slots is how many slots a keyspace has.
const Slots = 16384

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A file's head fills its first block. The magic, the checksum and the version keep
// their places in every version.
const (
	headMagic   = 0x3150414e53444e50 // "PNDSNAP1"
	headVersion = 1
)

// Header says what a snapshot is one of.
type Header struct {
	Serial    uint64 // 1, 2, 3 ...: the highest is the newest
	Identity  uint64 // chosen at random: frames of another file are not taken for its own
	Begin     effectlog.Epoch
	CreatedMS int64 // since 1970
}

func (h *Header) put(dst []byte) {
	clear(dst[:dio.BlockSize])
	binary.LittleEndian.PutUint64(dst[0:], headMagic)
	binary.LittleEndian.PutUint32(dst[12:], headVersion)
	binary.LittleEndian.PutUint64(dst[16:], h.Serial)
	binary.LittleEndian.PutUint64(dst[24:], h.Identity)
	binary.LittleEndian.PutUint64(dst[32:], uint64(h.Begin))
	binary.LittleEndian.PutUint64(dst[40:], uint64(h.CreatedMS))
	binary.LittleEndian.PutUint32(dst[8:], crc32.Checksum(dst[12:dio.BlockSize], castagnoli))
}

// parseHeader is the head in the block src. An error is ErrHead, or ErrVersion.
func parseHeader(src []byte) (h Header, err error) {
	if len(src) < dio.BlockSize || binary.LittleEndian.Uint64(src) != headMagic ||
		binary.LittleEndian.Uint32(src[8:]) != crc32.Checksum(src[12:dio.BlockSize], castagnoli) {
		return Header{}, ErrHead
	}
	if version := binary.LittleEndian.Uint32(src[12:]); version != headVersion {
		return Header{}, fmt.Errorf("%w: version %d of the format; this program reads version %d", ErrVersion, version, headVersion)
	}
	return Header{
		Serial:    binary.LittleEndian.Uint64(src[16:]),
		Identity:  binary.LittleEndian.Uint64(src[24:]),
		Begin:     effectlog.Epoch(binary.LittleEndian.Uint64(src[32:])),
		CreatedMS: int64(binary.LittleEndian.Uint64(src[40:])),
	}, nil
}

// A frame's head, at a multiple of dio.BlockSize in its file.
const (
	frameMagic = 0x314d524653444e50 // "PNDSFRM1"
	frameHead  = 64
	// frameMax is how many bytes of records one call appends, unless it is one record:
	// what a reader keeps in memory beside its buffers.
	frameMax = 8 << 20
)

const (
	frameTrailer = 1 << iota // the frame is the file's trailer
	frameFlagsEnd
)

type frame struct {
	size     uint32 // of what follows the head, in bytes
	identity uint64 // of the file
	number   uint64 // 0, 1, 2 ...
	first    uint64 // records in the frames before it
	records  uint32
	sum      uint32 // CRC-32C of what follows the head
	flags    uint32
}

// padded is how much of the file a frame of this size takes.
func padded(size int64) int64 {
	return (frameHead + size + dio.BlockSize - 1) &^ (dio.BlockSize - 1)
}

// put writes the head to dst.
func (f *frame) put(dst []byte) {
	clear(dst[:frameHead])
	binary.LittleEndian.PutUint64(dst[0:], frameMagic)
	binary.LittleEndian.PutUint32(dst[12:], f.size)
	binary.LittleEndian.PutUint64(dst[16:], f.identity)
	binary.LittleEndian.PutUint64(dst[24:], f.number)
	binary.LittleEndian.PutUint64(dst[32:], f.first)
	binary.LittleEndian.PutUint32(dst[40:], f.records)
	binary.LittleEndian.PutUint32(dst[44:], f.sum)
	binary.LittleEndian.PutUint32(dst[48:], f.flags)
	binary.LittleEndian.PutUint32(dst[8:], crc32.Checksum(dst[12:frameHead], castagnoli))
}

// addFrame is the sum of the frames' checksums, with that of the head src.
func addFrame(sum uint32, src []byte) uint32 { return crc32.Update(sum, castagnoli, src[8:12]) }

// parseFrame is the head at the beginning of src. An error is ErrFrame, or ErrVersion.
func parseFrame(src []byte) (f frame, err error) {
	if len(src) < frameHead || binary.LittleEndian.Uint64(src) != frameMagic ||
		binary.LittleEndian.Uint32(src[8:]) != crc32.Checksum(src[12:frameHead], castagnoli) {
		return frame{}, ErrFrame
	}
	f = frame{
		size:     binary.LittleEndian.Uint32(src[12:]),
		identity: binary.LittleEndian.Uint64(src[16:]),
		number:   binary.LittleEndian.Uint64(src[24:]),
		first:    binary.LittleEndian.Uint64(src[32:]),
		records:  binary.LittleEndian.Uint32(src[40:]),
		sum:      binary.LittleEndian.Uint32(src[44:]),
		flags:    binary.LittleEndian.Uint32(src[48:]),
	}
	if f.flags >= frameFlagsEnd {
		return frame{}, ErrVersion
	}
	if f.size > frameMax && f.records > 1 || f.size > effectlog.RecordMax {
		return frame{}, ErrFrame
	}
	return f, nil
}

// A Trailer is the end of a snapshot, and says what is in it.
type Trailer struct {
	Header
	// End is the last epoch of which effects may be among the records. The keyspace is
	// whole when the log's are played back on it, from behind Begin to at least End.
	End     effectlog.Epoch
	Frames  uint64
	Records uint64
	Bytes   uint64   // of the records
	Seqs    []uint64 // the last sequence of each of the Slots

	sum uint32 // of the head's and the frames' checksums
}

const (
	trailerSize  = 56 + 8*Slots // without its frame's head
	trailerBytes = (frameHead + trailerSize + dio.BlockSize - 1) &^ (dio.BlockSize - 1)
)

// put writes the trailer, with its frame's head, to dst, which is trailerBytes long.
func (t *Trailer) put(dst []byte) {
	clear(dst[:trailerBytes])
	body := dst[frameHead:][:trailerSize]
	binary.LittleEndian.PutUint64(body[0:], uint64(t.Begin))
	binary.LittleEndian.PutUint64(body[8:], uint64(t.End))
	binary.LittleEndian.PutUint64(body[16:], uint64(t.CreatedMS))
	binary.LittleEndian.PutUint64(body[24:], t.Serial)
	binary.LittleEndian.PutUint64(body[32:], t.Frames)
	binary.LittleEndian.PutUint64(body[40:], t.Bytes)
	binary.LittleEndian.PutUint32(body[48:], t.sum)
	binary.LittleEndian.PutUint32(body[52:], Slots)
	for i, seq := range t.Seqs {
		binary.LittleEndian.PutUint64(body[56+8*i:], seq)
	}
	f := frame{
		size: trailerSize, identity: t.Identity, number: t.Frames, first: t.Records,
		sum: crc32.Checksum(body, castagnoli), flags: frameTrailer,
	}
	f.put(dst)
}

// parseTrailer is the trailer that fills src. An error is ErrTrailer, or ErrVersion.
func parseTrailer(src []byte) (*Trailer, error) {
	f, err := parseFrame(src)
	if err == ErrVersion {
		return nil, err
	}
	if err != nil || f.flags != frameTrailer || f.size != trailerSize || f.records != 0 || len(src) != trailerBytes {
		return nil, ErrTrailer
	}
	body := src[frameHead:][:trailerSize]
	if crc32.Checksum(body, castagnoli) != f.sum || !zero(src[frameHead+trailerSize:]) ||
		binary.LittleEndian.Uint64(body[32:]) != f.number || binary.LittleEndian.Uint32(body[52:]) != Slots {
		return nil, ErrTrailer
	}
	t := &Trailer{
		Header: Header{
			Begin:     effectlog.Epoch(binary.LittleEndian.Uint64(body[0:])),
			CreatedMS: int64(binary.LittleEndian.Uint64(body[16:])),
			Serial:    binary.LittleEndian.Uint64(body[24:]),
			Identity:  f.identity,
		},
		End:     effectlog.Epoch(binary.LittleEndian.Uint64(body[8:])),
		Frames:  f.number,
		Records: f.first,
		Bytes:   binary.LittleEndian.Uint64(body[40:]),
		Seqs:    make([]uint64, Slots),
		sum:     binary.LittleEndian.Uint32(body[48:]),
	}
	for i := range t.Seqs {
		t.Seqs[i] = binary.LittleEndian.Uint64(body[56+8*i:])
	}
	return t, nil
}

// zero says whether there is nothing in b, which is shorter than a block.
func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
