package load

// schedule is the plan of an open loop: request i is due at start + i*interval,
// whatever became of the ones before, or with the first one of its burst. Times are
// nanoseconds.
type schedule struct {
	start    int64
	interval float64
	index    int64 // of the next request
	count    int64 // of requests in the plan
	burst    int64 // requests that are due together
}

// newSchedule plans count requests of all workers together, at a rate per
// second that they share: each worker takes every workers-th request.
func newSchedule(count int64, perSecond float64, worker, workers int) schedule {
	interval := 1e9 / perSecond
	return schedule{
		start:    int64(interval * float64(worker)),
		interval: interval * float64(workers),
		count:    quota(count, worker, workers),
		burst:    1,
	}
}

// quota is the share of one of several in a count: every index that is its own
// modulo their number.
func quota(count int64, one, of int) int64 {
	return (count - int64(one) + int64(of) - 1) / int64(of)
}

// due is when the next request is to be sent. It is computed from the index,
// not from the request before, so that rounding does not add up.
func (s *schedule) due() int64 {
	return s.start + int64(float64(s.index-s.index%s.burst)*s.interval)
}

// begins says whether the next request is the first of a burst.
func (s *schedule) begins() bool { return s.index%s.burst == 0 }

func (s *schedule) done() bool { return s.index >= s.count }

// issue makes the next request on st, if it is due and st has room. Otherwise
// it says false; the request keeps its due time.
func (s *schedule) issue(st *stream, now int64) bool {
	due := s.due()
	if s.done() || due > now || st.full() {
		return false
	}
	st.request(due)
	s.index++
	return true
}
