package effectlog

import (
	"errors"
	"math/rand/v2"
	"path"

	"github.com/pandabeardb/panda/disk/dio"
)

// Options of a Writer.
type Options struct {
	// SegmentBytes is how large a segment is made before the next begins; 0: 256 MiB,
	// half a second of a fast disk. An epoch may need a larger one.
	SegmentBytes int64
}

const (
	segmentBytesDefault = 256 << 20
	segmentBytesMin     = 64 << 10
	// stageBytes is written at once: above it a disk's rate grows no more.
	stageBytes = 1 << 20
)

// A Chunk is a number of whole records, whose bytes may lie in pieces: up to 8 MiB, or
// one record.
type Chunk struct {
	Pieces  [][]byte
	Records int
}

func (c *Chunk) size() (n int64) {
	for _, piece := range c.Pieces {
		n += int64(len(piece))
	}
	return n
}

// A Writer appends to the log. One goroutine uses it.
type Writer struct {
	disk     dio.FS
	folder   string
	options  Options
	file     dio.File
	segment  segment
	earlier  []segment // those that are full, oldest first
	offset   int64     // of the next frame
	written  Epoch     // the last one that is written whole
	durable  Epoch
	stage    []byte
	staged   int
	failed   error
	syncNeed bool  // something was written since the last Sync
	last     Epoch // the last one that has effects
	mark     Epoch // the last one that has effects and is durable
	noted    Epoch // what a frame in the log says of that
}

// NewWriter begins a new segment behind what Read has found, and Repair mended.
func NewWriter(disk dio.FS, folder string, tail *Tail, options Options) (*Writer, error) {
	if options.SegmentBytes == 0 {
		options.SegmentBytes = segmentBytesDefault
	}
	if tail.serial > 0 && !tail.ended {
		return nil, ErrNotRepaired
	}
	options.SegmentBytes = max(options.SegmentBytes, segmentBytesMin)
	w := &Writer{
		disk: disk, folder: folder, options: options,
		earlier: tail.segments,
		segment: segment{serial: tail.serial},
		written: tail.Epoch, durable: tail.Epoch, last: tail.Epoch, mark: tail.Epoch,
		stage: dio.Aligned(stageBytes),
	}
	if err := w.begin(tail.Epoch+1, 0); err != nil {
		return nil, err
	}
	return w, nil
}

// begin makes the next segment, with room for need bytes behind its head.
func (w *Writer) begin(first Epoch, need int64) error {
	next := segment{serial: w.segment.serial + 1, identity: rand.Uint64(), first: first}
	name := path.Join(w.folder, next.name())
	f, err := w.disk.Open(name, dio.New|dio.Direct)
	if err != nil {
		return err
	}
	size := max(w.options.SegmentBytes, dio.BlockSize+need)
	next.put(w.stage)
	err = f.Allocate(0, size)
	if err == nil {
		_, err = f.WriteAt(w.stage[:dio.BlockSize], 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = w.disk.SyncFolder(w.folder)
	}
	if err != nil { // whoever reads the log would take what is left for damage
		return errors.Join(err, f.Close(), w.disk.Remove(name))
	}
	w.file, w.segment, w.offset = f, next, dio.BlockSize
	return nil
}

// Write appends the effects of an epoch, which is above all before it, and may have
// none. They are durable when Durable says so. After an error other than ErrEpoch and
// ErrChunk the log takes no more: Close it, Read and Repair what is there, and begin
// anew.
func (w *Writer) Write(epoch Epoch, chunks []Chunk) error {
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	if epoch <= w.written {
		return ErrEpoch
	}
	for i := range chunks {
		if size := chunks[i].size(); size > frameMax && chunks[i].Records > 1 || size > RecordMax {
			return ErrChunk
		}
	}
	if len(chunks) > 0 {
		if w.failed = w.write(epoch, chunks); w.failed != nil {
			return errors.Join(ErrFailed, w.failed)
		}
		w.last = epoch
	}
	w.written = epoch
	if !w.syncNeed {
		w.durable = epoch // there is nothing of it
	}
	return nil
}

// write puts an epoch, whole, into one segment, so that a part of it can only stand
// at the log's end.
func (w *Writer) write(epoch Epoch, chunks []Chunk) error {
	need := int64(dio.BlockSize) // of the segment's end
	for rest := chunks; len(rest) > 0; {
		n, size, _ := pack(rest)
		need += padded(size)
		rest = rest[n:]
	}
	if err := w.room(epoch, need); err != nil {
		return err
	}
	for len(chunks) > 0 {
		n, size, records := pack(chunks)
		f := frame{size: uint32(size), epoch: epoch, records: uint32(records)}
		if n == len(chunks) {
			f.flags = frameLast
		}
		if err := w.writeFrame(f, chunks[:n]); err != nil {
			return err
		}
		chunks = chunks[n:]
	}
	return nil
}

// room sees to it that need bytes are allocated behind offset.
func (w *Writer) room(epoch Epoch, need int64) error {
	switch {
	case w.offset+need <= w.options.SegmentBytes:
		return nil
	case w.offset > dio.BlockSize:
		return w.rotate(epoch, need)
	}
	return w.file.Allocate(0, w.offset+need)
}

// pack is how many of the chunks go into one frame.
func pack(chunks []Chunk) (n int, size int64, records int) {
	for i := range chunks {
		more := chunks[i].size()
		if n > 0 && size+more > frameMax {
			break
		}
		n, size, records = n+1, size+more, records+chunks[i].Records
	}
	return n, size, records
}

func (w *Writer) writeFrame(f frame, chunks []Chunk) error {
	f.segment, f.durable = w.segment.identity, w.mark
	w.noted = w.mark
	f.put(w.stage)
	w.staged = frameHead
	for _, c := range chunks {
		for _, piece := range c.Pieces {
			if err := w.put(piece); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

// put stages bytes, and writes the stage when it is full.
func (w *Writer) put(b []byte) error {
	for len(b) > 0 {
		n := copy(w.stage[w.staged:], b)
		b = b[n:]
		w.staged += n
		if w.staged == len(w.stage) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes what is staged, with zeros to the next block.
func (w *Writer) flush() error {
	if w.staged == 0 {
		return nil
	}
	end := (w.staged + dio.BlockSize - 1) &^ (dio.BlockSize - 1)
	clear(w.stage[w.staged:end])
	if _, err := w.file.WriteAt(w.stage[:end], w.offset); err != nil {
		return err
	}
	w.offset += int64(end)
	w.staged = 0
	w.syncNeed = true
	return nil
}

// rotate ends the segment, durably, and begins the next.
func (w *Writer) rotate(first Epoch, need int64) error {
	if err := w.end(); err != nil {
		return err
	}
	full := w.segment
	if err := w.begin(first, need); err != nil {
		return err
	}
	w.earlier = append(w.earlier, full)
	return nil
}

// end closes the segment with a frame that says so, and that all before it was
// durable: where it stands, nothing can be torn.
func (w *Writer) end() error {
	err := w.sync()
	if err == nil {
		f := frame{segment: w.segment.identity, epoch: w.mark, durable: w.mark, flags: frameEnd}
		f.put(w.stage)
		w.staged = frameHead
		err = w.flush()
	}
	if err == nil {
		err = w.file.Truncate(w.offset)
	}
	if err == nil {
		err = w.sync()
	}
	return errors.Join(err, w.file.Close())
}

// Sync makes all durable that is written.
func (w *Writer) Sync() error {
	if w.failed == nil && w.syncNeed {
		w.failed = w.sync()
	}
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	return nil
}

func (w *Writer) sync() error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.syncNeed = false
	w.durable, w.mark = w.written, w.last
	return nil
}

// Note writes down what is durable, unless it stands there already, so that damage to
// it is told from a torn end. It is for when there is nothing else to write.
func (w *Writer) Note() error {
	if w.failed != nil || w.syncNeed || w.noted >= w.mark || w.offset+2*dio.BlockSize > w.options.SegmentBytes {
		return nil
	}
	f := frame{segment: w.segment.identity, epoch: w.mark, durable: w.mark, flags: frameNote}
	f.put(w.stage)
	w.staged = frameHead
	if w.failed = w.flush(); w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	w.noted = w.mark
	w.syncNeed = false // whether it is there after a crash does not matter
	return nil
}

// Durable is the last epoch that a crash cannot take back.
func (w *Writer) Durable() Epoch { return w.durable }

// Forget removes the segments in which nothing is later than epoch: a snapshot has
// it all.
func (w *Writer) Forget(epoch Epoch) error {
	for len(w.earlier) > 0 {
		next := w.segment
		if len(w.earlier) > 1 {
			next = w.earlier[1]
		}
		if next.first > epoch {
			return nil
		}
		if err := w.disk.Remove(path.Join(w.folder, w.earlier[0].name())); err != nil {
			return err
		}
		w.earlier = w.earlier[1:]
		// One after the other: a crash must not leave a gap.
		if err := w.disk.SyncFolder(w.folder); err != nil {
			return err
		}
	}
	return nil
}

// Close makes all durable, and ends the segment so that any damage to it is
// noticed: there is no torn end to be expected any more.
func (w *Writer) Close() error {
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed, w.file.Close())
	}
	w.failed = errClosed
	return w.end()
}

var errClosed = errors.New("effectlog: the log is closed")
