package slab

import "sync/atomic"

const (
	hugeRuns = hugePage / runSize
	// populateAhead is what lies populated before it is needed: 0.1 s of the
	// fastest filling, when a huge page takes the kernel 0.2 to 4 ms.
	populateAhead = 16 << 20
	// populateShare keeps that small beside a small limit.
	populateShare = 16
)

// populator is a helper that has the kernel put memory behind the arena's next
// runs, so that no loop waits for it: the first touch of a huge page was
// measured at up to 31 ms.
type populator struct {
	wake  chan struct{} // capacity 1: more runs were handed out
	ended chan struct{}
	to    atomic.Uint32 // runs below have memory behind them
	ahead uint32        // in runs
}

// startPopulator starts the helper; Close ends it.
func (s *Store) startPopulator(limit int64) {
	if !populates {
		return
	}
	p := &s.populator
	p.wake, p.ended = make(chan struct{}, 1), make(chan struct{})
	p.ahead = uint32(max(hugePage, min(populateAhead, limit/populateShare)) >> runShift)
	p.wake <- struct{}{}
	go s.populate()
}

func (s *Store) populate() {
	p := &s.populator
	defer close(p.ended)
	for range p.wake {
		for to := p.to.Load(); to < s.populateTarget(); to = p.to.Load() {
			b := s.memory.bytes[int(to)<<runShift:]
			if populate(b[:min(hugePage, len(b))]) != nil {
				return // loops touch the memory themselves then
			}
			p.to.Store(to + hugeRuns)
		}
	}
}

func (s *Store) populateTarget() uint32 {
	a := &s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	return min(a.fresh+s.populator.ahead, uint32(a.limit))
}

// wakePopulator is called when a fresh run is handed out.
func (s *Store) wakePopulator(fresh uint32) {
	p := &s.populator
	if p.wake != nil && fresh+p.ahead/2 > p.to.Load() {
		select {
		case p.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

func (s *Store) stopPopulator() {
	if p := &s.populator; p.wake != nil {
		close(p.wake)
		<-p.ended
		p.wake = nil
	}
}
