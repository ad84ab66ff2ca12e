package dio

import "sync"

// PoolQueueMax is how many calls may wait for a worker: at the 100 µs of a flash
// read and 8 workers the last of them waits 50 ms, which clients still take for an
// answer. More is refused at once, and the caller degrades as it has decided to.
const PoolQueueMax = 4096

// A Call is one of File's calls, done by a Pool. Its owner may use it again after
// Done was called.
type Call struct {
	File    File
	Kind    Kind
	Buffers [][]byte // of CallRead and CallWrite
	Offset  int64
	Done    func(*Call) // on a worker: short, usually a post to a loop

	N   int // what the File returned
	Err error

	next *Call
}

// Kind says which of File's calls a Call is.
type Kind uint8

const (
	CallRead Kind = iota
	CallWrite
	CallSync
)

func (c *Call) do() {
	c.N, c.Err = 0, nil
	switch c.Kind {
	case CallRead:
		if len(c.Buffers) == 1 {
			c.N, c.Err = c.File.ReadAt(c.Buffers[0], c.Offset)
		} else {
			c.N, c.Err = c.File.ReadVec(c.Buffers, c.Offset)
		}
	case CallWrite:
		if len(c.Buffers) == 1 {
			c.N, c.Err = c.File.WriteAt(c.Buffers[0], c.Offset)
		} else {
			c.N, c.Err = c.File.WriteVec(c.Buffers, c.Offset)
		}
	case CallSync:
		c.Err = c.File.Sync()
	}
	c.Done(c)
}

// A Pool does calls for those who may not wait. Calls begin in the order of Submit,
// and end in any order: a Sync covers the writes whose Done was called before its
// Submit.
type Pool struct {
	lock    sync.Mutex
	work    sync.Cond // there is something to do, or the pool closes
	head    *Call
	tail    **Call
	waiting int
	closed  bool
	workers sync.WaitGroup
}

// NewPool starts the workers. The pool owns them; Close ends them.
func NewPool(workers int) *Pool {
	p := &Pool{}
	p.work.L = &p.lock
	p.tail = &p.head
	for range workers {
		p.workers.Go(p.run)
	}
	return p
}

// Submit hands c over until its Done is called. After an error Done is not called.
func (p *Pool) Submit(c *Call) error {
	p.lock.Lock()
	defer p.lock.Unlock()
	switch {
	case p.closed:
		return ErrPoolClosed
	case p.waiting == PoolQueueMax:
		return ErrPoolBusy
	}
	c.next = nil
	*p.tail = c
	p.tail = &c.next
	p.waiting++
	p.work.Signal()
	return nil
}

// Close refuses new calls, and returns when all that waited are done.
func (p *Pool) Close() {
	p.lock.Lock()
	p.closed = true
	p.work.Broadcast()
	p.lock.Unlock()
	p.workers.Wait()
}

func (p *Pool) run() {
	for c := p.take(); c != nil; c = p.take() {
		c.do()
	}
}

// take waits for a call; nil: the pool is closed, and nothing is left to do.
func (p *Pool) take() *Call {
	p.lock.Lock()
	defer p.lock.Unlock()
	for p.head == nil {
		if p.closed {
			return nil
		}
		p.work.Wait()
	}
	c := p.head
	p.head, c.next = c.next, nil
	if p.head == nil {
		p.tail = &p.head
	}
	p.waiting--
	return c
}
