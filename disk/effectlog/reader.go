package effectlog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/pandabeardb/panda/disk/dio"
)

// A Batch is records of whole epochs, from First to Epoch: those of a frame, or what
// salvage has left of them. An epoch may take several.
type Batch struct {
	First   Epoch  // what is before it has been visited; those without effects count, too
	Epoch   Epoch  // the last one
	Records []byte // one after the other, all of them whole: Peek, ParseChecked
	Count   int
	File    string
	Offset  int64 // of the frame in File
}

// ReadOptions of Read.
type ReadOptions struct {
	// After is the last epoch that is not wanted; a Batch that goes beyond it is visited
	// whole. The log must not begin later than with the one behind it.
	After Epoch
	// Salvage is told of damage, which otherwise ends Read, and what is whole behind
	// it is visited, too. Epochs that it has made a part of are visited as they are.
	Salvage func(*DamageError)
	// Progress is told how many bytes of how many are through.
	Progress func(done, total int64)

	chunk int64 // tests: in place of chunkBytes
}

// A Tail is where the log ends.
type Tail struct {
	Epoch Epoch // the last one that is whole
	// Torn is nil, or where the last segment is not what a writer would have left
	// that was not interrupted: what follows is no part of the log.
	Torn *DamageError

	segments []segment // oldest first
	serial   uint64    // of the last segment
	end      int64     // of what is whole in it
	ended    bool      // it has its end
	blank    []string  // names of segments behind it that were only made ready
}

// Read visits the log in folder, epoch by epoch. It changes nothing. The Batch is the
// visitor's until it returns; meanwhile Read is ahead of it, by 20 MiB or one frame,
// if that is larger. An error of the log is a *DamageError. Salvaging, an epoch that
// damage has made a part of comes as it is; one at the log's torn end does not.
func Read(disk dio.FS, folder string, options ReadOptions, visit func(*Batch) error) (*Tail, error) {
	files, err := segmentFiles(disk, folder)
	if err != nil {
		return nil, err
	}
	r := newReader(disk, folder, files)
	if options.chunk > 0 {
		r.windows = newWindows(options.chunk - frameHead)
	}
	r.after, r.salvage = options.After, options.Salvage != nil
	r.tail.Epoch = options.After
	err = r.run(func(e *event) error {
		switch {
		case e.damage != nil:
			options.Salvage(e.damage)
		case e.batch.Count > 0:
			return visit(&e.batch)
		case options.Progress != nil && e.done > 0:
			options.Progress(e.done, r.total)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.tail, nil
}

// A file of the log.
type file struct {
	name   string
	serial uint64
	size   int64
}

// segmentFiles are the segments in a folder, in order.
func segmentFiles(disk dio.FS, folder string) (files []file, err error) {
	infos, err := disk.List(folder)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if serial := parseName(info.Name()); serial > 0 && !info.IsDir() {
			files = append(files, file{info.Name(), serial, info.Size()})
		}
	}
	return files, nil
}

// An event is what the reader's goroutine tells the visitor's, in order: one of its
// fields is set.
type event struct {
	batch   Batch
	damage  *DamageError
	segment *Segment
	frame   *Frame
	window  *window // it is not needed any more
	done    int64   // bytes that are through
}

// eventsMax is how many events may wait: what is in the windows bounds the memory.
const eventsMax = 64

// A reader goes through the segments, once, on a goroutine of its own.
type reader struct {
	disk    dio.FS
	folder  string
	files   []file
	after   Epoch
	salvage bool
	inspect bool   // frames are visited, whatever epoch they are of
	only    string // this segment alone
	total   int64
	events  chan event
	quit    chan struct{} // the visitor wants no more
	windows *windows

	tail *Tail
	last bool // this segment is the last one that was begun
	done int64

	source  source
	name    string
	segment segment
	size    int64
	records int   // in this segment, so far
	again   int64 // a place that was looked at again

	seen          Epoch // the last whole epoch, wanted or not, or known to be forgotten
	resync        bool  // behind damage: some epochs are missing
	partial       Epoch // the one that is not whole yet; 0: none
	partialOffset int64 // of its first frame
	epoch         []Batch
}

func newReader(disk dio.FS, folder string, files []file) *reader {
	r := &reader{disk: disk, folder: folder, files: files, tail: &Tail{}}
	largest := int64(0)
	for _, f := range files {
		r.total += f.size
		largest = max(largest, f.size)
	}
	r.windows = newWindows(largest)
	return r
}

var (
	// errStop ends a segment early, without being an error.
	errStop = errors.New("stop")
	// errQuit: the visitor wants no more.
	errQuit = errors.New("quit")
)

// run reads, and visits what is read on the caller's goroutine.
func (r *reader) run(visit func(*event) error) (err error) {
	r.events, r.quit = make(chan event, eventsMax), make(chan struct{})
	var readErr error
	go func() {
		defer close(r.events)
		readErr = r.read()
	}()
	defer func() {
		close(r.quit)
		for range r.events { // until its goroutine has ended
		}
		if err == nil {
			err = readErr
		}
	}()
	for e := range r.events {
		if err := visit(&e); err != nil {
			return err
		}
		if e.window != nil {
			r.windows.free <- e.window
		}
	}
	return nil
}

// emit gives an event to the visitor.
func (r *reader) emit(e event) error {
	select {
	case r.events <- e:
		return nil
	case <-r.quit:
		return errQuit
	}
}

func (r *reader) read() error {
	begun, dirt, err := r.begun()
	if err != nil {
		return err
	}
	for _, f := range r.files[begun:] { // before the first event: the visitor's goroutine reads it
		r.total -= f.size
	}
	for i, f := range r.files[:begun] {
		r.last = i == begun-1 || i == begun-2 && dirt != nil
		if i == begun-1 && i > 0 && dirt != nil && !r.tail.ended && r.only == "" { // it was only made ready
			if err := r.tell(dirt); err != nil {
				return err
			}
			begun--
			break
		}
		if err := r.readSegment(f); err != nil {
			return err
		}
	}
	for _, f := range r.files[begun:] {
		if err := r.emitBlank(f); err != nil {
			return err
		}
		r.tail.blank = append(r.tail.blank, path.Join(r.folder, f.name))
		if begun == 0 && r.tail.serial == 0 {
			r.tail.serial, r.tail.ended = f.serial-1, true
		}
	}
	if r.partial > 0 && r.tail.Torn == nil {
		r.tail.Torn = r.at(r.partialOffset, -1, fmt.Errorf("%w: epoch %d has no end", ErrGap, r.partial))
	}
	return r.emit(event{done: r.total})
}

// begun is how many of the segments are a part of the log: behind them there may be
// one that was only made ready. dirt is not nil if the last one has no whole frame, but
// not only zeros either: the place where they end. It may have been begun, or damaged.
func (r *reader) begun() (n int, dirt *DamageError, err error) {
	for n = len(r.files); n > 0; n-- {
		blank, dirt, err := r.blank(r.files[n-1])
		if err != nil || !blank {
			return n, dirt, err
		}
	}
	return n, nil, nil
}

// blank says whether there is nothing behind a segment's head, or dirt.
func (r *reader) blank(f file) (blank bool, dirt *DamageError, err error) {
	name := path.Join(r.folder, f.name)
	opened, err := r.disk.Open(name, dio.Direct|dio.ReadOnly)
	if r.inspect && errors.Is(err, fs.ErrNotExist) {
		return true, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	defer opened.Close()
	b := dio.Aligned(int(min(chunkBytes, padded(f.size))))
	var head segment
	for offset := int64(0); offset < f.size; offset += int64(len(b)) {
		n, err := opened.ReadAt(b, offset)
		if err != nil && err != io.EOF {
			return false, nil, nil // who reads it next says so
		}
		clear(b[n:])
		for at := int64(0); at < int64(n); at += dio.BlockSize {
			block := b[at : at+dio.BlockSize]
			if offset+at == 0 {
				if head, err = parseSegment(block); errors.Is(err, ErrVersion) {
					return false, nil, &DamageError{name, 0, -1, err}
				}
				continue
			}
			if bytes.Equal(block, zeros[:]) {
				continue
			}
			if dirt == nil {
				dirt = &DamageError{name, offset + at, -1, ErrFrame}
			}
			if _, err := parseFrame(block, head.identity); err == nil || head.serial == 0 {
				return false, nil, nil
			}
		}
	}
	return dirt == nil, dirt, nil
}

func (r *reader) readSegment(f file) error {
	if r.only != "" && r.only != f.name {
		return nil
	}
	name := path.Join(r.folder, f.name)
	opened, err := r.disk.Open(name, dio.Direct|dio.ReadOnly)
	if r.inspect && errors.Is(err, fs.ErrNotExist) { // forgotten since the folder was listed
		r.tail.serial, r.resync = f.serial, true
		return nil
	}
	if err != nil {
		return err
	}
	defer opened.Close()
	r.name, r.records, r.again = name, 0, 0
	before := r.done
	if r.size, err = opened.Size(); err != nil {
		return err
	}
	r.source = source{file: opened, size: r.size, windows: r.windows, quit: r.quit, broken: r.unreadable,
		release: func(w *window) { r.emit(event{window: w, done: before + r.source.from}) }}
	defer r.source.close()
	if err := r.readHead(f.serial); err == errStop {
		return nil
	} else if err != nil {
		return err
	}
	offset := int64(dio.BlockSize)
	for offset < r.size && err == nil {
		offset, err = r.readFrame(offset)
	}
	r.done += r.size
	switch {
	case err == errStop:
		return nil
	case err == nil && !r.last && !r.resync: // else it was told that its end is damaged
		return r.damage(offset, -1, fmt.Errorf("%w: the segment has no end", ErrGap))
	}
	return err
}

// readHead reads the segment's first block.
func (r *reader) readHead(serial uint64) error {
	index := len(r.tail.segments)
	block, err := r.source.bytes(0, dio.BlockSize)
	if err != nil {
		return err
	}
	s, err := parseSegment(block)
	if err == nil && s.serial != serial && serial != 0 {
		err = ErrSegment
	}
	switch {
	case errors.Is(err, ErrVersion):
		return r.at(0, -1, err)
	case err != nil:
		first, readErr := r.firstFrame()
		if readErr != nil {
			return readErr
		}
		// Salvaging, the first frame is believed.
		s = segment{serial: serial, identity: first.segment, first: first.first}
	case index > 0 && serial != r.tail.serial+1 || index == 0 && s.first > r.after+1 && !r.inspect:
		err = ErrGap
	}
	if err != nil {
		if err := r.damage(0, -1, err); err != nil {
			return err
		}
		r.resync = true
	}
	r.segment = s
	if index == 0 {
		r.seen = max(s.first, 1) - 1
	}
	s.bytes = r.size
	r.tail.segments = append(r.tail.segments, s)
	r.tail.serial, r.tail.end, r.tail.ended = serial, dio.BlockSize, false
	return r.emitSegment(&s)
}

// firstFrame is the first frame of a segment whose head is damaged.
func (r *reader) firstFrame() (frame, error) {
	for offset := int64(dio.BlockSize); offset < r.size; offset += dio.BlockSize {
		block, err := r.source.bytes(offset, dio.BlockSize)
		if err != nil {
			return frame{}, err
		}
		if f, err := parseHead(block); err == nil {
			return f, nil
		}
	}
	return frame{}, nil
}

// A part is whole records of a frame, one after the other.
type part struct {
	records []byte
	count   int
	offset  int64 // in the file
	number  int   // of its first record in the segment
}

// readFrame reads the frame at offset, and is where the next one begins.
func (r *reader) readFrame(offset int64) (next int64, err error) {
	block, err := r.source.bytes(offset, dio.BlockSize)
	if err != nil {
		return offset, err
	}
	f, err := parseFrame(block, r.segment.identity)
	next = offset + padded(int64(f.size))
	if err == nil && next > r.size {
		err = ErrFrame
	}
	if err != nil {
		again, err := r.broken(offset, r.at(offset, -1, err))
		if again || err != nil {
			return offset, err
		}
		return r.skip(offset)
	}
	var parts []part
	for twice := false; ; twice = true {
		all, err := r.source.bytes(offset, int(next-offset))
		if err != nil {
			return offset, err
		}
		var damages []*DamageError
		if parts, damages = r.check(all, &f, offset); twice || len(damages) == 0 {
			return next, r.take(parts, &f, offset, next)
		}
		// What follows has been looked at then, in place of this.
		if again, err := r.broken(offset, damages...); again || err != nil {
			return offset, err
		}
	}
}

// check is the whole records of a frame, and what is damaged among or behind them. A
// record that is not whole is left out, if its length leads to one that is; else
// what follows it cannot be found.
func (r *reader) check(all []byte, f *frame, offset int64) (parts []part, damages []*DamageError) {
	all = all[:len(all):len(all)]
	end := frameHead + int(f.size)
	p := part{offset: offset + frameHead, number: r.records}
	at := frameHead
	for i := range int(f.records) {
		n, err := checkRecord(all[at:end])
		if err == nil {
			at += n
			p.count++
			continue
		}
		damages = append(damages, r.at(offset+int64(at), r.records+i, err))
		p.records = all[p.offset-offset : at]
		parts = append(parts, p)
		n = leads(all[at:end], i == int(f.records)-1)
		if n == 0 || !r.salvage || errors.Is(err, ErrVersion) {
			return parts, damages
		}
		at += n
		p = part{offset: offset + int64(at), number: r.records + i + 1}
	}
	p.records = all[p.offset-offset : at]
	parts = append(parts, p)
	if at < end {
		damages = append(damages, r.at(offset+int64(at), r.records+int(f.records), ErrRecord))
	} else if !bytes.Equal(all[end:], zeros[:len(all)-end]) {
		damages = append(damages, r.at(offset+int64(end), -1, ErrFrame))
	}
	return parts, damages
}

// leads is the length of a damaged record, if it can be believed: behind it there is
// a whole one, or, if it is the last, nothing.
func leads(records []byte, last bool) (n int) {
	if len(records) < recordHead {
		return 0
	}
	_, _, n = Peek(records)
	if n < recordHead || n > len(records) || last != (n == len(records)) {
		return 0
	}
	if _, err := checkRecord(records[n:]); err != nil && !last {
		return 0
	}
	return n
}

// take visits the frame, with those before it, when its epoch is whole.
func (r *reader) take(parts []part, f *frame, offset, next int64) error {
	if err := r.emitFrame(parts, f, offset, next); err != nil {
		return err
	}
	r.records += int(f.records)
	switch {
	case f.flags&frameEnd != 0:
		return r.takeEnd(offset, next)
	case f.flags&frameNote != 0:
		return nil
	}
	if err := r.follows(f, offset); err != nil {
		return err
	}
	if r.partial == 0 {
		r.partial, r.partialOffset = f.epoch, offset
	}
	last := f.flags&frameLast != 0
	for _, p := range parts {
		if p.count == 0 || f.epoch <= r.after || r.inspect {
			continue
		}
		if !last {
			p.records = bytes.Clone(p.records) // the window moves on
		}
		r.epoch = append(r.epoch, Batch{f.first, f.epoch, p.records, p.count, r.name, offset})
	}
	if !last {
		return nil
	}
	r.partial, r.seen, r.tail.end = 0, max(r.seen, f.epoch), next
	r.tail.Epoch = max(r.tail.Epoch, f.epoch)
	return r.visitEpoch()
}

// follows checks that the frame is of what comes next, and drops an epoch that has no
// end.
func (r *reader) follows(f *frame, offset int64) error {
	s := &r.tail.segments[len(r.tail.segments)-1]
	if r.tail.end == dio.BlockSize && r.partial == 0 {
		s.first = f.first
	}
	before := max(r.seen, r.after)
	if r.inspect {
		before = r.seen
	}
	late := f.first > before+1 && !r.resync && r.partial == 0
	if r.inspect && len(r.tail.segments) == 1 && r.tail.end == dio.BlockSize {
		late = false // the log may have been forgotten up to here
	}
	r.resync = false
	if !late && f.epoch > r.seen && (r.partial == 0 || f.epoch == r.partial) {
		return nil
	}
	err := r.damage(offset, -1, fmt.Errorf("%w: epochs from %d to %d follow %d", ErrGap, f.first, f.epoch, max(before, r.partial)))
	if err != nil {
		return err
	}
	return r.dropEpoch()
}

// takeEnd is the frame with which the segment ends. Behind it there may be zeros: what
// was left of a full segment, or what an interrupted writer did not cut off.
func (r *reader) takeEnd(offset, next int64) error {
	if r.partial > 0 {
		err := r.damage(offset, -1, fmt.Errorf("%w: epoch %d has no end", ErrGap, r.partial))
		if err = cmp.Or(err, r.dropEpoch()); err != nil {
			return err
		}
	}
	r.tail.ended, r.tail.end = true, next
	end, err := r.zero(next)
	if err == nil && end < r.size {
		err = r.damage(end, -1, ErrFrame)
	}
	return cmp.Or(err, errStop)
}

// visitEpoch visits the frames of an epoch, which is whole now.
func (r *reader) visitEpoch() (err error) {
	for i := range r.epoch {
		if err == nil {
			err = r.emit(event{batch: r.epoch[i]})
		}
	}
	r.epoch = r.epoch[:0]
	return err
}

// dropEpoch forgets frames whose epoch's end is missing; salvaging, it visits them.
func (r *reader) dropEpoch() error {
	r.partial = 0
	if r.salvage {
		return r.visitEpoch()
	}
	r.epoch = r.epoch[:0]
	return nil
}

// broken is what to do at a place that is no whole frame: end there, if it is what
// an interrupted writer may leave; else it is damage, and salvaging goes on. The first
// time it is only read again: the log may be one that is being written, and that place
// was read too early.
func (r *reader) broken(offset int64, damages ...*DamageError) (again bool, err error) {
	for _, damage := range damages {
		if errors.Is(damage, ErrVersion) {
			return false, damage
		}
	}
	if r.last {
		later, end, err := r.rest(offset)
		switch {
		case err != nil:
			return false, err
		case !later:
			if end < r.size {
				r.tail.Torn = damages[0]
			}
			return false, errStop
		case r.again < offset:
			r.again = offset
			r.source.seek(offset)
			return true, nil
		}
	}
	for _, damage := range damages {
		if err := r.damage(damage.Offset, damage.Record, damage.Err); err != nil {
			return false, err
		}
	}
	return false, nil
}

// skip is where the next whole frame is.
func (r *reader) skip(offset int64) (next int64, err error) {
	if err := r.dropEpoch(); err != nil {
		return offset, err
	}
	r.resync = true
	for next = offset + dio.BlockSize; next < r.size; next += dio.BlockSize {
		block, err := r.source.bytes(next, dio.BlockSize)
		if err != nil {
			return next, err
		}
		if _, err := parseFrame(block, r.segment.identity); err == nil {
			return next, nil
		}
	}
	return next, nil
}

// rest looks at what is behind offset. later: there is a frame that was written when
// more was durable than has been read so far, and what was read before it is damaged,
// not torn. Else end is up to where the segment is as Allocate has left it.
func (r *reader) rest(offset int64) (later bool, end int64, err error) {
	end = r.size
	for at := offset; at < r.size; at += dio.BlockSize {
		block, err := r.source.bytes(at, dio.BlockSize)
		if err != nil {
			return false, 0, err
		}
		if bytes.Equal(block, zeros[:]) {
			continue
		}
		end = min(end, at)
		if f, err := parseFrame(block, r.segment.identity); err == nil && at > offset && f.durable > r.seen {
			return true, 0, nil
		}
	}
	return false, end, nil
}

// zeros is what Allocate leaves.
var zeros [dio.BlockSize]byte

// zero is up to where the segment is as Allocate has left it.
func (r *reader) zero(offset int64) (end int64, err error) {
	for ; offset < r.size; offset += dio.BlockSize {
		block, err := r.source.bytes(offset, dio.BlockSize)
		if err != nil || !bytes.Equal(block, zeros[:]) {
			return offset, err
		}
	}
	return r.size, nil
}

func (r *reader) at(offset int64, record int, err error) *DamageError {
	return &DamageError{r.name, offset, record, err}
}

// damage is the error, unless it is to be salvaged around.
func (r *reader) damage(offset int64, record int, err error) error {
	return r.tell(r.at(offset, record, err))
}

func (r *reader) tell(damage *DamageError) error {
	if !r.salvage {
		return damage
	}
	return r.emit(event{damage: damage})
}

// unreadable is damage that the disk itself tells of.
func (r *reader) unreadable(offset int64, err error) error { return r.damage(offset, -1, err) }
