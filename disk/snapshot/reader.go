package snapshot

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/dio"
)

// A Batch is a number of whole records.
type Batch struct {
	Records []byte // one after the other, checked: effectlog.ParseChecked
	Count   int
	First   uint64 // records before them in the file
	Offset  int64  // of the first in the file
}

// ReadOptions of Read.
type ReadOptions struct {
	// Progress is told how many bytes of how many are through, on Read's goroutine.
	Progress func(done, total int64)
	// Salvage is told of damage, on Read's goroutine. Without it, damage ends Read;
	// with it, all records are visited that are whole, some perhaps twice.
	Salvage func(*DamageError)
	// Checkers is how many goroutines check frames; 0: one for each processor, up to 8.
	Checkers int
	// Parallel has the checkers call visit, several at a time.
	Parallel bool

	header func(*Header) // of Inspect
}

const (
	checkersMax = 8 // they check more than a disk reads: one does 3 GB/s of small records
	// spanBytes is read at once: one call for which the kernel keeps a disk busy.
	spanBytes = 4 << 20
	// carryBytes is what a frame of the usual size, that two spans share, takes.
	carryBytes = stageBytes
	// loaders read at a time: while one waits for a processor, which the checkers keep
	// busy, the disk has something to do for another.
	loaders = 2
	// spansAhead: those that are read, and one that is scanned, beside those that are checked.
	spansAhead = loaders + 1
)

// Read visits the records of the snapshot name, in batches that come in any order, one
// at a time on the caller's goroutine unless Parallel is set. A Batch is the visitor's
// until it returns. Batches are visited before the whole file has been checked: what was
// visited is a snapshot only when Read returns no error. An error of the file is a
// *DamageError. Salvaging, a Trailer that is damaged has no Seqs and no End, and counts
// what was visited.
func Read(disk dio.FS, name string, options ReadOptions, visit func(*Batch) error) (*Trailer, error) {
	return read(disk, name, options, func(f *Frame) error {
		for i := range f.Batches {
			if err := visit(&f.Batches[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// An Inspector is told what is in a file, in its order, but for damage of the trailer,
// which comes first. What it is given is its own until it returns.
type Inspector struct {
	Header func(*Header) // unless it is damaged
	Frame  func(*Frame)
	Damage func(*DamageError) // that within a frame before the frame
}

// Inspect goes through a file, around all damage. It changes nothing. A Trailer without
// Seqs is one that the file does not have; it counts what was found.
func Inspect(disk dio.FS, name string, visit *Inspector) (*Trailer, error) {
	options := ReadOptions{Salvage: visit.Damage, Checkers: 1, header: visit.Header}
	return read(disk, name, options, func(f *Frame) error {
		visit.Frame(f)
		return nil
	})
}

// A Frame is one of the file's, as it was found.
type Frame struct {
	Offset  int64
	Number  uint64         // of the frame
	First   uint64         // records before it
	Records int            // in it, as its head says
	Bytes   int            // of them
	Batches []Batch        // its whole records: one batch, if there is no damage
	Damage  []*DamageError // within it

	sum uint32
	at  int // of its head, in the span
}

// A span is a part of the file in memory, and the frames that are whole in it.
type span struct {
	buffer []byte // of carryBytes and spanBytes, or one frame
	bytes  []byte // the part of it that is in use
	offset int64  // of bytes in the file
	size   int    // of the frames, up to where the next span's begin
	large  bool   // a frame that is larger than carryBytes has it alone
	frames []Frame
	damage []*DamageError // between frames
	err    error          // of visit, when Parallel
}

// loader is a goroutine that reads. Nobody gets ahead of the others: nobody could go on
// if it had all spans.
type loader struct {
	loaded chan *span // without room
	err    error      // of the disk, when loaded is closed
}

// reader reads one file. Goroutines read it, one looks for frames, some check them, and
// the caller's visits them and gives the spans back. All end when the spans have come by.
type reader struct {
	file    dio.File
	name    string
	options ReadOptions
	visit   func(*Frame) error
	end     int64 // of the frames, in the file
	trailer *Trailer
	damaged bool // some damage was reported
	done    int64
	size    int64
	carry   int // what of a span's buffer is for the beginning of a frame

	free    chan *span // those that nobody has; all have room in it, and in the next two
	found   chan *span
	checked chan *span
	large   chan *span // the one for large frames
	loaders [loaders]loader
	active  atomic.Int32 // checkers
	stopped atomic.Bool  // the rest need not be read

	scan scanner
}

func read(disk dio.FS, name string, options ReadOptions, visit func(*Frame) error) (*Trailer, error) {
	f, err := disk.Open(name, dio.Direct|dio.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if options.Checkers < 1 {
		options.Checkers = min(runtime.GOMAXPROCS(0), checkersMax)
	}
	r := &reader{file: f, name: name, options: options, visit: visit}
	if err := r.readEnds(); err != nil {
		return nil, err
	}
	r.start()
	for s := range r.checked {
		if err == nil {
			if err = r.take(s); err != nil {
				r.stopped.Store(true)
			}
		}
		r.release(s)
	}
	for i := range r.loaders {
		if err == nil {
			err = r.loaders[i].err
		}
	}
	if err == nil {
		err = r.compare()
	}
	if err != nil {
		return nil, err
	}
	return r.trailer, nil
}

// ReadEnds is the trailer of the snapshot name, with its head, and the file's size. It
// reads nothing of the records. An error of the file is a *DamageError.
func ReadEnds(disk dio.FS, name string) (t *Trailer, size int64, err error) {
	f, err := disk.Open(name, dio.Direct|dio.ReadOnly)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	r := &reader{file: f, name: name}
	if err := r.readEnds(); err != nil {
		return nil, 0, err
	}
	return r.trailer, r.size, nil
}

// readEnds reads the file's head and its trailer.
func (r *reader) readEnds() (err error) {
	if r.size, err = r.file.Size(); err != nil {
		return err
	}
	r.end = r.size &^ (dio.BlockSize - 1)
	block := dio.Aligned(dio.BlockSize)
	header, err := readHeader(r.file, r.name, block)
	var damage *DamageError
	if err != nil && !errors.As(err, &damage) {
		err = r.at(0, -1, err)
	}
	if err := r.report(err); err != nil {
		return err
	}
	whole := !r.damaged
	if whole && r.options.header != nil {
		r.options.header(&header)
	}
	offset := max(r.size-trailerBytes, 0)
	t, err := r.readTrailer(offset)
	if err == nil {
		r.end = offset
		r.trailer = t
		if whole && t.Header != header {
			err = fmt.Errorf("%w: it is that of another file", ErrTrailer)
		}
	}
	if err != nil {
		r.scan.told = offset
		if err := r.report(r.at(offset, -1, err)); err != nil {
			return err
		}
	}
	r.scan.begin(header, block)
	switch {
	case whole && r.trailer != nil && t.Identity != header.Identity: // the frames will tell
	case whole:
		r.scan.believe(header.Identity)
	case r.trailer != nil:
		r.scan.believe(t.Identity)
	}
	r.done = dio.BlockSize + r.size - r.end
	return nil
}

// readTrailer is the trailer at offset, where the file is whole.
func (r *reader) readTrailer(offset int64) (*Trailer, error) {
	if r.size%dio.BlockSize != 0 || offset < dio.BlockSize {
		return nil, fmt.Errorf("%w: the file is cut off", ErrTrailer)
	}
	b := dio.Aligned(trailerBytes)
	if _, err := r.file.ReadAt(b, offset); err != nil {
		return nil, err
	}
	return parseTrailer(b)
}

// start starts the goroutines.
func (r *reader) start() {
	count := r.options.Checkers + spansAhead
	r.free = make(chan *span, count)
	r.found = make(chan *span, count+1)
	r.checked = make(chan *span, count+1)
	r.large = make(chan *span, 1)
	r.large <- &span{large: true}
	bytes := int(min(max(r.end-dio.BlockSize, 0), spanBytes+1))
	if bytes > spanBytes { // there are frames that two spans share
		r.carry = carryBytes
		bytes = carryBytes + spanBytes
	}
	for range count {
		r.free <- &span{buffer: dio.Aligned(bytes)}
	}
	r.active.Store(int32(r.options.Checkers))
	for i := range r.loaders {
		r.loaders[i].loaded = make(chan *span)
		go r.load(i)
	}
	go r.run()
	for range r.options.Checkers {
		go r.runChecks()
	}
}

// release gives a span's memory back to those that read.
func (r *reader) release(s *span) {
	*s = span{buffer: s.buffer, large: s.large, frames: s.frames[:0]}
	if s.large {
		r.large <- s
	} else {
		r.free <- s
	}
}

// take reports and visits what is in a span.
func (r *reader) take(s *span) error {
	for _, damage := range s.damage {
		if err := r.report(damage); err != nil {
			return err
		}
	}
	for i := range s.frames {
		for _, damage := range s.frames[i].Damage {
			if err := r.report(damage); err != nil {
				return err
			}
		}
		if !r.options.Parallel {
			if err := r.visit(&s.frames[i]); err != nil {
				return err
			}
		}
	}
	r.done += int64(s.size)
	if r.options.Progress != nil && s.err == nil {
		r.options.Progress(min(r.done, r.size), r.size)
	}
	return s.err
}

// compare holds what was read to what the trailer says, and gives what there is if
// there is none.
func (r *reader) compare() error {
	s := &r.scan
	if r.trailer == nil || s.known && r.trailer.Identity != s.identity {
		if r.trailer = s.trailer; r.trailer == nil {
			r.trailer = &Trailer{Header: s.header, Frames: s.frames, Records: s.total, Bytes: s.bytes}
		}
		return nil
	}
	if t := r.trailer; !r.damaged && (t.Frames != s.number || t.Records != s.records || t.Bytes != s.bytes || t.sum != s.sum) {
		return r.report(r.at(r.end, -1, fmt.Errorf("%w: %d frames are there, and were %d", ErrOrder, s.number, t.Frames)))
	}
	return nil
}

func (r *reader) at(offset int64, record int, err error) *DamageError {
	return &DamageError{File: r.name, Offset: offset, Record: record, Err: err}
}

// report is err, unless it is damage that is to be salvaged around.
func (r *reader) report(err error) error {
	var damage *DamageError
	if err == nil || r.options.Salvage == nil || !errors.As(err, &damage) || laterVersion(err) {
		return err
	}
	r.damaged = true
	r.options.Salvage(damage)
	return nil
}

// load reads every so many-th span of the file, from the i-th on.
func (r *reader) load(i int) {
	l := &r.loaders[i]
	defer close(l.loaded)
	for offset := dio.BlockSize + int64(i)*spanBytes; offset < r.end && !r.stopped.Load(); offset += loaders * spanBytes {
		s := <-r.free
		n := int(min(spanBytes, r.end-offset))
		s.offset = offset
		s.bytes = s.buffer[r.carry:][:n]
		if l.err = r.read(s, s.bytes, offset); l.err != nil {
			r.stopped.Store(true)
			return
		}
		l.loaded <- s
	}
}

// read fills b from offset on. Salvaging, what cannot be read is zero, and damage.
func (r *reader) read(s *span, b []byte, offset int64) error {
	n, err := r.file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return fmt.Errorf("%s: %w", r.name, io.ErrUnexpectedEOF)
	case r.options.Salvage == nil:
		return err
	}
	for at := 0; at < len(b); at += dio.BlockSize {
		block := b[at:][:dio.BlockSize]
		if n, err := r.file.ReadAt(block, offset+int64(at)); n < len(block) {
			clear(block)
			s.damage = append(s.damage, r.at(offset+int64(at), -1, err))
		}
	}
	return nil
}
