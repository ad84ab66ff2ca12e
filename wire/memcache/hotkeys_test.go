package memcache

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

// newSampledServer is a rig whose server samples keys, unless config forbids it.
func newSampledServer(t testing.TB, config Config) *rig {
	t.Helper()
	r := newRig(t, config)
	server, err := New(r.server.config, Env{Store: r.store, Loops: 2, SampleKeys: true, StartedAtMS: startMS, PID: 42})
	if err != nil {
		t.Fatal(err)
	}
	r.server = server
	return r
}

// zipf draws ranks 0 … n-1 by the inverse of the sums of their weights.
func zipf(n int, skew float64, random *rand.Rand) func() int {
	sums := make([]float64, n)
	total := 0.0
	for i := range sums {
		total += math.Pow(float64(i+1), -skew)
		sums[i] = total
	}
	return func() int {
		u := random.Float64() * total
		low, high := 0, n-1
		for low < high {
			if mid := (low + high) / 2; sums[mid] < u {
				low = mid + 1
			} else {
				high = mid
			}
		}
		return low
	}
}

// TestHotKeysZipf: of the ten keys shown first, each is among the 15 truly
// hottest of 100,000, after two loops answered a million gets in pipelines.
func TestHotKeysZipf(t *testing.T) {
	requests := 1_000_000
	if testing.Short() {
		requests = 500_000
	}
	for _, skew := range []float64{0.9, 1.0, 1.2} {
		t.Run(fmt.Sprint(skew), func(t *testing.T) {
			r := newSampledServer(t, Config{})
			draw := zipf(100_000, skew, rand.New(rand.NewPCG(7, 7)))
			seen := map[int]int{}
			sessions := []wire.Session{r.server.Open(0, wire.Peer{}), r.server.Open(1, wire.Peer{})}
			out := &wire.Out{NowMS: startMS}
			for i := 0; i < requests; {
				var batch strings.Builder
				for range benchDepth {
					rank := draw()
					seen[rank]++
					fmt.Fprintf(&batch, "get key-%d\r\n", rank)
					i++
				}
				feedAll(t, sessions[i/benchDepth%2], []byte(batch.String()), out)
			}
			hot, ok := r.server.HotKeys(20)
			if !ok || len(hot.Keys) != 20 || hot.Samples < uint64(requests/hotEvery*9/10) || hot.Samples > uint64(requests/hotEvery*11/10) {
				t.Fatalf("%v, %d keys, %d samples of %d requests", ok, len(hot.Keys), hot.Samples, requests)
			}
			for i, k := range hot.Keys[:10] {
				var rank int
				fmt.Sscanf(k.Key, "key-%d", &rank)
				if rank >= 15 {
					t.Errorf("place %d is %s, of rank %d", i, k.Key, rank)
				}
				got, true := float64(k.Samples)/float64(hot.Samples), float64(seen[rank])/float64(requests)
				if i < 3 && math.Abs(got-true) > 0.2*true {
					t.Errorf("%s has %.4f of the samples, and %.4f of the requests", k.Key, got, true)
				}
			}
		})
	}
}

// TestHotKeysRoundRobin: keys that come in an order as long as the distance of
// samples are all noted.
func TestHotKeysRoundRobin(t *testing.T) {
	r := newSampledServer(t, Config{})
	w := r.server.workers[0]
	for i := range 200_000 {
		k := w.handle.Key(0, fmt.Appendf(nil, "key-%d", i%hotEvery))
		w.sampled(&k)
	}
	hot, _ := r.server.HotKeys(hotEvery)
	if len(hot.Keys) < hotNames {
		t.Fatalf("%d keys", len(hot.Keys))
	}
	if most := hot.Keys[0].Samples; most > hot.Samples/hotEvery*4 {
		t.Errorf("%s has %d of %d samples, and one of %d requests", hot.Keys[0].Key, most, hot.Samples, hotEvery)
	}
}

// TestHotKeysEscaped: a key may hold any byte; what is shown of it does not.
func TestHotKeysEscaped(t *testing.T) {
	r := newSampledServer(t, Config{})
	w := r.server.workers[0]
	k := w.handle.Key(0, []byte("a:b\x1b[2J é\\\n"))
	w.hot.note(k.Hash, k.Bytes)
	if hot, _ := r.server.HotKeys(1); hot.Keys[0].Key != `a:b\x1b[2J \xc3\xa9\x5c\x0a` {
		t.Errorf("%q", hot.Keys[0].Key)
	}
}

// TestHotKeysForget: what was hot is not for ever.
func TestHotKeysForget(t *testing.T) {
	h := newHotKeys(0)
	note := func(n int, key string) {
		for range n {
			h.note(uint64(len(key))*mixForTest, []byte(key))
		}
	}
	note(5000, "old")
	now := int64(startMS)
	for range 4 {
		now += hotHalfMS
		h.tick(now)
		note(1000, "news")
	}
	old, news := h.sure(3*mixForTest), h.sure(4*mixForTest)
	if old > 5000/16+1 || news < 1500 {
		t.Errorf("old %d, news %d", old, news)
	}
	samples := h.samples
	h.tick(now)
	if h.samples != samples {
		t.Error("halved twice in ten seconds")
	}
}

// mixForTest is a variable, so that products wrap.
var mixForTest uint64 = 0x9e3779b97f4a7c15

// TestHotKeysOff: nothing is sampled unless it is asked for, and -X forbids it.
func TestHotKeysOff(t *testing.T) {
	for name, r := range map[string]*rig{
		"not asked for": newRig(t, Config{}),
		"-X":            newSampledServer(t, Config{DumpDisabled: true, Settings: DefaultSettings()}),
	} {
		feedAll(t, r.server.Open(0, wire.Peer{}), []byte(strings.Repeat("get a\r\n", 1000)), &wire.Out{NowMS: startMS})
		if hot, ok := r.server.HotKeys(10); ok || len(hot.Keys) > 0 {
			t.Errorf("%s: %v %v", name, ok, hot)
		}
	}
}

// TestHotKeysNames: places of names and counters point at each other, whatever comes.
func TestHotKeysNames(t *testing.T) {
	h := newHotKeys(0)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		hash := random.Uint64()
		if i%3 == 0 {
			hash = uint64(random.IntN(200)) * mixForTest
		}
		h.note(hash, binary.LittleEndian.AppendUint64(nil, hash))
		if i%50_000 == 0 {
			h.tick(startMS + int64(i)*hotHalfMS)
		}
	}
	kept := 0
	for i := range h.names {
		n := &h.names[i]
		if n.len == 0 {
			continue
		}
		kept++
		set := h.set(n.hash)
		if int(set.named[n.way]) != i+1 || set.tags[n.way] != uint32(n.hash) || binary.LittleEndian.Uint64(n.key[:]) != n.hash {
			t.Fatalf("place %d: its counter says %d", i, set.named[n.way])
		}
		if sure := set.sure(int(n.way)); sure < h.floor {
			t.Errorf("place %d: %d, below the floor of %d", i, sure, h.floor)
		}
	}
	if kept != hotNames {
		t.Errorf("%d places are taken", kept)
	}
	back := 0
	for i := range h.sets {
		for _, at := range h.sets[i].named {
			if at != 0 {
				back++
			}
		}
	}
	if back != kept {
		t.Errorf("%d counters have a place, of %d", back, kept)
	}
}

// TestHotKeysRace: loops sample while others read.
func TestHotKeysRace(t *testing.T) {
	r := newSampledServer(t, Config{})
	var loops sync.WaitGroup
	for loop := range 2 {
		loops.Go(func() {
			w := r.server.workers[loop]
			for i := range 20_000 {
				k := w.handle.Key(0, fmt.Appendf(nil, "key-%d", i%100))
				w.hot.note(k.Hash, k.Bytes)
				if i%1000 == 0 {
					w.hot.tick(int64(i) * 100)
				}
			}
		})
	}
	for range 100 {
		if hot, _ := r.server.HotKeys(10); len(hot.Keys) > 10 {
			t.Errorf("%d keys", len(hot.Keys))
		}
	}
	loops.Wait()
}

func TestHotKeysAllocateNothing(t *testing.T) {
	r := newSampledServer(t, Config{})
	s := r.server.Open(0, wire.Peer{})
	out := &wire.Out{NowMS: startMS}
	var batch []byte
	for i := range 1000 {
		batch = fmt.Appendf(batch, "get key-%d\r\n", i*i)
	}
	feedAll(t, s, batch, out)
	alloctest.Zero(t, "gets with samples", func() { feedAll(t, s, batch, out) })
	w := r.server.workers[0]
	var k slab.Key
	n := uint64(0)
	alloctest.Zero(t, "a sample", func() {
		n += mixForTest
		k.Hash, k.Bytes = n, batch[:20]
		w.sampleKey(&k)
	})
	alloctest.Zero(t, "a tick", func() { w.hot.tick(int64(n)) })
}

func BenchmarkSample(b *testing.B) {
	h := newHotKeys(0)
	key := []byte("key:0000000000001234")
	b.ReportAllocs()
	for i := range b.N {
		h.note(uint64(i%4096)*mixForTest, key)
	}
}
