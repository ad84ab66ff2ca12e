package keyspace

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

const (
	// blockBytes is a buffer's unit: few enough of them for a burst, and what a writer
	// lays into its stage at once is in a core's cache.
	blockBytes = 256 << 10
	// blockValuesMax is how much of large values a block may have, unless it is one:
	// then there is a new block, which is a Chunk.
	blockValuesMax = 1 << 20
	// blocksKept is how many blocks that nobody uses are kept: 2 MiB, a huge page.
	blocksKept = 8
	// takeEvery is how often the writer looks whether the turn has ended that it waits
	// for, should nobody have told it.
	takeEvery = time.Millisecond
	// recordRoom is what a record has beside key and value, at most.
	recordRoom = 64
)

// buffer is what one source of effects has not given to the writer yet. Effects are
// appended under the shard's lock: the order is shard, buffer, blocks. A loop keeps its
// buffer's lock from the first effect of a turn to the turn's end, so that an effect
// costs no lock: 13 ns of 60. Nobody who has a shard's lock may wait for another
// loop's buffer.
type buffer struct {
	mu     sync.Mutex
	turn   bool          // the loop's: it keeps the lock
	kept   bool          // the loop's: it has it
	wanted atomic.Uint64 // the epoch whose half the writer waits for; 0: none
	given  chan struct{} // it was given
	halves [2]half       // of the open epoch and, until the writer takes it, of the one before
	spare  half          // the writer's, empty

	record effectlog.Record // of the effect that is appended: not made anew each time

	// appended is in bytes, and so is written. A loop reads its own without the lock.
	appended int64
	written  atomic.Int64 // the writer's, of that
	seen     atomic.Int64 // of pending

	touched effectlog.Epoch // the loop's: of the last effect of its turn; 0: none
	_       [64]byte
}

// makeBuffers makes n buffers, and the blocks they begin with.
func (k *Keyspace) makeBuffers(n int) {
	k.buffers = make([]buffer, n)
	for i := range k.buffers {
		k.buffers[i].given = make(chan struct{}, 1)
	}
	memory := dio.AlignedHuge(blocksKept * blockBytes)
	clear(memory) // it is there before a loop wants it under a shard's lock
	for piece := range slices.Chunk(memory, blockBytes) {
		b := newBlock(piece)
		b.kept = true
		k.blocks.free = append(k.blocks.free, b)
	}
}

// half is a buffer's part of one epoch.
type half struct {
	blocks []*block
	stamps []uint64 // of the effects; only where replies wait
}

// block is a piece of a half: whole records, of which large values lie elsewhere.
type block struct {
	memory     []byte // the log's to write from, with a frame's head in front; nil: bytes is elsewhere
	kept       bool   // a part of the memory that all have together
	bytes      []byte
	values     []largeValue
	valueBytes int64
	records    int
	pieces     [][]byte // of all of it, for the writer
}

// largeValue is a value that stays where it is, pinned, until it is written.
type largeValue struct {
	record int // where in bytes its record begins
	at     int // where in bytes it belongs
	pinned slab.Pinned
}

// blocks are those that nobody uses. The first blocksKept are parts of one memory, and
// come back to free for ever. More are needed in a burst, and with many loops always, each
// of which has one in the open epoch and one in the writer's: of them as many are kept as
// the others leave room for, or each epoch would make them anew under a shard's lock.
type blocks struct {
	mu   sync.Mutex
	free []*block
	more []*block // together no more than blocksKept
}

// take is an empty block with room for need bytes.
func (p *blocks) take(need int) *block {
	if need > blockBytes-effectlog.FrameHead { // of a protocol's state
		return &block{bytes: make([]byte, 0, need)}
	}
	if b := p.kept(); b != nil {
		return b
	}
	return newBlock(dio.Aligned(blockBytes)) // without the lock: other loops take some, too
}

// kept is a block that was given back; nil: there is none.
func (p *blocks) kept() *block {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := &p.free
	if len(*list) == 0 {
		list = &p.more
	}
	n := len(*list) - 1
	if n < 0 {
		return nil
	}
	b := (*list)[n]
	(*list)[n] = nil
	*list = (*list)[:n]
	return b
}

func newBlock(memory []byte) *block {
	return &block{memory: memory, bytes: memory[effectlog.FrameHead:effectlog.FrameHead]}
}

// give gives blocks back.
func (p *blocks) give(list []*block) {
	for _, b := range list {
		clear(b.values)
		clear(b.pieces)
		*b = block{memory: b.memory, kept: b.kept, bytes: b.bytes[:0], values: b.values[:0], pieces: b.pieces[:0]}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range list {
		switch {
		case b.kept:
			p.free = append(p.free, b)
		case b.memory != nil:
			p.more = append(p.more, b)
		}
	}
	if room := blocksKept - len(p.free); room < len(p.more) {
		clear(p.more[room:])
		p.more = p.more[:room]
	}
}

// room is the block in which the next record goes, of need bytes and a large value.
func (h *half) room(p *blocks, need, large int) *block {
	if n := len(h.blocks); n > 0 {
		b := h.blocks[n-1]
		alone := b.valueBytes > blockValuesMax // a Chunk that large has one record
		if !alone && cap(b.bytes)-len(b.bytes) >= need && (large == 0 || b.valueBytes+int64(large) <= blockValuesMax) {
			return b
		}
	}
	b := p.take(need)
	h.blocks = append(h.blocks, b)
	return b
}

// append adds a record of an effect, and returns how many bytes it has.
func (h *half) append(p *blocks, r *effectlog.Record, it slab.Item) (size int) {
	switch {
	case r.Kind != effectlog.KindSet:
		return h.appendPlain(p, r)
	case it.Large():
		return h.appendLarge(p, r, it)
	}
	both, keyLen := it.KeyValue()
	b := h.room(p, recordRoom+len(both), 0)
	from := len(b.bytes)
	b.bytes = append(effectlog.AppendFields(b.bytes, r, keyLen, len(both)-keyLen), both...)
	effectlog.Seal(b.bytes[from:])
	b.records++
	return len(b.bytes) - from
}

// appendLarge is append for a value that stays where it is, pinned. The writer seals
// the record.
func (h *half) appendLarge(p *blocks, r *effectlog.Record, it slab.Item) (size int) {
	n := it.ValueLen()
	b := h.room(p, recordRoom+len(r.Key), n)
	from := len(b.bytes)
	b.bytes = effectlog.AppendHead(b.bytes, r, n)
	b.values = append(b.values, largeValue{from, len(b.bytes), it.Pin()})
	b.valueBytes += int64(n)
	b.records++
	return len(b.bytes) - from + n
}

// appendPlain adds a record whose value is its own.
func (h *half) appendPlain(p *blocks, r *effectlog.Record) (size int) {
	b := h.room(p, recordRoom+len(r.Key)+len(r.Value), 0)
	from := len(b.bytes)
	b.bytes = effectlog.AppendRecord(b.bytes, r)
	b.records++
	return len(b.bytes) - from
}

// bytes is what is in the half.
func (h *half) bytes() (n int64) {
	for _, b := range h.blocks {
		n += int64(len(b.bytes)) + b.valueBytes
	}
	return n
}

// clear forgets all, and gives back what was pinned for it.
func (h *half) clear(p *blocks, store *slab.Store) {
	for _, b := range h.blocks {
		for i := range b.values {
			store.Release(b.values[i].pinned.Token())
		}
	}
	p.give(h.blocks)
	clear(h.blocks)
	h.blocks, h.stamps = h.blocks[:0], h.stamps[:0]
}

// chunk is the block for the log and for snapshots. It seals the records whose values
// lie elsewhere.
func (b *block) chunk() effectlog.Chunk {
	at := 0
	for i := range b.values {
		v := &b.values[i]
		b.pieces = append(b.pieces, b.bytes[at:v.at])
		first := len(b.pieces)
		for from := 0; from < v.pinned.Len(); {
			piece := v.pinned.Segment(from)
			b.pieces = append(b.pieces, piece)
			from += len(piece)
		}
		effectlog.Seal(b.bytes[v.record:v.at], b.pieces[first:]...)
		at = v.at
	}
	if at < len(b.bytes) {
		b.pieces = append(b.pieces, b.bytes[at:])
	}
	return effectlog.Chunk{Pieces: b.pieces, Records: b.records, Block: b.memory}
}

// recordOf makes r an effect's record, without its value.
func recordOf(r *effectlog.Record, kind slab.Kind, stamp uint64, it slab.Item) {
	r.Kind, r.Stamp, r.DB, r.Key = kinds[kind], stamp, uint32(it.DB()), it.Key()
	r.ExpiryMS, r.CAS, r.Flags, r.Bits = 0, 0, 0, 0
	switch kind {
	case slab.KindSet:
		r.ExpiryMS, r.CAS, r.Flags, r.Bits = it.ExpiresAtMS(), it.ChosenCAS(), it.Flags(), uint32(it.Marks())
	case slab.KindTouch:
		r.ExpiryMS = it.ExpiresAtMS()
	case slab.KindMark:
		r.CAS, r.Bits = it.ChosenCAS(), uint32(it.Marks())
	}
}

// kinds are the log's numbers of the keyspace's kinds.
var kinds = [...]effectlog.Kind{
	slab.KindSet:    effectlog.KindSet,
	slab.KindTouch:  effectlog.KindTouch,
	slab.KindDelete: effectlog.KindDelete,
	slab.KindExpire: effectlog.KindExpire,
	slab.KindEvict:  effectlog.KindEvict,
	slab.KindFlush:  effectlog.KindFlush,
	slab.KindMark:   effectlog.KindMark,
}

// Append implements slab.EffectLog.
func (k *Keyspace) Append(e slab.Effect) {
	b := &k.buffers[e.Source]
	if !b.kept {
		b.mu.Lock()
	}
	epoch := effectlog.Epoch(k.epoch.Load())
	h, r := &b.halves[epoch&1], &b.record
	recordOf(r, e.Kind, e.Seq<<slotBits|uint64(e.Slot), e.Item)
	b.appended += int64(h.append(&k.blocks, r, e.Item))
	if k.slots != nil {
		h.stamps = append(h.stamps, r.Stamp)
	}
	b.touched = epoch
	if b.turn {
		b.kept = true
	} else {
		b.mu.Unlock()
	}
	if k.slots != nil {
		s := &k.slots[e.Slot]
		s.last, s.epoch = e.Seq, epoch
		if e.Kind == slab.KindTouch {
			s.touched = e.Seq
		}
	}
}

// AppendFlush implements slab.EffectLog.
func (k *Keyspace) AppendFlush(marks []uint64) {
	flush := flushRecord(marks)
	if state := k.flushState.Swap(nil); state != nil {
		k.appendPlain(flush, state)
	} else {
		k.appendPlain(flush)
	}
}

func flushRecord(marks []uint64) *effectlog.Record {
	value := make([]byte, 0, 8*len(marks))
	for _, mark := range marks {
		value = binary.LittleEndian.AppendUint64(value, mark)
	}
	return &effectlog.Record{Kind: effectlog.KindFlushAll, Value: value}
}

// SetState keeps what a protocol wants back after a restart, under its name. What
// it gave before is forgotten. Any goroutine may call it.
func (k *Keyspace) SetState(name string, value []byte) {
	k.stateMu.Lock()
	defer k.stateMu.Unlock() // the log's order is the order of calls
	if before, ok := k.states[name]; !ok || !bytes.Equal(before, value) {
		k.snapshots.states.Add(1)
	}
	k.states[name] = append([]byte(nil), value...)
	k.appendPlain(&effectlog.Record{Kind: effectlog.KindState, Key: []byte(name), Value: value})
}

// FlushAll is the store's and SetState together: a crash takes back both or neither.
func (k *Keyspace) FlushAll(name string, value []byte) {
	k.stateMu.Lock()
	defer k.stateMu.Unlock()
	k.states[name] = append([]byte(nil), value...)
	k.flushState.Store(&effectlog.Record{Kind: effectlog.KindState, Key: []byte(name), Value: value})
	k.store.FlushAll() // calls AppendFlush, if there is a log
	k.flushState.Store(nil)
}

// State is what SetState was given last under a name, before a restart or since.
func (k *Keyspace) State(name string) []byte {
	k.stateMu.Lock()
	defer k.stateMu.Unlock()
	return k.states[name]
}

// appendPlain adds records that are no loop's to the buffer behind the loops', in one
// epoch.
func (k *Keyspace) appendPlain(records ...*effectlog.Record) {
	if !k.logs() {
		return
	}
	b := &k.buffers[len(k.buffers)-1]
	b.mu.Lock()
	h := &b.halves[k.epoch.Load()&1]
	for _, r := range records {
		b.appended += int64(h.appendPlain(&k.blocks, r))
	}
	b.mu.Unlock()
}

// pending is what is in the buffer, and what the writer has taken and not written, in
// bytes: while a loop is in its turn, what it was when one was not. Any goroutine may
// ask, also a loop in its turn.
func (b *buffer) pending() int64 {
	if b.mu.TryLock() {
		b.seen.Store(b.appended - b.written.Load())
		b.mu.Unlock()
	}
	return b.seen.Load()
}

// idle reports whether the buffer has nothing, for the writer.
func (b *buffer) idle() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.appended == b.written.Load()
}

// take gives the writer the half of an epoch that is closed. If the loop is in its turn,
// it hands it over at the turn's end. It does not find the writer waiting for the lock:
// a Mutex would then go to the writer first, and the loop would wait until that runs.
func (b *buffer) take(epoch effectlog.Epoch) *half {
	b.wanted.Store(uint64(epoch))
	for {
		if b.mu.TryLock() {
			b.handOver()
			b.mu.Unlock()
			<-b.given
			return &b.spare
		}
		select {
		case <-b.given:
			return &b.spare
		case <-time.After(takeEvery):
		}
	}
}

// handOver does what take waits for, if it does. The lock is held.
func (b *buffer) handOver() {
	if epoch := b.wanted.Swap(0); epoch != 0 {
		b.spare, b.halves[epoch&1] = b.halves[epoch&1], b.spare
		b.seen.Store(b.appended - b.written.Load())
		b.given <- struct{}{} // which has room for it
	}
}
