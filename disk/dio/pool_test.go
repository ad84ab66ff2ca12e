package dio_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

func TestPool(t *testing.T) {
	f := openFile(t, folder(t, t.TempDir()), "a", dio.Create)
	p := dio.NewPool(4)
	const calls = 100
	var done sync.WaitGroup
	submit := func(kind dio.Kind, buffer func(i int) []byte) []*dio.Call {
		done.Add(calls)
		all := make([]*dio.Call, calls)
		for i := range all {
			all[i] = &dio.Call{File: f, Kind: kind, Offset: int64(i) * 10, Done: func(*dio.Call) { done.Done() }}
			all[i].Buffers = [][]byte{buffer(i)[:4], buffer(i)[4:]}
			must(t, p.Submit(all[i]))
		}
		done.Wait()
		return all
	}
	submit(dio.CallWrite, func(i int) []byte { return []byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9} })
	submit(dio.CallSync, func(int) []byte { return make([]byte, 10) })
	for i, c := range submit(dio.CallRead, func(int) []byte { return make([]byte, 10) }) {
		if c.Err != nil || c.N != 10 {
			t.Errorf("call %d: %d bytes, %v", i, c.N, c.Err)
		}
	}
	wantBytes(t, f, 990, "\x63\x01\x02\x03\x04\x05\x06\x07\x08\x09")
	p.Close()
	wantIs(t, p.Submit(&dio.Call{File: f}), dio.ErrPoolClosed)
}

// A slow disk fills the queue: what is more than its limit is refused, what was taken
// is done in order, and Close waits for it.
func TestPoolSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := diotest.New()
		f := openFile(t, disk, "a", dio.Create)
		disk.Before(func(e diotest.Event) error {
			if e.Call == "write" {
				<-time.After(time.Second) // of the bubble
			}
			return nil
		})
		p := dio.NewPool(1)
		var order []int64
		submit := func(i int) error {
			return p.Submit(&dio.Call{File: f, Kind: dio.CallWrite, Offset: int64(i), Buffers: [][]byte{{byte(i)}},
				Done: func(c *dio.Call) { order = append(order, c.Offset) }})
		}
		must(t, submit(0))
		synctest.Wait() // the worker has it
		for i := range dio.PoolQueueMax {
			must(t, submit(i+1))
		}
		wantIs(t, submit(-1), dio.ErrPoolBusy)
		p.Close()
		if len(order) != dio.PoolQueueMax+1 {
			t.Fatalf("%d calls were done", len(order))
		}
		for i, offset := range order {
			if offset != int64(i) {
				t.Fatalf("call %d was done as number %d", offset, i)
			}
		}
	})
}

func TestPoolErrors(t *testing.T) {
	disk := diotest.New()
	f := openFile(t, disk, "a", dio.Create)
	broken := errors.New("broken")
	disk.Before(func(diotest.Event) error { return broken })
	p := dio.NewPool(1)
	defer p.Close()
	for _, kind := range []dio.Kind{dio.CallRead, dio.CallWrite, dio.CallSync} {
		done := make(chan error, 1)
		must(t, p.Submit(&dio.Call{File: f, Kind: kind, Buffers: [][]byte{{1}}, Done: func(c *dio.Call) { done <- c.Err }}))
		wantIs(t, <-done, broken)
	}
}
