package checker

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// entry is what the owner of a key knows about it. All times are since the
// beginning of the check.
type entry struct {
	key     string
	version uint64 // of the last segment made; never used again

	present  bool // may be there
	doubtful bool // may be absent though nothing took it: a store without reply
	segments []segment
	numeric  bool // the value is number, in decimal, perhaps with spaces behind it
	number   uint64
	flags    uint32

	expiresFrom, expiresBy time.Duration // the bounds of when it expires; 0: never
	storedFrom, storedBy   time.Duration // the bounds of its last store

	token     uint64 // its CAS token, 0 when not known
	tokenSeen uint64 // the greatest that the key ever had
	renewed   bool   // it changed since tokenSeen was seen: the next is greater
}

func (e *entry) length() (n int) {
	for _, s := range e.segments {
		n += s.length
	}
	return n
}

// change is what a store makes of an entry.
type change struct {
	segments []segment
	numeric  bool
	number   uint64
	flags    uint32
	exptime  int // seconds, 0: never, negative: at once
}

// relativeMax is the longest exptime that counts from now.
const relativeMax = 30 * 24 * 3600

// clock tells the time since the beginning of a check.
type clock struct {
	start time.Time
	slack time.Duration // how far from its time an expiry may be seen
}

func (k *clock) now() time.Duration { return time.Since(k.start) }

// span is when a request was sent and when its reply had come.
type span struct{ sent, got time.Duration }

// store notes that a change was made within at.
func (e *entry) store(c change, at span, k *clock) {
	e.present, e.doubtful = true, false
	e.segments, e.numeric, e.number, e.flags = slices.Clone(c.segments), c.numeric, c.number, c.flags
	e.expire(c.exptime, at, k)
	e.mutate(at)
}

// expire notes a new time of expiry.
func (e *entry) expire(exptime int, at span, k *clock) {
	switch {
	case exptime == 0:
		e.expiresFrom, e.expiresBy = 0, 0
	case exptime < 0:
		e.present = false
	case exptime > relativeMax:
		// Seconds of the system's clock: which of two a server takes is its own.
		moment := time.Unix(int64(exptime), 0).Sub(k.start)
		e.expiresFrom, e.expiresBy = max(moment-time.Second-k.slack, 1), max(moment+time.Second+k.slack, 1)
	default:
		ttl := time.Duration(exptime) * time.Second
		e.expiresFrom, e.expiresBy = max(at.sent+ttl-k.slack, 1), at.got+ttl+k.slack
	}
}

// mutate notes that the item is another one now, with another token.
func (e *entry) mutate(at span) {
	e.storedFrom, e.storedBy = at.sent, at.got
	e.token, e.renewed = 0, true
}

func (e *entry) remove() { e.present = false }

// mayHit says whether a request within at may find the entry.
func (e *entry) mayHit(at span, f *flushes) bool {
	expired := e.expiresBy > 0 && at.sent > e.expiresBy
	return e.present && !expired && !f.killed(e.storedBy, at.sent)
}

// mayMiss says whether a request within at may not find it. Evicts: the server
// may have evicted it.
func (e *entry) mayMiss(at span, f *flushes, evicts bool) bool {
	expires := e.expiresFrom > 0 && at.got >= e.expiresFrom
	return !e.present || e.doubtful || evicts || expires || f.mayKill(e.storedFrom, at.got)
}

// seen notes that a request found it: no flush that ended before has taken it.
func (e *entry) seen(at span) {
	e.doubtful = false
	e.storedFrom = max(e.storedFrom, at.sent)
}

// seeToken checks a CAS token that came with the value.
func (e *entry) seeToken(token uint64) error {
	switch {
	case token == 0:
		return fmt.Errorf("CAS token 0")
	case e.token != 0 && token != e.token:
		return fmt.Errorf("CAS token %d, was %d, and nothing changed", token, e.token)
	case e.renewed && token <= e.tokenSeen:
		return fmt.Errorf("CAS token %d after a change, had been %d", token, e.tokenSeen)
	}
	e.token, e.tokenSeen, e.renewed = token, token, false
	return nil
}

// flushes are the times of the flush_alls.
type flushes struct {
	mu    sync.RWMutex
	spans []span // got is 0 while there is no reply
}

func (f *flushes) begin(now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans = append(f.spans, span{sent: now})
}

func (f *flushes) end(now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans[len(f.spans)-1].got = now
}

// killed says whether a flush lies wholly between a store that was over by
// storedBy and a request that was sent then.
func (f *flushes) killed(storedBy, sent time.Duration) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, s := range slices.Backward(f.spans) {
		if s.got != 0 && s.got < sent {
			return s.sent > storedBy // no earlier one began later
		}
	}
	return false
}

// mayKill says whether a flush may have come between a store that did not begin
// before storedFrom and a reply that came at got.
func (f *flushes) mayKill(storedFrom, got time.Duration) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if len(f.spans) == 0 {
		return false
	}
	for _, s := range slices.Backward(f.spans) {
		if s.got != 0 && s.got < storedFrom {
			return false
		}
		if s.sent <= got {
			return true
		}
	}
	return false
}
