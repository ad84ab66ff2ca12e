package slab

// queue is one of the queues that runs of items stand in. New items are put into
// small runs; what was read again when such a run's turn comes is moved to main
// runs, the rest is evicted and remembered for a while (ghost.go). That is S3-FIFO
// (Yang et al., SOSP 2023), with runs in the place of objects: it costs an item
// no link, and eviction walks over memory in order.
type queue uint8

const (
	queueSmall queue = iota // what came lately; all items of a store that may not evict are in main
	queueMain
	queueFixed // what eviction leaves alone: items that are not evictable, heads of large ones
	queueCount

	queueNone = queueCount // of the index's and the ghosts' runs
)

// runQueue is a queue of runs in order of age.
type runQueue struct {
	oldest uint32
	newest uint32
	runs   int
	// classes is how many size classes have runs here, runsOf how many each.
	classes int
	runsOf  [256]int32
}

// enqueue puts a run at the young end of q. The arena is locked.
func (a *arena) enqueue(id uint32, q queue) {
	r := &a.runs[id]
	r.queue = q
	if q == queueNone {
		return
	}
	l := &a.queues[q]
	r.older, r.newer = l.newest, 0
	if l.newest != 0 {
		a.runs[l.newest].newer = id
	} else {
		l.oldest = id
	}
	l.newest = id
	l.runs++
	if l.runsOf[r.class]++; l.runsOf[r.class] == 1 {
		l.classes++
	}
}

// dequeue takes a run out of its queue. The arena is locked.
func (a *arena) dequeue(id uint32) {
	r := &a.runs[id]
	if r.queue == queueNone {
		return
	}
	l := &a.queues[r.queue]
	if r.older != 0 {
		a.runs[r.older].newer = r.newer
	} else {
		l.oldest = r.newer
	}
	if r.newer != 0 {
		a.runs[r.newer].older = r.older
	} else {
		l.newest = r.older
	}
	r.older, r.newer, r.queue = 0, 0, queueNone
	l.runs--
	if l.runsOf[r.class]--; l.runsOf[r.class] == 0 {
		l.classes--
	}
}

// requeue moves the victim, unless it was given back meanwhile, to the young end of q.
func (s *Store) requeue(v *victim, q queue) {
	a := &s.arena
	a.mu.Lock()
	if r := &a.runs[v.run]; r.class == v.class && r.queue == v.queue {
		a.dequeue(v.run)
		a.enqueue(v.run, q)
	}
	a.mu.Unlock()
}
