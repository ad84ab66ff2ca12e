package keyspace

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/invariant"
	"github.com/pandabeardb/panda/slab"
)

var everyCrash = flag.Bool("every-crash", false, "crash at every call of the disk, with every tear, instead of some")

// crashOps is acceptance's workload; the sampled run is a part of it.
const crashOps = 2000

// history is what a client did, one operation after the other, and knows of it.
type history struct {
	mu     sync.Mutex
	states []map[string]string // behind each operation; states[0] is the beginning
	epochs []uint64            // in which all of an operation's effects are, or in earlier ones
	acked  atomic.Int64        // operations whose replies came
}

// change does an operation of the mixed workload, if it is one that changes something.
func (h *history) change(r *rig, random *rand.Rand, i int) (loop int) {
	h.mu.Lock() // a crash meanwhile is looked at when it is known what it may have seen
	defer h.mu.Unlock()
	key := fmt.Sprintf("key-%d", random.IntN(40))
	loop = random.IntN(2)
	switch p := random.IntN(100); {
	case p < 55:
		n := random.IntN(300)
		if random.IntN(100) == 0 {
			n = 17_000 + random.IntN(10_000)
		}
		spec := slab.Spec{Flags: uint32(i), Evictable: true}
		if random.IntN(3) == 0 {
			spec.ExpiresAtMS = testNowMS + 100_000
		}
		r.set(loop, key, bytes.Repeat([]byte{byte(i)}, n), spec)
	case p < 75:
		r.remove(loop, key)
	case p < 98:
		r.touch(loop, key, testNowMS+1000+int64(i))
	default:
		r.k.FlushAll("p", fmt.Append(nil, i))
		r.k.Loop(loop).ObserveAll()
	}
	h.states = append(h.states, r.known())
	h.epochs = append(h.epochs, r.k.epoch.Load())
	return loop
}

// known is all that the client knows: what is in the store, and what is kept beside.
func (r *rig) known() map[string]string {
	all := r.contents()
	if state := r.k.State("p"); state != nil {
		all["what is kept"] = string(state)
	}
	return all
}

// crash is what is known of a machine that has stopped.
type crash struct {
	disk    *diotest.FS
	acked   int    // operations
	durable uint64 // epoch
	where   string
}

// check recovers from a crash, and reports which of the states it found.
func (h *history) check(t *testing.T, c Config, at crash) (found int) {
	c.Disk = at.disk
	r, err := tryOpen(t, c)
	if err != nil {
		t.Errorf("%s: %v", at.where, err)
		return 0
	}
	defer r.close()
	got := r.known()
	h.mu.Lock()
	defer h.mu.Unlock()
	least := 0
	if c.Fsync == FsyncAlways {
		least = at.acked
	}
	for i, epoch := range h.epochs {
		if epoch <= at.durable {
			least = max(least, i+1)
		}
	}
	for i := len(h.states) - 1; i >= least; i-- {
		if maps.Equal(got, h.states[i]) {
			return i
		}
	}
	t.Errorf("%s: none of the states %d to %d", at.where, least, len(h.states)-1)
	return 0
}

// TestCrash: the machine stops at a call of the disk, and what is then found in the
// folder is a state that the client knows: with FsyncAlways that of the last reply or
// of the request that was on its way, else that of some request behind the last sync.
func TestCrash(t *testing.T) {
	for name, fsync := range map[string]Fsync{"always": FsyncAlways, "everysec": FsyncEverySecond, "no": FsyncNo} {
		t.Run(name, func(t *testing.T) { crashEverywhere(t, fsync) })
	}
}

func crashEverywhere(t *testing.T, fsync Fsync) {
	ops, stride := crashOps, 1
	switch {
	case *everyCrash:
	case testing.Short() || invariant.On:
		ops, stride = 200, 41
	default:
		ops, stride = 500, 23
	}
	disk := diotest.New()
	c := testConfig(disk, ModeLog, fsync)
	h := &history{states: []map[string]string{{}}}
	var calls, crashes atomic.Int64
	r := open(t, c)
	disk.Before(func(e diotest.Event) error {
		n := int(calls.Add(1))
		if n%stride != 0 {
			return nil
		}
		var checks sync.WaitGroup // each has a machine of its own
		defer checks.Wait()
		for i, tear := range diotest.Tears(uint64(n)) {
			if !*everyCrash && (n/stride+i)%4 != 0 {
				continue
			}
			at := crash{acked: int(h.acked.Load()), durable: r.k.durable.Load()}
			at.disk = disk.Crash(tear)
			at.where = fmt.Sprintf("call %d (%s %s), tear %q", n, e.Call, e.Name, tear.Name)
			crashes.Add(1)
			checks.Go(func() {
				if (n/stride)%5 == 0 {
					h.crashAgain(t, c, at)
				}
				h.check(t, c, at)
			})
		}
		return nil
	})
	random := rand.New(rand.NewPCG(3, 4))
	for i := range ops {
		loop := h.change(r, random, i)
		if !r.wait(loop) {
			t.Fatal(r.k.Err())
		}
		h.acked.Store(int64(i + 1))
		if i%100 == 50 {
			if err := r.k.Snapshot(); err != nil {
				t.Error(err)
			}
		}
	}
	want := r.known()
	r.close()
	t.Logf("%d operations, %d crashes, %d calls", ops, crashes.Load(), calls.Load())
	disk.Before(nil)
	again := open(t, c)
	sameContents(t, again.known(), want)
	again.close()
}

// crashAgain has recovery crash, too, at some of its calls.
func (h *history) crashAgain(t *testing.T, c Config, at crash) {
	const every = 7
	first := at.disk.Crash(diotest.Tears(1)[0]) // nothing is pending: a copy
	calls := 0
	var mu sync.Mutex
	first.Before(func(e diotest.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%every == 0 {
			tears := diotest.Tears(uint64(calls))
			tear := tears[calls/every%len(tears)]
			again := at
			again.disk = first.Crash(tear)
			again.where = fmt.Sprintf("%s; again at call %d (%s %s), tear %q", at.where, calls, e.Call, e.Name, tear.Name)
			h.check(t, c, again)
		}
		return nil
	})
	again := at
	again.disk = first
	h.check(t, c, again)
}
