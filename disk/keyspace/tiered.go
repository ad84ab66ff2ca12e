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

// TierFetch is a value that is to be read.
type TierFetch struct {
	Ref      slab.TierRef
	HeadLen  int
	KeyLen   int
	ValueLen int

	Value   []byte // good until Release
	Err     error  // there is no value
	Gone    bool   // since the tier has dropped it, as it does when it has no room; else it should have it
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

// writeTiered reads the values that were collected, and writes their records. One that
// the tier has dropped is as one that was evicted; what it cannot give is looked for later.
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
			case f.Err != nil && err == nil:
				switch w.lookAgain(&t) {
				case moved:
					left = append(left, t)
				case unread:
					if !f.Gone {
						err = w.lost.add(&t, f.Err)
					}
				}
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

// whereabouts is where an item's value is that could not be read.
type whereabouts uint8

const (
	elsewhere whereabouts = iota // nowhere, or in memory, where it was collected
	moved                        // in another place of the tier
	unread                       // where it was
)

// lookAgain finds where an item's value is now, and what else of it has changed: marks
// are in the log without the value. One that came back to memory is collected there.
func (w *walk) lookAgain(t *tiered) (where whereabouts) {
	handle := w.k.store.Handle(0) // which looks, and changes nothing
	key := handle.Key(uint16(t.record.DB), t.record.Key)
	handle.Look(&key, everMS, func(it slab.Item) {
		r := &w.record
		recordOf(r, slab.KindSet, it.Stamp(), it)
		if !it.OnTier() {
			w.bytes += int64(w.half.append(&w.k.blocks, r, it))
			w.items++
			return
		}
		where = unread
		if it.TierRef() != t.fetch.Ref {
			where = moved
		}
		r.Key, t.fetch.Ref, t.fetch.ValueLen = t.record.Key, it.TierRef(), it.ValueLen()
		t.record = *r
	})
	return where
}
