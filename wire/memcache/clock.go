package memcache

import "sync"

// relativeMaxSeconds is the longest exptime that counts from now; a larger one
// is a Unix time. REALTIME_MAXDELTA
const relativeMaxSeconds = 60 * 60 * 24 * 30

// startSlackMS is how long before its own start memcached's clock begins
// (ITEM_UPDATE_INTERVAL + 2 seconds), which shows in what counts as an absolute
// time of the past.
const startSlackMS = 62_000

// expiresAtMS is the moment that an exptime of the text protocol means.
func (s *Server) expiresAtMS(exptime int32, nowMS int64) int64 {
	return s.momentMS(int64(exptime), nowMS)
}

// momentMS is the moment that a client's seconds mean, on the loops' clock.
// Only absolute times depend on the system's clock, and that as it was at start.
func (s *Server) momentMS(seconds, nowMS int64) int64 {
	switch {
	case seconds == 0:
		return 0
	case seconds < 0 || seconds > relativeMaxSeconds && seconds*1000 <= s.env.StartedAtMS-startSlackMS:
		return s.pastMS
	case seconds <= relativeMaxSeconds:
		return nowMS + seconds*1000
	default:
		return seconds * 1000
	}
}

// ttlSeconds is what is left until expiresAtMS, as a clock that ticks once a
// second shows it: the second that has begun counts whole.
func ttlSeconds(expiresAtMS, nowMS int64) int64 {
	left := expiresAtMS - nowMS
	if left < 0 {
		return left / 1000
	}
	return (left + 999) / 1000
}

// debugClock is the clock that debugtime moves.
type debugClock struct {
	mu       sync.Mutex
	shiftMS  int64
	paused   bool
	frozenMS int64
}

// now is the time that commands see: the loop's, unless debugtime moved it.
func (s *Server) now(loopNowMS int64) int64 {
	if !s.debugging.Load() {
		return loopNowMS
	}
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	if s.clock.paused {
		return s.clock.frozenMS
	}
	return loopNowMS + s.clock.shiftMS
}

func (s *Server) pauseClock(loopNowMS int64) {
	s.clock.mu.Lock()
	if !s.clock.paused {
		s.clock.paused = true
		s.clock.frozenMS = loopNowMS + s.clock.shiftMS
	}
	s.clock.mu.Unlock()
	s.debugging.Store(true)
}

func (s *Server) resumeClock() {
	s.clock.mu.Lock()
	s.clock.paused = false
	s.clock.mu.Unlock()
}

// moveClock adds to the clock. As in memcached a paused clock moves by all
// that was ever added.
func (s *Server) moveClock(seconds int64) {
	s.clock.mu.Lock()
	s.clock.shiftMS += seconds * 1000
	s.clock.frozenMS += s.clock.shiftMS
	s.clock.mu.Unlock()
	s.debugging.Store(true)
}
