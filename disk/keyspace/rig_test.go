package keyspace

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/slab"
)

const testNowMS = 1_700_000_000_000

// rig is a store with its keyspace, and one client that waits for its replies.
type rig struct {
	t     testing.TB
	store *slab.Store
	k     *Keyspace
	fail  bool // a log that fails is expected
}

func testConfig(disk dio.FS, mode Mode, fsync Fsync) Config {
	return Config{
		Disk: disk, Mode: mode, Fsync: fsync, Loops: 2, SegmentBytes: 64 << 10, SnapshotBytes: -1,
		NowMS: func() int64 { return testNowMS },
	}
}

func newStore(t testing.TB) *slab.Store {
	t.Helper()
	s, err := slab.New(slab.Config{LimitBytes: 8 << 20, Shards: 16, Loops: 2, StartMS: testNowMS})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, c Config) *rig {
	t.Helper()
	r, err := tryOpen(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryOpen(t testing.TB, c Config) (*rig, error) {
	t.Helper()
	r := &rig{t: t, store: newStore(t)}
	var err error
	if r.k, err = Open(c, r.store); err != nil {
		return nil, errors.Join(err, r.store.Close())
	}
	return r, nil
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.k.Close(); err != nil && !r.fail {
		r.t.Error(err)
	}
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

// wait waits for a turn's replies, and reports whether they came.
func (r *rig) wait(loop int) bool {
	if !r.k.Logs() {
		return true
	}
	wait := r.k.Loop(loop).EndTurn()
	r.k.Loop(loop).EndBatch()
	for r.k.Released().Load() < wait {
		select {
		case <-r.k.Failed():
			return false
		default:
			runtime.Gosched()
		}
	}
	return true
}

// hold waits while a loop has too much that the log has not taken, as netio's loops do
// in front of a request.
func (r *rig) hold(loop int) {
	for wait, full := r.k.Loop(loop).Full(); full && r.k.Released().Load() < wait; {
		runtime.Gosched()
	}
}

func (r *rig) set(loop int, key string, value []byte, spec slab.Spec) (cas uint64) {
	r.t.Helper()
	h := r.store.Handle(loop)
	k := h.Key(0, []byte(key))
	spec.ValueLen = len(value)
	it, err := h.Reserve(&k, spec)
	if err != nil {
		r.t.Fatal(err)
	}
	it.WriteAt(value, 0)
	l := h.Lock(&k)
	cas = l.Put(it, testNowMS)
	l.Unlock()
	return cas
}

func (r *rig) remove(loop int, key string) {
	h := r.store.Handle(loop)
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(testNowMS); found == slab.Hit {
		l.Remove(it)
	}
	l.Unlock()
}

func (r *rig) touch(loop int, key string, expiresAtMS int64) {
	h := r.store.Handle(loop)
	k := h.Key(0, []byte(key))
	l := h.Lock(&k)
	if it, found := l.Find(testNowMS); found == slab.Hit {
		if _, ok := l.Touch(it, expiresAtMS); !ok {
			r.t.Error("no room for a touch")
		}
	}
	l.Unlock()
}

// state is what an item is, as text.
func state(it slab.Item) string {
	return fmt.Sprintf("%x %d %d %d %q", it.CAS(), it.Flags(), it.ExpiresAtMS(), it.Marks()&^slab.MarkFetched, it.AppendValue(nil))
}

// contents is all that is in the store.
func (r *rig) contents() map[string]string {
	all := map[string]string{}
	var c slab.Cursor
	for !r.store.Handle(0).Walk(&c, r.k.config.NowMS(), 1<<20, func(it slab.Item) bool {
		all[string(it.Key())] = state(it)
		return true
	}) {
	}
	return all
}
