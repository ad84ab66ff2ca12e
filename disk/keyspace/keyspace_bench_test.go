package keyspace

import (
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

// setter is a loop that sets keys of 16 bytes to values of 64, 16 in a turn.
type setter struct {
	r    *rig
	keys [][]byte
	next int
}

func newSetter(r *rig, keys int) *setter {
	s := &setter{r: r}
	for i := range keys {
		s.keys = append(s.keys, fmt.Appendf(nil, "key-%012d", i))
	}
	return s
}

func (s *setter) turn() {
	h := s.r.store.Handle(0)
	for range 16 {
		s.next = (s.next + 1) % len(s.keys)
		k := h.Key(0, s.keys[s.next])
		it, err := h.Reserve(&k, slab.Spec{ValueLen: 64, Evictable: true})
		if err != nil {
			s.r.t.Fatal(err)
		}
		l := h.Lock(&k)
		l.Put(it, testNowMS)
		l.Unlock()
	}
	if s.r.k == nil {
		return
	}
	s.r.wait(0)
	for {
		if _, full := s.r.k.Loop(0).Full(); !full {
			return
		}
	}
}

func benchmarkSet(b *testing.B, fsync Fsync) {
	disk, err := dio.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	c := testConfig(disk, ModeLog, fsync)
	c.SegmentBytes = 0
	r := open(b, c)
	defer r.close()
	benchmarkTurns(b, r)
}

func benchmarkTurns(b *testing.B, r *rig) {
	s := newSetter(r, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		s.turn()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/set")
}

func BenchmarkSetOff(b *testing.B) {
	r := &rig{t: b, store: newStore(b)}
	defer r.store.Close()
	benchmarkTurns(b, r)
}

func BenchmarkSetEverySecond(b *testing.B) { benchmarkSet(b, FsyncEverySecond) }
func BenchmarkSetAlways(b *testing.B)      { benchmarkSet(b, FsyncAlways) }

// benchmarkRecovery is the time to recover items of 16 and 64 bytes.
func benchmarkRecovery(b *testing.B, snapshot bool) {
	const items = 1_000_000
	disk, err := dio.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	store := func() *slab.Store {
		s, err := slab.New(slab.Config{LimitBytes: 512 << 20, Loops: 2, Evict: true, StartMS: testNowMS})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	c := testConfig(disk, ModeLog, FsyncNo)
	c.SegmentBytes = 0
	r := &rig{t: b, store: store()}
	if r.k, err = Open(c, r.store); err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 64)
	for i := range items {
		r.set(i&1, fmt.Sprintf("key-%012d", i), value, slab.Spec{Evictable: true})
		r.wait(i & 1)
		for {
			if _, full := r.k.Loop(i & 1).Full(); !full {
				break
			}
		}
	}
	if snapshot {
		if err := r.k.Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
	r.close()
	for b.Loop() {
		r.store = store()
		if r.k, err = Open(c, r.store); err != nil {
			b.Fatal(err)
		}
		if n := r.store.Stats().Items; n != items {
			b.Errorf("%d items", n)
		}
		b.StopTimer()
		r.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
}

func BenchmarkRecoverySnapshot(b *testing.B) { benchmarkRecovery(b, true) }
func BenchmarkRecoveryLog(b *testing.B)      { benchmarkRecovery(b, false) }

// BenchmarkAppend is what an effect costs its loop.
func BenchmarkAppend(b *testing.B) {
	store := newStore(b)
	defer store.Close()
	r := &rig{t: b, store: store}
	k := &Keyspace{config: Config{Mode: ModeLog, Loops: 2}, store: store, buffers: make([]buffer, 3)}
	k.epoch.Store(1)
	seen := &lastEffect{}
	store.LogEffects(seen)
	r.set(0, "key-000000000001", make([]byte, 64), slab.Spec{Evictable: true})
	e := seen.effect
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k.Append(e)
		if i%1024 == 0 {
			epoch := effectlog.Epoch(k.epoch.Add(1) - 1)
			k.buffers[0].take(epoch)
			k.buffers[0].spare.clear(&k.blocks, store)
		}
	}
}

// lastEffect keeps the last one.
type lastEffect struct{ effect slab.Effect }

func (l *lastEffect) Append(e slab.Effect) { l.effect = e }
func (l *lastEffect) AppendFlush([]uint64) {}
