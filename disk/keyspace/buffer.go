package keyspace

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

// chunkMax is how large a Chunk gets unless one record is larger: what the writer
// lays into its stage at once, several times over.
const chunkMax = 1 << 20

// buffer is what one source of effects has not given to the writer yet. Effects are
// appended under the shard's lock: the order is shard, buffer.
type buffer struct {
	mu     sync.Mutex
	halves [2]half // of the open epoch and, until the writer takes it, of the one before
	spare  half    // the writer's, empty

	// pending is in bytes: what is here, and what the writer has taken and not written.
	pending atomic.Int64

	touched effectlog.Epoch // the loop's: of the last effect of its turn; 0: none
	_       [64]byte
}

// half is a buffer's part of one epoch.
type half struct {
	bytes   []byte // records, one after the other, but for large values
	values  []largeValue
	chunks  []chunkEnd
	stamps  []uint64 // of the effects; only where replies wait
	current chunkEnd // of the chunk that grows
	size    int64    // of it, large values included

	pieces [][]byte // of the chunks, for the writer
}

// largeValue is a value that stays where it is, pinned, until it is written.
type largeValue struct {
	record int // where in bytes its record begins
	at     int // where in bytes it belongs
	pinned slab.Pinned
}

// chunkEnd is where a chunk ends.
type chunkEnd struct{ bytes, values, records int }

// append adds a record of an effect, and returns how many bytes it has.
func (h *half) append(r *effectlog.Record, e *slab.Effect) (size int) {
	from := len(h.bytes)
	switch {
	case e.Kind != slab.KindSet:
		h.bytes = effectlog.AppendHead(h.bytes, r, 0)
		effectlog.Seal(h.bytes[from:])
	case e.Item.Large():
		n := e.Item.ValueLen()
		h.bytes = effectlog.AppendHead(h.bytes, r, n)
		h.values = append(h.values, largeValue{from, len(h.bytes), e.Item.Pin()})
		size = n
	default:
		h.bytes = effectlog.AppendHead(h.bytes, r, e.Item.ValueLen())
		h.bytes = append(h.bytes, e.Item.Value()...)
		effectlog.Seal(h.bytes[from:])
	}
	size += len(h.bytes) - from
	h.grew(from, size)
	return size
}

// appendPlain adds a record that is no key's effect.
func (h *half) appendPlain(r *effectlog.Record) (size int) {
	from := len(h.bytes)
	h.bytes = effectlog.AppendRecord(h.bytes, r)
	h.grew(from, len(h.bytes)-from)
	return len(h.bytes) - from
}

// grew puts the record at from into the chunk that grows, or into a new one.
func (h *half) grew(from, size int) {
	if h.current.records > 0 && h.size+int64(size) > chunkMax {
		h.chunks = append(h.chunks, h.current)
		h.current.records, h.size = 0, 0
	}
	h.current.bytes, h.current.values = len(h.bytes), len(h.values)
	h.current.records++
	h.size += int64(size)
}

// empty reports whether nothing was appended.
func (h *half) empty() bool { return len(h.bytes) == 0 }

// clear forgets all, and keeps the memory unless there was a burst.
func (h *half) clear() {
	const keep = 4 << 20 // what a loop writes in the longest of usual epochs
	if cap(h.bytes) > keep {
		h.bytes = nil
	}
	h.bytes, h.chunks, h.stamps = h.bytes[:0], h.chunks[:0], h.stamps[:0]
	clear(h.values)
	clear(h.pieces)
	h.values, h.pieces = h.values[:0], h.pieces[:0]
	h.current, h.size = chunkEnd{}, 0
}

// appendChunks appends the half's chunks for effectlog.Writer, and seals the records
// whose values lie elsewhere.
func (h *half) appendChunks(chunks []effectlog.Chunk) []effectlog.Chunk {
	if h.empty() {
		return chunks
	}
	h.chunks = append(h.chunks, h.current)
	begin := chunkEnd{}
	for _, end := range h.chunks {
		from, at := len(h.pieces), begin.bytes
		for i := begin.values; i < end.values; i++ {
			v := &h.values[i]
			h.pieces = append(h.pieces, h.bytes[at:v.at])
			first := len(h.pieces)
			h.appendValue(v)
			effectlog.Seal(h.bytes[v.record:v.at], h.pieces[first:]...)
			at = v.at
		}
		if at < end.bytes {
			h.pieces = append(h.pieces, h.bytes[at:end.bytes])
		}
		// What was appended before may lie elsewhere since: it is the same.
		chunks = append(chunks, effectlog.Chunk{Pieces: h.pieces[from:len(h.pieces):len(h.pieces)], Records: end.records})
		begin = end
	}
	return chunks
}

// appendValue appends a large value's pieces.
func (h *half) appendValue(v *largeValue) {
	for at := 0; at < v.pinned.Len(); {
		piece := v.pinned.Segment(at)
		h.pieces = append(h.pieces, piece)
		at += len(piece)
	}
}

// recordOf is an effect's record, without its value.
func recordOf(e *slab.Effect) effectlog.Record {
	it := e.Item
	r := effectlog.Record{Kind: kinds[e.Kind], Stamp: e.Stamp(), DB: uint32(it.DB()), Key: it.Key()}
	switch e.Kind {
	case slab.KindSet:
		r.ExpiryMS, r.CAS, r.Flags, r.Bits = it.ExpiresAtMS(), it.ChosenCAS(), it.Flags(), uint32(it.Marks())
	case slab.KindTouch:
		r.ExpiryMS = it.ExpiresAtMS()
	}
	return r
}

// kinds are the log's numbers of the keyspace's kinds.
var kinds = [...]effectlog.Kind{
	slab.KindSet:    effectlog.KindSet,
	slab.KindTouch:  effectlog.KindTouch,
	slab.KindDelete: effectlog.KindDelete,
	slab.KindExpire: effectlog.KindExpire,
	slab.KindEvict:  effectlog.KindEvict,
	slab.KindFlush:  effectlog.KindFlush,
}

// Append implements slab.EffectLog.
func (k *Keyspace) Append(e slab.Effect) {
	r := recordOf(&e)
	b := &k.buffers[e.Source]
	b.mu.Lock()
	epoch := effectlog.Epoch(k.epoch.Load())
	h := &b.halves[epoch&1]
	size := h.append(&r, &e)
	if k.slots != nil {
		h.stamps = append(h.stamps, r.Stamp)
	}
	b.touched = epoch
	b.mu.Unlock()
	b.pending.Add(int64(size))
	if k.slots != nil {
		s := &k.slots[e.Slot]
		s.last, s.epoch = e.Seq, epoch
	}
}

// AppendFlush implements slab.EffectLog.
func (k *Keyspace) AppendFlush(marks []uint64) {
	value := make([]byte, 0, 8*len(marks))
	for _, mark := range marks {
		value = binary.LittleEndian.AppendUint64(value, mark)
	}
	k.appendPlain(&effectlog.Record{Kind: effectlog.KindFlushAll, Value: value})
}

// SetState keeps what a protocol wants back after a restart, under its name. What
// it gave before is forgotten. Any goroutine may call it.
func (k *Keyspace) SetState(name string, value []byte) {
	k.stateMu.Lock()
	defer k.stateMu.Unlock() // the log's order is the order of calls
	k.states[name] = append([]byte(nil), value...)
	k.appendPlain(&effectlog.Record{Kind: effectlog.KindState, Key: []byte(name), Value: value})
}

// State is what SetState was given last under a name, before a restart or since.
func (k *Keyspace) State(name string) []byte {
	k.stateMu.Lock()
	defer k.stateMu.Unlock()
	return k.states[name]
}

// appendPlain adds a record that is no loop's to the buffer behind the loops'.
func (k *Keyspace) appendPlain(r *effectlog.Record) {
	if !k.logs() {
		return
	}
	b := &k.buffers[len(k.buffers)-1]
	b.mu.Lock()
	size := b.halves[k.epoch.Load()&1].appendPlain(r)
	b.mu.Unlock()
	b.pending.Add(int64(size))
}

// take gives the writer the half of an epoch that is closed.
func (b *buffer) take(epoch effectlog.Epoch) *half {
	b.mu.Lock()
	b.spare, b.halves[epoch&1] = b.halves[epoch&1], b.spare
	b.mu.Unlock()
	return &b.spare
}
