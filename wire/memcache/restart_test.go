package memcache

import (
	"testing"

	"github.com/pandabeardb/panda/slab"
)

// TestHashPower: the level follows from how many items there were, and lives
// through a restart.
func TestHashPower(t *testing.T) {
	s := newRig(t, Config{}).server
	level := func(items, want int64) {
		t.Helper()
		if got := s.hashPower(items); got != want {
			t.Errorf("%d items: level %d, wanted %d", items, got, want)
		}
	}
	level(0, 16)
	level(98_304, 16)
	level(98_305, 17)
	level(0, 17)
	level(196_608, 17)

	after := newRig(t, Config{}).server
	if err := after.restore(s.State()); err != nil {
		t.Fatal(err)
	}
	s = after
	level(0, 17)
	level(196_609, 18)

	set := DefaultSettings()
	set.HashpowerInit = 20
	s = newRig(t, Config{Settings: set}).server
	level(0, 20)
	level(1_572_865, 21)
	if err := s.restore([]slab.Field{{Name: stateHash, Value: "x"}}); err == nil {
		t.Error("a level that is no number is taken")
	}
}

// TestRestoredState: what is known goes on, what another version knew is passed
// over whatever it is, and a number that is none is refused.
func TestRestoredState(t *testing.T) {
	before := newRig(t, Config{}).server
	before.env.StartedAtMS = 1_700_000_000_123
	before.flushSecond.Store(1_700_000_009)
	before.oldestMS.Store(1_700_000_010_000)
	before.trace.number.Store(77)
	after := newRig(t, Config{}).server
	state := append([]slab.Field{{Name: "of_later", Value: "a word"}}, before.State()...)
	if err := after.restore(state); err != nil {
		t.Fatal(err)
	}
	if after.env.StartedAtMS != before.env.StartedAtMS || after.flushSecond.Load() != 1_700_000_009 ||
		after.oldestMS.Load() != 1_700_000_010_000 || after.trace.number.Load() != 77 {
		t.Errorf("restored %+v", after.State())
	}
	for _, f := range before.State() {
		f.Value = "soon"
		if err := after.restore([]slab.Field{f}); err == nil {
			t.Errorf("%s %q is taken", f.Name, f.Value)
		}
	}
}
