package slab

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// restarter makes stores one after the other in one file.
type restarter struct {
	t      testing.TB
	config Config
}

func newRestarter(t testing.TB, c Config) *restarter {
	c.File = filepath.Join(t.TempDir(), "arena")
	if c.StartMS == 0 {
		c.StartMS = testStartMS
	}
	if c.LimitBytes == 0 {
		c.LimitBytes = 16 << 20
	}
	return &restarter{t, c}
}

func (r *restarter) open() *Store {
	r.t.Helper()
	s, err := New(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *restarter) save(s *Store, state ...Field) {
	r.t.Helper()
	if err := s.Save(r.config.StartMS, state, nil); err != nil {
		r.t.Fatal(err)
	}
	r.close(s)
}

func (r *restarter) close(s *Store) {
	r.t.Helper()
	if err := s.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// reopen is open of a store that must take over what was saved.
func (r *restarter) reopen() *Store {
	r.t.Helper()
	s := r.open()
	if re := s.Restart(); !re.Restored {
		r.t.Fatalf("not restored: %+v", re)
	}
	return s
}

// kept is an item as it must be found again.
type keptItem struct {
	value   []byte
	flags   uint32
	cas     uint64
	expires int64
	stale   bool
}

// storeAllKinds fills a store with n items of all kinds, and returns them.
func storeAllKinds(t testing.TB, s *Store, n int) map[string]keptItem {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	items := make(map[string]keptItem)
	for i := range n {
		h := s.Handle(i % len(s.handles))
		key := fmt.Sprint("key:", i)
		size := rnd.IntN(400)
		switch i % 50 {
		case 7:
			size = rnd.IntN(30_000)
		case 11:
			size = largeMin + rnd.IntN(300_000)
		}
		spec := Spec{ValueLen: size, Evictable: i%9 != 0}
		if i%3 == 0 {
			spec.Flags = uint32(i)
		}
		if i%5 == 0 {
			spec.ExpiresAtMS = testStartMS + 3600_000 + int64(i)
		}
		if i%7 == 0 {
			spec.CAS = uint64(i) + 1<<40
		}
		v := value(uint64(i), size)
		cas := set(t, h, key, v, spec)
		want := keptItem{v, spec.Flags, cas, spec.ExpiresAtMS, false}
		if i%13 == 0 {
			k := h.Key(0, []byte(key))
			l := h.Lock(&k)
			it, _ := l.Find(testStartMS)
			it, _ = l.MarkStale(it, 0)
			want.cas, want.stale = it.CAS(), true
			l.Unlock()
		}
		items[key] = want
	}
	return items
}

// checkItems compares a store with what must be there.
func checkItems(t testing.TB, s *Store, items map[string]keptItem) (missing int) {
	t.Helper()
	h := s.Handle(0)
	for key, want := range items {
		k := h.Key(0, []byte(key))
		l := h.Lock(&k)
		it, found := l.Find(testStartMS)
		if found != Hit {
			missing++
			l.Unlock()
			continue
		}
		got := keptItem{it.AppendValue(nil), it.Flags(), it.CAS(), it.ExpiresAtMS(), it.Stale()}
		l.Unlock()
		if !bytes.Equal(got.value, want.value) || got.flags != want.flags || got.cas != want.cas || got.expires != want.expires || got.stale != want.stale {
			t.Fatalf("%s: %d bytes, flags %d, cas %d, expiry %d, stale %v; want %d, %d, %d, %d, %v", key,
				len(got.value), got.flags, got.cas, got.expires, got.stale, len(want.value), want.flags, want.cas, want.expires, want.stale)
		}
	}
	return missing
}

// awaitChecked waits until all that was restored has been checked.
func awaitChecked(t testing.TB, s *Store) {
	t.Helper()
	c := s.restored.Load()
	if c == nil {
		return
	}
	select {
	case <-c.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("restored runs are still being checked")
	}
}

// current are the numbers that must survive a restart.
func current(s *Store) string {
	for i := range s.handles {
		s.handles[i].tally.publish()
	}
	st := s.Stats()
	groups := s.GroupStats(nil)
	text := fmt.Sprint(st.Items, st.Bytes, st.IndexBytes)
	for _, g := range groups {
		text += fmt.Sprint(" ", g.Hot, g.Warm, g.Cold, g.Fixed, g.Weight)
	}
	return text
}

func TestRestart(t *testing.T) {
	r := newRestarter(t, Config{LimitBytes: 128 << 20, Loops: 2, Evict: true, Groups: Groups{Bounds: []int{64, 512, 1 << 20}}})
	s := r.open()
	if got := s.Restart(); got.Restored || got.Reason != reasonNone {
		t.Fatalf("a new file: %+v", got)
	}
	items := storeAllKinds(t, s, 20_000)
	for i := range 2000 { // runs with holes, and free ones
		key := fmt.Sprint("key:", i*5)
		remove(s.Handle(1), key)
		delete(items, key)
	}
	want := current(s)
	for round, loops := range []int{1, 4, 2} {
		r.save(s, Field{"round", fmt.Sprint(round)})
		r.config.Loops = loops
		s = r.reopen()
		if re := s.Restart(); re.Items != int64(len(items)) || len(re.State) != 1 || re.State[0].Value != fmt.Sprint(round) || re.Damaged != 0 {
			t.Errorf("%+v, of %d items", re, len(items))
		}
		if got := current(s); got != want {
			t.Errorf("loops %d: %s, want %s", loops, got, want)
		}
		if round == 1 {
			awaitChecked(t, s)
		}
		if n := checkItems(t, s, items); n != 0 {
			t.Fatalf("round %d: %d of %d items are missing", round, n, len(items))
		}
		for i := range 3000 { // it goes on
			key := fmt.Sprint("new:", round, i)
			v := value(uint64(i), 10+i%300)
			items[key] = keptItem{value: v, cas: set(t, s.Handle(i%loops), key, v, Spec{Evictable: true})}
		}
		want = current(s)
		checkMemory(t, s)
	}
	r.close(s)
}

// TestRestartOfReservations: what was reserved and never stored, of which whole
// runs may consist, is free after the restart.
func TestRestartOfReservations(t *testing.T) {
	r := newRestarter(t, Config{Evict: true})
	s := r.open()
	items := storeAllKinds(t, s, 1000)
	want := current(s)
	for i := range 20 {
		for _, size := range []int{15_000, 200_000, 100, 100} {
			k := s.Handle(0).Key(0, fmt.Append(nil, "reserved", i))
			if _, err := s.Handle(0).Reserve(&k, Spec{ValueLen: size, Evictable: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.save(s)
	s = r.reopen()
	if n := checkItems(t, s, items); n != 0 {
		t.Errorf("%d of %d items are missing", n, len(items))
	}
	if got := current(s); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	awaitChecked(t, s)
	checkMemory(t, s)
	r.close(s)
}

// TestRestartWithAnotherSeed: the saved one holds, as the items lie by it.
func TestRestartWithAnotherSeed(t *testing.T) {
	r := newRestarter(t, Config{Evict: true, Seed: 1})
	s := r.open()
	set(t, s.Handle(0), "a", []byte("1"), Spec{})
	r.save(s)
	for _, seed := range []uint64{2, 0} {
		r.config.Seed = seed
		s = r.reopen()
		if s.seed != 1 || get(s.Handle(0), "a", testStartMS) == nil {
			t.Errorf("seed %d: it is %d, or the item is gone", seed, s.seed)
		}
		r.save(s)
	}
}

// remove removes a key.
func remove(h *Handle, key string) {
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(testStartMS); found == Hit {
		l.Remove(it)
	}
	l.Unlock()
}

// TestRestartWithoutSave begins empty, and the memory is as new.
func TestRestartWithoutSave(t *testing.T) {
	r := newRestarter(t, Config{Evict: true})
	s := r.open()
	storeAllKinds(t, s, 2000)
	r.close(s)
	s = r.open()
	if re := s.Restart(); re.Restored || re.Reason != reasonNone || s.Stats().Items != 0 {
		t.Errorf("%+v, %d items", re, s.Stats().Items)
	}
	checkItems(t, s, storeAllKinds(t, s, 2000))
	r.save(s)
	s = r.reopen()
	r.close(s) // the metadata are gone
	s = r.open()
	if re := s.Restart(); re.Restored || re.Reason != reasonNone {
		t.Errorf("the metadata were used twice: %+v", re)
	}
	r.close(s)
}

// TestRestartKeepsFlushes: what was flushed before stays absent, and the
// sequences go on.
func TestRestartKeepsFlushes(t *testing.T) {
	r := newRestarter(t, Config{Evict: true})
	s := r.open()
	before := set(t, s.Handle(0), "a", []byte("1"), Spec{Evictable: true})
	s.FlushAll()
	r.save(s)
	s = r.reopen()
	if get(s.Handle(0), "a", testStartMS) != nil {
		t.Error("a flushed item is back")
	}
	if after := set(t, s.Handle(0), "a", []byte("2"), Spec{Evictable: true}); after <= before {
		t.Errorf("token %d after %d", after, before)
	}
	if string(get(s.Handle(0), "a", testStartMS)) != "2" {
		t.Error("an item stored after the restart is absent")
	}
	r.close(s)
}

// TestRestartWhileIndexGrows with every index in the middle of a move.
func TestRestartWhileIndexGrows(t *testing.T) {
	r := newRestarter(t, Config{Evict: true, Shards: 4})
	s := r.open()
	items := make(map[string]keptItem)
	moving := 0
	for i := 0; moving == 0; i++ {
		key := fmt.Sprint("k", i)
		v := value(uint64(i), 20)
		items[key] = keptItem{value: v, cas: set(t, s.Handle(0), key, v, Spec{Evictable: true})}
		if i > 3000 {
			for j := range s.shards {
				if s.shards[j].index.old.n != 0 {
					moving++
				}
			}
		}
	}
	r.save(s)
	s = r.reopen()
	if n := checkItems(t, s, items); n != 0 {
		t.Errorf("%d of %d items are missing", n, len(items))
	}
	for i := range 5000 {
		set(t, s.Handle(0), fmt.Sprint("n", i), value(1, 20), Spec{Evictable: true})
	}
	if n := checkItems(t, s, items); n != 0 {
		t.Errorf("%d of %d items are missing later", n, len(items))
	}
	r.close(s)
}

// TestRestartWithAnotherLimit: a larger one is used, a smaller one evicts.
func TestRestartWithAnotherLimit(t *testing.T) {
	r := newRestarter(t, Config{LimitBytes: 16 << 20, Evict: true, Loops: 1})
	s := r.open()
	fill := func(name string, n int) {
		for i := range n {
			set(t, s.Handle(0), fmt.Sprint(name, i), value(1, 1000), Spec{Evictable: true})
		}
	}
	fill("a", 12_000)
	r.save(s)
	r.config.LimitBytes = 48 << 20
	s = r.reopen()
	fill("b", 30_000)
	if n := s.Stats().Items; n < 40_000 {
		t.Errorf("%d items in the larger store", n)
	}
	r.save(s)
	r.config.LimitBytes = 8 << 20
	s = r.reopen()
	awaitChecked(t, s)
	for range 300 {
		s.Handle(0).Tick(testStartMS)
	}
	if st := s.Stats(); st.UsedBytes > 8<<20 || st.Items < 5000 {
		t.Errorf("%d bytes used, %d items in the smaller store", st.UsedBytes, st.Items)
	}
	await(t, s, "memory within the smaller limit", func(a *arena) bool { return a.over() <= 0 })
	fill("c", 20_000)
	checkMemory(t, s)
	r.save(s)
	s = r.reopen()
	r.close(s)
}

// TestRestartUnderPressure: eviction meets runs that nobody has checked.
func TestRestartUnderPressure(t *testing.T) {
	r := newRestarter(t, Config{LimitBytes: 16 << 20, Evict: true, Loops: 2})
	s := r.open()
	for round := range 4 {
		rnd := rand.New(rand.NewPCG(uint64(round), 1))
		for i := range 6000 {
			size := rnd.IntN(2000)
			if i%100 == 0 {
				size = rnd.IntN(200_000)
			}
			set(t, s.Handle(i%2), fmt.Sprint(rnd.IntN(20_000)), value(uint64(i), size), Spec{Evictable: i%20 != 0 || i > 100})
		}
		r.save(s)
		s = r.reopen()
		checkMemory(t, s)
	}
	r.close(s)
}

func TestRestartRefusals(t *testing.T) {
	base := Config{Evict: true, FileSettings: []Field{{"item_size_max", "1048576"}}, StartMS: testStartMS}
	for _, c := range []struct {
		field  string
		change func(c *Config)
	}{
		{"item_size_max", func(c *Config) { c.FileSettings = []Field{{"item_size_max", "2097152"}} }},
		{"use_cas", func(c *Config) { c.FileSettings = []Field{{"use_cas", "yes"}} }},
		{"groups", func(c *Config) { c.Groups = Groups{Bounds: []int{64}} }},
		{"shards", func(c *Config) { c.Shards = 4 }},
		{"stop_ms", func(c *Config) { c.StartMS -= clockBackMS + 1000 }},
		{"", func(c *Config) { c.StartMS -= clockBackMS - 1000 }},
		{"", func(c *Config) { c.StartMS += 100 * 24 * 3600 * 1000 }},
		{"", func(c *Config) { c.Evict = false }},
		{"", func(c *Config) { c.Tier = true }},
	} {
		r := newRestarter(t, base)
		s := r.open()
		set(t, s.Handle(0), "a", []byte("1"), Spec{})
		r.save(s)
		c.change(&r.config)
		s = r.open()
		re := s.Restart()
		if re.Field != c.field || re.Restored != (c.field == "") || !re.Restored && (re.Reason != reasonField || re.Saved == re.Wanted) {
			t.Errorf("%s: %+v", c.field, re)
		}
		if got := get(s.Handle(0), "a", testStartMS) != nil; got != re.Restored {
			t.Errorf("%s: found %v", c.field, got)
		}
		r.close(s)
	}
}

// TestRestartWithATier: items whose values a tier has go on with it, and are refused without.
func TestRestartWithATier(t *testing.T) {
	rules := quietRules
	rules.AgeS = 0
	r := newRestarter(t, Config{Evict: true, Tier: true, StartMS: testStartMS})
	tier := newShelf(1 << 30)
	s := r.open()
	s.UseTier(tier, rules)
	h := s.Handle(0)
	for i := range 300 {
		set(t, h, fmt.Sprint(i), value(uint64(i), 1000), Spec{Evictable: true})
	}
	h.Tick(testStartMS + 1000)
	if tier.count() != 300 {
		t.Fatalf("%d values are in the tier", tier.count())
	}
	r.save(s)
	s = r.open()
	if re := s.Restart(); !re.Restored || re.Items != 300 {
		t.Fatalf("%+v", re)
	}
	s.UseTier(tier, rules)
	h = s.Handle(0)
	for i := range 300 {
		if v := get(h, fmt.Sprint(i), testStartMS); !bytes.Equal(v, value(uint64(i), 1000)) {
			t.Fatalf("%d: %d bytes", i, len(v))
		}
	}
	for i := range 100 {
		k := h.Key(0, fmt.Append(nil, i))
		l := h.Lock(&k)
		it, _ := l.Find(testStartMS)
		l.Remove(it)
		l.Unlock()
	}
	if tier.count() != 200 {
		t.Errorf("%d values are in the tier", tier.count())
	}
	r.save(s)
	r.config.Tier = false
	s = r.open()
	if re := s.Restart(); re.Restored || re.Field != "ext_path" {
		t.Errorf("without a tier: %+v", re)
	}
	r.close(s)
}

// TestRestartOfAnotherFormat is refused by that name.
func TestRestartOfAnotherFormat(t *testing.T) {
	m := &metadata{}
	text := bytes.Replace(m.append(nil), []byte("restart 1\n"), []byte("restart 7\n"), 1)
	text = sealText(text[:len(text)-crcSize])
	r := newRestarter(t, Config{})
	if err := os.WriteFile(r.config.File+metadataSuffix, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := r.open()
	if re := s.Restart(); re.Field != "format" || re.Saved != "7" || re.Wanted != "1" {
		t.Errorf("%+v", re)
	}
	r.close(s)
}

// TestMetadataOfOthers is left where it is, and nothing starts.
func TestMetadataOfOthers(t *testing.T) {
	for _, text := range []string{"", "Tmain\nKslab_config 1.25\n"} {
		r := newRestarter(t, Config{})
		name := r.config.File + metadataSuffix
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(r.config); !errors.Is(err, ErrMetadata) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", text, err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("%q has become %q, %v", text, got, err)
		}
	}
}

// TestMemoryFileIsOneStores only.
func TestMemoryFileIsOneStores(t *testing.T) {
	r := newRestarter(t, Config{})
	s := r.open()
	if _, err := New(r.config); !errors.Is(err, ErrFileInUse) {
		t.Errorf("a second store in the file: %v", err)
	}
	r.save(s)
	r.close(r.reopen()) // who was refused has taken nothing away
	r.config.File = t.TempDir()
	if _, err := New(r.config); err == nil {
		t.Error("a directory is a memory file")
	}
	r.config.File = os.DevNull
	if _, err := New(r.config); !errors.Is(err, ErrFileKind) {
		t.Errorf("a device: %v", err)
	}
}
