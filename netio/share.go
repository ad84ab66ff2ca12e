package netio

// Share is what one loop has of the work.
type Share struct {
	Connections  int64 // open now
	BytesRead    int64
	BytesWritten int64
}

// Shares are the loops', in their order. Any goroutine may call it.
func (s *Server) Shares() []Share {
	list := make([]Share, 0, len(s.loops))
	for _, l := range s.loops {
		c := &l.core.Counts
		list = append(list, Share{c.Current.Load(), c.BytesRead.Load(), c.BytesWritten.Load()})
	}
	return list
}
