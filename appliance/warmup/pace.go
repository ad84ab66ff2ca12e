package warmup

import (
	"context"
	"sync"
	"time"
)

// A pace spreads items evenly over time.
type pace struct {
	mu        sync.Mutex
	perSecond int // 0: as fast as it goes
	next      time.Time
}

// reserve takes the turn of n items, and returns when it comes.
func (p *pace) reserve(now time.Time, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn := p.next
	if turn.Before(now) {
		turn = now
	}
	p.next = turn.Add(time.Duration(n) * time.Second / time.Duration(p.perSecond))
	return turn
}

// wait returns when n more items may be asked for.
func (p *pace) wait(ctx context.Context, n int) {
	if p.perSecond == 0 {
		return
	}
	now := time.Now()
	pause(ctx, p.reserve(now, n).Sub(now))
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// batchLen is how many requests go in a batch: enough to make a pipeline, few
// enough to keep the pace even, a twentieth of a second's at most.
func (p *pace) batchLen() int {
	if p.perSecond == 0 {
		return batchMax
	}
	return min(batchMax, max(1, p.perSecond/20))
}
