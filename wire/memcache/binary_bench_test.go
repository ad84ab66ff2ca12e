package memcache

import (
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// packetOf makes a binary request.
func packetOf(o binary.Opcode, extras, key, value string) string {
	b := make([]byte, binary.HeaderLen)
	b[0], b[1] = binary.RequestMagic, byte(o)
	b[2], b[3], b[4] = byte(len(key)>>8), byte(len(key)), byte(len(extras))
	n := len(extras) + len(key) + len(value)
	b[8], b[9], b[10], b[11] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return string(b) + extras + key + value
}

const (
	noExtras    = ""
	storeExtras = "\x00\x00\x00\x05\x00\x00\x00\x64" // flags 5, 100 seconds
	touchExtras = "\x00\x00\x00\x64"
	plusOne     = "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x07" + "\x00\x00\x00\x00"
)

func BenchmarkBinaryGetKQ(b *testing.B) {
	benchmarkBinary(b, func(key string) string { return packetOf(binary.GetKQ, noExtras, key, "") })
}

func BenchmarkBinaryGetKQMiss(b *testing.B) {
	benchmarkBinary(b, func(key string) string { return packetOf(binary.GetKQ, noExtras, "x"+key, "") })
}

func BenchmarkBinarySetQ(b *testing.B) {
	value := strings.Repeat("w", 100)
	benchmarkBinary(b, func(key string) string { return packetOf(binary.SetQ, storeExtras, key, value) })
}

func BenchmarkBinarySet(b *testing.B) {
	value := strings.Repeat("w", 100)
	benchmarkBinary(b, func(key string) string { return packetOf(binary.Set, storeExtras, key, value) })
}

func BenchmarkBinaryTouch(b *testing.B) {
	benchmarkBinary(b, func(key string) string { return packetOf(binary.Touch, touchExtras, key, "") })
}

// benchmarkBinary is benchmark, on a binary connection.
func benchmarkBinary(b *testing.B, request func(key string) string) {
	r := newRig(b, Config{})
	benchFill(b, r.server.Open(0, wire.Peer{FD: 1}))
	s := r.server.OpenAs(ProtocolBinary, 0, wire.Peer{FD: 2})
	batches := pipelines(request)
	out := &wire.Out{NowMS: startMS}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += benchDepth {
		feedAll(b, s, batches[i/benchDepth%len(batches)], out)
	}
}

// BenchmarkBinaryFeedOne is a turn of a single get.
func BenchmarkBinaryFeedOne(b *testing.B) {
	r := newRig(b, Config{})
	benchFill(b, r.server.Open(0, wire.Peer{FD: 1}))
	s := r.server.OpenAs(ProtocolBinary, 0, wire.Peer{FD: 2})
	in := []byte(packetOf(binary.Get, noExtras, benchKey(3), ""))
	out := &wire.Out{NowMS: startMS}
	b.ReportAllocs()
	for b.Loop() {
		feedAll(b, s, in, out)
	}
}
