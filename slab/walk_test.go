package slab

import (
	"fmt"
	"testing"
)

func TestWalkShowsLivingItems(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Shards: 4, Loops: 1})
	h := s.Handle(0)
	for i := range 2000 { // some of it while the indexes grow
		spec := Spec{}
		if i%4 == 0 {
			spec.ExpiresAtMS = testStartMS + 1
		}
		set(t, h, fmt.Sprint(i), []byte("v"), spec)
	}
	seen := map[string]int{}
	var c Cursor
	for calls := 0; !h.Walk(&c, testStartMS+1, 1, func(it Item) bool { seen[string(it.Key())]++; return true }); calls++ {
		if calls > 10_000 {
			t.Fatal("the walk does not end")
		}
	}
	if len(seen) != 1500 {
		t.Errorf("%d living items seen, want 1500", len(seen))
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%q seen %d times", key, n)
		}
	}
	if !h.Walk(&c, testStartMS, 1, func(Item) bool { t.Error("an item behind the end"); return true }) {
		t.Error("the end is not the end any more")
	}
}

// TestWalkThatStops: an item that was refused is shown again, and none is lost.
func TestWalkThatStops(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Shards: 4, Loops: 1})
	h := s.Handle(0)
	const n = 3000
	for i := range n {
		set(t, h, fmt.Sprint(i), []byte("v"), Spec{})
	}
	var c Cursor
	refused := ""
	seen := map[string]bool{}
	for calls := 0; ; calls++ {
		taken := 0
		done := h.Walk(&c, testStartMS, 100, func(it Item) bool {
			key := string(it.Key())
			if taken == 0 && refused != "" && key != refused {
				t.Fatalf("%q was refused, %q came next", refused, key)
			}
			if taken == 7 {
				refused = key
				return false
			}
			refused = ""
			taken++
			if seen[key] {
				t.Fatalf("%q came twice", key)
			}
			seen[key] = true
			return true
		})
		if done {
			break
		}
	}
	if len(seen) != n {
		t.Errorf("%d items of %d", len(seen), n)
	}
}

// TestWalkWhileIndexesGrow: what is there throughout is shown exactly once.
func TestWalkWhileIndexesGrow(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 32 << 20, Shards: 4, Loops: 1})
	h := s.Handle(0)
	const n = 5000
	for i := range n {
		set(t, h, fmt.Sprint(i), []byte("v"), Spec{})
	}
	seen := map[string]int{}
	var c Cursor
	for i := 0; !h.Walk(&c, testStartMS, 3, func(it Item) bool { seen[string(it.Key())]++; return true }); i++ {
		for j := range 40 {
			set(t, h, fmt.Sprintf("new-%d-%d", i, j), []byte("v"), Spec{})
		}
		if i > 100_000 {
			t.Fatal("the walk does not end")
		}
	}
	for i := range n {
		if seen[fmt.Sprint(i)] != 1 {
			t.Fatalf("%d was seen %d times", i, seen[fmt.Sprint(i)])
		}
	}
	if s.Stats().Items < 4*n {
		t.Errorf("%d items: the indexes hardly grew", s.Stats().Items)
	}
}
