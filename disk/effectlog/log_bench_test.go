package effectlog

import "testing"

// typical is a set of a 16-byte key and a 64-byte value.
func typical() Record {
	return Record{Kind: KindSet, Stamp: 77<<14 | 5, ExpiryMS: 1_800_000_000_000, Flags: 1,
		Key: []byte("key:000000000001"), Value: make([]byte, 64)}
}

// What a loop does for each set, under a lock.
func BenchmarkAppendRecord(b *testing.B) {
	r := typical()
	buffer := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(buffer)+256 > cap(buffer) {
			buffer = buffer[:0]
		}
		buffer = AppendRecord(buffer, &r)
	}
}

// The same without its checksum, which somebody has to make.
func BenchmarkAppendUnsealed(b *testing.B) {
	r := typical()
	buffer := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(buffer)+256 > cap(buffer) {
			buffer = buffer[:0]
		}
		buffer = append(AppendHead(buffer, &r, len(r.Value)), r.Value...)
	}
}

// Whoever makes it behind the loop has to walk the records for it.
func BenchmarkSealLater(b *testing.B) {
	r := typical()
	var buffer []byte
	for len(buffer) < 1<<20 {
		buffer = append(AppendHead(buffer, &r, len(r.Value)), r.Value...)
	}
	rest := buffer
	for b.Loop() {
		if len(rest) == 0 {
			rest = buffer
		}
		_, _, n := Peek(rest)
		Seal(rest[:n])
		rest = rest[n:]
	}
}

func BenchmarkParseRecord(b *testing.B) {
	r := typical()
	record := AppendRecord(nil, &r)
	for b.Loop() {
		ParseRecord(record)
	}
}

func BenchmarkParseChecked(b *testing.B) {
	r := typical()
	record := AppendRecord(nil, &r)
	for b.Loop() {
		ParseChecked(record)
	}
}
