package keyspace

import (
	"bytes"
	"errors"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

// Values that a tier has are not in the log's way: an effect never has one. A
// snapshot reads them back, since recovery fills an empty tier.

const (
	// tieredMax values are read at a time, or tieredBytesMax bytes and one value: what
	// keeps flash busy, and no more memory than that.
	tieredMax      = 64
	tieredBytesMax = 8 << 20
	// tieredTries is how often a value is looked for that has moved meanwhile: a tier
	// compacts a page in seconds.
	tieredTries = 8
)

// TierFetch is a value that is to be read. Err means that it is not there any more.
type TierFetch struct {
	Ref      slab.TierRef
	HeadLen  int
	KeyLen   int
	ValueLen int

	Value   []byte // good until Release
	Err     error
	Release func()
}

// tiered is an item of a snapshot whose value is to be read.
type tiered struct {
	record effectlog.Record
	fetch  TierFetch
}

// addTiered collects an item whose value a tier has. The shard is locked.
func (w *walk) addTiered(it slab.Item, r *effectlog.Record) {
	t := tiered{record: *r}
	t.record.Key = bytes.Clone(r.Key)
	t.fetch = TierFetch{Ref: it.TierRef(), HeadLen: it.TierHeadLen(), KeyLen: len(r.Key), ValueLen: it.ValueLen()}
	w.tiered = append(w.tiered, t)
	w.tieredBytes += it.ValueLen()
}

// writeTiered reads the values that were collected, and writes their records. One whose
// value is lost is a miss.
func (w *walk) writeTiered() error {
	defer func() {
		clear(w.tiered)
		w.tiered, w.tieredBytes = w.tiered[:0], 0
	}()
	for try := 0; len(w.tiered) > 0 && try < tieredTries; try++ {
		fetches := make([]TierFetch, len(w.tiered))
		for i := range w.tiered {
			fetches[i] = w.tiered[i].fetch
		}
		w.k.config.FetchTier(fetches)
		left := w.tiered[:0]
		err := error(nil)
		for i := range fetches {
			t, f := w.tiered[i], &fetches[i]
			switch {
			case f.Err == nil && err == nil:
				err = w.writeValue(&t.record, f.Value)
			case f.Err != nil && w.lookAgain(&t):
				left = append(left, t)
			}
			if f.Release != nil {
				f.Release()
			}
		}
		if err != nil {
			return err
		}
		w.tiered = left
	}
	if len(w.tiered) > 0 {
		return errMoving // the next snapshot finds them in another place
	}
	return nil
}

var errMoving = errors.New("keyspace: values move in the tier faster than they are read")

// writeValue writes a record whose value was read.
func (w *walk) writeValue(r *effectlog.Record, value []byte) error {
	head := effectlog.AppendHead(nil, r, len(value))
	effectlog.Seal(head, value)
	w.items++
	w.bytes += int64(len(head) + len(value))
	return w.w.AppendPieces([][]byte{head, value}, 1)
}

// lookAgain finds where an item's value is now, and what else of it has changed: marks
// are in the log without the value. One that came back to memory is collected there.
func (w *walk) lookAgain(t *tiered) (again bool) {
	handle := w.k.store.Handle(0) // which looks, and changes nothing
	key := handle.Key(uint16(t.record.DB), t.record.Key)
	handle.Look(&key, everMS, func(it slab.Item) {
		stamp := it.Stamp()
		e := slab.Effect{Kind: slab.KindSet, Slot: uint16(stamp & slotMask), Seq: stamp >> slotBits, Item: it}
		r := &w.record
		recordOf(r, &e)
		if !it.OnTier() {
			w.bytes += int64(w.half.append(&w.k.blocks, r, &e))
			w.items++
			return
		}
		again = it.TierRef() != t.fetch.Ref
		r.Key, t.fetch.Ref, t.fetch.ValueLen = t.record.Key, it.TierRef(), it.ValueLen()
		t.record = *r
	})
	return again
}
