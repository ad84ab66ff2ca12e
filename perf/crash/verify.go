package crash

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	// readBatch is how many keys are asked for at once.
	readBatch = 64
	// clockTick is how late a server may see that an item has expired.
	clockTick = 1500 * time.Millisecond
	// promised is how old what is missing may be, with fsync=everysec.
	promised = time.Second
)

// verify reads all keys, and checks that they are what the crash may have left.
func (c *course) verify(round int, killed time.Duration, stopped bool) error {
	deadline := time.Duration(math.MaxInt64)
	switch {
	case stopped || c.Judge == "always":
	case c.Judge == "everysec":
		deadline = killed - promised
	default:
		deadline = math.MinInt64 // nothing is promised but the order
	}
	checks := make([]check, len(c.clients))
	var all sync.WaitGroup
	for i, l := range c.clients {
		checks[i] = check{client: l, round: round, killed: killed}
		all.Go(func() { checks[i].err = checks[i].read() })
	}
	all.Wait()
	least := c.least(deadline)
	for i := range checks {
		if checks[i].err == nil {
			checks[i].err = checks[i].judge(least[i])
		}
		if checks[i].err != nil {
			return checks[i].err
		}
	}
	if err := c.inOrder(round, checks); err != nil {
		return err
	}
	told := c.least(math.MaxInt64)
	for i := range checks {
		if err := checks[i].adopt(); err != nil {
			return err
		}
		c.count(&checks[i], told[i])
	}
	return nil
}

// least is the number of each client up to which all must be there.
func (c *course) least(deadline time.Duration) []int {
	least := make([]int, len(c.clients))
	for i, l := range c.clients {
		least[i] = max(least[i], l.history.from)
		for _, a := range l.history.answers {
			if a.at <= deadline {
				least[i] = max(least[i], a.number)
			}
		}
		for _, t := range l.history.told {
			if t.at <= deadline {
				least[t.client] = max(least[t.client], t.number)
			}
		}
	}
	return least
}

// count adds up what a round was. Told is the last number that a reply told of.
func (c *course) count(k *check, told int) {
	l, h := k.client, &k.client.history
	c.sums.requests += l.asked
	l.asked = 0
	c.sums.changes += int64(h.last - h.from)
	c.sums.untold += int64(max(k.last-told, 0))
	for _, a := range h.answers {
		if a.number > k.last {
			c.sums.missing = max(c.sums.missing, k.killed-a.at)
		}
	}
	h.restart()
}

// check is one client's keys behind a crash.
type check struct {
	client      *client
	round       int
	killed      time.Duration
	found       []found // of each entry
	mortals     []*state
	allowed     *allowed
	first, last int // numbers that may have been the last
	err         error
}

func (k *check) wrong(keys []string, format string, args ...any) error {
	return &Wrong{Round: k.round, Client: k.client.id, Why: fmt.Sprintf(format, args...), Keys: keys}
}

// read reads what is there.
func (k *check) read() error {
	l := k.client
	if err := l.dial(); err != nil {
		return err
	}
	for at := 0; at < len(l.entries); at += readBatch {
		batch := l.entries[at:min(at+readBatch, len(l.entries))]
		l.out, l.batch = l.out[:0], l.batch[:0]
		for _, e := range batch {
			l.write("mg %s f t c v", e.key)
		}
		if err := l.speak(); err != nil {
			return err
		}
		for _, e := range batch {
			f, err := l.meta()
			if err != nil {
				return fmt.Errorf("reading %s back: %w", e.key, err)
			}
			f.value = append([]byte(nil), f.value...)
			k.found = append(k.found, f)
		}
	}
	return nil
}

// judge finds the numbers that may have been the last, which are not below least.
func (k *check) judge(least int) error {
	l := k.client
	k.allowed = newAllowed(&l.history)
	for i, e := range l.entries {
		f := &k.found[i]
		if e.class == mortal {
			s := k.judgeMortal(e, f)
			if s == nil {
				return k.wrong([]string{e.describe(f)}, "a key that expired is there, or is what it never was (at %v)", l.now())
			}
			k.mortals = append(k.mortals, s)
			continue
		}
		if !k.allowed.restrict(e, f, &l.scratch) {
			return k.wrong([]string{e.describe(f)}, "a key is what it never was")
		}
	}
	ok := false
	if k.first, k.last, ok = k.allowed.bounds(least); ok {
		return nil
	}
	if _, last, ok := k.allowed.bounds(0); ok {
		return k.wrong(k.unlike(least), "request %d was told of, and what is there ends with %d (there were %d..%d)", least, last, l.history.from+1, l.history.last)
	}
	best, misses := k.allowed.best()
	return k.wrong(k.unlike(best), "what is there is no prefix: of %d..%d, at least %d was told of, %d fits best but for %d keys",
		l.history.from+1, l.history.last, least, best, misses)
}

// judgeMortal returns the state that a key is in that expires, nil if it may not be so.
func (k *check) judgeMortal(e *entry, f *found) *state {
	if !f.present {
		return &state{}
	}
	for _, c := range e.changes {
		s := *c.state
		by := min(s.expiresBy, k.killed+mortalMax*time.Second) // it was stored before
		s.expiresBy = s.expiresFrom + stall                    // times to live tell nothing here
		if s.present && s.is(f, e.key, &k.client.scratch) && k.client.now() <= by+clockTick {
			c.state.expiresBy = by
			return c.state
		}
	}
	return nil
}

// unlike describes some keys that are not in their state behind a number.
func (k *check) unlike(number int) (keys []string) {
	const most = 5
	for i, e := range k.client.entries {
		if len(keys) < most && e.class != mortal && !e.at(number).is(&k.found[i], e.key, &k.client.scratch) {
			keys = append(keys, e.describe(&k.found[i]))
		}
	}
	return keys
}

// inOrder checks what concerns several clients: whatever was answered before a request
// was sent that came back is there, and a flush_all came back for all or for none.
func (c *course) inOrder(round int, checks []check) error {
	for i := range checks {
		b := &checks[i]
		if b.first == b.client.history.from {
			continue
		}
		sent := b.client.history.sentAt(b.first)
		for j := range checks {
			a := &checks[j]
			for _, answer := range a.client.history.answers {
				if answer.at < sent && answer.number > a.last {
					return a.wrong(a.unlike(answer.number), "request %d was answered at %v and is missing, and request %d of client %d was sent at %v and is there",
						answer.number, answer.at, b.first, b.client.id, sent)
				}
			}
		}
	}
	for _, f := range c.flushes {
		without, with := -1, -1
		for i := range checks {
			switch {
			case checks[i].last < f.numbers[i]:
				without = i
			case checks[i].first >= f.numbers[i]:
				with = i
			}
		}
		if without >= 0 && with >= 0 {
			return &Wrong{Round: round, Client: without, Why: fmt.Sprintf("a flush_all came back for client %d and not for this one", with)}
		}
	}
	return nil
}

// adopt takes what is there as the beginning of the next round.
func (k *check) adopt() error {
	l, mortals := k.client, k.mortals
	for i, e := range l.entries {
		if e.class == mortal {
			e.restart(mortals[0], l.history.last)
			mortals = mortals[1:]
			continue
		}
		s, err := k.adopted(e, &k.found[i])
		if err != nil {
			return k.wrong([]string{e.describe(&k.found[i])}, "%v", err)
		}
		e.restart(s, l.history.last)
	}
	return nil
}

// adopted is the state that the entry is in, one of those that look alike.
func (k *check) adopted(e *entry, f *found) (*state, error) {
	errs := errors.New("no state of it is like that") // not so: a number was allowed
	for n := len(e.changes) - 1; n >= 0; n-- {
		c := e.changes[n]
		before := n+1 < len(e.changes) && e.changes[n+1].number <= k.first
		if c.number > k.last || before || !c.state.is(f, e.key, &k.client.scratch) {
			continue
		}
		err := e.seeToken(c.state, f.token)
		if err == nil {
			return c.state, nil
		}
		errs = errors.Join(errs, err)
	}
	return nil, errs
}
