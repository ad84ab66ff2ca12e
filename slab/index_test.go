package slab

import (
	"math/rand/v2"
	"testing"
)

// TestIndexThatStarvesLosesNothing: a growing index that runs out of memory stops in
// front of a home bucket, never within one, and finds everything meanwhile.
func TestIndexThatStarvesLosesNothing(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Shards: 4})
	starved := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		x := &index{store: s, cur: s.newTable(256)}
		give := func(n int) (segs []uint32) {
			for range n {
				segs = append(segs, s.takeSegment())
			}
			return segs
		}
		x.spare = give(256 / segBuckets)
		var hashes []uint64
		for len(hashes) < 256*bucketSlots*loadNum/loadDen {
			if h := r.Uint64(); x.insert(h, uint64(1000+len(hashes))) {
				hashes = append(hashes, h)
			}
		}
		for x.start(x.nextSize(), nil); x.old.n != 0; x.move(1) {
			if !x.starved {
				continue
			}
			starved++
			for i, h := range hashes {
				if x.locate(h, ref(1000+i)) == nil {
					t.Fatalf("seed %d: an item of %d is lost", seed, len(hashes))
				}
			}
			x.start(0, give(1))
		}
		for i, h := range hashes {
			x.remove(h, x.locate(h, ref(1000+i)))
		}
		x.shrink()
		for _, seg := range x.spare {
			s.freeSegment(seg)
		}
	}
	if starved == 0 {
		t.Error("no index starved")
	}
}

// TestWishOfTheSlowerLoop: when two loops want to grow the same index, the one that
// comes late must not have it grow again at once.
func TestWishOfTheSlowerLoop(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Shards: 4})
	x := &s.shards[0].index
	x.items = x.grow
	x.start(x.nextSize(), []uint32{s.takeSegment(), s.takeSegment()})
	want := x.grow
	if x.growLater(); x.grow != want {
		t.Errorf("the index grows at %d items, not at %d", x.grow, want)
	}
	x.items = 0
}
