package effectlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/pandabeardb/panda/disk/dio"
)

// Epoch numbers what became durable together; it only grows.
type Epoch uint64

// A frame's head, at a multiple of dio.BlockSize in its segment.
const (
	frameMagic = 0x314d415246444e50 // "PNDFRAM1"
	frameHead  = 64
	// frameMax is how many bytes of records a frame takes, unless one record alone is
	// larger: what a reader keeps in memory, beside what it has visited.
	frameMax = 8 << 20
)

const (
	frameLast = 1 << iota // the epoch ends with this frame
	frameEnd              // the segment ends with this frame, which is empty
	frameNote             // the frame is empty, and says what is durable
	frameFlagsEnd
)

type frame struct {
	size    uint32 // of the records, in bytes
	segment uint64 // the segment's identity
	first   Epoch  // what no frame before this one covers: epochs from here on
	epoch   Epoch  // and up to here; those without effects count, too
	durable Epoch  // the last epoch known to be durable when this was written
	records uint32
	flags   uint32
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
	binary.LittleEndian.PutUint64(dst[16:], f.segment)
	binary.LittleEndian.PutUint64(dst[24:], uint64(f.epoch))
	binary.LittleEndian.PutUint64(dst[32:], uint64(f.durable))
	binary.LittleEndian.PutUint32(dst[40:], f.records)
	binary.LittleEndian.PutUint32(dst[44:], f.flags)
	binary.LittleEndian.PutUint64(dst[48:], uint64(f.first))
	binary.LittleEndian.PutUint32(dst[8:], crc32.Checksum(dst[12:frameHead], castagnoli))
}

// parseFrame is the head at the beginning of src, of a segment with this identity.
// An error is ErrFrame, or ErrVersion.
func parseFrame(src []byte, segment uint64) (f frame, err error) {
	f, err = parseHead(src)
	if err == nil && f.segment != segment {
		err = ErrFrame
	}
	return f, err
}

// parseHead is the head of any segment's frame.
func parseHead(src []byte) (f frame, err error) {
	if len(src) < frameHead || binary.LittleEndian.Uint64(src) != frameMagic ||
		binary.LittleEndian.Uint32(src[8:]) != crc32.Checksum(src[12:frameHead], castagnoli) {
		return frame{}, ErrFrame
	}
	f = frame{
		size:    binary.LittleEndian.Uint32(src[12:]),
		segment: binary.LittleEndian.Uint64(src[16:]),
		epoch:   Epoch(binary.LittleEndian.Uint64(src[24:])),
		durable: Epoch(binary.LittleEndian.Uint64(src[32:])),
		records: binary.LittleEndian.Uint32(src[40:]),
		flags:   binary.LittleEndian.Uint32(src[44:]),
		first:   Epoch(binary.LittleEndian.Uint64(src[48:])),
	}
	if f.flags >= frameFlagsEnd {
		return f, ErrVersion
	}
	if f.size > max(frameMax, RecordMax) || f.durable > f.epoch || f.first > f.epoch {
		return f, ErrFrame
	}
	return f, nil
}

// A segment's head fills its first block.
const (
	segmentMagic   = 0x31474f4c41444e50 // "PNDALOG1"
	segmentVersion = 1
)

// A segment is one file of the log.
type segment struct {
	serial   uint64 // 1, 2, 3 ...: one that is missing is noticed
	identity uint64 // chosen at random: frames of another file are not taken for its own
	first    Epoch  // no frame in it is of an earlier one; in memory: what its first one says
	bytes    int64  // in memory: of its file
}

// name is the file's.
func (s *segment) name() string { return fmt.Sprintf("%016d.log", s.serial) }

// parseName is the serial in a segment's name; 0: it is no segment's.
func parseName(name string) (serial uint64) {
	digits, ok := strings.CutSuffix(name, ".log")
	serial, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || (&segment{serial: serial}).name() != name {
		return 0
	}
	return serial
}

func (s *segment) put(dst []byte) {
	clear(dst[:dio.BlockSize])
	binary.LittleEndian.PutUint64(dst[0:], segmentMagic)
	binary.LittleEndian.PutUint32(dst[12:], segmentVersion)
	binary.LittleEndian.PutUint64(dst[16:], s.serial)
	binary.LittleEndian.PutUint64(dst[24:], s.identity)
	binary.LittleEndian.PutUint64(dst[32:], uint64(s.first))
	binary.LittleEndian.PutUint32(dst[8:], crc32.Checksum(dst[12:dio.BlockSize], castagnoli))
}

func parseSegment(src []byte) (s segment, err error) {
	if len(src) < dio.BlockSize || binary.LittleEndian.Uint64(src) != segmentMagic ||
		binary.LittleEndian.Uint32(src[8:]) != crc32.Checksum(src[12:dio.BlockSize], castagnoli) {
		return segment{}, ErrSegment
	}
	if binary.LittleEndian.Uint32(src[12:]) != segmentVersion {
		return segment{}, ErrVersion
	}
	return segment{
		serial:   binary.LittleEndian.Uint64(src[16:]),
		identity: binary.LittleEndian.Uint64(src[24:]),
		first:    Epoch(binary.LittleEndian.Uint64(src[32:])),
	}, nil
}
