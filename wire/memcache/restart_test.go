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
