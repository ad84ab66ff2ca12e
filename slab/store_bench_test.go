package slab

import (
	"fmt"
	"testing"
)

// benchKeys is the number of keys of the benchmarks, as in perf's comparison.
const benchKeys = 100_000

func benchStore(b *testing.B) (*Handle, [][]byte) {
	s := newStore(b, Config{LimitBytes: 256 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	keys := make([][]byte, benchKeys)
	val := value(1, 100)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key:%d", i*7919%benchKeys)
		set(b, h, string(keys[i]), val, Spec{Evictable: true})
	}
	return h, keys
}

func BenchmarkKey(b *testing.B) {
	h, keys := benchStore(b)
	i := 0
	for b.Loop() {
		k := h.Key(0, keys[i])
		if i++; i == len(keys) {
			i = 0
		}
		_ = k
	}
}

func BenchmarkGet(b *testing.B) {
	h, keys := benchStore(b)
	b.ReportAllocs()
	dst := make([]byte, 0, 256)
	i := 0
	for b.Loop() {
		k := h.Key(0, keys[i])
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		dst = it.AppendValue(dst[:0])
		l.Accessed(it, testStartMS)
		l.Unlock()
		if i++; i == len(keys) {
			i = 0
		}
	}
}

func BenchmarkSet(b *testing.B) {
	h, keys := benchStore(b)
	b.ReportAllocs()
	val := value(2, 100)
	i := 0
	for b.Loop() {
		k := h.Key(0, keys[i])
		it, err := h.Reserve(&k, Spec{ValueLen: len(val), Evictable: true})
		if err != nil {
			b.Fatal(err)
		}
		copy(it.Value(), val)
		l := h.Lock(&k)
		l.Put(it, testStartMS)
		l.Unlock()
		if i++; i == len(keys) {
			i = 0
		}
	}
}

// BenchmarkSetEvicting stores new keys into a full store.
func BenchmarkSetEvicting(b *testing.B) {
	s := newStore(b, Config{LimitBytes: 32 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	b.ReportAllocs()
	val := value(2, 100)
	var key []byte
	i := 0
	for b.Loop() {
		i++
		key = fmt.Appendf(key[:0], "key:%d", i)
		k := h.Key(0, key)
		it, err := h.Reserve(&k, Spec{ValueLen: len(val), Evictable: true})
		if err != nil {
			b.Fatal(err)
		}
		copy(it.Value(), val)
		l := h.Lock(&k)
		l.Put(it, testStartMS)
		l.Unlock()
	}
}
