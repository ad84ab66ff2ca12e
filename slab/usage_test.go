package slab

import "testing"

// TestRunUsage: runs of items are told by their chunks, and are what Stats counts
// beside the index.
func TestRunUsage(t *testing.T) {
	s, err := New(Config{LimitBytes: 16 << 20, Loops: 1, Evict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := s.Handle(0)
	if list := s.RunUsage(); len(list) != 0 {
		t.Errorf("an empty store has %v", list)
	}
	for _, size := range []int{10, 1000, 200_000} {
		for i := range 20 {
			k := h.Key(0, []byte{byte(i), byte(size), byte(size >> 8)})
			it, err := h.Reserve(&k, Spec{ValueLen: size, Evictable: true})
			if err != nil {
				t.Fatal(err)
			}
			l := h.Lock(&k)
			l.Put(it, 0)
			l.Unlock()
		}
	}
	sum, last := int64(0), 0
	list := s.RunUsage()
	for _, u := range list {
		if u.ChunkBytes <= last {
			t.Errorf("chunks of %d behind those of %d", u.ChunkBytes, last)
		}
		last = u.ChunkBytes
		sum += u.Small + u.Main + u.Fixed
	}
	pieces := list[len(list)-1]
	if len(list) < 3 || pieces.ChunkBytes != runSize || pieces.Small != 20*3*runSize {
		t.Errorf("%+v", list)
	}
	if st := s.Stats(); sum > st.UsedBytes-st.IndexBytes || sum < st.UsedBytes-st.IndexBytes-(2<<20) {
		t.Errorf("runs of %d bytes, %d are used but for the index", sum, st.UsedBytes-st.IndexBytes)
	}
}
