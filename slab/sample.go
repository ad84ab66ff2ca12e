package slab

// Sample calls f with living items, wherever they are, under their shards'
// locks, until f returns false, or about limit items were looked at, or all. f
// must not call the store.
func (h *Handle) Sample(limit int, nowMS int64, f func(Item) bool) {
	for i := range h.s.shards {
		sh := &h.s.shards[i]
		sh.lock()
		limit -= sh.index.items
		goOn := sh.sample(&sh.index.cur, nowMS, f) && sh.sample(&sh.index.old, nowMS, f)
		sh.mu.Unlock()
		if !goOn || limit <= 0 {
			return
		}
	}
}

func (sh *shard) sample(t *table, nowMS int64, f func(Item) bool) bool {
	if sh.index.items == 0 {
		return true
	}
	for at := range t.n {
		b := sh.index.bucket(t, at)
		for i := range bucketSlots {
			v := *slot(b, i)
			if v == 0 {
				continue
			}
			it := sh.store.item(ref(v & refMask))
			if it.has(bitExpiry) && it.expired(nowMS) || sh.flushed && sh.isFlushed(it) {
				continue
			}
			if !f(it) {
				return false
			}
		}
	}
	return true
}
