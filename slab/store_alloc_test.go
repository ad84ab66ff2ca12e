package slab

import (
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

func TestHotPathsDoNotAllocate(t *testing.T) {
	s := newStore(t, Config{LimitBytes: 8 << 20, Loops: 1, Evict: true})
	h := s.Handle(0)
	key, val := []byte("key:12345"), value(1, 100)
	set(t, h, string(key), val, Spec{})
	dst := make([]byte, 0, 256)
	alloctest.Zero(t, "get", func() {
		k := h.Key(0, key)
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		l.Accessed(it, testStartMS)
		dst = it.AppendValue(dst[:0])
		l.Unlock()
	})
	alloctest.Zero(t, "set", func() {
		k := h.Key(0, key)
		it, _ := h.Reserve(&k, Spec{ValueLen: len(val), Evictable: true})
		it.WriteAt(val, 0)
		l := h.Lock(&k)
		l.Put(it, testStartMS)
		l.Unlock()
	})
	alloctest.Zero(t, "touch", func() {
		k := h.Key(0, key)
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		l.Touch(it, testStartMS+60_000)
		l.Unlock()
	})
	number, numberKey := []byte("123"), []byte("n")
	set(t, h, "n", number, Spec{})
	alloctest.Zero(t, "set value in place", func() {
		k := h.Key(0, numberKey)
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		l.SetValue(it, number, 0)
		l.Unlock()
	})
	large := value(2, 100_000)
	alloctest.Zero(t, "large set and pin", func() {
		k := h.Key(0, key)
		it, _ := h.Reserve(&k, Spec{ValueLen: len(large), Evictable: true})
		it.WriteAt(large, 0)
		l := h.Lock(&k)
		l.Put(it, testStartMS)
		it, _ = l.Find(testStartMS)
		p := l.Pin(it)
		l.Unlock()
		h.Release(p.Token())
	})
	alloctest.Zero(t, "delete", func() {
		k := h.Key(0, key)
		it, _ := h.Reserve(&k, Spec{ValueLen: len(val)})
		l := h.Lock(&k)
		l.Put(it, testStartMS)
		it, _ = l.Find(testStartMS)
		l.Remove(it)
		l.Unlock()
	})
}
