package tier

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// half fills two pages of a tier, and deletes every other value: o has what is left.
func half(t *testing.T, tier *Tier, o *owner, value string) {
	t.Helper()
	for i := range 24 {
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
	put(t, tier, Default, "other", value) // the second page is closed
	tier.settled()
}

// get reads the value of a key, again if it was moved meanwhile.
func (o *owner) get(tier *Tier, key string, size int) (value []byte, err error) {
	for last := (Ref{}); ; {
		o.lock.Lock()
		ref := o.refs[key]
		o.lock.Unlock()
		if ref == last {
			return nil, err
		}
		if value, err = get(tier, ref, size); !errors.Is(err, ErrGone) {
			return value, err
		}
		last = ref
	}
}

// kept wants every value to be there or to fail with an error that is not ErrGone, and
// counts those.
func kept(t *testing.T, tier *Tier, o *owner, value string) (failed int) {
	t.Helper()
	o.lock.Lock()
	keys := slices.Collect(maps.Keys(o.refs))
	o.lock.Unlock()
	for _, key := range keys {
		b, err := o.get(tier, key, sizeOf(key, value))
		switch {
		case errors.Is(err, ErrGone):
			t.Errorf("%s: %v", key, err)
		case err != nil:
			failed++
		case string(b) != value:
			t.Errorf("%s: another value", key)
		}
	}
	return failed
}

// Values that compaction finds damaged stay damaged: they are not as those that were
// dropped for want of room.
func TestCompactionKeepsDamage(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	tier := open(t, disk, 6, func(c *Config) { c.Owner = o })
	value := text(5000, 1)
	half(t, tier, o, value)
	f, err := disk.Open("tier", 0)
	if err != nil {
		t.Fatal(err)
	}
	ref := o.refs["key04"]
	at := tier.pages[ref.Page].at + int64(ref.Offset)
	// All of a block that was never written looks like what is between records.
	f.WriteAt(make([]byte, 2*dio.BlockSize), at&^(dio.BlockSize-1))
	ref = o.refs["key16"]
	f.WriteAt([]byte{1}, tier.pages[ref.Page].at+int64(ref.Offset)+100)
	tier.SetPolicy(Policy{CompactUnder: 6, MaxFrag: 2})
	for range 5 {
		(&compaction{t: tier}).next()
		tier.settled()
	}
	for tier.busy() {
		tier.settled()
	}
	if s := tier.Stats(); s.CompactRescues < 9 || s.PagesUsed < 3 {
		t.Errorf("%+v", s)
	}
	wantErr(t, tier, ref, sizeOf("key16", value), ErrDamaged)
	if n := kept(t, tier, o, value); n < 2 || n > 4 {
		t.Errorf("%d cannot be read", n)
	}
	if d := tier.Debt(); d.Pages != 0 {
		t.Errorf("what is not compacted is owed: %+v", d)
	}
	tier.SetPolicy(Policy{CompactUnder: -1})
	for i := range 200 { // its room is used when it is needed
		put(t, tier, Default, "more", text(5000, uint64(i)))
	}
	wantErr(t, tier, ref, sizeOf("key16", value), ErrGone)
}

// One read of compaction that fails costs no value.
func TestCompactionReadFails(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	tier := open(t, disk, 6, func(c *Config) { c.Owner = o })
	value := text(5000, 1)
	half(t, tier, o, value)
	var failed atomic.Bool
	disk.Before(func(e diotest.Event) error {
		if e.Call == "read" && failed.CompareAndSwap(false, true) {
			return syscall.EIO
		}
		return nil
	})
	tier.SetPolicy(Policy{CompactUnder: 6, MaxFrag: 2})
	for !failed.Load() || tier.busy() {
		(&compaction{t: tier}).next()
		tier.settled()
	}
	if n := kept(t, tier, o, value); n != 0 {
		t.Errorf("%d cannot be read", n)
	}
}

// A write that fails costs what it was to write, and reads say that it is damaged.
func TestFailedWriteIsDamage(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	tier := open(t, disk, 6, func(c *Config) { c.Owner = o })
	value := text(5000, 1)
	writes := 0
	disk.Before(func(e diotest.Event) error {
		if e.Call == "write" {
			if writes++; writes == 2 {
				return syscall.EIO
			}
		}
		return nil
	})
	for i := range 12 {
		key := fmt.Sprintf("key%02d", i)
		if ref, ok := tier.Append(Default, []byte("head"), []byte(key), [][]byte{[]byte(value)}); ok {
			o.refs[key] = ref
		}
		tier.settled() // one write at a time
	}
	if s := tier.Stats(); s.FilesFailed != 1 {
		t.Fatalf("%+v", s)
	}
	if n := kept(t, tier, o, value); n == 0 || n > 3 || len(o.refs) < 6 { // 3 are in a buffer, and a part of it was written
		t.Errorf("%d of %d cannot be read", n, len(o.refs))
	}
}

// An error of the disk may pass, until reads of the page have failed often enough; those of
// one second are one. What has other bytes stays damaged.
func TestReadErrorsPass(t *testing.T) {
	disk := diotest.New()
	tier := open(t, disk, 6, nil)
	value := text(5000, 1)
	ref := put(t, tier, Default, "key", value)
	for range 12 {
		put(t, tier, Default, "other", value)
	}
	tier.settled()
	fails := true
	disk.Before(func(e diotest.Event) error {
		if e.Call == "read" && fails {
			return syscall.EIO
		}
		return nil
	})
	read := func(r Read) *Read {
		came := make(chan struct{})
		r.Done = func(*Read) { close(came) }
		if !tier.Read(&r) {
			<-came
		}
		r.Release()
		return &r
	}
	all := Read{Ref: ref, Size: sizeOf("key", value)}
	for failures := 1; failures <= failuresMax+2; failures++ {
		for tick := range failureTicks {
			if tick > 2 {
				tier.Tick()
				continue
			}
			if r := read(all); !errors.Is(r.Err, syscall.EIO) || r.Passing != (failures <= failuresMax) {
				t.Fatalf("failure %d: %v, passing %v", failures, r.Err, r.Passing)
			}
			tier.Tick()
		}
	}
	fails = false
	want(t, tier, ref, "key", value)
	other := all
	other.Size += 64
	if r := read(other); r.Err != ErrDamaged || r.Passing {
		t.Errorf("another size: %v, passing %v", r.Err, r.Passing)
	}
	tier.Delete(ref, all.Size)
	fails = true
	for i := range 100 { // the page is used again, and its failures are forgotten
		if again := put(t, tier, Default, "key", text(5000, uint64(i))); again.Page == ref.Page && again.Version != ref.Version {
			ref = again
		}
	}
	tier.settled()
	if r := read(Read{Ref: ref, Size: all.Size}); ref == all.Ref || !r.Passing {
		t.Errorf("a new life of the page: %v, passing %v", r.Err, r.Passing)
	}
}

// A page that could not be read once is compacted later.
func TestCompactionTriesAgain(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	tier := open(t, disk, 6, func(c *Config) {
		c.Owner = o
		c.Lost = func(string, int64, error) { t.Error("values were given up") }
	})
	value := text(5000, 1)
	half(t, tier, o, value)
	var fails atomic.Bool
	disk.Before(func(e diotest.Event) error {
		if e.Call == "read" && fails.Load() {
			return syscall.EIO
		}
		return nil
	})
	fails.Store(true)
	tier.SetPolicy(Policy{CompactUnder: 6, MaxFrag: 2})
	for range 9 { // more often than pages are
		compactAll(tier)
	}
	fails.Store(false)
	compactAll(tier)
	if s := tier.Stats(); s.CompactRescues != 0 || tier.Debt().Pages != 2 {
		t.Errorf("at once: %+v, %+v", s, tier.Debt())
	}
	for range retryTicks {
		tier.Tick()
	}
	for range 3 {
		compactAll(tier)
	}
	if s := tier.Stats(); s.CompactRescues < 12 {
		t.Errorf("later: %+v", s)
	}
	if n := kept(t, tier, o, value); n != 0 {
		t.Errorf("%d cannot be read", n)
	}
}

// compactAll has the compactor do a page, beside the tier's own.
func compactAll(tier *Tier) {
	(&compaction{t: tier}).next()
	tier.settled()
	for tier.busy() {
		tier.settled()
	}
}

// What a page has that cannot be read is given up at last, and that is told. What can be
// read is moved.
func TestCompactionGivesUp(t *testing.T) {
	disk, o := diotest.New(), newOwner()
	var told, files atomic.Int64
	const page = 2 << 20
	tier := open(t, disk, 6, func(c *Config) {
		c.Owner, c.PageSize, c.Files[0].Size = o, page, 6*page
		c.Lost = func(file string, values int64, err error) {
			told.Add(values)
			if file == "tier" && errors.Is(err, syscall.EIO) {
				files.Add(1)
			}
		}
	})
	value := text(5000, 1)
	const count = page/testBuffer*3 + 1 // three values a buffer, and one that closes the page
	for i := range count {
		key := fmt.Sprintf("key%03d", i)
		ref := put(t, tier, Default, key, value)
		o.lock.Lock()
		o.refs[key] = ref
		o.lock.Unlock()
	}
	tier.Delete(o.refs["key001"], sizeOf("key001", value))
	o.lock.Lock()
	delete(o.refs, "key001")
	o.lock.Unlock()
	tier.settled()
	disk.Before(func(e diotest.Event) error {
		if e.Call == "read" && e.Size > scanBytes { // the first half of the page, and no value alone
			return syscall.EIO
		}
		return nil
	})
	tier.SetPolicy(Policy{CompactUnder: 6, MaxFrag: 6})
	for try := range compactTries + 2 {
		compactAll(tier)
		if n := told.Load(); try < compactTries-1 && n != 0 {
			t.Errorf("try %d: %d values were given up", try, n)
		}
		for range retryTicks {
			tier.Tick()
		}
	}
	compactAll(tier)
	s := tier.Stats()
	if n := told.Load(); n < count/3 || n > count*2/3 || files.Load() != 1 || s.CompactRescues+n != count-2 {
		t.Errorf("%d values were given up, told %d times, %+v", n, files.Load(), s)
	}
	if d := tier.Debt(); d.Pages != 0 {
		t.Errorf("what is not compacted is owed: %+v", d)
	}
	if n := kept(t, tier, o, value); n != 0 {
		t.Errorf("%d cannot be read", n)
	}
}
