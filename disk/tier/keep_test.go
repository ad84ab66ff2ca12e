package tier

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// keptRig is what an owner has in between: values by the places they are at.
type keptRig struct {
	t      *testing.T
	disk   *diotest.FS
	config Config
	values map[Ref]string
}

func newKept(t *testing.T) *keptRig {
	disk := diotest.New()
	return &keptRig{t, disk, Config{
		Files:    []File{{FS: disk, Name: "one", Size: 6 * testPage}, {FS: disk, Name: "two", Size: 4 * testPage}},
		PageSize: testPage, BufferSize: testBuffer, Readers: 2, Keeps: true,
	}, map[Ref]string{}}
}

func (r *keptRig) open() *Tier {
	r.t.Helper()
	tier, err := Open(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	return tier
}

// fill puts values, of each bucket some.
func (r *keptRig) fill(tier *Tier, from, to int) {
	for i := from; i < to; i++ {
		v := text(3000+i%200, uint64(i))
		r.values[put(r.t, tier, Bucket(i%int(BucketCount)), fmt.Sprintf("key%03d", i), v)] = v
	}
}

// keep ends a tier, and has the next one go on with it.
func (r *keptRig) keep(tier *Tier) {
	r.t.Helper()
	var err error
	if r.config.Kept, err = tier.CloseKeeping(); err != nil {
		r.t.Error(err)
	}
}

// check reads all values: which are whole, and which are gone. There are no others.
func (r *keptRig) check(tier *Tier) (whole, gone int) {
	r.t.Helper()
	for ref, v := range r.values {
		switch b, err := get(tier, ref, sizeOf("key000", v)); {
		case err == nil && string(b) == v:
			whole++
		case err == nil:
			r.t.Errorf("%v: another value", ref)
		default:
			gone++
		}
	}
	return whole, gone
}

// close ends a tier as a crash would: nothing is kept.
func (r *keptRig) close(tier *Tier) {
	r.t.Helper()
	if err := tier.Close(); err != nil {
		r.t.Error(err)
	}
}

// A tier goes on with what was kept: values, pages that were being filled, and counts.
func TestKeep(t *testing.T) {
	r := newKept(t)
	tier := r.open()
	if len(tier.NotKept()) != 2 {
		t.Error("files without anything kept have something")
	}
	for round := range 4 {
		r.fill(tier, round*20, round*20+20)
		before, pages := tier.Stats(), tier.PageStats(nil)
		r.keep(tier)
		tier = r.open()
		if names := tier.NotKept(); len(names) > 0 {
			t.Fatalf("round %d: %q are not kept", round, names)
		}
		after := tier.Stats()
		if after.ObjectsUsed != before.ObjectsUsed || after.BytesUsed != before.BytesUsed || after.PagesFree != before.PagesFree {
			t.Errorf("round %d: %+v, before %+v", round, after, before)
		}
		for i, p := range tier.PageStats(nil) {
			if p != pages[i] {
				t.Errorf("round %d, page %d: %+v, before %+v", round, i, p, pages[i])
			}
		}
		if whole, gone := r.check(tier); gone > 0 {
			t.Errorf("round %d: %d of %d are gone", round, gone, whole+gone)
		}
	}
	if s := tier.Stats(); s.PagesUsed > 8 { // 80 values, 20 to a page, of 4 buckets
		t.Errorf("pages that were being filled are not filled: %+v", s)
	}
	for ref, v := range r.values {
		tier.Delete(ref, sizeOf("key000", v))
	}
	if s := tier.Stats(); s.ObjectsUsed != 0 || s.BytesUsed != 0 {
		t.Errorf("%+v", s)
	}
	r.close(tier)
}

// What was kept is compacted as if nothing had been between.
func TestKeptIsCompacted(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	c := Config{Files: []File{{FS: disk, Name: "tier", Size: 6 * testPage}}, PageSize: testPage, BufferSize: testBuffer, Keeps: true, Owner: o}
	tier, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	value := text(5000, 1)
	half(t, tier, o, value)
	if c.Kept, err = tier.CloseKeeping(); err != nil {
		t.Fatal(err)
	}
	if tier, err = Open(c); err != nil {
		t.Fatal(err)
	}
	defer tier.Close()
	tier.SetPolicy(Policy{CompactUnder: 6, MaxFrag: 2})
	for range 4 {
		compactAll(tier)
	}
	if s := tier.Stats(); s.CompactRescues < 12 {
		t.Errorf("%+v", s)
	}
	if n := kept(t, tier, o, value); n != 0 {
		t.Errorf("%d cannot be read", n)
	}
}

// Files that are not those of the mark give their values up, and what comes then is never
// taken for them.
func TestKeepRefuses(t *testing.T) {
	damage := func(name string, at int64) func(*keptRig) {
		return func(r *keptRig) {
			f, err := r.disk.Open(name, 0)
			if err != nil {
				r.t.Fatal(err)
			}
			f.WriteAt([]byte("damage"), at)
		}
	}
	for name, c := range map[string]struct {
		change func(*keptRig)
		files  int // that are not kept
	}{
		"another mark":  {func(r *keptRig) { r.config.Kept = "00" + r.config.Kept[2:] }, 2},
		"no mark":       {func(r *keptRig) { r.config.Kept = "" }, 2},
		"a strange one": {func(r *keptRig) { r.config.Kept = "x" }, 2},
		"a new file":    {func(r *keptRig) { r.disk.Remove("two") }, 1},
		"damaged list":  {damage("one", 6*testPage+100), 1},
		"damaged head":  {damage("two", 4*testPage+3), 1},
		"another order": {func(r *keptRig) { f := r.config.Files; f[0], f[1] = f[1], f[0] }, 2},
		"larger file":   {func(r *keptRig) { r.config.Files[1].Size += testPage }, 1},
		"larger pages":  {func(r *keptRig) { r.config.PageSize *= 2 }, 2},
		"an end without keeping": {func(r *keptRig) {
			tier := r.open()
			r.fill(tier, 100, 110)
			r.close(tier)
		}, 2},
		"another tier in between": {func(r *keptRig) {
			kept, values := r.config.Kept, r.values
			r.config.Kept, r.config.Keeps, r.values = "", false, map[Ref]string{}
			tier := r.open()
			r.fill(tier, 200, 260)
			r.close(tier)
			r.config.Kept, r.config.Keeps, r.values = kept, true, values
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newKept(t)
			tier := r.open()
			r.fill(tier, 0, 60)
			r.keep(tier)
			c.change(r)
			tier = r.open()
			names := tier.NotKept()
			if len(names) != c.files {
				t.Errorf("not kept: %q", names)
			}
			whole, gone := r.check(tier)
			if gone == 0 || (whole == 0) != (c.files == 2) {
				t.Errorf("%d values are there, %d gone", whole, gone)
			}
			if used := tier.Stats().ObjectsUsed; int(used) != whole {
				t.Errorf("%d are counted, of %d", used, whole)
			}
			for i := range 100 { // in the pages of those that are gone
				if ref := put(t, tier, Default, fmt.Sprintf("key%03d", i), text(3000+i%200, uint64(1000+i))); r.values[ref] != "" {
					t.Errorf("%v names two values", ref)
				}
			}
			r.check(tier)
			r.close(tier)
		})
	}
}

// A value that was damaged meanwhile is damaged, and no other.
func TestKeptDamage(t *testing.T) {
	r := newKept(t)
	tier := r.open()
	r.fill(tier, 0, 60)
	r.keep(tier)
	f, err := r.disk.Open("one", 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt(make([]byte, 3*dio.BlockSize), testPage)
	tier = r.open()
	if whole, gone := r.check(tier); gone == 0 || gone > 6 {
		t.Errorf("%d values are there, %d gone", whole, gone)
	}
	r.close(tier)
}

// Every call of the disk fails once, while a tier is ended or opened: what is there then
// is right.
func TestKeepFaults(t *testing.T) {
	for at := 1; at < 40; at++ {
		r := newKept(t)
		tier := r.open()
		r.fill(tier, 0, 30)
		tier.settled()
		calls := 0
		r.disk.Before(func(e diotest.Event) error {
			if e.Call != "close" {
				if calls++; calls == at {
					return syscall.EIO
				}
			}
			return nil
		})
		r.config.Kept, _ = tier.CloseKeeping()
		tier, err := Open(r.config)
		r.disk.Before(nil)
		if err != nil {
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("fault %d: %v", at, err)
			}
			tier = r.open()
		}
		r.check(tier)
		r.close(tier)
	}
}

func TestMark(t *testing.T) {
	m := mark{[keptID]byte{1, 2, 255}, 7}
	if got, ok := parseMark(m.String()); got != m || !ok {
		t.Errorf("%v, %v", got, ok)
	}
	for _, s := range []string{"x", "01 7", m.String()[1:], m.String()[:33], "zz" + m.String()[2:], m.String()[:33] + "99999999999"} {
		if got, ok := parseMark(s); ok {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// Versions go on though the files are gone: a place of before is not that of a new value.
func TestKeptVersionsGoOn(t *testing.T) {
	r := newKept(t)
	tier := r.open()
	r.fill(tier, 0, 60)
	r.keep(tier)
	m, ok := parseMark(r.config.Kept)
	if !ok {
		t.Fatal(r.config.Kept)
	}
	for _, name := range []string{"one", "two"} {
		if err := r.disk.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	tier = r.open()
	if ref := put(t, tier, Default, "key", "value"); ref.Version != m.version+1 {
		t.Errorf("version %d follows %d", ref.Version, m.version)
	}
	r.close(tier)
}
