package memcache

import (
	"runtime"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// TestBinaryAllocatesNothing: no binary request touches the Go heap.
func TestBinaryAllocatesNothing(t *testing.T) {
	alloctest.SkipUnderRace(t)
	r := newRig(t, Config{})
	s := r.server.OpenAs(ProtocolBinary, 0, wire.Peer{})
	out := &wire.Out{NowMS: startMS}
	value, large := strings.Repeat("v", 100), strings.Repeat("v", 40_000)
	feedAll(t, s, []byte(packetOf(binary.Set, storeExtras, "k", value)+packetOf(binary.Set, storeExtras, "n", strings.Repeat("1", 20))+
		packetOf(binary.Set, storeExtras, "big", large)), out)
	for name, request := range map[string]string{
		"Get":         packetOf(binary.Get, noExtras, "k", ""),
		"Get miss":    packetOf(binary.Get, noExtras, "nope", ""),
		"GetK":        packetOf(binary.GetK, noExtras, "k", ""),
		"GetK miss":   packetOf(binary.GetK, noExtras, "nope", ""),
		"GetKQ x 2":   packetOf(binary.GetKQ, noExtras, "k", "") + packetOf(binary.GetKQ, noExtras, "nope", ""),
		"Get large":   packetOf(binary.Get, noExtras, "big", ""),
		"GAT":         packetOf(binary.GAT, touchExtras, "k", ""),
		"GATK":        packetOf(binary.GATK, touchExtras, "k", ""),
		"Touch":       packetOf(binary.Touch, touchExtras, "k", ""),
		"Set":         packetOf(binary.Set, storeExtras, "k", value),
		"Set empty":   packetOf(binary.Set, storeExtras, "nothing", ""),
		"SetQ":        packetOf(binary.SetQ, storeExtras, "k", value),
		"Set large":   packetOf(binary.Set, storeExtras, "big", large),
		"Set refused": packetOf(binary.Set, storeExtras, "k2", strings.Repeat("v", 1_100_000)),
		"Add":         packetOf(binary.Add, storeExtras, "k", value),
		"Replace":     packetOf(binary.Replace, storeExtras, "k", value),
		"Append":      packetOf(binary.Set, storeExtras, "a", value) + packetOf(binary.Append, noExtras, "a", value),
		"Prepend":     packetOf(binary.Set, storeExtras, "a", value) + packetOf(binary.PrependQ, noExtras, "a", value),
		"Delete":      packetOf(binary.Set, storeExtras, "d", value) + packetOf(binary.Delete, noExtras, "d", ""),
		"Delete miss": packetOf(binary.Delete, noExtras, "nope", ""),
		"Increment":   packetOf(binary.Increment, plusOne, "n", ""),
		"Decrement":   packetOf(binary.DecrementQ, plusOne, "n", ""),
		"seed":        packetOf(binary.Increment, plusOne, "m", "") + packetOf(binary.DeleteQ, noExtras, "m", ""),
		"Noop":        packetOf(binary.Noop, noExtras, "", ""),
		"Version":     packetOf(binary.Version, noExtras, "", ""),
		"Flush":       packetOf(binary.Flush, "\x00\x00\x10\x00", "", ""),
		"Stat":        packetOf(binary.Stat, noExtras, "", ""),
		"settings":    packetOf(binary.Stat, noExtras, "settings", ""),
		"unknown":     packetOf(0x1b, noExtras, "", ""),
	} {
		in := []byte(request)
		feedAll(t, s, in, out) // scratch memory and output grow once
		alloctest.Zero(t, name, func() { feedAll(t, s, in, out) })
	}
}

// TestBinaryLargeSetCostsNoHeap: a value of 64 MB goes straight into the store, and
// its last byte, wherever it is read, is answered.
func TestBinaryLargeSetCostsNoHeap(t *testing.T) {
	alloctest.SkipUnderRace(t)
	const n = 64 << 20
	r := newRigOf(t, Config{ItemSizeMax: 128 << 20}, 256<<20, true)
	s := r.server.OpenAs(ProtocolBinary, 0, wire.Peer{})
	out := &wire.Out{NowMS: startMS}
	head := []byte(packetOf(binary.Set, storeExtras, "k", ""))
	const body = n + len(storeExtras) + len("k")
	head[8], head[9], head[10], head[11] = byte(body>>24), byte(body>>16&0xff), byte(body>>8&0xff), byte(body&0xff)
	vectors := make([][]byte, 0, 4)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	feedAll(t, s, head, out)
	for filled := 0; filled < n; {
		if out.Len() > 0 {
			t.Fatalf("answered after %d bytes", filled)
		}
		for _, room := range s.Body(vectors[:0]) {
			if next := s.Filled(len(room), out); next != wire.More {
				t.Fatal(next)
			}
			filled += len(room)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<10 {
		t.Errorf("%d bytes of heap", got)
	}
	if out.Len() != binary.HeaderLen || out.Buf[1] != byte(binary.Set) {
		t.Errorf("answered %x", out.Buf)
	}
	if got := r.stat("get_hits"); got != "0" {
		t.Error("get_hits", got)
	}
	if got := r.stat("cmd_set"); got != "1" {
		t.Error("cmd_set", got)
	}
}
