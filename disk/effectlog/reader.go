package effectlog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/pandabeardb/panda/disk/dio"
)

// A Batch is a frame of an epoch that is whole.
type Batch struct {
	Epoch   Epoch
	Records []byte // one after the other, all of them whole: Peek, ParseChecked
	Count   int
	File    string
	Offset  int64 // of the frame in File
}

// ReadOptions of Read.
type ReadOptions struct {
	// After is the last epoch that is not wanted. The log must not begin later than
	// with the one behind it.
	After Epoch
	// Salvage is told of damage, which otherwise ends Read, and what is whole behind
	// it is visited, too. Epochs that it has made a part of are visited as they are.
	Salvage func(*DamageError)
	// Progress is told how many bytes of how many are through.
	Progress func(done, total int64)
}

// A Tail is where the log ends.
type Tail struct {
	Epoch Epoch // the last one that is whole
	// Torn is nil, or where the last segment is not what a writer would have left
	// that was not interrupted: what follows is no part of the log.
	Torn *DamageError

	segments []segment // oldest first
	serial   uint64    // of the last segment
	end      int64     // of what is whole in it; 0: not even its head
	ended    bool      // it has been closed
}

// Read visits the log in folder, epoch by epoch. It changes nothing. The Batch is the
// visitor's until it returns. An error of the log is a *DamageError. Salvaging, an epoch
// that damage has made a part of comes as it is; one at the log's torn end does not.
func Read(disk dio.FS, folder string, options ReadOptions, visit func(*Batch) error) (*Tail, error) {
	names, total, err := segmentNames(disk, folder)
	if err != nil {
		return nil, err
	}
	r := &reader{disk: disk, options: options, visit: visit, total: total, tail: &Tail{Epoch: options.After}}
	for i, name := range names {
		r.last = i == len(names)-1
		if err := r.readSegment(path.Join(folder, name), name, i); err != nil {
			return nil, err
		}
	}
	if r.partial > 0 && r.tail.Torn == nil {
		r.tail.Torn = r.at(r.partialOffset, -1, fmt.Errorf("%w: epoch %d has no end", ErrGap, r.partial))
	}
	return r.tail, nil
}

// segmentNames are the segments' names, in order, and the bytes in them.
func segmentNames(disk dio.FS, folder string) (names []string, total int64, err error) {
	infos, err := disk.List(folder)
	if err != nil {
		return nil, 0, err
	}
	for _, info := range infos {
		if parseName(info.Name()) > 0 && !info.IsDir() {
			names = append(names, info.Name())
			total += info.Size()
		}
	}
	return names, total, nil
}

// windowBytes is read at once: a frame of the usual size, with its head.
const windowBytes = frameMax + dio.BlockSize

// reader goes through the segments, once.
type reader struct {
	disk    dio.FS
	options ReadOptions
	visit   func(*Batch) error
	tail    *Tail
	last    bool // this segment is the last one
	done    int64
	total   int64

	file    dio.File
	name    string
	segment segment
	size    int64
	records int // in this segment, so far

	window []byte
	from   int64 // what of the file is in window
	have   int

	seen          Epoch   // the last whole epoch, wanted or not, or known to be forgotten
	partial       Epoch   // the one that is not whole yet; 0: none
	partialOffset int64   // of its first frame
	epoch         []Batch // its frames, if it is wanted
}

// errStop ends a segment early, without being an error.
var errStop = errors.New("stop")

func (r *reader) readSegment(file, name string, index int) error {
	f, err := r.disk.Open(file, dio.Direct)
	if err != nil {
		return err
	}
	defer f.Close()
	r.file, r.name, r.records, r.have = f, file, 0, 0
	if r.size, err = f.Size(); err != nil {
		return err
	}
	if err := r.readHead(name, index); err == errStop {
		return nil
	} else if err != nil {
		return err
	}
	offset := int64(dio.BlockSize)
	for offset < r.size && err == nil {
		offset, err = r.readFrame(offset)
		if r.options.Progress != nil {
			r.options.Progress(r.done+offset, r.total)
		}
	}
	r.done += r.size
	switch {
	case err == errStop:
		return nil
	case err == nil && !r.last:
		return r.damage(offset, -1, fmt.Errorf("%w: the segment has no end", ErrGap))
	}
	return err
}

// readHead reads the segment's first block.
func (r *reader) readHead(name string, index int) error {
	block, err := r.bytes(0, dio.BlockSize)
	if err != nil {
		return err
	}
	serial := parseName(name)
	s, err := parseSegment(block)
	if err == nil && s.serial != serial {
		err = ErrSegment
	}
	switch {
	case errors.Is(err, ErrVersion):
		return r.at(0, -1, err)
	case err != nil:
		first, found, readErr := r.firstFrame()
		if readErr != nil {
			return readErr
		}
		if !found && r.last { // its writer was interrupted before there was anything in it
			r.tail.serial, r.tail.end, r.tail.ended, r.tail.Torn = serial, 0, false, r.at(0, -1, err)
			return errStop
		}
		// Salvaging, the first frame is believed.
		s = segment{serial: serial, identity: first.segment, first: first.epoch}
	case index > 0 && serial != r.tail.serial+1 || index == 0 && s.first > r.options.After+1:
		err = ErrGap
	}
	if err != nil {
		if err := r.damage(0, -1, err); err != nil {
			return err
		}
	}
	r.segment = s
	if s.first > 0 {
		r.seen = max(r.seen, s.first-1)
	}
	r.tail.segments = append(r.tail.segments, s)
	r.tail.serial, r.tail.end, r.tail.ended = s.serial, dio.BlockSize, false
	return nil
}

// firstFrame is the first frame of a segment whose head is damaged.
func (r *reader) firstFrame() (f frame, found bool, err error) {
	for offset := int64(dio.BlockSize); offset < r.size; offset += dio.BlockSize {
		block, err := r.bytes(offset, dio.BlockSize)
		if err != nil {
			return frame{}, false, err
		}
		if f, err := parseHead(block); err == nil {
			return f, true, nil
		}
	}
	return frame{}, false, nil
}

// readFrame reads the frame at offset, and is where the next one begins.
func (r *reader) readFrame(offset int64) (next int64, err error) {
	block, err := r.bytes(offset, dio.BlockSize)
	if err != nil {
		return offset, err
	}
	f, err := parseFrame(block, r.segment.identity)
	if err != nil {
		return r.broken(offset, r.at(offset, -1, err))
	}
	next = offset + padded(int64(f.size))
	if next > r.size {
		return r.broken(offset, r.at(offset, -1, ErrFrame))
	}
	all, err := r.bytes(offset, int(next-offset))
	if err != nil {
		return offset, err
	}
	if damage := r.check(all, &f, offset); damage != nil {
		return r.broken(offset, damage)
	}
	return next, r.take(all[frameHead:frameHead+f.size], &f, offset, next)
}

// check looks at each record, and at what follows the last one.
func (r *reader) check(all []byte, f *frame, offset int64) *DamageError {
	records, rest := all[frameHead:frameHead+f.size], all[frameHead+f.size:]
	at := offset + frameHead
	for i := range int(f.records) {
		n, err := checkRecord(records)
		if err != nil {
			return r.at(at, r.records+i, err)
		}
		records = records[n:]
		at += int64(n)
	}
	if len(records) > 0 {
		return r.at(at, r.records+int(f.records), ErrRecord)
	}
	if !bytes.Equal(rest, zeros[:len(rest)]) {
		return r.at(at, -1, ErrFrame)
	}
	return nil
}

// take visits the frame, with those before it, when its epoch is whole.
func (r *reader) take(records []byte, f *frame, offset, next int64) error {
	r.records += int(f.records)
	switch {
	case f.flags&frameEnd != 0:
		return r.takeEnd(offset, next)
	case f.flags&frameNote != 0:
		return nil
	case f.epoch <= r.seen || r.partial > 0 && f.epoch != r.partial:
		if err := r.damage(offset, -1, fmt.Errorf("%w: epoch %d follows %d", ErrGap, f.epoch, max(r.seen, r.partial))); err != nil {
			return err
		}
		if err := r.dropEpoch(); err != nil {
			return err
		}
	}
	if r.partial == 0 {
		r.partial, r.partialOffset = f.epoch, offset
	}
	wanted := f.epoch > r.options.After
	last := f.flags&frameLast != 0
	if wanted {
		if !last {
			records = bytes.Clone(records) // the window moves on
		}
		r.epoch = append(r.epoch, Batch{f.epoch, records, int(f.records), r.name, offset})
	}
	if !last {
		return nil
	}
	r.partial, r.seen, r.tail.end = 0, max(r.seen, f.epoch), next
	r.tail.Epoch = max(r.tail.Epoch, f.epoch)
	return r.visitEpoch()
}

// takeEnd is the frame with which the segment ends.
func (r *reader) takeEnd(offset, next int64) error {
	r.tail.ended, r.tail.end = true, next
	err := error(nil)
	if r.partial > 0 {
		err = r.damage(offset, -1, fmt.Errorf("%w: epoch %d has no end", ErrGap, r.partial))
		err = errors.Join(err, r.dropEpoch())
	}
	if err != nil || next == r.size {
		return cmp.Or(err, errStop)
	}
	zero, err := r.zero(next)
	switch {
	case err != nil:
		return err
	case r.last && zero: // interrupted before the file was cut off here
		r.tail.ended, r.tail.end = false, offset
		return errStop
	}
	return cmp.Or(r.damage(next, -1, ErrFrame), errStop)
}

// visitEpoch visits the frames of an epoch, which is whole now.
func (r *reader) visitEpoch() (err error) {
	for i := range r.epoch {
		if err == nil {
			err = r.visit(&r.epoch[i])
		}
	}
	r.epoch = r.epoch[:0]
	return err
}

// dropEpoch forgets frames whose epoch's end is missing; salvaging, it visits them.
func (r *reader) dropEpoch() error {
	r.partial = 0
	if r.options.Salvage != nil {
		return r.visitEpoch()
	}
	r.epoch = r.epoch[:0]
	return nil
}

// broken is what to do at a place that is no whole frame: end there, if it is what
// an interrupted writer may leave; else it is damage, and salvaging goes on behind.
func (r *reader) broken(offset int64, damage *DamageError) (next int64, err error) {
	if errors.Is(damage, ErrVersion) {
		return offset, damage
	}
	if r.last {
		later, err := r.later(offset + dio.BlockSize)
		if err != nil {
			return offset, err
		}
		if !later {
			zero, err := r.zero(offset)
			if !zero {
				r.tail.Torn = damage
			}
			return offset, cmp.Or(err, errStop)
		}
	}
	if err := r.damage(damage.Offset, damage.Record, damage.Err); err != nil {
		return offset, err
	}
	if err := r.dropEpoch(); err != nil {
		return offset, err
	}
	for next = offset + dio.BlockSize; next < r.size; next += dio.BlockSize {
		block, err := r.bytes(next, dio.BlockSize)
		if err != nil {
			return next, err
		}
		if _, err := parseFrame(block, r.segment.identity); err == nil {
			return next, nil
		}
	}
	return next, nil
}

// later says whether there is a frame at offset or behind, written when more was
// durable than has been read so far: then what was read before it is damaged, not torn.
func (r *reader) later(offset int64) (bool, error) {
	for ; offset < r.size; offset += dio.BlockSize {
		block, err := r.bytes(offset, dio.BlockSize)
		if err != nil {
			return false, err
		}
		if f, err := parseFrame(block, r.segment.identity); err == nil && f.durable > r.seen {
			return true, nil
		}
	}
	return false, nil
}

// zeros is what Allocate leaves.
var zeros [dio.BlockSize]byte

// zero says whether the rest of the segment is as Allocate has left it.
func (r *reader) zero(offset int64) (bool, error) {
	for ; offset < r.size; offset += dio.BlockSize {
		block, err := r.bytes(offset, dio.BlockSize)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(block, zeros[:]) {
			return false, nil
		}
	}
	return true, nil
}

func (r *reader) at(offset int64, record int, err error) *DamageError {
	return &DamageError{r.name, offset, record, err}
}

// damage is the error, unless it is to be salvaged around.
func (r *reader) damage(offset int64, record int, err error) error {
	damage := r.at(offset, record, err)
	if r.options.Salvage == nil {
		return damage
	}
	r.options.Salvage(damage)
	return nil
}

// bytes are n bytes of the file from offset on, a multiple of the block; what is
// behind its end is zero. They are valid until the next call.
func (r *reader) bytes(offset int64, n int) ([]byte, error) {
	if offset >= r.from && offset+int64(n) <= r.from+int64(r.have) {
		return r.window[offset-r.from:][:n], nil
	}
	if want := max(n, int(min(windowBytes, padded(r.size)))); want > len(r.window) {
		r.window = dio.Aligned(want)
	}
	r.from, r.have = offset, 0
	had, err := r.file.ReadAt(r.window, offset)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if had < n {
		if r.from+int64(had) < r.size {
			return nil, fmt.Errorf("%s: %w", r.name, io.ErrUnexpectedEOF)
		}
		clear(r.window[had:n])
		had = n
	}
	r.have = had
	return r.window[:n], nil
}
