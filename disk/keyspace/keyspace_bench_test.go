package keyspace

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

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

// recovered is what a benchmark of recovery has to bring back, in another order than
// that of its numbers: what lies side by side in memory or in the log helps nobody.
type recovered struct {
	snapshot bool
	items    int // keys of 16 bytes with flags, values of 32 to 100 bytes
	times    int // that each is set
}

const (
	recoveryStride = 1_618_033 // prime to the numbers of items
	recoveryLimit  = 1 << 30   // bytes, more than the items need
)

// fill makes a folder's log or snapshot. Two loops set what the other one does not.
func (c recovered) fill(b *testing.B, config Config) {
	r := &rig{t: b, store: recoveryStore(b)}
	var err error
	if r.k, err = Open(config, r.store); err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 100)
	for n := range c.items * c.times {
		i := n * recoveryStride % c.items
		r.set(n&1, fmt.Sprintf("key-%012d", i), value[:32+i%69], slab.Spec{Evictable: true, Flags: uint32(i) + 1})
		if n/2%16 == 15 {
			r.wait(n & 1)
		}
		r.hold(n & 1)
	}
	if c.snapshot {
		if err := r.k.Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
	r.close()
}

func recoveryStore(b *testing.B) *slab.Store {
	s, err := slab.New(slab.Config{LimitBytes: recoveryLimit, Loops: 2, Evict: true, StartMS: testNowMS})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// benchmark measures Open: its time, and that of all processors, for each item that is
// there in the end.
func (c recovered) benchmark(b *testing.B) {
	disk, err := dio.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	config := testConfig(disk, ModeLog, FsyncNo)
	config.SegmentBytes = 0
	c.fill(b, config)
	r := &rig{t: b}
	cpu, memory := time.Duration(0), int64(0)
	for b.Loop() {
		b.StopTimer()
		r.store = recoveryStore(b)
		runtime.GC()
		cpu -= cpuTime(b)
		b.StartTimer()
		if r.k, err = Open(config, r.store); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		cpu += cpuTime(b)
		st := r.store.Stats()
		if st.Items != int64(c.items) {
			b.Errorf("%d items", st.Items)
		}
		memory = st.UsedBytes
		r.close()
		b.StartTimer()
	}
	items := float64(b.N) * float64(c.items)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/items, "ns/item")
	b.ReportMetric(float64(cpu.Nanoseconds())/items, "cpu-ns/item")
	b.ReportMetric(float64(memory)/float64(c.items), "B/item")
}

// cpuTime is what the process has used of all processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRecoverySnapshot(b *testing.B)    { recovered{true, 2_000_000, 1}.benchmark(b) }
func BenchmarkRecoveryLog(b *testing.B)         { recovered{false, 2_000_000, 1}.benchmark(b) }
func BenchmarkRecoveryLogRepeated(b *testing.B) { recovered{false, 500_000, 4}.benchmark(b) }

// BenchmarkAppend is what an effect costs its loop.
func BenchmarkAppend(b *testing.B) {
	store := newStore(b)
	defer store.Close()
	r := &rig{t: b, store: store}
	k := &Keyspace{config: Config{Mode: ModeLog, Loops: 2}, store: store}
	k.makeBuffers(3)
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
