package verdict

import (
	"fmt"
	"strings"
)

// Report is lines of figures and verdicts.
type Report struct {
	lines  []string
	failed int
}

// Say adds a line.
func (r *Report) Say(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// Hold adds a line with the verdict on a figure.
func (r *Report) Hold(held bool, format string, args ...any) {
	mark := "ok  "
	if !held {
		mark = "FAIL"
		r.failed++
	}
	r.Say(mark+" "+format, args...)
}

// Held says whether all figures held their bars.
func (r *Report) Held() bool { return r.failed == 0 }

// String is the report as text, lines with their ends.
func (r *Report) String() string { return strings.Join(r.lines, "\n") + "\n" }
