package keyspace

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
	"github.com/pandabeardb/panda/slab"
)

// Recovery says what Open found.
type Recovery struct {
	Snapshot        string // name of the file, "" for none
	SnapshotRecords int64
	LogRecords      int64
	LogBytes        int64
	Epoch           effectlog.Epoch // the last one of the log
	Torn            error           // nil, or where an interrupted write ended the log
	Evicted         int64           // did not fit into the memory limit any more
	Took            time.Duration
}

// Recovery is what Open found.
func (k *Keyspace) Recovery() Recovery { return k.recovery }

// recover plays the newest snapshot and the log behind it back.
func (k *Keyspace) recover() (*effectlog.Tail, error) {
	begun := time.Now()
	r := &k.recovery
	p := newPlayers(k)
	defer p.end()
	defer k.makeSlack()()
	after, end, err := k.recoverSnapshot(p)
	if err != nil {
		return nil, err
	}
	f := foresight{store: k.store, had: k.store.Stats().Items}
	options := effectlog.ReadOptions{After: after, Progress: func(done, total int64) {
		f.progress(done, total)
		if k.config.Progress != nil {
			k.config.Progress(done, total)
		}
	}}
	if k.config.Salvage != nil {
		options.Salvage = func(d *effectlog.DamageError) { k.salvage(d) }
	}
	tail, err := effectlog.Read(k.disk, ".", options, func(b *effectlog.Batch) error {
		r.LogRecords += int64(b.Count)
		r.LogBytes += int64(len(b.Records))
		return p.gather(b.Epoch, b.Records)
	})
	err = cmp.Or(err, p.play())
	if err != nil {
		return nil, err
	}
	k.store.Fit()
	r.Epoch = tail.Epoch
	if tail.Torn != nil {
		r.Torn = tail.Torn
	}
	k.states = p.states
	k.logWritten.Store(r.LogBytes)
	r.Evicted = k.store.Stats().Evictions
	r.Took = time.Since(begun)
	k.epoch.Store(uint64(max(tail.Epoch, end)) + 1)
	k.released.Store(k.epoch.Load() - 1)
	return tail, nil
}

// foresight tells the store how many items a log is going to have made: as many more in
// each byte as in the last half of what was played. A key that is set again is none, and
// where more is removed than set nothing more is expected.
type foresight struct {
	store *slab.Store
	at    int64 // bytes, where had was counted
	had   int64 // items
	last  int64 // bytes, where it was told last
}

// foresightStep is how much of the log is played before the store is told again: a part
// of it.
const foresightStep = 32

func (f *foresight) progress(done, total int64) {
	if done <= f.at || f.last > 0 && done-f.last < total/foresightStep {
		return
	}
	have := f.store.Stats().Items
	f.store.Expect(have + int64(float64(max(have-f.had, 0))/float64(done-f.at)*float64(total-done)))
	if f.last = done; done >= 2*f.at {
		f.at, f.had = done, have
	}
}

// makeSlack raises the memory limit while effects come in another order than they had
// happened in: what made room for an item may come behind it, in the same batch. What
// is too much in the end goes by evictions that the log has.
func (k *Keyspace) makeSlack() (end func()) {
	limit := k.store.Stats().LimitBytes
	if k.store.SetLimit(limit+limit/slackShare+slackBytes) != nil {
		return func() {} // all of the machine's memory is in use, or a file of this size
	}
	return func() {
		if err := k.store.SetLimit(limit); err != nil {
			panic("BUG: keyspace: the limit of before is refused: " + err.Error())
		}
	}
}

const (
	slackShare = 16
	// slackBytes is what eight players reserve before they restore it, 1 MiB and a value of
	// that size each. Values that are larger take more: they evict, or do not fit.
	slackBytes = 16 << 20
)

// markText is what Mark is: the folder's base, which every start makes another one, the
// last epoch, and whether the store has more than the folder.
const markText = "%d/%d/%t"

// Mark says, behind Close, what a store that is saved with it has: all that the folder
// has, and if Close failed what the folder could not take any more.
func (k *Keyspace) Mark() string {
	return fmt.Sprintf(markText, k.base, k.epoch.Load()-1, k.unkept)
}

// resume is recover for a store that has all already. Damage that is salvaged has a
// snapshot taken of it, and so has what the folder does not have.
func (k *Keyspace) resume(base uint64) (*effectlog.Tail, error) {
	var heldBase, epoch uint64
	var end effectlog.Epoch // of the newest snapshot: a start that failed may have taken it
	if _, err := fmt.Sscanf(k.config.Held, markText, &heldBase, &epoch, &k.unkept); err != nil || heldBase != base {
		return nil, ErrHeld
	}
	name, header, found, err := snapshot.Newest(k.disk, ".")
	if err == nil && found {
		var ends *snapshot.Trailer
		if ends, _, err = snapshot.ReadEnds(k.disk, name); err == nil {
			end = ends.End
		}
	}
	if IsDamage(err) && !IsVersion(err) && k.config.Salvage != nil {
		k.salvage(err)
		err = nil // the store has all that it had
	}
	if err != nil {
		return nil, err
	}
	options := effectlog.ReadOptions{After: header.Begin, Progress: k.config.Progress}
	if k.config.Salvage != nil {
		options.Salvage = func(d *effectlog.DamageError) { k.salvage(d) }
	}
	tail, err := effectlog.Read(k.disk, ".", options, func(b *effectlog.Batch) error {
		k.logWritten.Add(int64(len(b.Records)))
		if uint64(b.Epoch) > epoch {
			return ErrHeld
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k.recovery.Epoch = effectlog.Epoch(epoch)
	k.epoch.Store(max(epoch, uint64(tail.Epoch), uint64(end)) + 1)
	k.released.Store(k.epoch.Load() - 1)
	return tail, nil
}

// recoverSnapshot plays the newest snapshot back, and says from which epoch on the
// log is needed, and up to which it had something of it.
func (k *Keyspace) recoverSnapshot(p *players) (after, end effectlog.Epoch, err error) {
	name, header, found, err := snapshot.Newest(k.disk, ".")
	if IsDamage(err) && k.config.Salvage != nil {
		err = nil // Read tells of it
	}
	if err != nil || !found {
		return 0, 0, err
	}
	options := snapshot.ReadOptions{Progress: k.config.Progress}
	if k.config.Salvage != nil {
		options.Salvage = func(d *snapshot.DamageError) { k.salvage(d) }
	}
	if ends, _, err := snapshot.ReadEnds(k.disk, name); err == nil { // else Read tells of it
		k.store.Expect(int64(min(ends.Records, math.MaxInt64)))
	}
	trailer, err := snapshot.Read(k.disk, name, options, func(b *snapshot.Batch) error {
		k.recovery.SnapshotRecords += int64(b.Count)
		return p.playAll(b.Records, false)
	})
	if err != nil {
		return 0, 0, err
	}
	k.recovery.Snapshot = name
	k.store.RestoreSequences(trailer.Seqs, 0)
	begin := max(header.Begin, trailer.Header.Begin)
	return begin, max(begin, trailer.End), nil // salvaged, it may be without an end
}

// salvage tells of damage. Sequences may be among what is lost.
func (k *Keyspace) salvage(damage error) {
	k.ahead = sequencesSalvaged
	k.config.Salvage(damage)
}

const (
	// gatherBytes of small epochs are played together. One epoch has no more than what
	// waits for the log at a time.
	gatherBytes = 1 << 20
	// together is how many records' memory is asked for at once.
	together = 32
)

// players restore what is read, each the shards whose number is its own.
type players struct {
	k        *Keyspace
	players  []player
	wait     sync.WaitGroup
	gathered []byte          // of whole epochs, but maybe the last one
	epoch    effectlog.Epoch // which that is
	states   map[string][]byte
}

// player is one of them: a goroutine with a store's Handle.
type player struct {
	handle *slab.Handle
	nowMS  int64
	work   chan batch // of which at names its own records
	at     []place
	err    error

	// Of what is in at, in the order of the shards.
	inOrder []place
	shards  int // its own
	shift   int // slot >> shift is one of them, modulo shards
	ends    []int

	changes [together]slab.Change
}

// batch is what is played together.
type batch struct {
	records []byte
	sorted  bool // they must be: else no key is there twice, and they come shard by shard
}

// place is where a record begins, and its stamp with the slot in front.
type place struct {
	key uint64
	at  int
}

func newPlayers(k *Keyspace) *players {
	n := 1
	for n*2 <= k.config.Loops { // a power of two, so that a shard has one player
		n *= 2
	}
	p := &players{k: k, players: make([]player, n), states: map[string][]byte{}}
	for i := range p.players {
		q := &p.players[i]
		q.handle, q.nowMS, q.work = k.store.Handle(i), k.config.NowMS(), make(chan batch)
		q.shift, q.shards = bits.TrailingZeros(uint(n)), max(k.store.Shards()/n, 1)
		q.ends = make([]int, q.shards)
		go q.run(&p.wait)
	}
	return p
}

// end ends the goroutines.
func (p *players) end() {
	for i := range p.players {
		close(p.players[i].work)
	}
}

// gather plays records of an epoch, as soon as they are enough, and only whole epochs: one
// may come in several parts, each of other loops, and a key that one loop removed behind
// another one's set must not come back because its removal was played before.
func (p *players) gather(epoch effectlog.Epoch, records []byte) error {
	if epoch != p.epoch && len(p.gathered) >= gatherBytes {
		if err := p.play(); err != nil {
			return err
		}
	}
	p.epoch = epoch
	p.gathered = append(p.gathered, records...)
	return nil
}

// play plays what was gathered.
func (p *players) play() error {
	records := p.gathered
	p.gathered = p.gathered[:0]
	return p.playAll(records, true)
}

// playAll plays records, and returns when that is done. Sorted says that those of a
// slot must be in order; a snapshot has no key twice.
func (p *players) playAll(records []byte, sorted bool) error {
	for i := range p.players {
		p.players[i].at = p.players[i].at[:0]
	}
	for at := 0; at < len(records); {
		kind, stamp, n := effectlog.Peek(records[at:])
		switch kind {
		case effectlog.KindFlushAll:
			p.flush(records[at : at+n])
		case effectlog.KindState:
			r, _ := effectlog.ParseChecked(records[at:])
			p.states[string(r.Key)] = slices.Clone(r.Value)
		default:
			slot := stamp & slotMask
			q := &p.players[slot&uint64(len(p.players)-1)]
			q.at = append(q.at, place{slot<<(64-slotBits) | stamp>>slotBits, at})
		}
		at += n
	}
	p.wait.Add(len(p.players))
	for i := range p.players {
		p.players[i].work <- batch{records, sorted}
	}
	p.wait.Wait()
	for i := range p.players {
		if err := p.players[i].err; err != nil {
			return err
		}
	}
	return nil
}

// flush restores a FlushAll. Its place among other effects does not matter: its
// marks say which it is behind.
func (p *players) flush(record []byte) {
	r, _ := effectlog.ParseChecked(record)
	for marks := r.Value; len(marks) >= 8; marks = marks[8:] {
		p.k.store.RestoreFlush(binary.LittleEndian.Uint64(marks))
	}
}

// run is a player's goroutine.
func (q *player) run(wait *sync.WaitGroup) {
	for b := range q.work {
		if q.err == nil {
			q.err = q.play(b.records, b.sorted)
		}
		wait.Done()
	}
}

// play restores the player's records, shard by shard, and those of a slot in the order
// of its sequence: an epoch has them loop by loop.
func (q *player) play(records []byte, sorted bool) error {
	if sorted {
		q.sort()
	} else {
		q.at, q.inOrder = q.inOrder[:0], q.at
	}
	for at := q.inOrder; len(at) > 0; {
		n := min(len(at), together)
		for _, place := range at[n:min(2*together, len(at))] { // those that come then
			slab.ForeseeBytes(records[place.at:])
		}
		for i, place := range at[:n] {
			r, _ := effectlog.ParseChecked(records[place.at:])
			if err := q.change(&q.changes[i], &r); err != nil {
				return err
			}
		}
		if err := q.handle.Restore(q.changes[:n], q.nowMS); err != nil {
			if errors.Is(err, slab.ErrNoMemory) || errors.Is(err, slab.ErrTooLarge) {
				return fmt.Errorf("%w: %w", ErrMemory, err)
			}
			return err
		}
		at = at[n:]
	}
	return nil
}

// shardOf is which of the player's shards a record is of.
func (q *player) shardOf(p *place) int {
	return int(p.key>>(64-slotBits)>>q.shift) & (q.shards - 1)
}

// sort puts the places in order: it counts what each shard has, and puts it there.
func (q *player) sort() {
	clear(q.ends)
	for i := range q.at {
		q.ends[q.shardOf(&q.at[i])]++
	}
	sum := 0
	for i, n := range q.ends {
		q.ends[i] = sum
		sum += n
	}
	q.inOrder = slices.Grow(q.inOrder[:0], sum)[:sum]
	for i := range q.at {
		end := &q.ends[q.shardOf(&q.at[i])]
		q.inOrder[*end] = q.at[i]
		*end++
	}
	from := 0
	for _, end := range q.ends {
		sortShard(q.inOrder[from:end])
		from = end
	}
}

// insertMost is up to how many places are sorted by insertion: they may all be out of order.
const insertMost = 64

// sortShard puts a shard's places in the order of their keys.
func sortShard(at []place) {
	if len(at) > insertMost {
		slices.SortFunc(at, func(a, b place) int { return cmp.Compare(a.key, b.key) })
		return
	}
	for i := 1; i < len(at); i++ {
		p := at[i]
		j := i
		for ; j > 0 && at[j-1].key > p.key; j-- {
			at[j] = at[j-1]
		}
		at[j] = p
	}
}

// change makes c of a record.
func (q *player) change(c *slab.Change, r *effectlog.Record) error {
	c.Key = q.handle.Key(uint16(r.DB), r.Key)
	if uint64(c.Key.Slot) != r.Stamp&slotMask {
		return fmt.Errorf("%w: key %q is not of slot %d", errForeign, r.Key, r.Stamp&slotMask)
	}
	c.Kind, c.Stamp, c.Marks, c.Value = kindOf(r.Kind), r.Stamp, slab.Marks(r.Bits), r.Value
	c.Spec.Flags, c.Spec.ExpiresAtMS, c.Spec.CAS = r.Flags, r.ExpiryMS, r.CAS
	return nil
}

// kindOf is the keyspace's number of a record's kind: all that are not known remove.
func kindOf(kind effectlog.Kind) slab.Kind {
	switch kind {
	case effectlog.KindSet:
		return slab.KindSet
	case effectlog.KindTouch:
		return slab.KindTouch
	case effectlog.KindMark:
		return slab.KindMark
	}
	return slab.KindDelete
}

var errForeign = errors.New("keyspace: a record of another keyspace")
