package effectlog

import (
	"errors"
	"slices"

	"github.com/pandabeardb/panda/disk/dio"
)

// Options of a Writer.
type Options struct {
	// SegmentBytes is how large a segment is made before the next begins; 0: 256 MiB,
	// half a second of a fast disk. An epoch may need a larger one.
	SegmentBytes int64
	// Overwrite has segments filled with zeros before they are used, which makes a Sync
	// shorter by a third and has everything written twice: for who waits for Sync. The
	// first one is filled at once, so it is small, and the next are twice as large each.
	Overwrite bool

	inline     bool  // tests: without a goroutine
	frameBytes int64 // tests: in place of frameMax
	ownBytes   int   // tests: in place of ownBytes
}

const (
	segmentBytesDefault = 256 << 20
	segmentBytesMin     = 64 << 10
	// leastShare of a segment is made while the disk has no room for more: 16 MiB, so
	// that a log which goes on like this has no thousands of files.
	leastShare = 16
	// firstFilled is the first segment that is filled, which NewWriter waits for: 15 to
	// 100 ms of a disk, and a second's groups of a fast one.
	firstFilled = 16 << 20
	// stageBytes is written at once: above it a disk's rate grows no more.
	stageBytes = 1 << 20
	// ownBytes is how long a chunk must be to be a frame of its own: of which at most a
	// sixteenth is the last block's rest.
	ownBytes = 64 << 10
	// fillBytes is how far zeros are written at once: 1 ms of a disk.
	fillBytes = 1 << 20
)

// A Chunk is a number of whole records, whose bytes may lie in pieces: up to 8 MiB, or
// one record.
type Chunk struct {
	Pieces  [][]byte
	Records int
	// Block is nil, or memory of dio.Aligned of whole blocks in which the only piece
	// stands behind FrameHead bytes: it may be written from there, and not be copied.
	Block []byte
}

// FrameHead is how many bytes of a Chunk's Block are the Writer's.
const FrameHead = frameHead

// own reports whether a chunk is a frame of its own, written from where it is: it is so
// long that little is lost to its last block.
func (w *Writer) own(c *Chunk) bool {
	return c.Block != nil && len(c.Pieces) == 1 && len(c.Pieces[0]) >= w.options.ownBytes
}

func (c *Chunk) size() (n int64) {
	for _, piece := range c.Pieces {
		n += int64(len(piece))
	}
	return n
}

// A Writer appends to the log. One goroutine uses it.
type Writer struct {
	disk    dio.FS
	folder  string
	options Options
	keeper  *keeper
	spare   *spare // the next segment, being made; nil: not yet

	file    dio.File
	segment segment
	size    int64     // of its file
	offset  int64     // of the next frame
	ended   bool      // its last frame is written, before offset
	tight   bool      // see Squeeze
	earlier []segment // those that are full, oldest first

	vector  [][]byte // blocks of Chunks that are to be written
	stage   []byte   // a frame, and room for the segment's end
	staged  int
	pending frame // in stage, of whole epochs; without bytes there is none
	before  Epoch // the last one that Write was given before those

	begun uint64 // serial of the last segment of which something is durable

	written  Epoch // the last one that Write was given
	last     Epoch // the last one in the file that has effects
	durable  Epoch
	mark     Epoch // the last one that has effects and is durable
	noted    Epoch // what a frame in the log says of that
	syncNeed bool  // something was written since the last Sync
	loose    bool  // a note was, whose loss would not matter but for a segment's end
	failed   error

	bytes    int64 // written, all together
	unsynced int64 // of these, since the last Sync
}

// NewWriter begins a new segment behind what Read has found, and Repair mended. Close
// ends it, and the goroutine it has.
func NewWriter(disk dio.FS, folder string, tail *Tail, options Options) (*Writer, error) {
	if options.SegmentBytes == 0 {
		options.SegmentBytes = segmentBytesDefault
	}
	if options.frameBytes == 0 {
		options.frameBytes = frameMax
	}
	if options.ownBytes == 0 {
		options.ownBytes = ownBytes
	}
	if tail.serial > 0 && !tail.ended || len(tail.blank) > 0 {
		return nil, ErrNotRepaired
	}
	options.SegmentBytes = max(options.SegmentBytes, segmentBytesMin) &^ (dio.BlockSize - 1)
	w := &Writer{
		disk: disk, folder: folder, options: options,
		earlier: tail.segments,
		segment: segment{serial: tail.serial}, begun: tail.serial,
		written: tail.Epoch, durable: tail.Epoch, last: tail.Epoch, mark: tail.Epoch,
	}
	w.stage = dio.Aligned(w.stageLen() + dio.BlockSize)
	w.keeper = newKeeper(disk, folder, options.inline)
	w.Squeeze(true) // to begin is better than to refuse it
	if err := w.begin(tail.Epoch + 1); err != nil {
		w.keeper.close()
		return nil, err
	}
	w.Squeeze(false)
	return w, nil
}

// stageLen is what the stage takes of one frame: a quarter of a small segment.
func (w *Writer) stageLen() int {
	return int(min(stageBytes, w.options.SegmentBytes/4&^(dio.BlockSize-1)))
}

// Squeeze says whether a segment may be as small as 64 KiB, or an epoch, when the disk
// has no room for more: for who makes room behind it.
func (w *Writer) Squeeze(on bool) { w.tight = on }

// Spare sees to it now that there is room for what waits in memory and, behind it, for an
// epoch of these chunks: where the segment is, or in the next one, which is no larger than
// need be. It is for who is about to use the room that the disk has. ErrFull: there is none.
func (w *Writer) Spare(chunks []Chunk) error {
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	need := w.need(chunks)
	if w.pending.size > 0 {
		need += padded(int64(w.pending.size))
		if len(chunks) > 0 { // else the segment may end between both
			need += int64(w.stageLen())
		}
	}
	if !w.ended && (w.offset == dio.BlockSize || w.size-w.offset >= need) {
		for size := w.size; size < w.offset+need; { // more must be free in a longer one
			before := w.reserveIn(size)
			size = w.offset + need
			need += w.reserveIn(size) - before
		}
		return w.fail(w.grow(need))
	}
	w.keeper.wait()
	size := max(need+dio.BlockSize, segmentBytesMin)
	if s := w.spare; s != nil && s.ready.Load() && s.made >= size {
		return nil
	} else if s != nil {
		if err := s.discard(); err != nil {
			return w.fail(err)
		}
	}
	w.spare = newSpare(w.keeper, w.segment.serial+1, w.last+1, size, size)
	w.spare.create()
	w.spare.finish()
	return checkFull(w.spare.err)
}

// reserve is what must be free in a segment that goes on: the stage, or a part of a small
// segment, and the end.
func (w *Writer) reserve() int64 { return w.reserveIn(w.size) }

// reserveIn is reserve in a segment of a size.
func (w *Writer) reserveIn(size int64) int64 {
	return min(int64(w.stageLen()), size/4&^(dio.BlockSize-1)) + dio.BlockSize
}

// begin goes on in the next segment, whose first frame will be of first.
func (w *Writer) begin(first Epoch) error {
	if w.syncNeed || w.loose { // only the last segment may be torn
		if err := w.sync(); err != nil {
			return err
		}
	}
	next, err := w.takeSpare(first)
	if err != nil {
		return checkFull(err)
	}
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			return err
		}
		w.segment.bytes = w.size
		w.earlier = append(w.earlier, w.segment)
	}
	next.segment.first = first
	w.file, w.segment, w.size, w.offset, w.ended = next.file, next.segment, next.made, dio.BlockSize, false
	return nil
}

// takeSpare is the next segment. If it could not be made ahead, it is tried once more.
func (w *Writer) takeSpare(first Epoch) (*spare, error) {
	s := w.spare
	w.spare = nil
	if s != nil && !s.ready.Load() {
		w.keeper.do(s.finish)
		w.keeper.wait()
	}
	if s == nil || s.err != nil {
		s = w.newSpare(first)
		s.create()
		if w.options.Overwrite && w.file == nil {
			s.fill(s.size)
		}
		s.finish()
	}
	return s, s.err
}

func (w *Writer) newSpare(first Epoch) *spare {
	size := w.options.SegmentBytes
	if w.options.Overwrite {
		size = min(size, max(2*w.size, firstFilled))
	}
	least := max(w.options.SegmentBytes/leastShare, segmentBytesMin)
	if w.tight {
		least = segmentBytesMin
	}
	return newSpare(w.keeper, w.segment.serial+1, first, size, least)
}

// prepare has the next segment made when half of this one is used, and filled so fast
// that it is full when the rest of this one is used.
func (w *Writer) prepare() {
	over := w.offset - w.size/2
	if over < 0 {
		return
	}
	s := w.spare
	if s == nil {
		s = w.newSpare(w.last + 1)
		w.spare = s
		w.keeper.do(s.create)
		if !w.options.Overwrite {
			s.asked = s.size
			w.keeper.do(s.finish)
		}
	}
	if end := min(2*(over+w.reserve())*s.size/w.size, s.size) &^ (dio.BlockSize - 1); s.asked < s.size && (end-s.asked >= fillBytes || end == s.size) {
		s.asked = end
		w.keeper.do(func() { s.fill(end) })
		if end == s.size {
			w.keeper.do(s.finish)
		}
	}
}

// Write appends the effects of an epoch, which is above all before it, and may have
// none. They may stay in memory until Flush or Sync, and are durable when Durable says
// so. ErrFull, also of Flush and Sync: nothing has changed, and the same call may be
// tried again. After an error other than that, ErrEpoch and ErrChunk the log takes no
// more: Close it, Read and Repair what is there, and begin anew.
func (w *Writer) Write(epoch Epoch, chunks []Chunk) error {
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	if epoch <= w.written {
		return ErrEpoch
	}
	all := int64(0)
	for i := range chunks {
		size := chunks[i].size()
		if size > frameMax && chunks[i].Records > 1 || size > RecordMax {
			return ErrChunk
		}
		all += size
	}
	if all > 0 {
		if err := w.add(epoch, chunks, all); err != nil {
			return w.fail(err)
		}
	}
	w.written = epoch
	if w.pending.size == 0 && !w.syncNeed {
		w.durable = epoch // there is nothing of it
	}
	return nil
}

// add puts an epoch into the frame in the stage, if there is room, or into frames of
// its own.
func (w *Writer) add(epoch Epoch, chunks []Chunk, size int64) error {
	large := frameHead+size > int64(w.stageLen()) || slices.ContainsFunc(chunks, func(c Chunk) bool { return w.own(&c) })
	if large || frameHead+int64(w.pending.size)+size > int64(w.stageLen()) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if large {
		return w.writeLarge(epoch, chunks)
	}
	f := &w.pending
	if f.size == 0 {
		f.first, w.before, w.staged = w.last+1, w.written, frameHead
	}
	for i := range chunks {
		for _, piece := range chunks[i].Pieces {
			w.staged += copy(w.stage[w.staged:], piece)
		}
		f.records += uint32(chunks[i].Records)
	}
	f.size, f.epoch = uint32(w.staged-frameHead), epoch
	return nil
}

// Flush writes what is in memory. A crash of the machine may still take it back, one
// of the process not.
func (w *Writer) Flush() error {
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	return w.fail(w.flush())
}

// fail keeps an error, after which the log takes no more. A full disk is none.
func (w *Writer) fail(err error) error {
	if err == nil || errors.Is(err, ErrFull) {
		return err
	}
	w.failed = err
	return errors.Join(ErrFailed, err)
}

// flush writes the frame that is in the stage.
func (w *Writer) flush() error {
	if w.pending.size == 0 {
		return nil
	}
	if err := w.room(padded(int64(w.pending.size)) + dio.BlockSize); err != nil {
		return err
	}
	f := w.pending
	f.flags = frameLast
	if err := w.writeStage(&f); err != nil {
		return err
	}
	w.pending = frame{}
	w.last = f.epoch
	return nil
}

// writeStage writes the stage as this frame, and behind it the segment's end, if there
// is no room for another one: it becomes durable with what is before it.
func (w *Writer) writeStage(f *frame) error {
	f.segment, f.durable = w.segment.identity, w.mark
	f.put(w.stage)
	end := padded(int64(f.size))
	clear(w.stage[frameHead+f.size : end])
	if w.size-w.offset-end < w.reserve() {
		w.putEnd(w.stage[end:], f.epoch)
		end += dio.BlockSize
		w.ended = true
	}
	if err := w.write(w.stage[:end]); err != nil {
		return err
	}
	w.noted = w.mark
	w.prepare()
	return nil
}

// putEnd is the block with which the segment ends.
func (w *Writer) putEnd(block []byte, epoch Epoch) {
	clear(block[:dio.BlockSize])
	f := frame{segment: w.segment.identity, first: epoch, epoch: epoch, durable: w.mark, flags: frameEnd}
	f.put(block)
}

// write writes blocks at the log's end.
func (w *Writer) write(blocks []byte) error {
	if len(blocks) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(blocks, w.offset); err != nil {
		return err
	}
	w.wrote(int64(len(blocks)))
	return nil
}

// wrote counts what was written.
func (w *Writer) wrote(n int64) {
	w.offset += n
	w.bytes += n
	w.unsynced += n
	w.syncNeed = true
}

// writeLarge puts an epoch that is larger than the stage, or in blocks of its own, into
// frames of its own, all in one segment, so that a part of it can only stand at the log's
// end.
func (w *Writer) writeLarge(epoch Epoch, chunks []Chunk) error {
	if err := w.room(w.need(chunks)); err != nil {
		return err
	}
	for first := w.last + 1; len(chunks) > 0; {
		n, size, records := w.pack(chunks)
		f := frame{size: uint32(size), first: first, epoch: epoch, records: uint32(records)}
		if n == len(chunks) {
			f.flags = frameLast
		}
		if w.own(&chunks[0]) {
			w.addOwn(f, chunks[0].Block)
		} else if err := w.writeFrame(f, chunks[:n]); err != nil {
			return err
		}
		chunks = chunks[n:]
	}
	if err := w.writeOwn(); err != nil {
		return err
	}
	w.last, w.noted = epoch, w.mark
	w.prepare()
	return nil
}

// room sees to it that need bytes are free in the segment.
func (w *Writer) room(need int64) error {
	if w.size-w.offset < need && w.offset > dio.BlockSize && !w.ended {
		if err := w.end(); err != nil {
			return err
		}
	}
	if w.ended {
		if err := w.begin(w.last + 1); err != nil {
			return err
		}
	}
	return w.grow(need)
}

// grow makes the segment longer, unless need bytes are free in it.
func (w *Writer) grow(need int64) error {
	size := w.offset + need
	if w.size >= size {
		return nil
	}
	if err := w.file.Allocate(0, size); err != nil {
		if back := w.file.Truncate(w.size); back != nil { // of what it may have got
			return errors.Join(err, back)
		}
		return checkFull(err)
	}
	w.size = size
	return nil
}

// need is what an epoch of these chunks takes in frames of its own, and what must be free
// behind them.
func (w *Writer) need(chunks []Chunk) int64 {
	need := w.reserve()
	for len(chunks) > 0 {
		n, size, _ := w.pack(chunks)
		need += padded(size)
		chunks = chunks[n:]
	}
	return need
}

// pack is how many of the chunks go into one frame.
func (w *Writer) pack(chunks []Chunk) (n int, size int64, records int) {
	for i := range chunks {
		more, own := chunks[i].size(), w.own(&chunks[i])
		if n > 0 && (own || size+more > w.options.frameBytes) {
			break
		}
		if own {
			return 1, more, chunks[i].Records
		}
		n, size, records = n+1, size+more, records+chunks[i].Records
	}
	return n, size, records
}

// addOwn makes a Chunk's block a frame, which writeOwn writes with those before it.
func (w *Writer) addOwn(f frame, block []byte) {
	f.segment, f.durable = w.segment.identity, w.mark
	f.put(block)
	end := padded(int64(f.size))
	clear(block[frameHead+f.size : end])
	w.vector = append(w.vector, block[:end])
}

// writeOwn writes the blocks that were added.
func (w *Writer) writeOwn() error {
	if len(w.vector) == 0 {
		return nil
	}
	n, err := w.file.WriteVec(w.vector, w.offset)
	clear(w.vector)
	w.vector = w.vector[:0]
	if err == nil {
		w.wrote(int64(n))
	}
	return err
}

// writeFrame writes a frame through the stage, behind what was added.
func (w *Writer) writeFrame(f frame, chunks []Chunk) error {
	if err := w.writeOwn(); err != nil {
		return err
	}
	f.segment, f.durable = w.segment.identity, w.mark
	f.put(w.stage)
	w.staged = frameHead
	for i := range chunks {
		for _, piece := range chunks[i].Pieces {
			if err := w.put(piece); err != nil {
				return err
			}
		}
	}
	end := (w.staged + dio.BlockSize - 1) &^ (dio.BlockSize - 1)
	clear(w.stage[w.staged:end])
	return w.write(w.stage[:end])
}

// put stages bytes, and writes the stage when it is full.
func (w *Writer) put(b []byte) error {
	full := w.stage[:w.stageLen()]
	for len(b) > 0 {
		n := copy(full[w.staged:], b)
		b = b[n:]
		w.staged += n
		if w.staged == len(full) {
			if err := w.write(full); err != nil {
				return err
			}
			w.staged = 0
		}
	}
	return nil
}

// end ends the segment before it is full, or once more, after all in it is durable, as
// the end says then: where it stands, nothing can be torn.
func (w *Writer) end() error {
	if w.ended { // one block, in place: it is the old one, or the new one
		w.offset -= dio.BlockSize
	}
	err := w.sync()
	if err == nil {
		block := w.stage[w.stageLen():] // before it may be a frame that waits
		w.putEnd(block, w.mark)
		err = w.write(block)
		w.ended = true
	}
	if err == nil {
		err = w.file.Truncate(w.offset)
		w.size = w.offset
	}
	if err == nil {
		err = w.sync()
	}
	return err
}

// Sync makes all durable that was given to Write.
func (w *Writer) Sync() error {
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	err := w.flush()
	if err == nil && w.syncNeed {
		err = w.sync()
	}
	return w.fail(err)
}

// sync makes all durable that is in the file.
func (w *Writer) sync() error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.syncNeed, w.unsynced, w.loose = false, 0, false
	if w.offset > dio.BlockSize {
		w.begun = w.segment.serial
	}
	w.durable, w.mark = w.written, w.last
	if w.pending.size > 0 {
		w.durable = w.before
	}
	return nil
}

// Note writes down what is durable, unless it stands there already, so that damage to
// it is told from a torn end. It is for when there is nothing else to write.
func (w *Writer) Note() error {
	if w.failed != nil || w.syncNeed || w.pending.size > 0 || w.noted >= w.mark {
		return nil
	}
	if w.ended { // it says so, in place
		w.putEnd(w.stage, w.mark)
		w.offset -= dio.BlockSize
		w.failed = w.write(w.stage[:dio.BlockSize])
		w.noted = w.mark
	} else {
		w.failed = w.writeStage(&frame{first: w.mark, epoch: w.mark, flags: frameNote})
	}
	if w.failed != nil {
		return errors.Join(ErrFailed, w.failed)
	}
	w.syncNeed, w.unsynced, w.loose = false, 0, true
	return nil
}

// Durable is the last epoch that a crash cannot take back.
func (w *Writer) Durable() Epoch { return w.durable }

// Stats are figures of a log.
type Stats struct {
	Written  int64 // bytes, by this Writer
	Pending  int64 // of these, not durable, or still in memory
	Segments int
	Bytes    int64  // of their files
	Oldest   Epoch  // nothing before it is in the log
	Begun    uint64 // number of the last segment that a crash leaves with something in it
}

// Stats are the figures now.
func (w *Writer) Stats() Stats {
	s := Stats{Written: w.bytes, Pending: w.unsynced + int64(w.pending.size), Segments: 1 + len(w.earlier),
		Bytes: w.size, Oldest: w.segment.first, Begun: w.begun}
	for i := range w.earlier {
		s.Bytes += w.earlier[i].bytes
	}
	if len(w.earlier) > 0 {
		s.Oldest = w.earlier[0].first
	}
	return s
}

// Forget has the segments removed in which nothing is later than epoch: a snapshot has
// it all. It does not wait for that; an error is of an earlier removal, which is tried
// again.
func (w *Writer) Forget(epoch Epoch) error {
	var names []string
	for len(w.earlier) > 0 {
		next := &w.segment
		if len(w.earlier) > 1 {
			next = &w.earlier[1]
		}
		if next.first-1 > epoch {
			break
		}
		names = append(names, w.earlier[0].name())
		w.earlier = w.earlier[1:]
	}
	err := w.keeper.forgetError()
	if len(names) > 0 || err != nil {
		w.keeper.do(func() { w.keeper.forget(names) })
	}
	return err
}

// Close makes all durable, and ends the segment so that any damage to it is
// noticed: there is no torn end to be expected any more. It returns when what Forget
// was asked for is done.
func (w *Writer) Close() error {
	err := w.failed
	if err == nil {
		err = w.flush()
	}
	w.keeper.close()
	if w.spare != nil {
		if discardErr := w.spare.discard(); err == nil {
			err = discardErr
		}
		w.spare = nil
	}
	if err == nil {
		err = w.end()
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
		w.file = nil
	}
	if w.failed != nil {
		return errors.Join(ErrFailed, err)
	}
	w.failed = errClosed
	return err
}

var errClosed = errors.New("effectlog: the log is closed")
