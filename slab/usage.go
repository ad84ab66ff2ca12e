package slab

// RunUsage is the memory of runs that are cut alike, by the queue that they
// stand in.
type RunUsage struct {
	ChunkBytes         int   // what a run is cut into; a whole run is a piece of a large value
	Small, Main, Fixed int64 // bytes of runs, free chunks included
}

// RunUsage tells what items' runs are cut into, the smallest chunks first. What
// is cut so nowhere is missing.
func (s *Store) RunUsage() (list []RunUsage) {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	add := func(class, chunk int) {
		bytes := func(q queue) int64 { return int64(a.queues[q].runsOf[class]) << runShift }
		u := RunUsage{chunk, bytes(queueSmall), bytes(queueMain), bytes(queueFixed)}
		if u.Small+u.Main+u.Fixed > 0 {
			list = append(list, u)
		}
	}
	for class := range s.classes.count {
		add(class, int(s.classes.size[class]))
	}
	add(classPiece, runSize)
	return list
}
