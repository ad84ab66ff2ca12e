package slab

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// changesOf are sets of new keys, shard by shard.
func changesOf(h *Handle, n int, past Past) (changes []Change) {
	byShard := map[uint16][]Change{}
	for i := range n {
		k := h.Key(0, fmt.Append(nil, "key", i))
		c := Change{Key: k, Kind: KindSet, Past: past}
		c.Stamp = uint64(i+1)<<slotBits | uint64(k.Slot)
		shard := k.Slot & h.s.shardMask
		byShard[shard] = append(byShard[shard], c)
	}
	for _, list := range byShard {
		changes = append(changes, list...)
	}
	return changes
}

// TestRestoreManyOfOneShard: an index grows in the middle of what is restored together.
func TestRestoreManyOfOneShard(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Shards: 4, Loops: 1, Evict: true})
	changes := changesOf(s.Handle(0), 4000, Past{Value: []byte("v")})
	if err := s.Handle(0).Restore(changes, testStartMS); err != nil {
		t.Fatal(err)
	}
	if n := len(contents(s)); n != len(changes) {
		t.Errorf("%d items, want %d", n, len(changes))
	}
}

// TestRestoreOlder: what is older than what is there, or than a flush, changes nothing, and leaves
// nothing behind.
func TestRestoreOlder(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Shards: 4, Loops: 1, Evict: true})
	h := s.Handle(0)
	k := h.Key(0, []byte("k"))
	stamp := func(seq uint64) uint64 { return seq<<slotBits | uint64(k.Slot) }
	change := func(kind Kind, seq uint64, past Past) Change {
		past.Stamp = stamp(seq)
		return Change{Key: k, Kind: kind, Past: past}
	}
	err := h.Restore([]Change{
		change(KindSet, 5, Past{Value: []byte("new")}),
		change(KindSet, 4, Past{Value: []byte("old")}),
		change(KindSet, 5, Past{Value: []byte("the same")}),
		change(KindDelete, 4, Past{}),
		change(KindTouch, 3, Past{Spec: Spec{ExpiresAtMS: testStartMS}}),
		change(KindMark, 2, Past{Marks: MarkStale}),
	}, testStartMS)
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(s)["k"]; string(got.Value) != "new" || got.Stamp != stamp(5) || got.Marks != 0 {
		t.Errorf("%q %x %b", got.Value, got.Stamp, got.Marks)
	}
	s.RestoreFlush(stamp(7))
	err = h.Restore([]Change{change(KindDelete, 6, Past{}), change(KindSet, 7, Past{Value: []byte("gone")})}, testStartMS)
	if err != nil || len(contents(s)) != 0 {
		t.Errorf("%v: %d items", err, len(contents(s)))
	}
	if err := h.Restore([]Change{change(KindSet, 8, Past{}), change(KindDelete, 9, Past{})}, testStartMS); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, s)
}

// TestRestoreMarks: each mark comes back by a set, and by a mark.
func TestRestoreMarks(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	for m := range MarkKeyEncoded * 2 {
		for _, kind := range []Kind{KindSet, KindMark} {
			k := h.Key(0, fmt.Append(nil, m, kind))
			past := Past{Stamp: 1<<slotBits | uint64(k.Slot), Marks: m & MarkEvictable}
			changes := []Change{{Key: k, Kind: KindSet, Past: past}, {Key: k, Kind: kind, Past: past}}
			changes[1].Marks = m
			changes[1].Stamp += 1 << slotBits
			if err := h.Restore(changes, testStartMS); err != nil {
				t.Fatal(err)
			}
			h.Look(&k, testStartMS, func(it Item) {
				if got := it.Marks(); got != m {
					t.Errorf("kind %d: marks %b, want %b", kind, got, m)
				}
			})
		}
	}
}

// TestRestoreWithoutMemory: what is not restored for want of memory, for items or for an
// index, leaves nothing behind.
func TestRestoreWithoutMemory(t *testing.T) {
	s := newStore(t, Config{LimitBytes: MinLimit, Shards: 4, Loops: 1})
	h := s.Handle(0)
	for _, size := range []int{1000, 2 * largeMin} {
		if err := h.Restore(changesOf(h, 4000, Past{Value: make([]byte, size)}), testStartMS); !errors.Is(err, ErrNoMemory) {
			t.Fatal(err)
		}
		checkEmpty(t, s)
	}
	changes := changesOf(h, 1000, Past{})
	if err := h.Restore(changes[:1], testStartMS); err != nil { // there is a run for the others then
		t.Fatal(err)
	}
	s.collect()
	var runs []uint32
	for id := s.takeRun(0, 0, queueNone, 0, true); id != 0; id = s.takeRun(0, 0, queueNone, 0, true) {
		runs = append(runs, id)
	}
	var segs []uint32
	for s.segments.count > 0 {
		segs = append(segs, s.takeSegment())
	}
	err := h.Restore(changes[1:], testStartMS)
	if there := len(contents(s)); there < 100 || there > 900 || !errors.Is(err, ErrNoMemory) {
		t.Errorf("%d items: %v", there, err)
	}
	for _, id := range runs {
		s.giveRun(id)
	}
	s.freeSegments(segs)
	for i := range changes {
		changes[i].Kind = KindDelete
		changes[i].Stamp += 1 << slotBits
	}
	if err := h.Restore(changes, testStartMS); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, s)
}

// TestRestoreStarved: an index that has no segment for an item gets one, and the item is
// restored, whether the store may evict or not.
func TestRestoreStarved(t *testing.T) {
	for _, evict := range []bool{true, false} {
		s := newStore(t, Config{LimitBytes: 8 << 20, Shards: 4, Loops: 1, Evict: evict})
		for i := range s.shards {
			x := &s.shards[i].index
			s.freeSegments(x.cur.segs)
			x.cur = s.newTable(segBuckets)
			x.hint.Store(&table{x.cur.segs, segBuckets})
		}
		h := s.Handle(0)
		changes := changesOf(h, 1000, Past{Value: []byte("v")})
		if err := h.Restore(changes, testStartMS); err != nil {
			t.Fatal(err)
		}
		if n, st := len(contents(s)), s.Stats(); n != len(changes) || st.Evictions != 0 {
			t.Errorf("evict=%v: %d items, want %d; %d evicted", evict, n, len(changes), st.Evictions)
		}
		for i := range changes {
			changes[i].Kind = KindDelete
			changes[i].Stamp += 1 << slotBits
		}
		if err := h.Restore(changes, testStartMS); err != nil {
			t.Fatal(err)
		}
		checkEmpty(t, s)
	}
}

// TestRestoreLargeInPlace: values that are restored together need little memory beside
// those that they replace.
func TestRestoreLargeInPlace(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 24 << 20, Shards: 4, Loops: 1})
	h := s.Handle(0)
	changes := changesOf(h, 32, Past{Value: make([]byte, 600_000)})
	for range 3 {
		if err := h.Restore(changes, testStartMS); err != nil {
			t.Fatal(err)
		}
		for i := range changes {
			changes[i].Stamp += 1 << 10 << slotBits
		}
	}
	if n := len(contents(s)); n != len(changes) {
		t.Errorf("%d items, want %d", n, len(changes))
	}
}

// TestRestoreLargeAtTheEnd: what is asked for of a large item is its own chunk's, which may
// be the arena's last; race builds see it.
func TestRestoreLargeAtTheEnd(t *testing.T) {
	s := newStore(t, Config{LimitBytes: MinLimit, Shards: 4, Loops: 1, Evict: true})
	h := s.Handle(0)
	large := changesOf(h, 1, Past{Value: make([]byte, 2*largeMin)})
	spec := Spec{ValueLen: 2 * largeMin}
	size := chunkSize(&large[0].Key, &spec, bitLarge|bitCAS|bitExpiry|bitFlags)
	class := s.classes.forSize(size)
	var runs []uint32
	for id := s.takeRun(0, 0, queueNone, 0, true); id != 0; id = s.takeRun(0, 0, queueNone, 0, true) {
		runs = append(runs, id)
	}
	last := uint32(len(s.arena.runs) - 1)
	if at := slices.Index(runs, last); at < 0 {
		t.Skip("the arena is larger than its limit")
	} else {
		runs = slices.Delete(runs, at, at+1)
	}
	s.giveRun(last)
	var chunks []ref
	for range s.classes.cap[class] - 1 {
		chunks = append(chunks, s.take(class, &s.domains[domainFixed], true))
	}
	if chunks[0].run() != last {
		t.Fatalf("run %d is not the last", chunks[0].run())
	}
	for _, id := range runs {
		s.giveRun(id)
	}
	if err := h.Restore(large, testStartMS); err != nil {
		t.Fatal(err)
	}
	h.Look(&large[0].Key, testStartMS, func(it Item) {
		if it.ref() != s.chunk(last, s.classes.cap[class]-1, class) {
			t.Errorf("it lies in run %d, not at the end of %d", it.ref().run(), last)
		}
	})
}

// TestRestoreTouchesOfAFullStore: a touch that has no room for an expiry gets it by eviction.
func TestRestoreTouchesOfAFullStore(t *testing.T) {
	s := newStore(t, Config{LimitBytes: MinLimit, Shards: 4, Loops: 1, Evict: true})
	h := s.Handle(0)
	past := Past{Marks: MarkEvictable}
	k := h.Key(0, []byte("key0000"))
	for n := 200; past.Value == nil; n++ { // no room for an expiry
		spec := Spec{ValueLen: n}
		if size := chunkSize(&k, &spec, 0); int(s.classes.size[s.classes.forSize(size)]) == size {
			past.Value = make([]byte, n)
		}
	}
	changes := make([]Change, 20_000)
	for i := range changes {
		k := h.Key(0, fmt.Appendf(nil, "key%04d", i%10_000))
		changes[i] = Change{Key: k, Kind: KindSet, Past: past}
		changes[i].Stamp = uint64(i+1)<<slotBits | uint64(k.Slot)
	}
	for i := range changes {
		if err := h.Restore(changes[i:i+1], testStartMS); err != nil {
			t.Fatal(err)
		}
	}
	items := s.Stats().Items
	for i := range changes[:10_000] {
		changes[i].Kind, changes[i].Spec.ExpiresAtMS = KindTouch, testStartMS+1
		changes[i].Stamp += 20_000 << slotBits
	}
	if err := h.Restore(changes[:10_000], testStartMS); err != nil {
		t.Fatal(err)
	}
	touched := int64(0)
	for _, past := range contents(s) {
		if past.Spec.ExpiresAtMS == testStartMS+1 {
			touched++
		}
	}
	if touched < items/2 {
		t.Errorf("%d of %d items have an expiry", touched, items)
	}
}
