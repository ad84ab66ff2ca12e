package effectlog

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/pandabeardb/panda/disk/dio"
)

// A Batch is a frame of an epoch that is whole.
type Batch struct {
	Epoch   Epoch
	Records []byte // one after the other, all of them whole: ParseRecord
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
// visitor's until it returns. An error of the log is a *DamageError.
func Read(disk dio.FS, folder string, options ReadOptions, visit func(*Batch) error) (*Tail, error) {
	names, total, err := segmentNames(disk, folder)
	if err != nil {
		return nil, err
	}
	r := &reader{disk: disk, options: options, visit: visit, total: total, tail: &Tail{Epoch: options.After}}
	for i, name := range names {
		r.last = i == len(names)-1
		if err := r.readSegment(path.Join(folder, name), name, i); err != nil {
			return r.tail, err
		}
	}
	if len(r.epoch) > 0 && r.tail.Torn == nil {
		r.tail.Torn = r.at(r.epoch[0].Offset, -1, fmt.Errorf("%w: epoch %d has no end", ErrGap, r.epoch[0].Epoch))
	}
	return r.tail, r.dropEpoch()
}

// segmentNames are the segments' names, in order, and the bytes in them.
func segmentNames(disk dio.FS, folder string) (names []string, total int64, err error) {
	infos, err := disk.List(folder)
	if err != nil {
		return nil, 0, err
	}
	for _, info := range infos {
		if strings.HasSuffix(info.Name(), segmentSuffix) && !info.IsDir() {
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

	epoch []Batch // frames of an epoch that is not whole yet
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
	s, err := parseSegment(block)
	if err == nil && s.name() != name {
		err = ErrSegment
	}
	switch {
	case errors.Is(err, ErrVersion):
		return r.at(0, -1, err)
	case err != nil:
		first, found := r.firstFrame()
		if !found && r.last { // its writer was interrupted before there was anything in it
			r.tail.serial++
			r.tail.end, r.tail.ended, r.tail.Torn = 0, false, r.at(0, -1, err)
			return errStop
		}
		// Salvaging, the first frame is believed.
		s = segment{serial: r.tail.serial + 1, identity: first.segment, first: first.epoch}
	case index > 0 && s.serial != r.tail.serial+1 || index == 0 && s.first > r.options.After+1:
		err = ErrGap
	}
	if err != nil {
		if err := r.damage(0, -1, err); err != nil {
			return err
		}
	}
	r.segment = s
	r.tail.segments = append(r.tail.segments, s)
	r.tail.serial, r.tail.end, r.tail.ended = s.serial, dio.BlockSize, false
	return nil
}

// firstFrame is the first frame of a segment whose head is damaged.
func (r *reader) firstFrame() (f frame, found bool) {
	for offset := int64(dio.BlockSize); offset < r.size; offset += dio.BlockSize {
		block, err := r.bytes(offset, dio.BlockSize)
		if err != nil {
			return frame{}, false
		}
		if f, ok := parseHead(block); ok {
			return f, true
		}
	}
	return frame{}, false
}

// readFrame reads the frame at offset, and is where the next one begins.
func (r *reader) readFrame(offset int64) (next int64, err error) {
	block, err := r.bytes(offset, dio.BlockSize)
	if err != nil {
		return offset, err
	}
	f, ok := parseFrame(block, r.segment.identity)
	if !ok {
		return r.broken(offset, r.at(offset, -1, ErrFrame))
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
		_, n, err := ParseRecord(records)
		if err != nil {
			return r.at(at, r.records+i, err)
		}
		records = records[n:]
		at += int64(n)
	}
	if len(records) > 0 {
		return r.at(at, r.records+int(f.records), ErrRecord)
	}
	for _, b := range rest {
		if b != 0 {
			return r.at(at, -1, ErrFrame)
		}
	}
	return nil
}

// take visits the frame, with those before it, when its epoch is whole.
func (r *reader) take(records []byte, f *frame, offset, next int64) error {
	r.records += int(f.records)
	if f.flags&frameEnd != 0 {
		return r.takeEnd(offset, next)
	}
	if f.epoch <= r.options.After {
		r.tail.end = next // not wanted
		return nil
	}
	if f.epoch <= r.tail.Epoch || len(r.epoch) > 0 && f.epoch != r.epoch[0].Epoch {
		if err := r.damage(offset, -1, fmt.Errorf("%w: epoch %d follows %d", ErrGap, f.epoch, r.tail.Epoch)); err != nil {
			return err
		}
		if err := r.dropEpoch(); err != nil {
			return err
		}
	}
	r.epoch = append(r.epoch, Batch{f.epoch, records, int(f.records), r.name, offset})
	if f.flags&frameLast == 0 {
		own := &r.epoch[len(r.epoch)-1]
		own.Records = append([]byte(nil), records...) // the window moves on
		return nil
	}
	r.tail.Epoch, r.tail.end = f.epoch, next
	return r.visitEpoch()
}

// takeEnd is the frame with which the segment ends.
func (r *reader) takeEnd(offset, next int64) error {
	r.tail.ended, r.tail.end = true, next
	err := error(nil)
	if len(r.epoch) > 0 {
		err = r.damage(offset, -1, fmt.Errorf("%w: epoch %d has no end", ErrGap, r.epoch[0].Epoch))
		err = errors.Join(err, r.dropEpoch())
	}
	switch {
	case err != nil || next == r.size:
	case r.last && r.zero(next): // interrupted before the file was cut off here
		r.tail.ended, r.tail.end = false, offset
	default:
		err = r.damage(next, -1, ErrFrame)
	}
	if err == nil {
		err = errStop
	}
	return err
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
	if r.options.Salvage != nil {
		return r.visitEpoch()
	}
	r.epoch = r.epoch[:0]
	return nil
}

// broken is what to do at a place that is no whole frame: end there, if it is what
// an interrupted writer may leave; else it is damage, and salvaging goes on behind.
func (r *reader) broken(offset int64, damage *DamageError) (next int64, err error) {
	if r.last && !errors.Is(damage, ErrVersion) && !r.later(offset+dio.BlockSize) {
		if !r.zero(offset) {
			r.tail.Torn = damage
		}
		return offset, errStop
	}
	if err := r.damage(damage.Offset, damage.Record, damage.Err); err != nil {
		return offset, err
	}
	if err := r.dropEpoch(); err != nil {
		return offset, err
	}
	for next = offset + dio.BlockSize; next < r.size; next += dio.BlockSize {
		if block, err := r.bytes(next, dio.BlockSize); err != nil {
			return next, err
		} else if _, ok := parseFrame(block, r.segment.identity); ok {
			return next, nil
		}
	}
	return next, nil
}

// later says whether there is a frame at offset or behind, written when more was
// durable than has been read so far: then what was read before it is damaged, not torn.
func (r *reader) later(offset int64) bool {
	for ; offset < r.size; offset += dio.BlockSize {
		block, err := r.bytes(offset, dio.BlockSize)
		if err != nil {
			return false
		}
		if f, ok := parseFrame(block, r.segment.identity); ok && f.durable > r.tail.Epoch {
			return true
		}
	}
	return false
}

// zero says whether the rest of the segment is as Allocate has left it.
func (r *reader) zero(offset int64) bool {
	for ; offset < r.size; offset += dio.BlockSize {
		block, err := r.bytes(offset, dio.BlockSize)
		if err != nil {
			return false
		}
		for _, b := range block {
			if b != 0 {
				return false
			}
		}
	}
	return true
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
		clear(r.window[had:n])
		had = n
	}
	r.have = had
	return r.window[:n], nil
}
