package checker

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func newClock() *clock { return &clock{start: time.Now(), slack: 10 * ms} }

func want(t *testing.T, what string, got, want bool) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v", what, got)
	}
}

func TestExpiryIsKnownWithinBounds(t *testing.T) {
	e, f := &entry{key: "k"}, &flushes{}
	e.store(change{exptime: 1}, span{100 * ms, 200 * ms}, newClock())
	early, between, over := span{500 * ms, 600 * ms}, span{1000 * ms, 1150 * ms}, span{1211 * ms, 1300 * ms}
	want(t, "early hit", e.mayHit(early, f), true)
	want(t, "early miss", e.mayMiss(early, f, false), false)
	want(t, "hit between", e.mayHit(between, f), true)
	want(t, "miss between", e.mayMiss(between, f, false), true)
	want(t, "hit behind", e.mayHit(over, f), false)
	want(t, "miss behind", e.mayMiss(over, f, false), true)
	want(t, "evicted", e.mayMiss(early, f, true), true)
	e.store(change{exptime: -1}, span{100 * ms, 200 * ms}, newClock())
	want(t, "expired when stored", e.mayHit(early, f), false)
}

func TestFlushTakesWhatWasStoredBefore(t *testing.T) {
	f := &flushes{}
	before, during, after := &entry{}, &entry{}, &entry{}
	before.store(change{}, span{10 * ms, 20 * ms}, newClock())
	f.begin(100 * ms)
	want(t, "hit while it runs", before.mayHit(span{110 * ms, 120 * ms}, f), true)
	want(t, "miss while it runs", before.mayMiss(span{110 * ms, 120 * ms}, f, false), true)
	want(t, "miss before", before.mayMiss(span{80 * ms, 90 * ms}, f, false), false)
	during.store(change{}, span{110 * ms, 130 * ms}, newClock())
	f.end(120 * ms)
	after.store(change{}, span{140 * ms, 150 * ms}, newClock())
	late := span{200 * ms, 210 * ms}
	want(t, "hit of the old", before.mayHit(late, f), false)
	want(t, "hit of what was stored meanwhile", during.mayHit(late, f), true)
	want(t, "miss of what was stored meanwhile", during.mayMiss(late, f, false), true)
	want(t, "miss of the new", after.mayMiss(late, f, false), false)
	during.seen(late)
	want(t, "miss of what was seen behind it", during.mayMiss(span{220 * ms, 230 * ms}, f, false), false)
}

func TestTokensGrowWithChanges(t *testing.T) {
	e := &entry{}
	step := func(token uint64, fine bool) {
		t.Helper()
		if err := e.seeToken(token); (err == nil) != fine {
			t.Errorf("token %d: %v", token, err)
		}
	}
	step(7, true)
	step(7, true)
	step(8, false)
	e.mutate(span{})
	step(7, false)
	step(9, true)
	step(0, false)
}

func TestSegmentsAreKnown(t *testing.T) {
	g := segment{writer: 3, version: 7, length: 5000}
	value := g.append(nil, "key")
	got, scratch, err := parseSegment(value, nil, "key")
	if err != nil || got != g {
		t.Fatalf("%v, %v", got, err)
	}
	refuse := func(what string, value []byte, key string) {
		t.Helper()
		if _, _, err := parseSegment(value, scratch, key); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	refuse("another key's", value, "kez")
	refuse("a short one", value[:4999], "key")
	torn := append([]byte(nil), value...)
	copy(torn[2500:], segment{writer: 3, version: 8, length: 5000}.append(nil, "key")[2500:])
	refuse("a torn one", torn, "key")
	refuse("none", []byte("what is this"), "key")
}

func TestSharedVersionsAndTokens(t *testing.T) {
	s := newShared(0, 2)
	s.settle(1, 5)
	s.settle(1, 4)
	if v := s.snapshot(); v[0] != 0 || v[1] != 5 {
		t.Errorf("settled %v", v)
	}
	fine := func(what string, err error, want bool) {
		t.Helper()
		if (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	a, b := segment{version: 1}, segment{version: 2}
	fine("first sight", s.saw(9, a), true)
	fine("the same", s.saw(9, a), true)
	fine("another value", s.saw(9, b), false)
	fine("one swap", s.won(9, a), true)
	fine("a second", s.won(9, a), false)
}
