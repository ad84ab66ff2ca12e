package netio

// A Watched is a descriptor that a loop waits for beside its connections.
type Watched struct {
	FD     int    // an edge that it can be read calls Ready
	Ready  func() // on the loop's goroutine; parked sessions are resumed behind it
	Ended  func() // when the loop ends, and nothing else is called any more; on its goroutine; may be nil
	Behind func() // behind every batch of events, tasks and turns, before the loop waits; on its goroutine
}

// Watch adds a descriptor to a loop, which has one at most. Start must not have been called;
// its owner closes it behind Stop.
func (s *Server) Watch(loop int, w Watched) error {
	if s.started {
		return errStarted
	}
	l := s.loops[loop]
	l.watched = &w
	return l.poller.watch(w.FD)
}

// cameWatched is an edge of what is watched. Whoever calls Wake meanwhile needs no task.
func (l *loop) cameWatched() {
	l.wakeWaits.Store(true)
	l.watched.Ready()
	l.wake(nil)
}
