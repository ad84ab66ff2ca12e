package slab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// sealText is a metadata text with its checksum.
func sealText(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(append([]byte(nil), body...), crc32.Checksum(body, castagnoli))
}

// FuzzRestartMetadata: whatever stands in the metadata, though its checksum is
// right, New takes it, and finds what it says, or begins empty.
func FuzzRestartMetadata(f *testing.F) {
	dir := f.TempDir()
	config := Config{LimitBytes: 2 << 20, Loops: 1, Evict: true, StartMS: testStartMS, File: filepath.Join(dir, "arena"), Shards: 4}
	s, err := New(config)
	if err != nil {
		f.Fatal(err)
	}
	storeAllKinds(f, s, 300)
	if err := s.Save(testStartMS, []Field{{"a", "b"}}, nil); err != nil {
		f.Fatal(err)
	}
	s.Close()
	text, err := os.ReadFile(config.File + metadataSuffix)
	if err != nil {
		f.Fatal(err)
	}
	arena, err := os.ReadFile(config.File)
	if err != nil {
		f.Fatal(err)
	}
	// A change is two bytes of offset from the start or the end, and a byte of what to add there.
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{0, 20, 1, 0, 200, 1})
	f.Add([]byte("whole:" + magic + "1\n\n"))
	f.Fuzz(func(t *testing.T, changes []byte) {
		body := append([]byte(nil), text[:len(text)-crcSize]...)
		if len(changes) > 6 && string(changes[:6]) == "whole:" {
			body = changes[6:]
		} else {
			for ; len(changes) >= 3; changes = changes[3:] {
				at := int(binary.BigEndian.Uint16(changes))
				if at >= 1<<15 {
					at = len(body) - 1 - at&(1<<15-1)
				}
				if at >= 0 && at < len(body) {
					body[at] += changes[2]
				}
			}
		}
		m, err := parseMetadata(sealText(body))
		if err != nil {
			return
		}
		if again, err := parseMetadata(m.append(nil)); len(m.runs) > 0 && (err != nil || len(again.runs) != len(m.runs)) {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if field, _ := m.misfit(&config, s); field.Name != "" || !m.valid(s.classes, len(s.groups.bounds)) {
			return // New begins empty, which takes long and finds nothing: TestRestartRefusals
		}
		if err := errors.Join(os.WriteFile(config.File, arena, 0o600), os.WriteFile(config.File+metadataSuffix, sealText(body), 0o600)); err != nil {
			t.Fatal(err)
		}
		s, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Restart().Restored {
			t.Fatalf("what fits was refused: %+v", s.Restart())
		}
		for i := range 300 {
			get(s.Handle(0), fmt.Sprint("key:", i), testStartMS)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
