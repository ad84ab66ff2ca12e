package tier

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

const (
	testPage   = 64 << 10
	testBuffer = 16 << 10
)

// open makes a tier of so many small pages in memory.
func open(t testing.TB, disk dio.FS, pages int, change func(*Config)) *Tier {
	t.Helper()
	c := Config{
		Files:    []File{{FS: disk, Name: "tier", Size: int64(pages) * testPage}},
		PageSize: testPage, BufferSize: testBuffer, Readers: 2,
	}
	if change != nil {
		change(&c)
	}
	tier, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tier.Close(); err != nil {
			t.Error(err)
		}
	})
	return tier
}

// put appends, as often as buffers wait for the disk.
func put(t testing.TB, tier *Tier, bucket Bucket, key, value string) Ref {
	t.Helper()
	ref, ok := tier.AppendWait(bucket, []byte("head"), []byte(key), [][]byte{[]byte(value)})
	if !ok {
		t.Fatalf("%s was not taken: %+v", key, tier.Stats())
	}
	return ref
}

func sizeOf(key, value string) int { return RecordSize(4, len(key), len(value)) }

// get reads and waits.
func get(tier *Tier, ref Ref, size int) ([]byte, error) {
	came := make(chan struct{})
	r := &Read{Ref: ref, Size: size, Done: func(*Read) { close(came) }}
	if !tier.Read(r) {
		<-came
	}
	defer r.Release()
	return bytes.Clone(r.Value), r.Err
}

func want(t testing.TB, tier *Tier, ref Ref, key, value string) {
	t.Helper()
	if b, err := get(tier, ref, sizeOf(key, value)); err != nil || string(b) != value {
		t.Fatalf("%s at %v: %.20q, %v", key, ref, b, err)
	}
}

func wantErr(t testing.TB, tier *Tier, ref Ref, size int, target error) {
	t.Helper()
	if b, err := get(tier, ref, size); !errors.Is(err, target) || b != nil {
		t.Fatalf("%v: %.20q, %v; wanted %v", ref, b, err, target)
	}
}

// settle waits until no buffer is on its way to the disk.
func (t *Tier) settled() {
	t.lock.Lock()
	for t.writing() > 0 {
		t.room.Wait()
	}
	t.lock.Unlock()
}

// text is n letters that seed chooses.
func text(n int, seed uint64) string {
	type choice struct {
		n    int
		seed uint64
	}
	if s, ok := texts.Load(choice{n, seed}); ok {
		return s.(string)
	}
	s := newText(n, seed)
	texts.Store(choice{n, seed}, s)
	return s
}

var texts sync.Map

func newText(n int, seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + random.IntN(26))
	}
	return string(b)
}

func TestReadBack(t *testing.T) {
	tier := open(t, diotest.New(), 8, nil)
	refs, values := map[string]Ref{}, map[string]string{}
	for i := range 100 {
		key := fmt.Sprint("key", i)
		values[key] = text(i*30, uint64(i))
		refs[key] = put(t, tier, Bucket(i%int(BucketCount)), key, values[key])
		want(t, tier, refs[key], key, values[key]) // from memory, or from the disk
	}
	tier.settled()
	for key, ref := range refs {
		want(t, tier, ref, key, values[key])
	}
	s := tier.Stats()
	if s.ObjectsWritten != 100 || s.ObjectsUsed != 100 || s.ObjectsRead != 200 || s.PageAllocs < 4 || s.ReadQueue != 0 {
		t.Errorf("%+v", s)
	}
}

// A real file, opened as servers open it.
func TestFolder(t *testing.T) {
	disk, err := dio.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tier := open(t, disk, 8, nil)
	var refs [60]Ref
	for i := range refs {
		refs[i] = put(t, tier, Default, "key", text(5000, uint64(i)))
	}
	tier.settled()
	for i, ref := range refs {
		want(t, tier, ref, "key", text(5000, uint64(i)))
	}
	if _, err := Open(tier.config); !errors.Is(err, dio.ErrInUse) {
		t.Errorf("a second tier in the same file: %v", err)
	}
}

func TestLimits(t *testing.T) {
	tier := open(t, diotest.New(), 2, nil)
	longest := testBuffer - RecordSize(4, 3, 0) - 8
	want(t, tier, put(t, tier, Default, "key", text(longest, 1)), "key", text(longest, 1))
	for _, n := range []int{longest + 32, testPage} {
		if _, ok := tier.Append(Default, nil, []byte("key"), [][]byte{make([]byte, n)}); ok {
			t.Errorf("a value of %d bytes", n)
		}
	}
	if _, ok := tier.Append(Default, nil, nil, [][]byte{{1}}); ok {
		t.Error("a value without a key")
	}
	ref := put(t, tier, Default, "empty", "")
	want(t, tier, ref, "empty", "")
	wantErr(t, tier, Ref{ref.Page, ref.Version + 1, ref.Offset}, 32, ErrGone)
	wantErr(t, tier, Ref{99, ref.Version, 0}, 32, ErrGone)
	wantErr(t, tier, Ref{}, 32, ErrGone)
	wantErr(t, tier, Ref{ref.Page, ref.Version, 0xfffffff0}, 32, ErrGone)
	wantErr(t, tier, Ref{ref.Page, ref.Version, ref.Offset + 8}, 16, ErrDamaged)
	wantErr(t, tier, ref, sizeOf("empty", "")+64, ErrDamaged)

	disk := diotest.New()
	for name, c := range map[string]Config{
		"no file":      {PageSize: 8192, BufferSize: 4096},
		"small file":   {PageSize: 8192, BufferSize: 4096, Files: []File{{FS: disk, Name: "a", Size: 8191}}},
		"large buffer": {PageSize: 4096, BufferSize: 8192, Files: []File{{FS: disk, Name: "a", Size: 1 << 20}}},
		"odd page":     {PageSize: 5000, BufferSize: 4096, Files: []File{{FS: disk, Name: "a", Size: 1 << 20}}},
	} {
		if _, err := Open(c); err == nil {
			t.Error(name)
		}
	}
}

// A full tier drops its oldest pages, and what was in them is gone.
func TestOldestGoes(t *testing.T) {
	tier := open(t, diotest.New(), 4, nil)
	var refs []Ref
	for i := range 100 { // 13 of them fill a page
		refs = append(refs, put(t, tier, Default, "key", text(5000, uint64(i))))
	}
	tier.settled()
	live := 0
	for i, ref := range refs {
		if tier.Live(ref) {
			live++
			want(t, tier, ref, "key", text(5000, uint64(i)))
			continue
		}
		if live > 0 {
			t.Fatalf("%d went before an older one", i)
		}
		wantErr(t, tier, ref, sizeOf("key", text(5000, 0)), ErrGone)
	}
	s := tier.Stats()
	if live < 30 || s.ObjectsEvicted+int64(live) != 100 || s.ObjectsUsed != int64(live) || s.PageEvictions != 5 {
		t.Errorf("%d live, %+v", live, s)
	}
}

// What is deleted frees its page, once nothing else is in it.
func TestDelete(t *testing.T) {
	tier := open(t, diotest.New(), 4, nil)
	size := sizeOf("key", text(5000, 0))
	var refs []Ref
	for i := range 30 {
		refs = append(refs, put(t, tier, Default, "key", text(5000, uint64(i))))
	}
	tier.settled()
	for _, ref := range refs[:26] {
		tier.Delete(ref, size)
		tier.Delete(Ref{ref.Page, ref.Version + 77, ref.Offset}, size) // of another life: nothing
	}
	s := tier.Stats()
	if s.PageReclaims != 2 || s.PagesFree != 3 || s.ObjectsUsed != 4 || s.BytesUsed != 4*int64(size) {
		t.Errorf("%+v", s)
	}
	want(t, tier, refs[29], "key", text(5000, 29))
}

// owner is a cache for one tier.
type owner struct {
	lock sync.Mutex
	refs map[string]Ref
	read map[string]bool
}

func (o *owner) Holds(_, key []byte, ref Ref) (holds, read bool) {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.refs[string(key)] == ref, o.read[string(key)]
}

func (o *owner) Moved(_, key []byte, source, target Ref) bool {
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.refs[string(key)] != source {
		return false
	}
	o.refs[string(key)] = target
	return true
}

func newOwner() *owner { return &owner{refs: map[string]Ref{}, read: map[string]bool{}} }

// compacted compacts until the tier has so many free pages.
func compacted(t *testing.T, tier *Tier, free int64) Stats {
	t.Helper()
	c := &compaction{t: tier}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		c.next()
		tier.settled()
		if s := tier.Stats(); s.PagesFree >= free && !tier.busy() {
			return s
		}
		<-time.After(time.Millisecond) // the tier's own compactor is at work
	}
	t.Fatalf("%+v", tier.Stats())
	return Stats{}
}

// busy reports whether a page is being compacted.
func (t *Tier) busy() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	for i := range t.pages {
		if t.pages[i].busy {
			return true
		}
	}
	return false
}

func TestCompaction(t *testing.T) {
	o := newOwner()
	tier := open(t, diotest.New(), 8, func(c *Config) { c.Owner = o })
	size := sizeOf("key00", text(5000, 0))
	fill := func() {
		for i := range 80 {
			key := fmt.Sprintf("key%02d", i)
			ref := put(t, tier, Default, key, text(5000, uint64(i)))
			o.lock.Lock()
			o.refs[key] = ref
			o.read[key] = i%8 == 1
			o.lock.Unlock()
		}
		tier.settled()
		for i := range 80 {
			key := fmt.Sprintf("key%02d", i)
			if i%4 != 1 {
				o.lock.Lock()
				ref := o.refs[key]
				delete(o.refs, key)
				o.lock.Unlock()
				tier.Delete(ref, size)
			}
		}
	}
	fill()
	tier.SetPolicy(Policy{CompactUnder: 8, MaxFrag: 0.9})
	s := compacted(t, tier, 5)
	for i := 1; i < 80; i += 4 {
		key := fmt.Sprintf("key%02d", i)
		want(t, tier, o.refs[key], key, text(5000, uint64(i)))
	}
	if s.CompactRescues < 13 || s.CompactSkipped != 0 || s.PageReclaims < 4 || s.ObjectsUsed != 20 {
		t.Errorf("%+v", s)
	}
	// Unread values are dropped when that is wanted.
	tier.SetPolicy(Policy{CompactUnder: 8, DropUnder: 8, DropUnread: true})
	s = compacted(t, tier, 6)
	if s.CompactSkipped == 0 {
		t.Errorf("%+v", s)
	}
	for i := 1; i < 80; i += 8 { // those were read
		key := fmt.Sprintf("key%02d", i)
		want(t, tier, o.refs[key], key, text(5000, uint64(i)))
	}
}

// A record that would begin just before a block's end begins in the next, and the
// compactor finds what is behind the gap.
func TestGaps(t *testing.T) {
	for _, c := range []struct {
		value     int
		offsets   []uint32
		inBuffers int // places of a page that hold one
	}{
		{4000, []uint32{0, 4096, 8192, 12288}, 16}, // 4,024 bytes: a gap of 72
		{4096 - 24, []uint32{0, 4096, 8192, 12288}, 16},
		{3800, []uint32{0, 3824, 7648, 11472}, 16}, // 3,824: a gap of 272 is too large
		{1000, []uint32{0, 1024, 2048, 3072}, 64},
		{5000, []uint32{0, 5024, 10048}, 12},
		{7900, []uint32{0, 8192}, 8}, // 7,924: of two blocks
	} {
		o := newOwner()
		tier := open(t, diotest.New(), 8, func(config *Config) { config.Owner = o })
		size := sizeOf("key00", text(c.value, 0))
		for i := range c.inBuffers + 1 { // the last one closes the page
			key := fmt.Sprintf("key%02d", i)
			ref := put(t, tier, Default, key, text(c.value, uint64(i)))
			o.lock.Lock()
			o.refs[key] = ref
			o.lock.Unlock()
			if i < len(c.offsets) && ref.Offset != c.offsets[i] {
				t.Errorf("%d bytes: the record %d is at %d, want %d", c.value, i, ref.Offset, c.offsets[i])
			}
			if end := blocks(int(ref.Offset) + size); c.value == 4000 && end-int(ref.Offset) > dio.BlockSize {
				t.Errorf("%d bytes at %d: two blocks", c.value, ref.Offset)
			}
		}
		tier.settled()
		o.lock.Lock()
		ref := o.refs["key00"]
		delete(o.refs, "key00")
		o.lock.Unlock()
		tier.Delete(ref, size)
		tier.SetPolicy(Policy{CompactUnder: 8, MaxFrag: 8})
		s := compacted(t, tier, 6)
		if s.CompactRescues < int64(c.inBuffers-1) || s.Damaged != 0 || s.ObjectsUsed != int64(c.inBuffers) {
			t.Errorf("%d bytes: %+v", c.value, s)
		}
		for i := 1; i < c.inBuffers; i++ {
			key := fmt.Sprintf("key%02d", i)
			o.lock.Lock()
			ref := o.refs[key]
			o.lock.Unlock()
			want(t, tier, ref, key, text(c.value, uint64(i)))
		}
	}
}

// What compaction owes is garbage in full pages, and the pages that the policy wants done.
func TestDebt(t *testing.T) {
	tier := open(t, diotest.New(), 8, nil) // without an owner nothing is compacted
	size := sizeOf("key", text(5000, 0))
	const perPage = 12
	var plain, short []Ref
	for range 3*perPage + 1 { // three full pages, and one that is open
		plain = append(plain, put(t, tier, Default, "key", text(5000, 0)))
	}
	for range perPage + 1 {
		short = append(short, put(t, tier, LowTTL, "key", text(5000, 0)))
	}
	tier.settled()
	padding := int64(4 * (testPage - perPage*size)) // behind records, and to whole blocks
	check := func(garbage, pages int64) {
		t.Helper()
		if d := tier.Debt(); d != (Debt{Garbage: padding + garbage, Pages: pages}) {
			t.Errorf("%+v, want %d and %d", d, padding+garbage, pages)
		}
	}
	check(0, 0)
	for i := range perPage / 2 { // of one page more than a half, of the next less
		tier.Delete(plain[i], size)
		tier.Delete(short[i], size)
	}
	tier.Delete(plain[3*perPage], size) // of the open page: no debt yet
	tier.Delete(plain[perPage/2], size)
	tier.Delete(plain[perPage], size)
	dead := int64((perPage + 2) * size)
	check(dead, 0)
	tier.SetPolicy(Policy{CompactUnder: 8, MaxFrag: 1}) // 6 of 8 pages are used
	check(dead, 1)
	tier.SetPolicy(Policy{CompactUnder: 8, MaxFrag: 1.3})
	check(dead, 3)
	tier.SetPolicy(Policy{CompactUnder: 1, MaxFrag: 1.3})
	check(dead, 0)
}

// Values prefer the files of their bucket; without, files fill alike.
func TestFiles(t *testing.T) {
	tier := open(t, diotest.New(), 4, func(c *Config) {
		c.Files = append(c.Files,
			File{FS: c.Files[0].FS, Name: "second", Size: 4*testPage + 100},
			File{FS: c.Files[0].FS, Name: "low", Size: 2 * testPage, Bucket: LowTTL})
	})
	used := func(from, count int) (n int) {
		for _, p := range tier.PageStats(nil)[from : from+count] {
			if p.Version != 0 {
				n++
			}
		}
		return n
	}
	for i := range 46 { // four pages of 12
		put(t, tier, Default, "key", text(5000, uint64(i)))
	}
	if used(0, 4) != 2 || used(4, 4) != 2 || used(8, 2) != 0 {
		t.Errorf("%d, %d, %d", used(0, 4), used(4, 4), used(8, 2))
	}
	put(t, tier, LowTTL, "key", "value")
	if used(8, 2) != 1 || tier.PageStats(nil)[8].Bucket != LowTTL && tier.PageStats(nil)[9].Bucket != LowTTL {
		t.Errorf("%+v", tier.PageStats(nil))
	}
}

// Every call of the disk fails once: values are lost, and no others come.
func TestFaults(t *testing.T) {
	for at := 1; at < 60; at++ {
		var calls, faults atomic.Int64
		disk := diotest.New()
		tier := open(t, disk, 6, func(c *Config) {
			c.Owner = newOwner()
			c.Policy = Policy{CompactUnder: 6, MaxFrag: 1}
			c.Fault = func(string, error) { faults.Add(1) }
			c.Files = append(c.Files, File{FS: disk, Name: "other", Size: 3 * testPage})
		})
		wrote := false
		disk.Before(func(e diotest.Event) error {
			if e.Call != "close" && calls.Add(1) == int64(at) {
				wrote = e.Call == "write"
				return syscall.EIO
			}
			return nil
		})
		misses := 0
		refs := map[int]Ref{}
		for i := range 150 {
			if ref, ok := tier.AppendWait(Default, []byte("head"), []byte("key"), [][]byte{[]byte(text(5000, uint64(i)))}); ok {
				refs[i] = ref
			}
			for j := max(0, i-20); j <= i; j += 5 {
				b, err := get(tier, refs[j], sizeOf("key", text(5000, 0)))
				if err != nil {
					misses++
				} else if string(b) != text(5000, uint64(j)) {
					t.Fatalf("fault %d: %d is another value", at, j)
				}
			}
		}
		tier.settled()
		s := tier.Stats()
		if got := faults.Load(); wrote != (got == 1) || wrote != (s.FilesFailed == 1) {
			t.Errorf("fault %d, a write: %v; %d faults told, %+v", at, wrote, got, s)
		}
		if ref := put(t, tier, Default, "key", "after"); !tier.Live(ref) {
			t.Errorf("fault %d: nothing is taken any more", at)
		}
	}
}

// What a failed file has is not dropped by compaction, which could move it nowhere.
func TestFailedFileKeepsValues(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	tier := open(t, disk, 8, func(c *Config) {
		c.Owner, c.Policy = o, Policy{CompactUnder: 2, DropUnder: 2, MaxFrag: 1, DropUnread: true}
	})
	value := text(5000, 1)
	for i := range 36 { // three pages
		key := fmt.Sprintf("key%02d", i)
		ref := put(t, tier, Default, key, value)
		if i%2 == 0 {
			o.lock.Lock()
			o.refs[key] = ref
			o.lock.Unlock()
		} else {
			tier.Delete(ref, sizeOf(key, value))
		}
	}
	tier.settled()
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" {
			return syscall.EIO
		}
		return nil
	})
	for tier.Stats().FilesFailed == 0 {
		tier.AppendWait(Default, nil, []byte("other"), [][]byte{[]byte(value)})
	}
	for range 20 {
		(&compaction{t: tier}).next()
	}
	for i := range 24 { // of the pages that were not being written
		if key := fmt.Sprintf("key%02d", i); i%2 == 0 {
			want(t, tier, o.refs[key], key, value)
		}
	}
}

// A page whose values find no more room keeps the rest.
func TestCompactionWithoutRoom(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	tier := open(t, disk, 3, func(c *Config) { c.Owner = o })
	value := text(5000, 1)
	all := 0
	for i := range 24 { // two pages
		key := fmt.Sprintf("key%02d", i)
		ref := put(t, tier, Default, key, value)
		o.lock.Lock()
		o.refs[key] = ref
		o.lock.Unlock()
		all++
	}
	put(t, tier, Compacted, "other", value) // the last page
	for range 9 {
		put(t, tier, Compacted, "other", value)
	}
	tier.settled()
	tier.SetPolicy(Policy{CompactUnder: 3, MaxFrag: 2})
	for range 10 {
		(&compaction{t: tier}).next()
		tier.settled()
	}
	for i := range all {
		key := fmt.Sprintf("key%02d", i)
		o.lock.Lock()
		ref := o.refs[key]
		o.lock.Unlock()
		want(t, tier, ref, key, value)
	}
}

// With every file broken nothing is taken, what can be read is, and nothing waits.
func TestAllFilesFail(t *testing.T) {
	disk := diotest.New()
	var told atomic.Int64
	tier := open(t, disk, 8, func(c *Config) { c.Fault = func(string, error) { told.Add(1) } })
	first := put(t, tier, Default, "first", text(5000, 0))
	for i := range 20 {
		put(t, tier, Default, "key", text(5000, uint64(i)))
	}
	tier.settled()
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" {
			return syscall.ENOSPC
		}
		return nil
	})
	for i := range 100 {
		tier.AppendWait(Default, nil, []byte("key"), [][]byte{[]byte(text(5000, uint64(i)))})
	}
	tier.settled()
	if _, ok := tier.Append(Default, nil, []byte("key"), [][]byte{{1}}); ok {
		t.Error("a broken file takes values")
	}
	want(t, tier, first, "first", text(5000, 0))
	if s := tier.Stats(); told.Load() != 1 || s.WriteErrors == 0 || s.FilesFailed != 1 {
		t.Errorf("told %d times, %+v", told.Load(), s)
	}
}

// A disk without the room is refused at the start.
func TestFullDisk(t *testing.T) {
	disk := diotest.New()
	disk.SetSpace(3 * testPage)
	_, err := Open(Config{Files: []File{{FS: disk, Name: "tier", Size: 4 * testPage}}, PageSize: testPage, BufferSize: testBuffer})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// A record is good at its place only, and only in its page's life.
func TestPlaces(t *testing.T) {
	b := make([]byte, 64)
	n := RecordSize(0, 3, 20)
	putRecord(b[:n], Ref{1, 2, 8}, nil, []byte("key"), [][]byte{make([]byte, 20)})
	for _, ref := range []Ref{{1, 3, 8}, {1, 2, 16}, {2, 2, 8}, {1, 1, 8}} {
		if _, err := ParseRecord(b, ref); err != ErrRecord {
			t.Errorf("%v: %v", ref, err)
		}
	}
	if r, err := ParseRecord(b, Ref{1, 2, 8}); err != nil || string(r.Key) != "key" || r.Size != n {
		t.Errorf("%+v, %v", r, err)
	}
}

// No damage goes unnoticed.
func TestDamage(t *testing.T) {
	disk := diotest.New()
	tier := open(t, disk, 2, nil)
	var refs []Ref
	for i := range 20 {
		refs = append(refs, put(t, tier, Default, "key", text(100+i*200, uint64(i))))
	}
	tier.settled()
	tier.lock.Lock()
	for bucket := range tier.open {
		if b := tier.open[bucket]; b != nil {
			tier.closeBuffer(b)
		}
	}
	tier.lock.Unlock()
	tier.settled()
	f, err := disk.Open("tier", 0)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for trial := range 10_000 {
		i := random.IntN(len(refs))
		value := text(100+i*200, uint64(i))
		length := recordHead + 4 + 3 + len(value)
		at := tier.pages[refs[i].Page].at + int64(refs[i].Offset) + int64(random.IntN(length))
		var b [1]byte
		f.ReadAt(b[:], at)
		damaged := [1]byte{b[0] ^ 1<<random.IntN(8)}
		if trial%2 == 0 {
			damaged[0] = b[0] ^ byte(1+random.IntN(255))
		}
		f.WriteAt(damaged[:], at)
		if got, err := get(tier, refs[i], sizeOf("key", value)); !errors.Is(err, ErrDamaged) || got != nil {
			t.Fatalf("trial %d: %v, %.20q", trial, err, got)
		}
		f.WriteAt(b[:], at)
	}
	want(t, tier, refs[7], "key", text(100+7*200, 7))
	if s := tier.Stats(); s.Damaged != 10_000 {
		t.Errorf("%+v", s)
	}
}

// Close waits for reads that wait, and all are told.
func TestCloseUnderWay(t *testing.T) {
	disk := diotest.New()
	c := Config{Files: []File{{FS: disk, Name: "tier", Size: 8 * testPage}}, PageSize: testPage, BufferSize: testBuffer, Readers: 2}
	tier, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, tier, Default, "key", text(5000, 0))
	for i := range 10 {
		put(t, tier, Default, "key", text(5000, uint64(i)))
	}
	tier.settled()
	var told atomic.Int64
	const asked = 2 * readsMax
	reads := make([]Read, asked)
	for i := range reads {
		reads[i] = Read{Ref: ref, Size: sizeOf("key", text(5000, 0)), Done: func(r *Read) {
			if r.Err == nil && string(r.Value) == text(5000, 0) {
				told.Add(1)
			}
			r.Release()
		}}
		if tier.Read(&reads[i]) {
			t.Fatal("it should be on the disk")
		}
	}
	if err := tier.Close(); err != nil || told.Load() != asked {
		t.Errorf("%v, %d of %d came", err, told.Load(), asked)
	}
	if _, err := get(tier, ref, 100); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A page is not used again while an old write to it is on its way.
func TestDropWhileWritten(t *testing.T) {
	disk := diotest.New()
	begun, goOn := make(chan struct{}, 100), make(chan struct{})
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" {
			begun <- struct{}{}
			<-goOn
		}
		return nil
	})
	tier := open(t, disk, 2, nil)
	size := sizeOf("key", text(5000, 0))
	var refs []Ref
	for i := range 13 { // 12 fill a page
		refs = append(refs, put(t, tier, Default, "key", text(5000, uint64(i))))
	}
	<-begun
	want(t, tier, refs[0], "key", text(5000, 0)) // from the buffer
	for _, ref := range refs[:12] {
		tier.Delete(ref, size)
	}
	if s := tier.Stats(); tier.Live(refs[0]) || s.PagesFree != 0 || s.PageReclaims != 1 {
		t.Errorf("%+v", s)
	}
	close(goOn)
	tier.settled()
	if s := tier.Stats(); s.PagesFree != 1 {
		t.Errorf("%+v", s)
	}
}
