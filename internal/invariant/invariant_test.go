package invariant

import (
	"strings"
	"testing"
)

func panicText(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = r.(string)
		}
	}()
	f()
	return ""
}

func TestThatPanicsOnlyWhereOn(t *testing.T) {
	if got := panicText(func() { That(true, "holds") }); got != "" {
		t.Errorf("That(true) panicked: %s", got)
	}
	want := ""
	if On {
		want = "BUG: broken"
	}
	if got := panicText(func() { That(false, "broken") }); got != want {
		t.Errorf("That(false) said %q, want %q (On = %v)", got, want, On)
	}
}

func TestUnreachablePanicsAlways(t *testing.T) {
	got := panicText(func() { Unreachable("here") })
	if !strings.HasPrefix(got, "BUG: ") {
		t.Errorf("Unreachable said %q, want a text that begins BUG:", got)
	}
}

func TestThatAllocatesNothing(t *testing.T) {
	n := 0
	if got := testing.AllocsPerRun(100, func() { n++; That(n > 0, "counted") }); got != 0 {
		t.Errorf("That allocated %v times a call", got)
	}
}
