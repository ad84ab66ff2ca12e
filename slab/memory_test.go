package slab

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// stingy is a kernel that gives so many bytes and no more, and knows which of
// its memory may be touched.
type stingy struct {
	mu        sync.Mutex
	budget    int  // bytes that may be opened
	opens     int  // calls
	discarded int  // bytes
	spares    int  // calls
	poor      bool // it gives no spare memory
	refusals  int  // of that
}

var errStingy = errors.New("stingy kernel")

func (k *stingy) system() *system {
	real := theSystem()
	return &system{
		strict: true,
		open: func(b []byte) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.opens++
			if len(b) > k.budget {
				return errStingy
			}
			k.budget -= len(b)
			return real.open(b)
		},
		populate: real.populate,
		spare: func(n int) (mapping, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.poor {
				k.refusals++
				return mapping{}, errStingy
			}
			k.spares++
			return real.spare(n)
		},
		discard: func(b []byte) error {
			k.mu.Lock()
			k.discarded += len(b)
			k.mu.Unlock()
			return real.discard(b)
		},
	}
}

func (k *stingy) give(bytes int) {
	k.mu.Lock()
	k.budget += bytes
	k.mu.Unlock()
}

// await polls until the store's own goroutine has made it true.
func await(t *testing.T, s *Store, what string, ok func(a *arena) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		s.arena.mu.Lock()
		done := ok(&s.arena)
		s.arena.mu.Unlock()
		switch {
		case done:
			return
		case time.Now().After(deadline):
			t.Fatalf("not within 20 s: %s", what)
		}
		s.tickMemory()
	}
}

// TestKernelThatRefusesMemory: the store is full with what the kernel gave,
// says so once, and takes more when there is more.
func TestKernelThatRefusesMemory(t *testing.T) {
	const given = 32 << 20
	k := &stingy{budget: given}
	told := make(chan int64, 100)
	s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 1, Evict: true, system: k.system(),
		Refused: func(have int64, err error) {
			if !errors.Is(err, errStingy) {
				t.Errorf("told of %v", err)
			}
			told <- have
		}})
	h := s.Handle(0)
	fill := func(prefix string, n int) {
		for i := range n {
			set(t, h, fmt.Sprint(prefix, i), value(1, 1000), Spec{Evictable: true})
		}
	}
	fill("a", 50_000)
	set(t, h, "large", value(2, 1<<20), Spec{Evictable: true})
	st := s.Stats()
	if st.Evictions == 0 || st.UsedBytes > given || st.UsedBytes < given*95/100 {
		t.Errorf("%d bytes used of %d, %d evictions", st.UsedBytes, given, st.Evictions)
	}
	await(t, s, "told of the refusal", func(*arena) bool { return len(told) > 0 })
	if have := <-told; have != given {
		t.Errorf("told of %d bytes, have %d", have, given)
	}
	k.mu.Lock()
	if k.poor = true; k.spares == 0 {
		t.Error("nothing was spared for others")
	}
	k.mu.Unlock()
	k.give(given)
	await(t, s, "asking for spare memory", func(a *arena) bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.refusals > 2
	})
	if s.Stats().UsedBytes > given {
		t.Error("the store grows though nothing is spared")
	}
	k.mu.Lock()
	k.poor = false
	k.mu.Unlock()
	await(t, s, "taking what there is", func(a *arena) bool { return a.reach == reachAll })
	before := s.Stats().Evictions
	fill("b", 15_000)
	if n := s.Stats().Evictions - before; n > 0 {
		t.Errorf("%d evictions beside free memory", n)
	}
	if len(told) > 0 {
		t.Errorf("told %d times more", len(told))
	}
}

// TestKernelThatRefusesAtTheStart makes New fail, and crash nothing.
func TestKernelThatRefusesAtTheStart(t *testing.T) {
	k := &stingy{budget: 1 << 20}
	if _, err := New(Config{LimitBytes: 64 << 20, system: k.system()}); !errors.Is(err, errStingy) {
		t.Errorf("New: %v", err)
	}
}

// TestRefusedStoreThatMayNotEvict refuses items and loses none.
func TestRefusedStoreThatMayNotEvict(t *testing.T) {
	k := &stingy{budget: 32 << 20}
	s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 1, system: k.system()})
	h := s.Handle(0)
	n := fillUp(t, h, "k", 1000, Spec{})
	if n < 20_000 {
		t.Errorf("%d items in 32 MB", n)
	}
	for i := range n {
		if get(h, fmt.Sprint("k", i), testStartMS) == nil {
			t.Fatalf("item %d of %d is lost", i, n)
		}
	}
}

// TestMemoryGoesBackWhenTheLimitShrinks, and comes again when it grows.
func TestMemoryGoesBackWhenTheLimitShrinks(t *testing.T) {
	const high, low = 24 << 20, 6 << 20
	k := &stingy{budget: 1 << 40}
	s := newStore(t, Config{LimitBytes: high, Loops: 1, Evict: true, system: k.system()})
	h := s.Handle(0)
	fill := func(n int) {
		for i := range n {
			set(t, h, fmt.Sprint(i), value(1, 1000), Spec{Evictable: true})
		}
	}
	for round := range 2 {
		fill(28_000)
		if err := s.SetLimit(low); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			h.Tick(testStartMS)
			set(t, h, fmt.Sprint("while", i), value(1, 100), Spec{Evictable: true})
		}
		await(t, s, "memory within the smaller limit", func(a *arena) bool { return a.backed() <= low>>runShift })
		fill(10_000)
		checkMemory(t, s)
		if s.Stats().UsedBytes > low {
			t.Errorf("round %d: %d bytes used", round, s.Stats().UsedBytes)
		}
		if err := s.SetLimit(high); err != nil {
			t.Fatal(err)
		}
	}
	if k.discarded < (high-low)*3/2 {
		t.Errorf("%d bytes given back", k.discarded)
	}
}

// TestPopulatedMemoryGoesBack, though no run of it was ever handed out.
func TestPopulatedMemoryGoesBack(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 64 << 20, Loops: 1})
	await(t, s, "memory ahead", func(a *arena) bool { return a.ready() >= a.ahead() })
	if err := s.SetLimit(2 << 20); err != nil {
		t.Fatal(err)
	}
	await(t, s, "memory within the smaller limit", func(a *arena) bool { return a.backed() <= 2<<20>>runShift })
	checkMemory(t, s)
}

// checkMemory compares the arena's counts of free and bare runs with its lists.
func checkMemory(t *testing.T, s *Store) {
	t.Helper()
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	count := func(head uint32, class uint8) (n int) {
		for id := head; id != 0; id = a.runs[id].next {
			if a.runs[id].class != class {
				t.Errorf("run %d of class %d is in the list of %d", id, a.runs[id].class, class)
			}
			n++
		}
		return n
	}
	free, bare := count(a.free, classFree), count(a.bare, classBare)
	if free != a.freeRuns || bare != a.bareRuns || a.inUse+free+bare > int(a.fresh) {
		t.Errorf("%d free of %d, %d bare of %d, %d in use, %d fresh", free, a.freeRuns, bare, a.bareRuns, a.inUse, a.fresh)
	}
}
