package snapshot

import (
	"errors"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"path"
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
)

// Options of a Writer.
type Options struct {
	// Begin is the epoch up to which all effects are in the snapshot: the log is played
	// back on it from the next one on.
	Begin effectlog.Epoch
	// CreatedMS is the time of it, since 1970.
	CreatedMS int64
	// Keep is how many older snapshots Publish leaves; 0: 1; below 0: none.
	Keep int
}

const (
	keepDefault = 1
	// stageBytes is written at once: above it a disk's rate grows no more, nor does it
	// when the file is allocated ahead. It is also how large a frame of many records grows.
	stageBytes = 1 << 20
	// stages: one is filled, one waits, one is written.
	stages = 3
	// syncBytes is synced at a time where the page cache is in between, so that Finish
	// does not have it all to do: 80 ms of a disk that does 100 MB/s.
	syncBytes = 8 << 20
)

// state says what may be called.
type state uint8

const (
	stateWriting   state = iota
	stateFinished        // whole and durable, under the temporary name
	statePublished       // under its final name
	stateOver            // failed or abandoned
)

// A Writer writes one snapshot. One goroutine uses it; another, of its own, writes to
// the disk until Finish or Abandon ends it.
type Writer struct {
	disk   dio.FS
	folder string
	header Header
	keep   int
	file   dio.File
	state  state

	stage  *stage    // that is filled; nil: none
	frame  frame     // that is open in it
	at     int       // of its head, in the stage; -1: none is open
	offset int64     // of the stage in the file
	total  Trailer   // of the frames so far
	one    [1][]byte // for Append

	free   chan *stage // all stages have room in both: nobody waits to send
	full   chan *stage
	ended  chan struct{} // the writing goroutine has
	failed atomic.Pointer[error]

	// The writing goroutine's, until it has ended.
	unsynced int64 // bytes
	closed   bool  // the file is
	removed  bool  // it has its temporary name no more
}

// A stage is a part of the file that is made in memory.
type stage struct {
	bytes  []byte
	used   int
	offset int64
}

// Create begins a snapshot in folder, under a temporary name, and removes what others
// have left there: one Writer at a time writes in a folder.
func Create(disk dio.FS, folder string, options Options) (*Writer, error) {
	if err := RemoveLeftovers(disk, folder); err != nil {
		return nil, err
	}
	// One whose head is damaged is mended by a new one.
	if _, newest, _, err := Newest(disk, folder); err == nil && newest.Begin > options.Begin {
		return nil, ErrEpoch
	}
	serials, err := published(disk, folder)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		disk: disk, folder: folder,
		header: Header{Serial: 1, Identity: rand.Uint64(), Begin: options.Begin, CreatedMS: options.CreatedMS},
		keep:   options.Keep,
		at:     -1,
		offset: dio.BlockSize,
		free:   make(chan *stage, stages),
		full:   make(chan *stage, stages),
		ended:  make(chan struct{}),
	}
	if len(serials) > 0 {
		w.header.Serial = serials[len(serials)-1] + 1
	}
	if options.Keep == 0 {
		w.keep = keepDefault
	}
	w.total.Header = w.header
	for range stages {
		w.free <- &stage{bytes: dio.Aligned(stageBytes)}
	}
	if err := w.begin(); err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

// begin makes the file, with its head.
func (w *Writer) begin() (err error) {
	if w.file, err = w.disk.Open(w.name(), dio.New|dio.Direct); err != nil {
		return err
	}
	w.take()
	w.header.put(w.stage.bytes)
	w.total.sum = crc32.Update(0, castagnoli, w.stage.bytes[8:12])
	if _, err = w.file.WriteAt(w.stage.bytes[:dio.BlockSize], 0); err != nil {
		err = errors.Join(err, w.remove())
	}
	return err
}

// name is the file's, until it is published.
func (w *Writer) name() string { return path.Join(w.folder, tempName(w.header.Serial)) }

// run writes what is full. It ends when full is closed.
func (w *Writer) run() {
	defer close(w.ended)
	for s := range w.full {
		if w.failure() == nil {
			if err := w.write(s); err != nil {
				// Now, and not when somebody asks: the log may need the room.
				w.fail(errors.Join(err, w.remove()))
			}
		}
		s.used = 0
		w.free <- s
	}
}

func (w *Writer) write(s *stage) error {
	if _, err := w.file.WriteAt(s.bytes[:s.used], s.offset); err != nil {
		return err
	}
	w.unsynced += int64(s.used)
	if w.unsynced < syncBytes || w.file.Direct() {
		return nil
	}
	w.unsynced = 0
	return w.file.Sync()
}

// remove closes the file, and gives its room back.
func (w *Writer) remove() (err error) {
	if !w.closed {
		w.closed = true
		err = w.file.Close()
	}
	if w.removed { // another Writer's may have the name by now
		return err
	}
	removal := w.disk.Remove(w.name())
	if removal == nil || errors.Is(removal, fs.ErrNotExist) {
		w.removed = true
		return err
	}
	return errors.Join(err, removal)
}

func (w *Writer) fail(err error) { w.failed.CompareAndSwap(nil, &err) }

func (w *Writer) failure() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// refuse is the error if w is not in this state, or has failed.
func (w *Writer) refuse(want state) error {
	switch err := w.failure(); {
	case err != nil:
		return errors.Join(ErrFailed, err)
	case w.state == want:
		return nil
	case w.state == stateWriting:
		return ErrNotFinished
	}
	return ErrOver
}

// Append adds count whole records (effectlog.AppendRecord): 8 MiB, or one record. They
// are copied. For each MiB of them it waits for at most one write of a MiB, and a sync
// of 8 MiB where there is no direct I/O. After an error, other than ErrRecords, the file
// is gone: there is nothing left but Abandon.
func (w *Writer) Append(records []byte, count int) error {
	w.one[0] = records
	err := w.AppendPieces(w.one[:], count)
	w.one[0] = nil
	return err
}

// AppendPieces is Append of records whose bytes lie in pieces.
func (w *Writer) AppendPieces(pieces [][]byte, count int) error {
	if err := w.refuse(stateWriting); err != nil {
		return err
	}
	size := 0
	for _, piece := range pieces {
		size += len(piece)
	}
	if size > frameMax && count > 1 || size > effectlog.RecordMax || size == 0 || count < 1 {
		return ErrRecords
	}
	if w.at >= 0 && size > stageBytes-w.stage.used {
		w.endFrame()
	}
	if w.at < 0 {
		w.beginFrame(size)
	}
	w.frame.records += uint32(count)
	w.frame.size += uint32(size)
	for _, piece := range pieces {
		w.frame.sum = crc32.Update(w.frame.sum, castagnoli, piece)
	}
	if frameHead+size > stageBytes {
		w.putLarge(pieces)
	} else {
		for _, piece := range pieces {
			w.stage.used += copy(w.stage.bytes[w.stage.used:], piece)
		}
	}
	if err := w.failure(); err != nil {
		return errors.Join(ErrFailed, err)
	}
	return nil
}

// beginFrame opens a frame that takes size bytes: in the open stage if they fit, or
// if they fit in none.
func (w *Writer) beginFrame(size int) {
	room := stageBytes - w.stage.used
	if room < frameHead || frameHead+size > room && frameHead+size <= stageBytes {
		w.handOver()
	}
	w.at = w.stage.used
	w.frame = frame{identity: w.header.Identity, number: w.total.Frames, first: w.total.Records}
	w.stage.used += frameHead
}

// endFrame closes the frame that is open.
func (w *Writer) endFrame() {
	if w.at < 0 {
		return
	}
	w.putHead()
	w.pad()
}

// putHead puts the open frame's head, and counts it.
func (w *Writer) putHead() {
	head := w.stage.bytes[w.at:][:frameHead]
	w.frame.put(head)
	w.total.sum = addFrame(w.total.sum, head)
	w.total.Frames++
	w.total.Records += uint64(w.frame.records)
	w.total.Bytes += uint64(w.frame.size)
	w.at = -1
}

// pad puts zeros up to where a frame may begin.
func (w *Writer) pad() {
	end := (w.stage.used + dio.BlockSize - 1) &^ (dio.BlockSize - 1)
	clear(w.stage.bytes[w.stage.used:end])
	w.stage.used = end
}

// putLarge puts a frame that is larger than a stage, whose checksums are known.
func (w *Writer) putLarge(pieces [][]byte) {
	w.putHead()
	for _, piece := range pieces {
		for len(piece) > 0 {
			if w.stage.used == stageBytes {
				w.handOver()
			}
			n := copy(w.stage.bytes[w.stage.used:], piece)
			w.stage.used += n
			piece = piece[n:]
		}
	}
	w.pad()
}

// handOver has the stage written, and takes another one.
func (w *Writer) handOver() {
	if w.stage.used > 0 {
		w.stage.offset = w.offset
		w.offset += int64(w.stage.used)
		w.full <- w.stage
		w.take()
	}
}

// take waits for a stage: no longer than one of them is written.
func (w *Writer) take() { w.stage = <-w.free }

// Finish adds the trailer and makes everything durable, still under the temporary name.
// No effect in the snapshot is of an epoch above end; seqs are the last sequences of
// the 16,384 slots, not below those of any record in it.
func (w *Writer) Finish(end effectlog.Epoch, seqs []uint64) error {
	if err := w.refuse(stateWriting); err != nil {
		return err
	}
	if len(seqs) != Slots {
		return ErrSlots
	}
	if end < w.header.Begin {
		return ErrEpoch
	}
	w.endFrame()
	if stageBytes-w.stage.used < trailerBytes {
		w.handOver()
	}
	w.total.End, w.total.Seqs = end, seqs
	w.total.put(w.stage.bytes[w.stage.used:])
	w.total.Seqs = nil // the caller's
	w.stage.used += trailerBytes
	w.handOver()
	w.end()
	w.state = stateFinished
	if w.failure() == nil {
		err := w.file.Sync()
		if err == nil {
			w.closed = true
			err = w.file.Close()
		}
		if err != nil {
			w.fail(errors.Join(err, w.remove()))
		}
	}
	return w.refuse(stateFinished)
}

// end waits for the goroutine that writes.
func (w *Writer) end() {
	close(w.full)
	<-w.ended
	w.stage = nil
	for range stages - 1 {
		<-w.free // the memory is the collector's
	}
}

// Publish gives the snapshot its final name, durably, and only then removes older
// ones. After ErrNotRemoved it is published; after another error it is not, and gone,
// or it is found in its place after a crash, whole: the log is to be kept as it is.
func (w *Writer) Publish() error {
	if err := w.refuse(stateFinished); err != nil {
		return err
	}
	final := path.Join(w.folder, fileName(w.header.Serial))
	if err := w.disk.Rename(w.name(), final); err != nil {
		w.fail(errors.Join(err, w.remove()))
		return w.refuse(stateFinished)
	}
	w.removed = true
	if err := w.disk.SyncFolder(w.folder); err != nil {
		w.fail(errors.Join(err, w.disk.Remove(final)))
		return w.refuse(stateFinished)
	}
	w.state = statePublished
	if err := removeOlder(w.disk, w.folder, w.header.Serial, max(w.keep, 0)); err != nil {
		return errors.Join(ErrNotRemoved, err)
	}
	return nil
}

// Abandon removes the snapshot, unless it is published. It may be called at any time
// after Create, and after an error again.
func (w *Writer) Abandon() error {
	switch w.state {
	case statePublished:
		return nil
	case stateWriting:
		w.fail(ErrOver)
		w.end()
	}
	w.state = stateOver
	return w.remove()
}
