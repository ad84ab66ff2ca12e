package keyspace

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

func sameContents(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for key, w := range want {
		if got[key] != w {
			t.Fatalf("%q: %.200s, want %.200s", key, got[key], w)
		}
	}
	for key := range got {
		if want[key] == "" {
			t.Fatalf("%q is there", key)
		}
	}
}

// fill does a few of everything.
func (r *rig) fill(seed uint64, ops int) {
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range ops {
		key := fmt.Sprintf("key-%d", random.IntN(200))
		loop := random.IntN(2)
		switch p := random.IntN(100); {
		case p < 60:
			n := random.IntN(200)
			if random.IntN(40) == 0 {
				n = 20_000 + random.IntN(100_000)
			}
			spec := slab.Spec{Flags: uint32(random.IntN(3)), Evictable: random.IntN(2) == 0}
			if random.IntN(4) == 0 {
				spec.ExpiresAtMS = testNowMS + 1000 + int64(i)
			}
			if random.IntN(10) == 0 {
				spec.CAS = uint64(i) + 77
			}
			r.set(loop, key, bytes.Repeat([]byte{byte(i)}, n), spec)
		case p < 80:
			r.remove(loop, key)
		case p < 99:
			r.touch(loop, key, testNowMS+int64(random.IntN(1000)))
		default:
			r.store.FlushAll()
		}
		r.wait(loop)
	}
}

// TestRecovery: what there was is there again, after a close and after another.
func TestRecovery(t *testing.T) {
	for _, mode := range []Mode{ModeLog, ModeSnapshot} {
		for _, fsync := range []Fsync{FsyncEverySecond, FsyncAlways, FsyncNo} {
			t.Run(fmt.Sprint(mode, fsync), func(t *testing.T) {
				disk := diotest.New()
				c := testConfig(disk, mode, fsync)
				for seed := range uint64(4) {
					r := open(t, c)
					r.fill(seed, 500)
					r.k.SetState("p", []byte{byte(seed)})
					if seed == 2 {
						if err := r.k.Snapshot(); err != nil {
							t.Fatal(err)
						}
						r.fill(seed+10, 100)
					}
					want := r.contents()
					r.close()
					again := open(t, c)
					sameContents(t, again.contents(), want)
					if s := again.k.State("p"); len(s) != 1 || s[0] != byte(seed) {
						t.Errorf("state %v, want %d", s, seed)
					}
					again.close()
				}
			})
		}
	}
}

// TestHeld: a store that was saved goes on without being read back, and only with the
// folder as it was then.
func TestHeld(t *testing.T) {
	for _, mode := range []Mode{ModeLog, ModeSnapshot} {
		disk := diotest.New()
		c := testConfig(disk, mode, FsyncEverySecond)
		r := open(t, c)
		for round := range 3 {
			r.fill(uint64(round), 200)
			want := r.contents()
			if err := r.k.Close(); err != nil {
				t.Fatal(err)
			}
			again := c
			again.Held = r.k.Mark()
			k, err := Open(again, r.store)
			if err != nil {
				t.Fatal(err)
			}
			if n := k.Recovery(); n.LogRecords+n.SnapshotRecords > 0 {
				t.Errorf("read back: %+v", n)
			}
			r.k = k
			sameContents(t, r.contents(), want)
		}
		old := r.k.Mark()
		r.fill(9, 100)
		want := r.contents()
		r.close()
		plain := open(t, c)
		sameContents(t, plain.contents(), want)
		plain.close()
		for _, held := range []string{r.k.Mark(), old, "nonsense"} {
			c.Held = held
			if _, err := tryOpen(t, c); !errors.Is(err, ErrHeld) {
				t.Errorf("%q: %v", held, err)
			}
		}
	}
}

// TestModesFollow: a folder of one mode goes on in the other.
func TestModesFollow(t *testing.T) {
	disk := diotest.New()
	for i, mode := range []Mode{ModeLog, ModeSnapshot, ModeLog, ModeLog, ModeSnapshot, ModeSnapshot, ModeLog} {
		r := open(t, testConfig(disk, mode, FsyncAlways))
		r.fill(uint64(i), 200)
		want := r.contents()
		r.close()
		again := open(t, testConfig(disk, mode, FsyncAlways))
		sameContents(t, again.contents(), want)
		again.close()
	}
}

// TestTokensGoOn: a token that was given out and lost is never given out again.
func TestTokensGoOn(t *testing.T) {
	disk := diotest.New()
	last := uint64(0)
	for range 3 {
		r := open(t, testConfig(disk, ModeLog, FsyncNo))
		for range 3 {
			cas := r.set(0, "key", []byte("value"), slab.Spec{})
			if cas <= last {
				t.Errorf("token %x behind %x", cas, last)
			}
			last = cas
		}
		lost := disk.Crash(diotest.Tears(1)[0])
		r.close()
		disk = lost
	}
}

func TestRefusedFolders(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncAlways)
	r := open(t, c)
	if _, err := tryOpen(t, c); !errors.Is(err, dio.ErrInUse) {
		t.Errorf("a folder in use: %v", err)
	}
	r.close()
	f, err := disk.Open(folderName, dio.Create)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{
		"panda keyspace\nversion 2\nsomething new\n":          ErrVersion,
		"panda keyspace\nversion 1\nsequences 1\nsegment 1\n": ErrFolder,
		"panda keyspace\nversion 1\nsequences x\n":            ErrFolder,
		"other text, as long as it likes to be":               ErrFolder,
	} {
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := tryOpen(t, c); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// TestMissingSnapshot: a log that goes on from a snapshot that is gone is no whole one.
func TestMissingSnapshot(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncAlways)
	r := open(t, c)
	r.fill(1, 1000)
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	name := "0000000000000001.snapshot"
	r.close()
	if err := disk.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, c); err == nil {
		t.Error("opened without its snapshot")
	} else {
		t.Log(err)
	}
}

// TestLargeThenSmall: what comes behind a large value, in the same epoch, is no part of
// its Chunk.
func TestLargeThenSmall(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncAlways)
	r := bigRig(t, c)
	r.set(0, "small", []byte("1"), slab.Spec{})
	r.set(0, "large", make([]byte, 10<<20), slab.Spec{})
	r.set(0, "behind", []byte("2"), slab.Spec{})
	r.set(0, "less large", make([]byte, 100<<10), slab.Spec{})
	if !r.wait(0) {
		t.Errorf("the log failed: %v", r.k.Err())
	}
	r.close()
}

// TestTouchIsSeen: a reader of a key whose new expiry is not durable waits, and one of
// another slot does not.
func TestTouchIsSeen(t *testing.T) {
	r := open(t, testConfig(diotest.New(), ModeLog, FsyncAlways))
	for _, key := range []string{"key", "other"} {
		r.set(0, key, []byte("x"), slab.Spec{ExpiresAtMS: testNowMS + 1000})
	}
	r.wait(0)
	var waits map[string]uint64
	err := r.k.onWriter(func() error { // which can make nothing durable meanwhile
		r.touch(0, "key", testNowMS+100_000)
		waits = map[string]uint64{"key": r.look(1, "key"), "other": r.look(1, "other")}
		return nil
	})
	if err != nil || waits["key"] == 0 || waits["other"] != 0 {
		t.Errorf("waits %v, %v", waits, err)
	}
	r.wait(0)
	if wait := r.look(1, "key"); wait != 0 {
		t.Errorf("a reader waits for %d, and all is durable", wait)
	}
	r.close()
}

// TestTickDelaysNobody: what a loop did between turns, as ticks do, is nothing that the next
// turn's replies wait for, unless they tell of it.
func TestTickDelaysNobody(t *testing.T) {
	r := open(t, testConfig(diotest.New(), ModeLog, FsyncAlways))
	r.set(0, "key", []byte("x"), slab.Spec{})
	r.set(0, "other", []byte("x"), slab.Spec{})
	r.wait(0)
	waits := map[string]uint64{}
	err := r.k.onWriter(func() error { // it is here, and writes nothing
		r.remove(0, "other")
		for _, key := range []string{"key", "other"} {
			r.k.Loop(0).BeginTurn()
			waits[key] = r.look(0, key)
		}
		r.k.Loop(0).BeginTurn()
		r.set(0, "key", []byte("y"), slab.Spec{})
		waits["set"] = r.k.Loop(0).EndTurn()
		return nil
	})
	if err != nil || waits["key"] != 0 || waits["other"] == 0 || waits["set"] == 0 {
		t.Errorf("waits %v, %v", waits, err)
	}
	r.close()
}

// look reads a key, and returns what the reply waits for.
func (r *rig) look(loop int, key string) uint64 {
	h := r.store.Handle(loop)
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	stamp := uint64(0)
	if it, found := l.Find(testNowMS); found == slab.Hit {
		stamp = it.Stamp()
	}
	r.k.Loop(loop).Observe(k.Slot, stamp)
	l.Unlock()
	return r.k.Loop(loop).EndTurn()
}

// TestFullIsWoken: who is told to wait for an epoch waits for one that gets closed, even
// if there is nothing to write any more.
func TestFullIsWoken(t *testing.T) {
	c := testConfig(diotest.New(), ModeLog, FsyncNo)
	c.LoopBytes = 1
	r := open(t, c)
	for i := range 20_000 { // a mistake showed within 10,000
		r.set(0, "key", []byte("x"), slab.Spec{})
		wait, full := r.k.Loop(0).Full()
		for begun := time.Now(); full && r.k.Released().Load() < wait; runtime.Gosched() {
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("round %d: waits for %d, and %d is released", i, wait, r.k.Released().Load())
			}
		}
	}
	r.close()
}

// TestTouchedLives: a key whose first expiry has passed by the time of recovery, or of
// the snapshot, is there when a touch has given it another.
func TestTouchedLives(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		disk := diotest.New()
		nowMS := int64(testNowMS)
		c := testConfig(disk, ModeLog, FsyncAlways)
		c.NowMS = func() int64 { return nowMS }
		r := open(t, c)
		r.set(0, "touched", []byte("x"), slab.Spec{ExpiresAtMS: testNowMS + 1000})
		r.set(0, "other", []byte("x"), slab.Spec{ExpiresAtMS: testNowMS + 1000})
		if snapshot {
			nowMS = testNowMS + 1000 // a loop's clock may be behind the snapshots'
			if err := r.k.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
		r.touch(0, "touched", testNowMS+100_000)
		r.wait(0)
		nowMS = testNowMS + 2000
		want := r.contents()
		r.close()
		r = open(t, c)
		sameContents(t, r.contents(), want)
		if len(want) != 1 {
			t.Errorf("%d keys are there", len(want))
		}
		r.close()
	}
}

// TestFlushAloneIsKept: the last snapshot has a flush, or a state, though no key was
// changed since the one before.
func TestFlushAloneIsKept(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeSnapshot, FsyncNo)
	r := open(t, c)
	r.set(0, "key", []byte("x"), slab.Spec{})
	if err := r.k.Snapshot(); err != nil {
		t.Fatal(err)
	}
	r.store.FlushAll()
	r.close()
	r = open(t, c)
	sameContents(t, r.contents(), nil)
	r.k.SetState("p", []byte("x"))
	r.close()
	r = open(t, c)
	if s := r.k.State("p"); string(s) != "x" {
		t.Errorf("state %q", s)
	}
	r.k.SetState("p", []byte("x"))
	r.close()
	if n := r.k.Stats().Snapshot.Taken; n != 0 {
		t.Errorf("%d snapshots, and nothing has changed", n)
	}
}

// TestManyTokensGoOn: though a crash takes more effects of a slot back than a start skips,
// also while a snapshot waits for the disk.
func TestManyTokensGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		c := testConfig(disk, ModeSnapshot, FsyncNo)
		for round := range 4 {
			c.Disk = disk
			r := open(t, c)
			goOn := func() {}
			if round%2 == 1 {
				goOn = stallSnapshots(disk)
				if _, err := r.k.StartSnapshot(); err != nil {
					t.Fatal(err)
				}
			}
			for range 4 {
				r.store.RestoreSequences(nil, sequencesAhead/2+1) // as many effects
				pass(2 * watchEvery)
			}
			last := r.set(0, "key", []byte("x"), slab.Spec{})
			disk = disk.Crash(diotest.Tears(1)[0])
			goOn()
			r.close()
			c.Disk = disk
			r = open(t, c)
			if cas := r.set(0, "key", []byte("y"), slab.Spec{}); cas <= last {
				t.Errorf("token %x behind %x", cas, last)
			}
			r.close()
		}
	})
}

// TestLargeEpoch: what one loop removes, touches or replaces behind another one's set, in
// an epoch that is so large that the log has it in several parts.
func TestLargeEpoch(t *testing.T) {
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncEverySecond)
	r := bigRig(t, c)
	value := make([]byte, 100<<10)
	err := r.k.onWriter(func() error { // so that it is one epoch
		for i := range 200 { // 20 MB a loop
			key := fmt.Sprintf("key-%d", i)
			r.set(1, key, value, slab.Spec{ExpiresAtMS: testNowMS + 1000})
			switch r.set(0, fmt.Sprintf("other-%d", i), value, slab.Spec{}); i % 4 {
			case 0:
				r.remove(0, key)
			case 1:
				r.touch(0, key, testNowMS+5000)
			case 2:
				r.set(0, key, []byte("new"), slab.Spec{})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := r.contents()
	r.close()
	again := bigRig(t, c)
	sameContents(t, again.contents(), want)
	again.close()
}

// bigRig is open with a store of 64 MB.
func bigRig(t *testing.T, c Config) *rig {
	s, err := slab.New(slab.Config{LimitBytes: 64 << 20, Shards: 16, Loops: 2, StartMS: testNowMS})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: s}
	if r.k, err = Open(c, s); err != nil {
		t.Fatal(err)
	}
	return r
}

// A loop keeps its buffer through a turn: nobody but the writer waits for it, and when the
// turn ends, all of it goes.
func TestTurnKeepsItsBuffer(t *testing.T) {
	disk := diotest.New()
	r := open(t, testConfig(disk, ModeLog, FsyncNo))
	l := r.k.Loop(0)
	l.BeginTurn()
	for i := range 100 {
		r.set(0, fmt.Sprintf("key-%d", i), []byte("value"), slab.Spec{})
	}
	if !l.b.kept || l.b.idle() {
		t.Error("the buffer is not kept")
	}
	r.set(1, "other", []byte("value"), slab.Spec{}) // not in a turn
	r.k.Stats()
	wait := r.k.epoch.Load()
	r.k.wakeWriter()
	l.EndTurn()
	for r.k.Released().Load() < wait {
		runtime.Gosched()
	}
	if !r.k.idle() {
		t.Error("not all is written")
	}
	want := r.contents()
	r.close()
	again := open(t, testConfig(disk, ModeLog, FsyncNo))
	sameContents(t, again.contents(), want)
	again.close()

	r = open(t, testConfig(diotest.New(), ModeLog, FsyncAlways))
	r.k.Loop(0).BeginTurn()
	r.set(0, "key", []byte("value"), slab.Spec{})
	if r.k.buffers[0].kept {
		t.Error("where replies wait, a buffer is kept")
	}
	r.wait(0)
	r.close()
}

// A writer that waits for a buffer gets it when the turn ends, however soon the next one
// begins.
func TestTurnHandsOver(t *testing.T) {
	r := open(t, testConfig(diotest.New(), ModeLog, FsyncNo))
	l := r.k.Loop(0)
	err := r.k.onWriter(func() error { // it is here, and takes nothing
		l.BeginTurn()
		r.set(0, "key", []byte("value"), slab.Spec{})
		epoch := effectlog.Epoch(r.k.epoch.Add(1) - 1)
		taken := make(chan *half)
		go func() { taken <- l.b.take(epoch) }()
		for l.b.wanted.Load() == 0 {
			runtime.Gosched()
		}
		l.EndTurn()
		if l.b.wanted.Load() != 0 {
			t.Error("the turn ended, and nothing was handed over")
		}
		l.BeginTurn()
		r.set(0, "other", []byte("value"), slab.Spec{})
		if h := <-taken; len(h.blocks) != 1 || h.blocks[0].records != 1 {
			t.Errorf("taken: %d blocks", len(h.blocks))
		}
		l.EndTurn()
		l.b.wrote(r.k)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	r.close()
}

// On a slow disk the clients that wait are one group, and not two that wait for each
// other in turns.
func TestSlowDiskGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const syncTakes, think, rounds = 10 * time.Millisecond, 100 * time.Microsecond, 20
		disk := diotest.New()
		c := testConfig(disk, ModeLog, FsyncAlways)
		c.SegmentBytes = 1 << 20 // of which there is one
		r := open(t, c)
		var syncs atomic.Int32
		disk.Before(func(e diotest.Event) error {
			if e.Call == "sync" && strings.HasSuffix(e.Name, ".log") {
				syncs.Add(1)
				<-time.After(syncTakes) // virtual
			}
			return nil
		})
		client := func(loop int) {
			for range rounds {
				<-time.After(think) // virtual
				r.set(loop, fmt.Sprintf("key-%d", loop), []byte("value"), slab.Spec{})
				wait := r.k.Loop(loop).EndTurn()
				r.k.Loop(loop).EndBatch()
				for r.k.Released().Load() < wait {
					<-time.After(think / 10) // virtual
				}
			}
		}
		var clients sync.WaitGroup
		for loop := range 2 {
			clients.Go(func() { client(loop) })
			<-time.After(syncTakes / 2) // the second comes while the first is being synced
		}
		clients.Wait()
		if n := syncs.Load(); n > rounds+3 { // and not 2 a round
			t.Errorf("%d groups for %d rounds of two clients", n, rounds)
		}
		disk.Before(nil)
		r.close()
	})
}
