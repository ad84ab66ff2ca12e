package load

import (
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

func TestScheduleShares(t *testing.T) {
	a, b := newSchedule(5, 1000, 0, 2), newSchedule(5, 1000, 1, 2)
	var due []int64
	for !a.done() {
		due = append(due, a.due())
		a.index++
		if !b.done() {
			due = append(due, b.due())
			b.index++
		}
	}
	for i, d := range due {
		if d != int64(i)*ms {
			t.Errorf("request %d is due at %d, want %d", i, d, int64(i)*ms)
		}
	}
	if len(due) != 5 {
		t.Errorf("%d requests, want 5", len(due))
	}
}

// Due times do not drift: the millionth is where it belongs.
func TestScheduleDoesNotDrift(t *testing.T) {
	s := newSchedule(1<<40, 300_000, 0, 1)
	s.index = 300_000 * 60
	if d := s.due(); d != int64(time.Minute) {
		t.Fatalf("due %d, want a minute", d)
	}
}

// A burst is due with its first request, and the rate is the same.
func TestBurst(t *testing.T) {
	s := newSchedule(9, 1000, 0, 1)
	s.burst = 4
	for i := range int64(9) {
		if d := s.due(); d != i/4*4*ms || s.begins() != (i%4 == 0) {
			t.Errorf("request %d is due at %d", i, d)
		}
		s.index++
	}
}

// A server that stalls for 10 ms delays the requests that were due meanwhile,
// and each counts from when it was due: nothing is omitted.
func TestStallCountsAgainstAllDelayed(t *testing.T) {
	s := newTestStream(t, Config{Rate: 1000, Requests: 100})
	plan := newSchedule(10, 1000, 0, 1)
	now := int64(0)
	issueAll := func() {
		for plan.issue(s, now) {
		}
	}
	issueAll() // request 0, at 0
	now = 9 * ms
	issueAll() // the generator itself was away: requests 1 to 9 go late
	if s.outstanding() != 10 {
		t.Fatalf("%d outstanding, want 10", s.outstanding())
	}
	now = 10 * ms
	for range 10 {
		if _, err := s.replies([]byte("END\r\n"), now); err != nil {
			t.Fatal(err)
		}
	}
	// Latencies are 10, 9 … 1 ms.
	h := s.latency
	if h.TotalCount() != 10 || !near(h.Max(), 10*ms) || !near(h.Min(), ms) || !near(h.ValueAtQuantile(50), 5*ms) {
		t.Fatalf("count %d, min %d, median %d, max %d", h.TotalCount(), h.Min(), h.ValueAtQuantile(50), h.Max())
	}
}

// What has no room keeps its due time.
func TestFullStreamKeepsPlan(t *testing.T) {
	s := newTestStream(t, Config{Rate: 1000, Requests: 2 * OutstandingMax})
	plan := newSchedule(2*OutstandingMax, 1000, 0, 1)
	for plan.issue(s, int64(time.Hour)) {
	}
	if s.outstanding() != OutstandingMax || plan.index != OutstandingMax {
		t.Fatalf("%d outstanding, plan at %d, want %d", s.outstanding(), plan.index, OutstandingMax)
	}
	if _, err := s.replies([]byte("END\r\n"), 0); err != nil {
		t.Fatal(err)
	}
	if !plan.issue(s, int64(time.Hour)) {
		t.Fatal("no room after a reply")
	}
	if got := s.waiting[(s.tail-1)&uint(len(s.waiting)-1)].due; got != OutstandingMax*ms {
		t.Fatalf("due %d, want %d", got, OutstandingMax*ms)
	}
}

func near(got, want int64) bool { return got > want*998/1000 && got < want*1002/1000 }
