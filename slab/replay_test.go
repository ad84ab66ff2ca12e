package slab

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// change is an effect as a log keeps it.
type change struct {
	kind  Kind
	stamp uint64 // of the effect
	key   string
	past  Past
	marks []uint64 // of FlushAll
}

// keeper is a log that keeps all in memory, and the order in which it came.
type keeper struct {
	mu      sync.Mutex
	effects []change
	fail    func(string)
}

func pastOf(it Item) Past {
	return Past{
		Stamp: it.Stamp(), Marks: it.Marks(), Value: it.AppendValue([]byte{}),
		Spec: Spec{Flags: it.Flags(), ExpiresAtMS: it.ExpiresAtMS(), CAS: it.ChosenCAS()},
	}
}

func (k *keeper) Append(e Effect) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.effects = append(k.effects, change{kind: e.Kind, stamp: e.Stamp(), key: string(e.Item.Key()), past: pastOf(e.Item)})
	if (e.Kind == KindSet || e.Kind == KindMark) && e.Item.Stamp() != e.Stamp() {
		k.fail("a set's stamp is not its item's")
	}
}

func (k *keeper) AppendFlush(marks []uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.effects = append(k.effects, change{marks: slices.Clone(marks)})
}

// replayTogether is how many effects a test restores together, or fewer.
const replayTogether = 20

// replay restores effects in another store.
func replay(t *testing.T, s *Store, effects []change) {
	t.Helper()
	h := s.Handle(0)
	var changes []Change
	for i := range effects {
		e := &effects[i]
		if e.marks != nil {
			for _, mark := range e.marks {
				s.RestoreFlush(mark)
			}
			continue
		}
		k := h.Key(0, []byte(e.key))
		changes = append(changes, Change{Key: k, Kind: e.kind, Past: e.past})
		changes[len(changes)-1].Stamp = e.stamp
		if len(changes) > i%replayTogether {
			if err := h.Restore(changes, testStartMS); err != nil {
				t.Fatal(err)
			}
			changes = changes[:0]
		}
	}
	if err := h.Restore(changes, testStartMS); err != nil {
		t.Fatal(err)
	}
}

// restore makes one change.
func restore(h *Handle, k *Key, kind Kind, past *Past) error {
	return h.Restore([]Change{{Key: *k, Kind: kind, Past: *past}}, testStartMS)
}

// contents is all that a store has.
func contents(s *Store) map[string]Past {
	all := map[string]Past{}
	var c Cursor
	for !s.Handle(0).Walk(&c, testStartMS, 1000, func(it Item) bool {
		p := pastOf(it)
		p.Marks &^= MarkFetched // a read is no effect
		all[string(it.Key())] = p
		return true
	}) {
	}
	return all
}

func samePast(a, b Past) bool {
	return a.Stamp == b.Stamp && a.Marks == b.Marks && a.Spec == b.Spec && bytes.Equal(a.Value, b.Value)
}

func compareContents(t *testing.T, stage string, got, want map[string]Past) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d items, want %d", stage, len(got), len(want))
	}
	for key, w := range want {
		if g, ok := got[key]; !ok || !samePast(g, w) {
			t.Fatalf("%q: %v %x %+v %d bytes, want %x %+v %d bytes", key, ok, g.Stamp, g.Spec, len(g.Value), w.Stamp, w.Spec, len(w.Value))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Fatalf("%q is there again", key)
		}
	}
}

// TestReplay: loops change a store, a goroutine walks over it meanwhile as a
// snapshot does, and what it saw, with the effects since it began, is the store
// again; also when effects come twice, and when those of different slots are shuffled.
func TestReplay(t *testing.T) {
	for _, evict := range []bool{true, false} {
		t.Run(fmt.Sprintf("evict=%v", evict), func(t *testing.T) {
			const loops = 2
			s := newStore(t, Config{LimitBytes: 6 << 20, Shards: 16, Loops: loops, Evict: evict})
			log := &keeper{fail: func(why string) { t.Error(why) }}
			s.LogEffects(log)
			var wg sync.WaitGroup
			run := func() {
				for i := range loops {
					wg.Go(func() { runModel(t, s, i, modelOps(20_000)) })
				}
			}
			run()
			wg.Wait()
			begin := len(log.effects)
			run()
			snapshot := walkSlowly(s)
			wg.Wait()
			want := contents(s)

			whole := newStore(t, Config{LimitBytes: 64 << 20, Shards: 4, Loops: 1, Evict: evict})
			replay(t, whole, log.effects)
			compareContents(t, "whole", contents(whole), want)
			if !slices.Equal(s.Sequences(), whole.Sequences()) {
				t.Error("sequences differ")
			}

			late := newStore(t, Config{LimitBytes: 64 << 20, Shards: 4, Loops: 1, Evict: evict})
			replay(t, late, snapshot)
			replay(t, late, shuffleSlots(log.effects[begin:]))
			compareContents(t, "late", contents(late), want)
			replay(t, late, log.effects[begin:])
			compareContents(t, "late", contents(late), want)
			checkReplayed(t, late)
		})
	}
}

// walkSlowly is what a walk sees while others change the store, and the marks of
// flushes behind it.
func walkSlowly(s *Store) (effects []change) {
	h := s.Handle(0)
	var c Cursor
	for !h.Walk(&c, testStartMS, 8, func(it Item) bool {
		effects = append(effects, change{kind: KindSet, stamp: it.Stamp(), key: string(it.Key()), past: pastOf(it)})
		return true
	}) {
	}
	return effects
}

// shuffleSlots is effects in another order, in which those of a slot have theirs, and
// flushes come where they came.
func shuffleSlots(effects []change) (all []change) {
	r := rand.New(rand.NewPCG(1, 2))
	from := 0
	for i := range effects {
		if effects[i].marks != nil || i == len(effects)-1 {
			to := i
			if effects[i].marks == nil {
				to++
			}
			all = append(all, shuffled(r, effects[from:to])...)
			if effects[i].marks != nil {
				all = append(all, effects[i])
			}
			from = i + 1
		}
	}
	return all
}

func shuffled(r *rand.Rand, effects []change) (all []change) {
	bySlot := map[uint64][]change{}
	for _, e := range effects {
		bySlot[e.stamp&(Slots-1)] = append(bySlot[e.stamp&(Slots-1)], e)
	}
	slots := slices.Sorted(maps.Keys(bySlot))
	r.Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	for _, slot := range slots {
		all = append(all, bySlot[slot]...)
	}
	return all
}

// checkReplayed: what a store says of itself is what it has.
func checkReplayed(t *testing.T, s *Store) {
	t.Helper()
	items, size := int64(0), int64(0)
	var c Cursor
	for !s.Handle(0).Walk(&c, 0, 1000, func(it Item) bool {
		items++
		size += int64(it.Size())
		return true
	}) {
	}
	if st := s.Stats(); st.Items < items || st.Bytes < size { // dead ones are counted until they are found
		t.Errorf("%d items of %d bytes, Stats says %d of %d", items, size, st.Items, st.Bytes)
	}
}

// TestRestoreOfWhatIsOver: an item whose time is over is not there, nor what it replaced,
// unless a touch follows.
func TestRestoreOfWhatIsOver(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 4 << 20, Loops: 1})
	h := s.Handle(0)
	k := h.Key(0, []byte("k"))
	stamp := func(seq uint64) uint64 { return seq<<slotBits | uint64(k.Slot) }
	if err := restore(h, &k, KindSet, &Past{Stamp: stamp(1), Value: []byte("old")}); err != nil {
		t.Fatal(err)
	}
	if v := get(h, "k", testStartMS); string(v) != "old" {
		t.Errorf("%q", v)
	}
	over := &Past{Stamp: stamp(2), Value: []byte("new"), Spec: Spec{ExpiresAtMS: testStartMS}}
	if err := restore(h, &k, KindSet, over); err != nil {
		t.Fatal(err)
	}
	h.Look(&k, testStartMS, func(Item) { t.Error("it is there") })
	if err := restore(h, &k, KindTouch, &Past{Stamp: stamp(3), Spec: Spec{ExpiresAtMS: testStartMS + 1}}); err != nil {
		t.Fatal(err)
	}
	if v := get(h, "k", testStartMS); string(v) != "new" {
		t.Errorf("%q, and was touched", v)
	}
	s.RestoreSequences(nil, 999)
	set(t, h, "k", []byte("next"), Spec{})
	l := h.Lock(&k)
	it, _ := l.Find(testStartMS)
	if got := it.CAS(); got != stamp(1003) {
		t.Errorf("token %x, want %x", got, stamp(1003))
	}
	l.Unlock()
}

// TestRestoreInAFullStore: a token and an expiry for which an item has no room come back
// although the store is full.
func TestRestoreInAFullStore(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 4 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	for i := 0; s.Stats().Evictions < 100; i++ {
		set(t, h, fmt.Sprint("large ", i), make([]byte, 5000), Spec{Evictable: true})
	}
	stamps := map[string]uint64{}
	for i := range 3000 {
		k := h.Key(0, fmt.Append(nil, "key ", i))
		stamp := uint64(i+1)<<slotBits | uint64(k.Slot)
		if err := restore(h, &k, KindSet, &Past{Stamp: stamp, Value: make([]byte, 40), Marks: MarkEvictable}); err != nil {
			t.Fatal(err)
		}
		stamps[string(k.Bytes)] = stamp
	}
	there := 0
	for key, stamp := range stamps {
		k := h.Key(0, []byte(key))
		err := restore(h, &k, KindMark, &Past{Stamp: stamp + 1<<slotBits, Marks: MarkStale | MarkEvictable, Spec: Spec{CAS: 77}})
		if err == nil {
			err = restore(h, &k, KindTouch, &Past{Stamp: stamp + 2<<slotBits, Spec: Spec{ExpiresAtMS: testStartMS + 99}})
		}
		if err != nil {
			t.Fatal(err)
		}
		h.Look(&k, testStartMS, func(it Item) {
			there++
			if it.CAS() != 77 || it.Marks() != MarkStale|MarkEvictable || it.ExpiresAtMS() != testStartMS+99 {
				t.Errorf("%s: token %d, marks %b, expiry %d", key, it.CAS(), it.Marks(), it.ExpiresAtMS())
			}
		})
	}
	if there < 500 {
		t.Errorf("only %d items are there", there)
	}
}

// TestMarks: each bit is its own mark.
func TestMarks(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 4 << 20, Loops: 1})
	set(t, s.Handle(0), "k", []byte("v"), Spec{})
	k := s.Handle(0).Key(0, []byte("k"))
	s.Handle(0).Look(&k, testStartMS, func(it Item) {
		for all := range 1 << len(markBits) {
			want := Marks(0)
			for i, b := range &markBits {
				it.setIf(b.bit, all>>i&1 != 0)
				if all>>i&1 != 0 {
					want |= b.mark
				}
			}
			if got := it.Marks(); got != want {
				t.Errorf("%b: marks %b", want, got)
			}
		}
		it.clear(bitStale | bitTokenSent | bitFetched | bitKeyEncoded | bitEvictable)
	})
}
