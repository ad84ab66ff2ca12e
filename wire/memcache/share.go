package memcache

// Share is what one loop has answered, since the last `stats reset`.
type Share struct{ Gets, Sets uint64 }

// Shares are the loops', in their order. Any goroutine may call it.
func (s *Server) Shares() []Share {
	list := make([]Share, 0, len(s.workers))
	for _, w := range s.workers {
		share := Share{Gets: w.totals[getMisses].Load()}
		for class := range w.totalsClass {
			of := &w.totalsClass[class]
			share.Sets += of[setCommands].Load()
			for heat := hotHits; heat <= tempHits; heat++ {
				share.Gets += of[heat].Load()
			}
		}
		list = append(list, share)
	}
	return list
}
