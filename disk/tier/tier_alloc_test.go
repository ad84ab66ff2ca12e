package tier

import (
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/internal/alloctest"
)

// What loops do all day allocates nothing.
func TestNothingAllocates(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tier := open(t, disk, 64, nil)
	key, value := []byte("key"), [][]byte{make([]byte, 3000), make([]byte, 1000)}
	var ref Ref
	for range 100 {
		tier.AppendWait(Default, nil, key, value) // all buffers are made
	}
	size := RecordSize(0, 3, 4000)
	alloctest.Zero(t, "append, delete", func() {
		var ok bool
		if ref, ok = tier.AppendWait(Default, nil, key, value); !ok {
			t.Fatal("not taken")
		}
		tier.Live(ref)
		tier.Delete(ref, size)
	})
	ref, _ = tier.AppendWait(Default, nil, key, value)
	came := make(chan struct{}, 1)
	r := &Read{Size: size, Done: func(*Read) { came <- struct{}{} }}
	read := func() {
		r.Ref = ref
		if !tier.Read(r) {
			<-came
		}
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		r.Release()
	}
	alloctest.Zero(t, "read from memory", read)
	for range 20 {
		tier.AppendWait(Default, nil, key, value)
	}
	tier.settled()
	alloctest.Zero(t, "read", read)
}
