package keyspace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
)

// A value that the tier has and cannot give back, since the disk fails or the checksum is
// wrong, is in the folder: in the snapshot of before, or in the log since, which the
// snapshot that is being taken is to replace. It is looked for there. If there is no
// log, the service has lost the value, and so has the snapshot. One that the tier has
// dropped, for want of room, is as one that was evicted.
//
// On a disk that is full the log may lack the last of what the walk has seen. The effects
// of a slot are in it in their order: if it has that one after which the item is what it
// is, it has all before it, and so the item's value.

const (
	// lostMax values, or lostBytesMax of them and one more, are looked for. More than
	// that is a disk that fails: the snapshot is given up, and what it would have
	// replaced is kept.
	lostMax      = 4096
	lostBytesMax = 32 << 20
	// lostTries is how often the log is read that is written meanwhile: its end may look
	// damaged then, and segments that an earlier snapshot has replaced may go.
	lostTries = 3
)

var (
	errLost     = errors.New("keyspace: values in the tier cannot be read, and are not in the log")
	errLostMany = errors.New("keyspace: many values in the tier cannot be read")
	errEnough   = errors.New("keyspace: all is found")
)

// lostValues are those of a walk.
type lostValues struct {
	byKey map[string]*lostValue // lostKey
	bytes int
	left  int   // that are not found for certain
	cause error // of the first
	name  string
	exact bool  // only a value of the item's own stamp is the item's
	full  error // the log lacks what waits for room; nil: nothing does
	key   []byte
}

// lostValue is an item whose value is looked for: that of the last KindSet up to the
// item's stamp. What came behind it were marks.
type lostValue struct {
	record effectlog.Record
	length int
	stamp  uint64 // of what was found; 0: nothing was
	known  bool   // an effect of the item's own stamp was found
	value  []byte
}

// add notes an item whose value the tier could not give.
func (l *lostValues) add(t *tiered, cause error) error {
	if l.byKey == nil {
		l.byKey, l.cause, l.name = map[string]*lostValue{}, cause, string(t.record.Key)
	}
	l.byKey[string(l.keyOf(t.record.DB, t.record.Key))] = &lostValue{record: t.record, length: t.fetch.ValueLen}
	l.bytes += t.fetch.ValueLen
	if len(l.byKey) > lostMax || len(l.byKey) > 1 && l.bytes > lostBytesMax {
		return fmt.Errorf("%w, the first is that of %q: %w", errLostMany, l.name, l.cause)
	}
	return nil
}

// keyOf is a key as byKey has it, until the next call.
func (l *lostValues) keyOf(db uint32, key []byte) []byte {
	l.key = append(binary.LittleEndian.AppendUint32(l.key[:0], db), key...)
	return l.key
}

// look takes the values of records that are looked for. errEnough: there are all.
func (l *lostValues) look(records []byte) error {
	for len(records) > 0 {
		kind, stamp, n := effectlog.Peek(records)
		if kind == effectlog.KindSet || kind == effectlog.KindMark {
			r, _ := effectlog.ParseChecked(records)
			if v := l.byKey[string(l.keyOf(r.DB, r.Key))]; v != nil {
				v.known = v.known || stamp == v.record.Stamp
				if kind == effectlog.KindSet {
					l.found(v, stamp, r.Value)
				}
			}
		}
		records = records[n:]
	}
	if l.left == 0 {
		return errEnough
	}
	return nil
}

func (l *lostValues) found(v *lostValue, stamp uint64, value []byte) {
	if stamp <= v.stamp || stamp > v.record.Stamp || l.exact && stamp != v.record.Stamp {
		return
	}
	v.stamp, v.value = stamp, append(v.value[:0], value...)
	if stamp == v.record.Stamp {
		l.left--
	}
}

// mend writes the records of the items whose values the tier could not give.
func (w *walk) mend() error {
	l := &w.lost
	if len(l.byKey) == 0 {
		return nil
	}
	if err := w.searchLost(); err != nil {
		return err
	}
	mended, missing := 0, 0
	for _, v := range l.byKey {
		if v.stamp == 0 || len(v.value) != v.length || l.full != nil && !v.known {
			missing++
			continue
		}
		mended++
		if err := w.writeValue(&v.record, v.value); err != nil {
			return err
		}
	}
	if mended > 0 {
		w.k.note(fmt.Sprintf("flash could not give %d values back, the first is that of %q: the snapshot has them from what was kept before", mended, l.name), l.cause)
	}
	switch {
	case missing == 0:
		return nil
	case w.k.logs():
		return errors.Join(fmt.Errorf("%w: %d, the first is that of %q: %w", errLost, missing, l.name, l.cause), l.full)
	}
	w.k.note(fmt.Sprintf("flash could not give %d values back, the first is that of %q: the snapshot does not have them", missing, l.name), l.cause)
	return nil
}

// writeSeen writes what a walk has seen, unless an epoch waits: what room there is is the
// snapshot's. The writer's.
func (k *Keyspace) writeSeen() error {
	if k.full.held.Load() {
		return ErrFull
	}
	return k.writeAll()
}

// searchLost looks for the values in the newest snapshot and the log behind it.
func (w *walk) searchLost() (err error) {
	k, l := w.k, &w.lost
	l.left, l.exact = len(l.byKey), !k.logs()
	if k.logs() { // what the walk has seen is in the files then
		err = k.onWriter(k.writeSeen)
	}
	switch {
	case errors.Is(err, ErrFull): // or a part of it
		l.full = err
	case err != nil:
		return err
	}
	name, header, found, err := snapshot.Newest(k.disk, ".")
	if err == nil && found {
		_, err = snapshot.Read(k.disk, name, snapshot.ReadOptions{}, func(b *snapshot.Batch) error { return l.look(b.Records) })
	}
	for try := 1; err == nil && k.logs(); try++ {
		_, err = effectlog.Read(k.disk, ".", effectlog.ReadOptions{After: header.Begin}, func(b *effectlog.Batch) error { return l.look(b.Records) })
		if err == nil || try == lostTries || !IsDamage(err) && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		err = nil
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
