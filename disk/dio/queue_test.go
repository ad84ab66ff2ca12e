package dio_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
	"github.com/pandabeardb/panda/internal/alloctest"
)

// queue is one that the kernel reads for, or the test is skipped.
func queue(t *testing.T, depth int) (*dio.Queue, *dio.Pool) {
	t.Helper()
	p := dio.NewPool(2)
	q := dio.NewQueue(p, depth)
	if q.FD() < 0 {
		p.Close()
		t.Skip("the kernel has no queues for reads here")
	}
	return q, p
}

// numbered is a file of so many blocks, each full of its number.
func numbered(t *testing.T, disk dio.FS, mode dio.Mode, blocks int) dio.File {
	t.Helper()
	f := openFile(t, disk, "numbered", mode|dio.Create)
	for i := range blocks {
		block := dio.Aligned(dio.BlockSize)
		copy(block, bytes.Repeat([]byte{byte(i)}, len(block)))
		if _, err := f.WriteAt(block, int64(i)*dio.BlockSize); err != nil {
			t.Fatal(err)
		}
	}
	must(t, f.Sync())
	return f
}

// takeUntil is what a loop does until so many are done.
func takeUntil(t *testing.T, q *dio.Queue, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !done(); q.Take() {
		if time.Now().After(limit) {
			t.Fatal("reads do not come")
		}
	}
}

// Reads come with the bytes of their place, whoever does them: the kernel, or workers since
// the kernel's part is full, the page cache is not bypassed, or the file is no file.
func TestQueue(t *testing.T) {
	const reads = 100
	for name, open := range map[string]func(t *testing.T) dio.File{
		"direct": func(t *testing.T) dio.File { return numbered(t, folder(t, t.TempDir()), dio.Direct, reads) },
		"cached": func(t *testing.T) dio.File { return numbered(t, folder(t, t.TempDir()), 0, reads) },
		"memory": func(t *testing.T) dio.File { return numbered(t, diotest.New(), dio.Direct, reads) },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t)
			q, p := queue(t, reads/2)
			defer p.Close()
			var lock sync.Mutex
			count := 0
			calls := make([]dio.Call, reads)
			for i := range calls {
				calls[i] = dio.Call{File: f, Offset: int64(i) * dio.BlockSize, Buffers: [][]byte{dio.Aligned(dio.BlockSize)}}
				calls[i].Done = func(*dio.Call) { lock.Lock(); count++; lock.Unlock() }
				must(t, q.Submit(&calls[i]))
			}
			q.Flush()
			takeUntil(t, q, func() bool { lock.Lock(); defer lock.Unlock(); return count == reads })
			for i := range calls {
				c := &calls[i]
				want := bytes.Repeat([]byte{byte(i)}, dio.BlockSize)
				if c.Err != nil || c.N != dio.BlockSize || !bytes.Equal(c.Buffers[0], want) {
					t.Errorf("read %d: %d bytes, %v", i, c.N, c.Err)
				}
			}
			must(t, q.Close())
		})
	}
}

// Behind the end of a file, and of what Submit refuses: what File says.
func TestQueueErrors(t *testing.T) {
	q, p := queue(t, 8)
	defer p.Close()
	defer q.Close()
	f := numbered(t, folder(t, t.TempDir()), dio.Direct, 1)
	for name, at := range map[string]struct {
		size   int
		offset int64
		want   error
		n      int
	}{
		"behind the end":  {dio.BlockSize, dio.BlockSize, io.EOF, 0},
		"over the end":    {2 * dio.BlockSize, 0, io.EOF, dio.BlockSize},
		"between blocks":  {dio.BlockSize, 1, dio.ErrUnaligned, 0},
		"part of a block": {10, 0, dio.ErrUnaligned, 0},
	} {
		came := make(chan struct{})
		c := &dio.Call{File: f, Offset: at.offset, Buffers: [][]byte{dio.Aligned(at.size)}, Done: func(*dio.Call) { close(came) }}
		must(t, q.Submit(c))
		q.Flush()
		takeUntil(t, q, func() bool {
			select {
			case <-came:
				return true
			default:
				return false
			}
		})
		if !errors.Is(c.Err, at.want) || c.N != at.n {
			t.Errorf("%s: %d bytes, %v", name, c.N, c.Err)
		}
	}
	must(t, f.Close())
	came := make(chan error, 1)
	must(t, q.Submit(&dio.Call{File: f, Buffers: [][]byte{dio.Aligned(dio.BlockSize)}, Done: func(c *dio.Call) { came <- c.Err }}))
	q.Flush()
	takeUntil(t, q, func() bool { return len(came) == 1 })
	if err := <-came; err == nil {
		t.Error("a closed file was read")
	}
}

// Close ends what is on its way, also what was not handed over, and a file is closed behind
// its reads.
func TestQueueClose(t *testing.T) {
	q, p := queue(t, 8)
	f := numbered(t, folder(t, t.TempDir()), dio.Direct, 8)
	done := make(chan *dio.Call, 8)
	for i := range 8 {
		must(t, q.Submit(&dio.Call{
			File: f, Offset: int64(i) * dio.BlockSize, Buffers: [][]byte{dio.Aligned(dio.BlockSize)}, Done: func(c *dio.Call) { done <- c },
		}))
		if i == 3 {
			q.Flush()
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()
	select {
	case <-closed:
		t.Error("the file was closed under its reads")
	case <-time.After(20 * time.Millisecond): // as long as Close would have needed
	}
	late := make(chan error, 1)
	must(t, q.Submit(&dio.Call{File: f, Buffers: [][]byte{dio.Aligned(dio.BlockSize)}, Done: func(c *dio.Call) { late <- c.Err }}))
	must(t, q.Close())
	p.Close()
	must(t, <-closed)
	<-late // of a file that is being closed: either way
	for range 8 {
		if c := <-done; c.Err != nil || c.Buffers[0][0] != byte(c.Offset/dio.BlockSize) {
			t.Errorf("read at %d: %v", c.Offset, c.Err)
		}
	}
}

func TestQueueAllocates(t *testing.T) {
	q, p := queue(t, 8)
	defer p.Close()
	defer q.Close()
	f := numbered(t, folder(t, t.TempDir()), dio.Direct, 1)
	var came atomic.Bool // a worker may have done it
	c := &dio.Call{File: f, Buffers: [][]byte{dio.Aligned(dio.BlockSize)}, Done: func(*dio.Call) { came.Store(true) }}
	alloctest.Zero(t, "a read", func() {
		came.Store(false)
		if q.Submit(c) == nil {
			for q.Flush(); !came.Load(); {
				q.Take()
			}
		}
	})
}
