package keyspace

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/slab"
)

// TestFlushIsOneEpoch: a flush and what a protocol keeps because of it are in one epoch,
// whenever that is closed: a crash has both of them or neither.
func TestFlushIsOneEpoch(t *testing.T) {
	const flushes = 300
	disk := diotest.New()
	c := testConfig(disk, ModeLog, FsyncNo)
	r := open(t, c)
	var closing sync.WaitGroup
	stop := make(chan struct{})
	closing.Go(func() { // epochs, one after the other
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := r.k.onWriter(r.k.writeAll); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range flushes {
		r.set(0, "key", []byte("x"), slab.Spec{})
		r.k.FlushAll("p", fmt.Append(nil, i))
	}
	close(stop)
	closing.Wait()
	r.close()
	kinds := map[effectlog.Epoch]map[effectlog.Kind]int{}
	if _, err := effectlog.Read(disk, ".", effectlog.ReadOptions{}, func(b *effectlog.Batch) error {
		if kinds[b.Epoch] == nil {
			kinds[b.Epoch] = map[effectlog.Kind]int{}
		}
		for records := b.Records; len(records) > 0; {
			kind, _, n := effectlog.Peek(records)
			kinds[b.Epoch][kind]++
			records = records[n:]
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all := 0
	for epoch, count := range kinds {
		if count[effectlog.KindFlushAll] != count[effectlog.KindState] {
			t.Errorf("epoch %d has %d flushes and %d states", epoch, count[effectlog.KindFlushAll], count[effectlog.KindState])
		}
		all += count[effectlog.KindState]
	}
	if all != flushes || len(kinds) < 2 {
		t.Errorf("%d states in %d epochs", all, len(kinds))
	}
}

// TestFlushWithinASnapshot: what a snapshot has walked over when all is flushed is not
// there again, even if there is no log. What was set behind the flush is, if there is one.
func TestFlushWithinASnapshot(t *testing.T) {
	for _, mode := range []Mode{ModeLog, ModeSnapshot} {
		disk := diotest.New()
		r := open(t, testConfig(disk, mode, FsyncNo))
		r.k.SetState("p", []byte("planned"))
		for i := range 30_000 {
			r.set(0, fmt.Sprint(i), []byte("x"), slab.Spec{})
		}
		r.endSnapshots()
		flushed := false
		err := r.k.take(func(time.Duration) bool {
			if !flushed {
				flushed = true
				r.k.FlushAll("p", []byte("done"))
				for i := range 100 {
					r.set(0, fmt.Sprint(i), []byte("y"), slab.Spec{})
				}
			}
			return true
		})
		if err != nil || !flushed {
			t.Fatalf("mode %d: %v, flushed %v", mode, err, flushed)
		}
		want := r.contents()
		again := open(t, testConfig(crashed(t, r, disk), mode, FsyncNo))
		got := again.contents()
		if mode == ModeSnapshot { // what the walk had passed when it was set is not there
			for key := range want {
				if got[key] == "" {
					delete(want, key)
				}
			}
		}
		sameContents(t, got, want)
		if s := again.k.State("p"); string(s) != "done" {
			t.Errorf("state %q", s)
		}
		again.close()
		r.close()
	}
}

// endSnapshots ends the snapshots' goroutine, and the watch's: the test does what they did.
func (r *rig) endSnapshots() {
	s := &r.k.snapshots
	close(s.stop)
	<-s.done
	r.k.watching.Wait()
	s.stop = make(chan struct{}) // for the end
}

// crashed is the disk as a crash of the machine leaves it.
func crashed(t *testing.T, r *rig, disk *diotest.FS) *diotest.FS {
	t.Helper()
	if r.k.Logs() {
		if err := r.k.onWriter(func() error {
			if err := r.k.writeAll(); err != nil {
				return err
			}
			return r.k.sync()
		}); err != nil {
			t.Fatal(err)
		}
	}
	return disk.Crash(diotest.Tears(1)[0])
}
