package crash

import (
	"fmt"
	"time"
)

// class is what a key is for.
type class int

const (
	plain  class = iota
	number       // for arithmetic
	large        // of values that are not copied
	mortal       // stored only, and soon expired
)

// entry is a key, and what became of it since the last crash.
type entry struct {
	key      string
	class    class
	current  *state   // behind all that was sent
	changed  int      // the number of its last change
	tokenMax uint64   // the greatest token that the key ever had
	changes  []change // since the last crash, the state at its beginning first
}

// change is a new state, behind the request of that number.
type change struct {
	number int
	state  *state
}

func (e *entry) become(number int, s *state) {
	s.tokenAbove = e.tokenMax
	e.current, e.changed = s, number
	e.changes = append(e.changes, change{number, s})
}

// told is that a reply told of a change: number of client, by a reply that came at.
type told struct {
	client, number int
	at             time.Duration
}

// history is what a client did since the last crash: the requests that changed something.
type history struct {
	from    int             // the number of the last request before
	last    int             // of the last that was sent
	sent    []time.Duration // of each number behind from
	answers []answer        // replies, in their order
	told    []told          // about others' keys
}

// send notes when the requests were sent that were not yet.
func (h *history) send(now time.Duration) {
	for h.from+len(h.sent) < h.last {
		h.sent = append(h.sent, now)
	}
}

// sentAt is when a request was sent that changed something.
func (h *history) sentAt(number int) time.Duration { return h.sent[number-h.from-1] }

// restart begins a new history.
func (h *history) restart() {
	h.from = h.last
	h.sent, h.answers, h.told = h.sent[:0], h.answers[:0], h.told[:0]
}

// answer is that the reply to a request told of the change of that number, or of an
// earlier one.
type answer struct {
	number int
	at     time.Duration
}

// allowed are the numbers that may have been the last before the crash.
type allowed struct {
	from   int
	misses []int // of each number: keys that do not allow it
}

func newAllowed(h *history) *allowed {
	return &allowed{from: h.from, misses: make([]int, h.last-h.from+1)}
}

// restrict takes what was found of a key into account, and returns whether it is anything
// that the key ever was.
func (a *allowed) restrict(e *entry, f *found, scratch *[]byte) bool {
	fits, any := false, false
	at := 0
	mark := func(end int, fits bool) {
		for ; at < end; at++ {
			if !fits {
				a.misses[at]++
			}
		}
	}
	for i, c := range e.changes {
		if i > 0 {
			mark(c.number-a.from, fits)
		}
		fits = c.state.is(f, e.key, scratch)
		any = any || fits
	}
	mark(len(a.misses), fits)
	return any
}

// bounds are the first and the last allowed number, from at least on.
func (a *allowed) bounds(least int) (first, last int, ok bool) {
	first = -1
	for i, misses := range a.misses {
		if misses == 0 && a.from+i >= least {
			if first < 0 {
				first = a.from + i
			}
			last = a.from + i
		}
	}
	return first, last, first >= 0
}

// best is the number that the most keys allow, and how many do not: for people.
func (a *allowed) best() (number, misses int) {
	misses = 1 << 62
	for i, m := range a.misses {
		if m <= misses {
			number, misses = a.from+i, m
		}
	}
	return number, misses
}

// at is the entry's state behind a number.
func (e *entry) at(number int) *state {
	s := e.changes[0].state
	for _, c := range e.changes {
		if c.number <= number {
			s = c.state
		}
	}
	return s
}

// restart makes a state the first of a new history.
func (e *entry) restart(s *state, from int) {
	e.current, e.changed = s, from
	e.changes = append(e.changes[:0], change{from, s})
}

// describe says what is known of a key, for people.
func (e *entry) describe(f *found) string {
	text := fmt.Sprintf("%s: found %v; was", e.key, f)
	const most = 8
	for _, c := range e.changes[max(0, len(e.changes)-most):] {
		text += fmt.Sprintf(" [%d] %v", c.number, c.state)
	}
	return text
}
