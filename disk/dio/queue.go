package dio

import (
	"errors"
	"syscall"

	"github.com/pandabeardb/panda/netio/aio"
)

// takenMax is how many reads that have come are taken at a time.
const takenMax = 64

// A Queue has the kernel do a loop's reads, without a worker for each. One goroutine may
// use it, and Close it when that has ended.
type Queue struct {
	kernel *aio.Queue // nil: the Pool does all
	pool   *Pool
	calls  []*Call  // that the kernel has, by tag
	free   []uint64 // tags
	off    bool     // the file system cannot do it
	events [takenMax]aio.Event
}

// NewQueue makes a Queue for depth reads at a time. What the kernel cannot do, or not
// without waiting, pool does.
func NewQueue(pool *Pool, depth int) *Queue {
	q := &Queue{pool: pool}
	kernel, err := aio.New(depth)
	if err != nil {
		return q // no such queues here, or no more of them: FD says so
	}
	q.kernel = kernel
	q.calls, q.free = make([]*Call, depth), make([]uint64, depth)
	for i := range q.free {
		q.free[i] = uint64(depth - 1 - i)
	}
	return q
}

// FD is what to watch for edges: Take is to be called then. -1: nothing.
func (q *Queue) FD() int {
	if q.kernel == nil {
		return -1
	}
	return q.kernel.FD()
}

// Submit is Pool.Submit, and begins a read with the next Flush. Done is called by Take, or
// on a worker.
func (q *Queue) Submit(c *Call) error {
	if !q.add(c) {
		return q.pool.Submit(c)
	}
	return nil
}

// add has the kernel read; false: it will not.
func (q *Queue) add(c *Call) bool {
	if q.kernel == nil || q.off || len(q.free) == 0 || c.Kind != CallRead || len(c.Buffers) != 1 {
		return false
	}
	f, ok := c.File.(*diskFile)
	if !ok || !f.direct || f.refuse("read", false, c.Buffers[0], c.Offset) != nil {
		return false
	}
	if !f.open.TryRLock() {
		return false // Close waits for what only Take can end
	}
	last := len(q.free) - 1
	tag := q.free[last]
	if !q.kernel.Add(f.Fd(), c.Buffers[0], c.Offset, tag) {
		f.open.RUnlock()
		return false
	}
	q.free, q.calls[tag] = q.free[:last], c
	return true
}

// Flush begins what was submitted.
func (q *Queue) Flush() {
	if q.kernel != nil {
		q.kernel.Flush()
	}
}

// Take ends what has come, and does not wait.
func (q *Queue) Take() {
	if q.kernel == nil {
		return
	}
	for n := takenMax; n == takenMax; {
		n = q.kernel.Take(q.events[:])
		q.came(n)
	}
}

// came ends the first n of the events.
func (q *Queue) came(n int) {
	for i := range q.events[:n] {
		e := &q.events[i]
		c := q.calls[e.Tag]
		q.calls[e.Tag] = nil
		q.free = append(q.free, e.Tag)
		c.File.(*diskFile).open.RUnlock()
		if e.Error == nil && e.N == len(c.Buffers[0]) {
			c.N, c.Err = e.N, nil
			c.Done(c)
		} else {
			q.again(c, e.Error)
		}
	}
}

// again has a worker do what failed or is not whole once more, so that ends of files and
// errors are those of File.ReadAt.
func (q *Queue) again(c *Call, cause error) {
	q.off = q.off || errors.Is(cause, syscall.EOPNOTSUPP)
	if err := q.pool.Submit(c); err != nil {
		c.N, c.Err = 0, err
		c.Done(c)
	}
}

// Close waits for what is on its way, and ends it. The Pool must be open.
func (q *Queue) Close() error {
	if q.kernel == nil {
		return nil
	}
	for n := q.kernel.Wait(q.events[:]); n > 0; n = q.kernel.Wait(q.events[:]) {
		q.came(n)
	}
	err := q.kernel.Close()
	q.kernel = nil
	return err
}
