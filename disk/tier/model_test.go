package tier

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// cache is an owner that knows what each key's value must be: its serial, repeated.
type cache struct {
	lock  sync.Mutex
	items map[string]item
	tier  *Tier
}

type item struct {
	ref    Ref
	serial uint64
	size   int // of the value
}

func (c *cache) Holds(_, key []byte, ref Ref) (holds, read bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.items[string(key)].ref == ref, len(key)%2 == 0
}

func (c *cache) Moved(_, key []byte, source, target Ref) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	it := c.items[string(key)]
	if it.ref != source {
		return false
	}
	it.ref = target
	c.items[string(key)] = it
	return true
}

func (it item) value() []byte {
	b := make([]byte, it.size)
	for i := range b {
		b[i] = byte(it.serial >> (i % 8 * 8))
	}
	return b
}

// TestShuffled has several loops store, read and delete while pages are compacted and
// dropped, and now and then the disk fails: a read gives the value of its time or none.
func TestShuffled(t *testing.T) {
	for _, faulty := range []bool{false, true} {
		t.Run(fmt.Sprint("faulty ", faulty), func(t *testing.T) { shuffle(t, faulty) })
	}
}

func shuffle(t *testing.T, faulty bool) {
	disk := diotest.New()
	c := &cache{items: map[string]item{}}
	c.tier = open(t, disk, 12, func(config *Config) {
		config.Owner = c
		config.Policy = Policy{CompactUnder: 4, DropUnder: 2, MaxFrag: 0.8, DropUnread: true}
		config.Files = append(config.Files, File{FS: disk, Name: "other", Size: 4 * testPage})
	})
	var random sync.Mutex
	dice := rand.New(rand.NewPCG(3, 4))
	disk.Before(func(e diotest.Event) error {
		random.Lock()
		defer random.Unlock()
		if faulty && (e.Call == "read" && dice.IntN(50) == 0 || e.Call == "write" && e.Name == "other" && dice.IntN(30) == 0) {
			return syscall.EIO
		}
		return nil
	})
	var loops sync.WaitGroup
	for loop := range 3 {
		loops.Go(func() { c.loop(t, loop, 4000) })
	}
	loops.Wait()
	s := c.tier.Stats()
	if s.CompactRescues == 0 || s.PageEvictions == 0 || s.ObjectsRead == 0 || faulty != (s.FilesFailed > 0) {
		t.Errorf("not all happened: %+v", s)
	}
	c.check(t)
}

// loop has keys of its own, as a loop has its connections.
func (c *cache) loop(t *testing.T, loop, operations int) {
	random := rand.New(rand.NewPCG(uint64(loop), 9))
	for n := range operations {
		key := []byte(fmt.Sprintf("%d-%d", loop, random.IntN(150)))
		switch random.IntN(4) {
		case 0, 1:
			it := item{serial: random.Uint64(), size: random.IntN(6000)}
			var ok bool
			if it.ref, ok = c.tier.AppendWait(Bucket(random.IntN(int(BucketCount))), nil, key, [][]byte{it.value()}); ok {
				c.replace(key, it)
			}
		case 2:
			c.lock.Lock()
			it := c.items[string(key)]
			c.lock.Unlock()
			size := RecordSize(0, len(key), it.size)
			if b, err := get(c.tier, it.ref, size); err == nil && string(b) != string(it.value()) {
				t.Errorf("%s: another value", key)
			}
		case 3:
			c.replace(key, item{})
		}
		if n%100 == 0 {
			c.tier.Tick()
		}
	}
}

func (c *cache) replace(key []byte, it item) {
	c.lock.Lock()
	old := c.items[string(key)]
	c.items[string(key)] = it
	c.lock.Unlock()
	c.tier.Delete(old.ref, RecordSize(0, len(key), old.size))
}

// check ends the tier, and compares the counts with what is there.
func (c *cache) check(t *testing.T) {
	t.Helper()
	if err := c.tier.Close(); err != nil { // ends the compaction
		t.Error(err)
	}
	var objects, bytes int64
	for key, it := range c.items {
		if c.tier.Live(it.ref) {
			objects++
			bytes += int64(RecordSize(0, len(key), it.size))
		}
	}
	if s := c.tier.Stats(); s.ObjectsUsed != objects || s.BytesUsed != bytes {
		t.Errorf("%d objects of %d bytes, %+v", objects, bytes, s)
	}
}

// FuzzWalk looks for records in any bytes: it ends, stays inside them, and finds what
// was put there before the damage.
func FuzzWalk(f *testing.F) {
	page := make([]byte, 8192)
	n := RecordSize(2, 3, 40)
	putRecord(page[:n], Ref{3, 7, 0}, []byte("hd"), []byte("key"), [][]byte{make([]byte, 40)})
	putRecord(page[n:2*n], Ref{3, 7, uint32(n)}, nil, []byte("other"), [][]byte{[]byte("value")})
	putRecord(page[4096:4096+n], Ref{3, 7, 4096}, nil, []byte("third"), [][]byte{make([]byte, 50)[:20], make([]byte, 3)})
	f.Add(page, uint16(100), byte(3))
	f.Add(page[:100], uint16(5), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, flip byte) {
		if len(b) > 0 {
			b[int(at)%len(b)] ^= flip
		}
		w := walker{page: 3, version: 7, used: len(b)}
		last := -1
		for rounds := 0; !w.done(); rounds++ {
			if rounds > len(b)+1 {
				t.Fatal("it does not end")
			}
			from := w.offset &^ 4095
			piece := b[from:min(len(b), from+4096+int(at)%8192)]
			w.walk(piece, from, func(r *Record, ref Ref) bool {
				if int(ref.Offset) <= last || int(ref.Offset)+r.Size > len(b)+recordStep || len(r.Key) == 0 {
					t.Fatalf("%v, %d bytes", ref, r.Size)
				}
				last = int(ref.Offset)
				if binary.LittleEndian.Uint32(b[ref.Offset:]) != checksum(ref, b[ref.Offset+4:int(ref.Offset)+recordHead+len(r.Head)+len(r.Key)+len(r.Value)]) {
					t.Fatal("its checksum is wrong")
				}
				return true
			})
		}
	})
}

// TestWalk holds that a damaged value costs no other.
func TestWalk(t *testing.T) {
	page := make([]byte, 3*4096)
	used := 0
	for i := range 50 {
		n := RecordSize(0, 5, i*3)
		putRecord(page[used:used+n], Ref{1, 2, uint32(used)}, nil, fmt.Appendf(nil, "key%02d", i), [][]byte{make([]byte, i*3)})
		used += n
	}
	page[used/2] ^= 1
	for _, piece := range []int{len(page), 4096 + 200} {
		found := 0
		w := walker{page: 1, version: 2, used: len(page)}
		for !w.done() {
			from := w.offset &^ 4095
			w.walk(page[from:min(len(page), from+piece)], from, func(*Record, Ref) bool { found++; return true })
		}
		if found != 49 {
			t.Errorf("pieces of %d: %d of 50, one of which is damaged", piece, found)
		}
	}
}
