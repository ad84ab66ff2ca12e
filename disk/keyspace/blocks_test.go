package keyspace

import (
	"bytes"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
)

// TestBlocksAreApart: blocks that are cut from one memory have no byte in common, and what
// grows over the end of one leaves the next alone.
func TestBlocksAreApart(t *testing.T) {
	k := &Keyspace{}
	k.makeBuffers(1)
	list := takeBlocks(&k.blocks, blocksKept)
	for i, b := range list {
		if len(b.memory) != blockBytes || cap(b.memory) != blockBytes || cap(b.bytes) != blockBytes-effectlog.FrameHead || !b.kept {
			t.Fatalf("block %d: memory %d of %d, room %d, kept %v", i, len(b.memory), cap(b.memory), cap(b.bytes), b.kept)
		}
		if err := dio.CheckAligned(b.memory, 0); err != nil {
			t.Fatal(err)
		}
		_ = append(b.memory, 'x')
		fill := b.memory
		for j := range fill {
			fill[j] = byte(i + 1)
		}
	}
	for i, b := range list {
		if !bytes.Equal(b.memory, bytes.Repeat([]byte{byte(i + 1)}, blockBytes)) {
			t.Errorf("another one wrote to block %d", i)
		}
	}
}

// TestBlocksOfManyLoops: epochs of as many blocks as are kept, one open while the writer
// has the other, make no block anew, and when all come back no more than those of one
// memory stay.
func TestBlocksOfManyLoops(t *testing.T) {
	k := &Keyspace{}
	k.makeBuffers(1)
	p := &k.blocks
	written, open := takeBlocks(p, blocksKept), takeBlocks(p, blocksKept)
	known := map[*block]bool{}
	for _, b := range append(written[:blocksKept:blocksKept], open...) {
		known[b] = true
	}
	for range 10 {
		p.give(written)
		written, open = open, takeBlocks(p, blocksKept)
		for _, b := range open {
			if !known[b] {
				t.Fatal("a block was made anew")
			}
		}
	}
	p.give(append(written, p.take(2*blockBytes)))
	p.give(open)
	if len(p.free) != blocksKept || len(p.more) != 0 {
		t.Errorf("%d and %d stay", len(p.free), len(p.more))
	}
	for _, b := range p.free {
		if !b.kept {
			t.Error("one of another memory stays")
		}
	}
}

func takeBlocks(p *blocks, n int) (list []*block) {
	for range n {
		list = append(list, p.take(recordRoom))
	}
	return list
}
