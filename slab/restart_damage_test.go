package slab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/pandabeardb/panda/internal/invariant"
)

// image is a saved store that can be damaged as often as wanted.
type image struct {
	*restarter
	arena, metadata []byte
	used            int // bytes of the arena that were in use
	items           map[string]keptItem
}

func newImage(t *testing.T, limit int64, n int) *image {
	t.Helper()
	r := newRestarter(t, Config{LimitBytes: limit, Loops: 2, Evict: true, Shards: 16, Groups: Groups{Bounds: []int{64, 512, 1 << 20}}})
	s := r.open()
	items := storeAllKinds(t, s, n)
	for i := 0; i < n; i += 3 {
		key := fmt.Sprint("key:", i)
		remove(s.Handle(0), key)
		delete(items, key)
	}
	im := &image{restarter: r, items: items, used: int(s.arena.fresh) << runShift}
	if st := s.Stats(); st.Evictions > 0 || st.Items != int64(len(items)) {
		t.Fatalf("%d items of %d, %d evictions", st.Items, len(items), st.Evictions)
	}
	r.save(s)
	im.arena, im.metadata = im.read(r.config.File), im.read(r.config.File+metadataSuffix)
	return im
}

func (im *image) read(name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		im.t.Fatal(err)
	}
	return b
}

// write puts the files back, as they are or as they were damaged.
func (im *image) write(arena, metadata []byte) {
	for name, b := range map[string][]byte{im.config.File: arena, im.config.File + metadataSuffix: metadata} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			im.t.Fatal(err)
		}
	}
}

// checkCounts compares what is told of a store with what is in it.
func checkCounts(t *testing.T, s *Store) {
	t.Helper()
	var items, bytes int64
	sums := make([]groupSums, len(s.groups.bounds))
	h := s.Handle(0)
	for c := (Cursor{}); !h.Walk(&c, 0, 1<<20, func(it Item) bool {
		items++
		bytes += int64(it.Size())
		sums[it.group()][it.Heat()]++
		sums[it.group()][countWeight] += int64(it.Weight())
		return true
	}); {
	}
	for i := range s.handles {
		s.handles[i].PublishStats()
	}
	st := s.Stats()
	if st.Items != items || st.Bytes != bytes {
		t.Errorf("told: %d items of %d bytes; there are %d of %d", st.Items, st.Bytes, items, bytes)
	}
	for i, g := range s.GroupStats(nil) {
		if got := (groupSums{g.Hot, g.Warm, g.Cold, g.Fixed, g.Weight}); got != sums[i] {
			t.Errorf("group %d: told %v, there are %v", i+1, got, sums[i])
		}
	}
}

// use makes a store use all of its memory.
func use(t *testing.T, s *Store, seed uint64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 3))
	limit := s.Stats().LimitBytes
	for n := int64(0); n < limit*3/2; {
		size := rnd.IntN(2000)
		if rnd.IntN(50) == 0 {
			size = rnd.IntN(100_000)
		}
		set(t, s.Handle(rnd.IntN(2)), fmt.Sprint("use:", rnd.IntN(1<<20)), value(seed, size), Spec{Evictable: true})
		n += int64(size) + 64
	}
	for range 5 {
		s.Handle(0).Tick(testStartMS)
		s.Handle(1).Tick(testStartMS)
	}
}

// TestRestartOfDamagedFiles flips bits anywhere: what is found is right, what is
// told is true, and the store goes on.
func TestRestartOfDamagedFiles(t *testing.T) {
	starts := 60
	if invariant.On { // a race build, which copies the file and sums it slowly
		starts = 10
	}
	if n, err := strconv.Atoi(os.Getenv("PANDA_RESTART_STARTS")); err == nil {
		starts = n
	}
	flipsMost := []int{1, 1000, 1, 8} // so that a few are lost, or many
	im := newImage(t, 8<<20, 500)
	var flips, refused, damaged, missing int
	for i := range starts {
		rnd := rand.New(rand.NewPCG(uint64(i), 2))
		arena, metadata := append([]byte(nil), im.arena...), append([]byte(nil), im.metadata...)
		n := 1 + rnd.IntN(flipsMost[i%len(flipsMost)])
		for range n {
			if i%20 == 0 {
				metadata[rnd.IntN(len(metadata))] ^= 1 << rnd.IntN(8)
			} else {
				arena[rnd.IntN(im.used)] ^= 1 << rnd.IntN(8)
			}
		}
		flips += n
		im.write(arena, metadata)
		s, err := New(im.config)
		if i%20 == 0 && err != nil {
			if rerr := os.Remove(im.config.File + metadataSuffix); rerr != nil { // its first bytes were damaged
				t.Fatal(err, rerr)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !s.Restart().Restored {
			refused++
		}
		if i%3 == 0 { // requests are earlier than the check
			missing += checkItems(t, s, im.items)
		}
		if i%5 == 0 {
			use(t, s, uint64(i))
		}
		awaitChecked(t, s)
		if i%5 != 0 {
			gone := checkItems(t, s, im.items)
			if s.Restart().Restored && int64(len(im.items)-gone) != s.Stats().Items {
				t.Fatalf("start %d: %d of %d items are missing, %d are told of", i, gone, len(im.items), s.Stats().Items)
			}
			if gone > 0 {
				damaged++
			}
		}
		checkCounts(t, s)
		checkMemory(t, s)
		use(t, s, uint64(i))
		checkItems(t, s, im.items) // some were evicted; none is wrong
		checkCounts(t, s)
		im.close(s)
		if t.Failed() {
			t.Fatalf("start %d of %d", i, starts)
		}
	}
	t.Logf("%d flips in %d starts: %d began empty, %d had lost items, %d misses before the check", flips, starts, refused, damaged, missing)
	if damaged < starts/10 {
		t.Errorf("%d of %d starts had lost items", damaged, starts)
	}
}

// TestRestartOfDamagedKinds damages each kind of run, and all of them.
func TestRestartOfDamagedKinds(t *testing.T) {
	im := newImage(t, 16<<20, 900)
	m, err := parseMetadata(im.metadata)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]func(id int, r *savedRun) bool{
		"index":  func(_ int, r *savedRun) bool { return r.class == classIndex },
		"pieces": func(_ int, r *savedRun) bool { return r.class == classPiece },
		"fixed":  func(_ int, r *savedRun) bool { return r.class < maxClasses && r.domain == domainFixed },
		"small":  func(_ int, r *savedRun) bool { return r.class < maxClasses && r.domain != domainFixed },
		"free":   func(_ int, r *savedRun) bool { return r.class == classFree || r.class == classBare },
		"half":   func(id int, _ *savedRun) bool { return id%2 == 1 },
		"all":    func(int, *savedRun) bool { return true },
	}
	for name, is := range kinds {
		t.Run(name, func(t *testing.T) {
			for _, dense := range []bool{false, true} {
				if brief() && dense {
					continue
				}
				arena := append([]byte(nil), im.arena...)
				rnd := rand.New(rand.NewPCG(1, 1))
				for id := range m.runs {
					for at := 0; at < runSize && is(id, &m.runs[id]); at++ {
						if dense {
							arena[id<<runShift+at] = byte(rnd.Uint32())
						} else if at%20_000 == 0 {
							arena[id<<runShift+at] ^= 4
						}
					}
				}
				im.write(arena, im.metadata)
				s := im.reopen()
				missing := checkItems(t, s, im.items)
				awaitChecked(t, s)
				if (missing == 0) != (name == "free") {
					t.Errorf("%d of %d items are missing", missing, len(im.items))
				}
				if got := checkItems(t, s, im.items); got != missing {
					t.Errorf("%d items were missing, now %d are", missing, got)
				}
				checkCounts(t, s)
				checkMemory(t, s)
				use(t, s, 7)
				checkCounts(t, s)
				im.save(s)
				s = im.reopen()
				use(t, s, 8)
				im.close(s)
			}
		})
	}
}

// TestRestartOfTruncatedFiles begins empty, or finds what is whole.
func TestRestartOfTruncatedFiles(t *testing.T) {
	im := newImage(t, 8<<20, 200)
	for _, n := range []int{0, 1, runSize, im.used - 1, len(im.arena) - 1} {
		im.write(im.arena[:n], im.metadata)
		s := im.open()
		if r := s.Restart(); r.Restored != (n >= im.used) {
			t.Errorf("%d of %d bytes: %+v", n, len(im.arena), r)
		}
		use(t, s, 1)
		im.close(s)
	}
	for n := range len(im.metadata) {
		if n > 40 && n < len(im.metadata)-20 && n%9973 != 0 {
			continue
		}
		im.write(im.arena, im.metadata[:n])
		s, err := New(im.config)
		if n < len(magic) {
			if err == nil {
				t.Fatalf("%d bytes of metadata are taken for ours", n)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if r := s.Restart(); r.Restored || r.Reason != reasonDamaged || s.Stats().Items != 0 {
			t.Fatalf("%d of %d bytes of metadata: %+v", n, len(im.metadata), r)
		}
		im.close(s)
	}
}

// TestCheckRestored: what is damaged is known at once to who asks, and again.
func TestCheckRestored(t *testing.T) {
	im := newImage(t, 8<<20, 200)
	for _, flip := range []bool{false, true} {
		arena := append([]byte(nil), im.arena...)
		if flip {
			arena[bytes.Index(arena, []byte("key:1"))] ^= 1
		}
		im.write(arena, im.metadata)
		s := im.open()
		for range 2 {
			if v := s.CheckRestored(); v.Runs == 0 || (v.DamagedRuns == 1) != flip || (v.LostItems > 0) != flip {
				t.Errorf("damaged: %v: %+v", flip, v)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if v := newStore(t, Config{LimitBytes: 4 << 20, Loops: 1}).CheckRestored(); v != (Verification{}) {
		t.Errorf("nothing was restored: %+v", v)
	}
}
