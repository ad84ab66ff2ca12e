package alloctest

import (
	"strings"
	"testing"
)

// recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Errorf(text string, _ ...any) { r.failures = append(r.failures, text) }

var sink []byte

func TestZeroAcceptsWhatAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 16)
	Zero(t, "append into room", func() { buf = append(buf[:0], 'x') })
}

func TestZeroRefusesOneInFiftyCalls(t *testing.T) {
	SkipUnderRace(t)
	r := &recorder{TB: t}
	n := 0
	Zero(r, "rare", func() {
		if n++; n%50 == 0 {
			sink = make([]byte, 64)
		}
	})
	if len(r.failures) != 1 {
		t.Errorf("an allocation in every fiftieth call passed the gate")
	}
}

func TestExactRefusesFewerThanSaid(t *testing.T) {
	SkipUnderRace(t)
	r := &recorder{TB: t}
	Exact(r, "fewer", 2, func() { sink = make([]byte, 64) })
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "exactly") {
		t.Errorf("one allocation a call passed a gate of two")
	}
	Exact(t, "one", 1, func() { sink = make([]byte, 64) })
}
