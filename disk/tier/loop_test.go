package tier

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
)

// A loop's reads come when it takes them, also more than may be on their way at a time, which
// the loop begins as well: each once, and Close waits for none.
func TestLoopReads(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tier := open(t, disk, 8, func(c *Config) { c.Loops = 2 })
	const values = 4 * testPage / testBuffer // that fill four pages
	value := func(i int) string { return fmt.Sprintf("%0*d", testBuffer-100, i) }
	size := sizeOf("key", value(0))
	var refs []Ref
	for i := range values {
		refs = append(refs, put(t, tier, Default, "key", value(i)))
	}
	tier.settled()
	const reads = 2*readsMax + 10
	var came atomic.Int64
	list := make([]Read, reads)
	for i := range list {
		r := &list[i]
		r.Ref, r.Size, r.Loop = refs[i%values], size, 1
		r.Done = func(*Read) { came.Add(1) }
		if tier.Read(r) {
			came.Add(1)
		}
	}
	q := tier.Loop(0)
	for limit := time.Now().Add(10 * time.Second); came.Load() < reads; q.Take() {
		tier.Flush(0)
		if time.Now().After(limit) {
			t.Fatalf("%d of %d reads came", came.Load(), reads)
		}
	}
	others := 0
	for i := range list {
		r := &list[i]
		if r.Err != nil || string(r.Value) != value(i%values) {
			t.Fatalf("read %d: %d bytes, %v", i, len(r.Value), r.Err)
		}
		if r.Loop != 1 {
			others++
		}
		r.Release()
	}
	if q.FD() >= 0 && others > readsMax/8 {
		t.Errorf("%d of %d reads were given to workers", others, reads)
	}

	// Nobody takes what this loop asks for, and Close does.
	var left Read
	done := make(chan error, 1)
	left.Ref, left.Size, left.Loop, left.Done = refs[0], size, 2, func(r *Read) { done <- r.Err }
	if tier.Read(&left) {
		t.Fatal("the value is not on the disk")
	}
	if err := tier.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What the disk does not give a loop it gives no worker: the error is the disk's.
func TestLoopReadFails(t *testing.T) {
	folder := t.TempDir()
	disk, err := dio.Folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	tier := open(t, disk, 4, func(c *Config) { c.Loops = 1 })
	v := fmt.Sprintf("%0*d", testBuffer-100, 1)
	ref := put(t, tier, Default, "key", v)
	put(t, tier, Default, "key", v) // so that the first is written
	q, done := tier.Loop(0), make(chan error, 1)
	r := &Read{Ref: ref, Size: sizeOf("key", v), Loop: 1, Done: func(r *Read) { done <- r.Err }}
	fetch := func() (err error, fromDisk bool) {
		if tier.Read(r) {
			return r.Err, false
		}
		tier.Flush(0)
		for limit := time.Now().Add(10 * time.Second); len(done) == 0; q.Take() {
			if time.Now().After(limit) {
				t.Fatal("the read does not come")
			}
		}
		return <-done, true
	}
	for fromDisk := false; !fromDisk; r.Release() {
		if err, fromDisk = fetch(); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Truncate(folder+"/tier", 0); err != nil {
		t.Fatal(err)
	}
	if err, _ := fetch(); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("behind the end of the file: %v", err)
	}
}

// What loops left behind when they ended holds up nobody who reads later, such as the last
// snapshot's walk.
func TestLoopsEnd(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tier := open(t, disk, 8, func(c *Config) { c.Loops = 1 })
	v := fmt.Sprintf("%0*d", testBuffer-100, 1)
	size := sizeOf("key", v)
	ref := put(t, tier, Default, "key", v)
	put(t, tier, Default, "key", v) // so that the first is written
	tier.settled()
	var came atomic.Int64
	left := make([]Read, readsMax+10) // more than are on their way at a time
	for i := range left {
		r := &left[i]
		r.Ref, r.Size, r.Loop = ref, size, 1
		r.Done = func(r *Read) { came.Add(1); r.Release() }
		if tier.Read(r) {
			t.Fatal("the value is not on the disk")
		}
	}
	tier.Flush(0)
	if err := tier.EndLoops(); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	r := Read{Ref: ref, Size: size, Done: func(r *Read) { done <- r.Err }}
	if tier.Read(&r) {
		t.Fatal("the value is not on the disk")
	}
	select {
	case err := <-done:
		if err != nil || string(r.Value) != v {
			t.Errorf("%d bytes, %v", len(r.Value), err)
		}
		r.Release()
	case <-time.After(10 * time.Second): // it would wait for ever
		t.Error("a read behind the loops' end does not come")
	}
	if err := tier.Close(); err != nil { // waits for the workers'
		t.Error(err)
	}
	if n := came.Load(); n != int64(len(left)) {
		t.Errorf("%d of %d reads came", n, len(left))
	}
}

// TestShuffledLoops: several loops have the kernel read at once, more than may be on their
// way, while pages are compacted, dropped and used again: a read gives the value of its place,
// or none, and each comes.
func TestShuffledLoops(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const loops = 3
	c := &cache{items: map[string]item{}}
	c.tier = open(t, disk, 12, func(config *Config) {
		config.Owner, config.Loops = c, loops
		config.Policy = Policy{CompactUnder: 4, DropUnder: 2, MaxFrag: 0.8, DropUnread: true}
	})
	var all sync.WaitGroup
	for loop := range loops {
		all.Go(func() {
			for range 40 {
				c.loop(t, loop, 100)
				c.readTogether(t, loop)
			}
		})
	}
	all.Wait()
	if s := c.tier.Stats(); s.CompactRescues == 0 || s.PageEvictions == 0 || s.ReadErrors > 0 || s.Damaged > 0 || s.ReadQueue > 0 {
		t.Errorf("%+v", s)
	}
	c.check(t)
}

// readTogether reads what a loop's keys had a moment ago, all of it at once.
func (c *cache) readTogether(t *testing.T, loop int) {
	type asked struct {
		Read
		item item
	}
	var list []*asked
	left := new(atomic.Int64)
	q := c.tier.Loop(loop)
	for i := range 150 {
		key := fmt.Sprintf("%d-%d", loop, i)
		c.lock.Lock()
		it := c.items[key]
		c.lock.Unlock()
		a := &asked{Read: Read{Ref: it.ref, Size: RecordSize(0, len(key), it.size), Loop: loop + 1}, item: it}
		a.Done = func(*Read) { left.Add(-1) }
		left.Add(1)
		if c.tier.Read(&a.Read) {
			left.Add(-1)
		}
		list = append(list, a)
	}
	for limit := time.Now().Add(20 * time.Second); left.Load() > 0; q.Take() {
		c.tier.Flush(loop)
		if time.Now().After(limit) {
			t.Errorf("loop %d: %d reads do not come", loop, left.Load())
			return
		}
	}
	for _, a := range list {
		if a.Err == nil && string(a.Value) != string(a.item.value()) {
			t.Errorf("loop %d: another value at %v", loop, a.Ref)
		} else if a.Err != nil && !errors.Is(a.Err, ErrGone) {
			t.Errorf("loop %d: %v", loop, a.Err)
		}
		a.Release()
	}
}
