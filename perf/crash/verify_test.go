package crash

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// scene is a client whose requests were all answered, one a millisecond, and whose keys
// are as they should be behind the last one.
func scene(t *testing.T) (*course, *check) {
	t.Helper()
	c := newCourse(&Options{Judge: "always"}, "")
	c.clients = c.clients[:1]
	l := c.clients[0]
	for range 400 {
		l.out, l.batch = l.out[:0], l.batch[:0]
		l.compose()
		for _, r := range l.batch {
			if r.tells >= 0 {
				l.history.answers = append(l.history.answers, answer{r.tells, time.Duration(len(l.history.sent)) * time.Millisecond})
			}
		}
		l.history.send(time.Duration(len(l.history.sent)) * time.Millisecond)
	}
	k := &check{client: l, round: 1}
	for _, e := range l.entries {
		k.found = append(k.found, foundOf(e, e.current))
	}
	return c, k
}

func foundOf(e *entry, s *state) found {
	f := found{present: s.present, flags: uint64(s.flags), expires: s.expiresFrom}
	if s.present {
		f.value = s.appendValue(nil, e.key)
	}
	return f
}

// changed is the number of an entry that changed n times at least, and is there.
func changed(t *testing.T, k *check, n int) int {
	t.Helper()
	for i, e := range k.client.entries {
		if e.class == plain && len(e.changes) > n && e.current.present && len(e.current.parts[0].append(nil, e.key)) > 0 {
			return i
		}
	}
	t.Fatal("no key changed so often")
	return 0
}

func wrongly(t *testing.T, err error, why string) {
	t.Helper()
	var wrong *Wrong
	if !errors.As(err, &wrong) || !strings.Contains(wrong.Why, why) {
		t.Errorf("%v, want %q", err, why)
	}
}

func TestWhole(t *testing.T) {
	c, k := scene(t)
	if err := k.judge(c.least(time.Hour)[0]); err != nil || k.last != k.client.history.last {
		t.Fatalf("last %d of %d, %v", k.last, k.client.history.last, err)
	}
	if err := k.adopt(); err != nil {
		t.Fatal(err)
	}
}

// The state behind any number is a prefix, and is found, but not as one that has all.
func TestPrefix(t *testing.T) {
	c, k := scene(t)
	number := k.client.history.last / 2
	for i, e := range k.client.entries {
		k.found[i] = foundOf(e, e.at(number))
	}
	if err := k.judge(0); err != nil || k.first > number || k.last < number {
		t.Errorf("%d..%d, %v", k.first, k.last, err)
	}
	wrongly(t, k.judge(c.least(time.Hour)[0]), "was told of")
	if err := k.judge(c.least(time.Duration(number/2) * time.Millisecond)[0]); err != nil {
		t.Error(err)
	}
}

func TestDamageIsFound(t *testing.T) {
	for _, d := range []struct {
		name, why string
		do        func(k *check, e *entry, f *found)
	}{
		{"a byte", "never was", func(_ *check, _ *entry, f *found) { f.value[len(f.value)-1] ^= 1 }},
		{"a value cut short", "never was", func(_ *check, _ *entry, f *found) { f.value = f.value[:len(f.value)-1] }},
		{"flags", "never was", func(_ *check, _ *entry, f *found) { f.flags ^= 1 }},
		{"an expiry", "never was", func(_ *check, _ *entry, f *found) { f.expires += 500 * time.Second }},
		{"an older state", "no prefix", func(_ *check, e *entry, f *found) { *f = foundOf(e, e.changes[len(e.changes)-2].state) }},
	} {
		_, k := scene(t)
		i := changed(t, k, 1)
		d.do(k, k.client.entries[i], &k.found[i])
		wrongly(t, k.judge(0), d.why)
	}
}

func TestTokens(t *testing.T) {
	_, k := scene(t)
	i := changed(t, k, 1)
	e := k.client.entries[i]
	e.current.token, e.tokenMax = 7, 7
	k.found[i].token = 8
	if err := k.judge(0); err != nil {
		t.Fatal(err)
	}
	wrongly(t, k.adopt(), "nothing changed")
	e.current.token, e.current.tokenAbove, k.found[i].token = 0, 9, 9
	wrongly(t, k.adopt(), "of a new state")
}

func TestMortals(t *testing.T) {
	c, k := scene(t)
	for i, e := range k.client.entries {
		if e.class != mortal || !k.found[i].present {
			continue
		}
		if err := k.judge(0); err != nil {
			t.Fatal(err)
		}
		c.start = c.start.Add(-time.Minute)
		wrongly(t, k.judge(0), "expired")
		return
	}
	t.Fatal("no mortal")
}

// Prefixes of different times, and half a flush_all.
func TestOrderOfClients(t *testing.T) {
	c, a := scene(t)
	_, b := scene(t)
	c.clients = append(c.clients, b.client)
	for _, k := range []*check{a, b} {
		if err := k.judge(0); err != nil {
			t.Fatal(err)
		}
	}
	checks := []check{*a, *b}
	if err := c.inOrder(1, checks); err != nil {
		t.Fatal(err)
	}
	c.flushes = []flush{{[]int{a.last + 1, b.last}}}
	wrongly(t, c.inOrder(1, checks), "flush_all")
	c.flushes = nil
	checks[0].first, checks[0].last = 10, 10
	wrongly(t, c.inOrder(1, checks), "is there")
}
