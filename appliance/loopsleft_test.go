package appliance

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/slab"
)

// TestStopWithReadsLeft: the last snapshot, which reads flash, does not wait for what loops
// have asked for and nobody takes any more.
func TestStopWithReadsLeft(t *testing.T) {
	n, err := build(t, "-m 64 -t 1 -p -1 -l 127.0.0.1 -o ext_page_size=4,ext_wbuf_size=2,ext_item_age=0,ext_path="+
		filepath.Join(t.TempDir(), "flash")+":64m,panda_persist=snapshot,panda_data="+filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	n.net.Stop(context.Background())
	now := time.Now().UnixMilli()
	fillFlash(t, n, now)
	v, ok := onFlash(n, now)
	if !ok {
		t.Fatal("the value is not on flash")
	}
	const reads = 256 // as many as the tier has on their way at a time
	for range reads {
		r := &tier.Read{Ref: tier.Ref(v.Ref), Size: tier.RecordSize(v.HeadLen, len("key0"), v.ValueLen), Loop: 1, Done: (*tier.Read).Release}
		if n.tier.Read(r) {
			t.Fatal("the value is not on the disk")
		}
	}
	n.tier.Flush(0)
	done := make(chan error, 1)
	go func() { done <- n.closeStore() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second): // it would wait for ever
		t.Fatal("the node does not end")
	}
}

// fillFlash has the store move values to flash, more than write buffers hold.
func fillFlash(t *testing.T, n *Node, now int64) {
	t.Helper()
	h := n.store.Handle(0)
	for i := range 120 {
		value := bytes.Repeat([]byte{byte(i)}, 100_000)
		k := h.Key(0, fmt.Appendf(nil, "key%d", i))
		it, err := h.Reserve(&k, slab.Spec{ValueLen: len(value), Evictable: true})
		if err != nil {
			t.Fatal(err)
		}
		it.WriteAt(value, 0)
		l := h.Lock(&k)
		l.Put(it, now)
		l.Unlock()
	}
	for limit := time.Now().Add(20 * time.Second); ; h.Tick(now + 2000) {
		if _, ok := onFlash(n, now); ok && n.tier.Stats().ObjectsUsed == 120 && written(n, now) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%+v", n.tier.Stats())
		}
	}
}

// onFlash is where flash has the first value.
func onFlash(n *Node, now int64) (slab.TierValue, bool) {
	h := n.store.Handle(0)
	k := h.Key(0, []byte("key0"))
	return h.OnTier(&k, now)
}

// written reports whether the first value is on the disk.
func written(n *Node, now int64) bool {
	v, _ := onFlash(n, now)
	came := make(chan struct{})
	r := &tier.Read{Ref: tier.Ref(v.Ref), Size: tier.RecordSize(v.HeadLen, len("key0"), v.ValueLen), Done: func(*tier.Read) { close(came) }}
	done := n.tier.Read(r)
	if !done {
		<-came
	}
	r.Release()
	return !done
}
