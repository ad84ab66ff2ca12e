package keyspace

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/slab"
)

// memoryTier is a tier whose values lie in a map, under places that may change.
type memoryTier struct {
	values map[slab.TierRef][]byte
	next   uint32
	moves  int                   // fetches that find nothing, since the value has moved meanwhile
	broken map[slab.TierRef]bool // cannot be read
	store  *slab.Store
}

var errRead = errors.New("an input/output error")

func (m *memoryTier) Append(_ slab.TierKind, _, _ []byte, pieces [][]byte) (slab.TierRef, bool) {
	m.next++
	ref := slab.TierRef{Page: m.next, Version: 1}
	for _, piece := range pieces {
		m.values[ref] = append(m.values[ref], piece...)
	}
	return ref, true
}

func (m *memoryTier) Delete(ref slab.TierRef, _, _, _ int) { delete(m.values, ref) }

func (m *memoryTier) Live(ref slab.TierRef) bool { return m.values[ref] != nil }

// fetch is Config.FetchTier.
func (m *memoryTier) fetch(list []TierFetch) {
	for i := range list {
		f := &list[i]
		switch value := m.values[f.Ref]; {
		case value == nil:
			f.Err, f.Gone = errors.New("gone"), true
		case m.broken[f.Ref]:
			f.Err = errRead
		case m.moves > 0:
			m.moves--
			f.Err = errors.New("moved")
			m.move(f.Ref)
		default:
			f.Value = value
		}
	}
}

// move has a value lie elsewhere, as a tier does when it compacts.
func (m *memoryTier) move(source slab.TierRef) {
	if m.broken[source] {
		panic("BUG: the test moves a value that cannot be read")
	}
	target, _ := m.Append(0, nil, nil, [][]byte{m.values[source]})
	var c slab.Cursor
	h := m.store.Handle(0)
	key, head := []byte(nil), make([]byte, 2)
	for !h.Walk(&c, testNowMS, 1000, func(it slab.Item) bool {
		if it.OnTier() && it.TierRef() == source {
			key = append(key, it.Key()...)
		}
		return true
	}) {
	}
	if key == nil || !m.store.TierMoved(head, key, source, target) {
		panic("BUG: the test moves a value that nobody has")
	}
	delete(m.values, source)
}

// openRoomy recovers into memory that has room for all.
func openRoomy(t *testing.T, disk *diotest.FS) *rig {
	t.Helper()
	store, err := slab.New(slab.Config{LimitBytes: 64 << 20, Shards: 4, Loops: 2, Evict: true, StartMS: testNowMS})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store}
	if r.k, err = Open(testConfig(disk, ModeLog, FsyncNo), store); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSnapshotOfATier: what a tier has is in a snapshot, also what moves meanwhile; a
// snapshot that cannot have all of it is none.
func TestSnapshotOfATier(t *testing.T) {
	disk := diotest.New()
	store, err := slab.New(slab.Config{LimitBytes: 2 << 20, Shards: 4, Loops: 2, Evict: true, StartMS: testNowMS})
	if err != nil {
		t.Fatal(err)
	}
	tier := &memoryTier{values: map[slab.TierRef][]byte{}, store: store}
	store.UseTier(tier, slab.TierRules{LeastBytes: 512, AgeS: -1})
	c := testConfig(disk, ModeLog, FsyncNo)
	c.FetchTier = tier.fetch
	r := &rig{t: t, store: store}
	if r.k, err = Open(c, store); err != nil {
		t.Fatal(err)
	}
	const items = 800 // 4 MB
	for i := range items {
		r.set(0, fmt.Sprint(i), make([]byte, 5000+i), slab.Spec{Evictable: true})
		r.wait(0)
	}
	if len(tier.values) < items/2 {
		t.Fatalf("%d values are in the tier", len(tier.values))
	}
	tier.moves = 1 << 30
	if err := r.k.Snapshot(); !errors.Is(err, errMoving) {
		t.Errorf("a snapshot of what is never found: %v", err)
	}
	tier.moves = 200
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	r.close()
	r = openRoomy(t, disk)
	defer r.close()
	if rec := r.k.Recovery(); rec.SnapshotRecords < items {
		t.Errorf("%d records in the snapshot", rec.SnapshotRecords)
	}
	if n := len(r.contents()); n != items {
		t.Errorf("%d of %d items", n, items)
	}
}

// TestSnapshotOfMarks: a value in a tier that has moved, and whose item was marked, is in
// the snapshot: of the mark alone the log could make nothing.
func TestSnapshotOfMarks(t *testing.T) {
	disk := diotest.New()
	store, err := slab.New(slab.Config{LimitBytes: 2 << 20, Shards: 4, Loops: 2, Evict: true, StartMS: testNowMS})
	if err != nil {
		t.Fatal(err)
	}
	tier := &memoryTier{values: map[slab.TierRef][]byte{}, store: store}
	store.UseTier(tier, slab.TierRules{LeastBytes: 512, AgeS: 0})
	c := testConfig(disk, ModeLog, FsyncNo)
	r := &rig{t: t, store: store}
	marked := false
	c.FetchTier = func(list []TierFetch) {
		if !marked {
			marked, tier.moves = true, 1
			h := store.Handle(1)
			k := h.Key(0, []byte("key"))
			l := h.Lock(&k)
			it, _ := l.Find(testNowMS)
			if _, ok := l.MarkStale(it, 0); !ok {
				t.Error("no mark")
			}
			l.Unlock()
		}
		tier.fetch(list)
	}
	if r.k, err = Open(c, store); err != nil {
		t.Fatal(err)
	}
	r.set(0, "key", make([]byte, 5000), slab.Spec{Evictable: true})
	r.wait(0)
	store.Handle(0).Tick(testNowMS + 1000)
	if len(tier.values) != 1 {
		t.Fatalf("%d values are in the tier", len(tier.values))
	}
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	r.close()
	r = openRoomy(t, disk)
	defer r.close()
	if n := len(r.contents()); !marked || n != 1 {
		t.Errorf("marked: %v, %d items", marked, n)
	}
}
