package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json; what is not used here is left out.
type event struct {
	Action, Package, Test, Output string
}

// report prints what a person wants to see of events.
type report struct {
	to      io.Writer
	outputs map[testName][]string // of tests that have not ended
}

// testName is a test of a package; of the package itself, if test is "".
type testName struct{ pkg, test string }

func newReport(to io.Writer) *report {
	return &report{to, map[testName][]string{}}
}

// read reports events until there are no more.
func (r *report) read(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err != nil {
			return
		}
	}
}

func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		io.WriteString(r.to, line)
		return
	}
	name := testName{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.output(name, e.Output)
	case "build-output":
		io.WriteString(r.to, e.Output)
	case "pass":
		if e.Test == "" {
			r.rest(e.Package)
		}
		delete(r.outputs, name)
	case "skip":
		if e.Test != "" {
			fmt.Fprintf(r.to, "SKIPPED: %s %s: %s\n", e.Package, e.Test, reason(r.outputs[name]))
		}
		delete(r.outputs, name)
	case "fail":
		if e.Test == "" {
			r.rest(e.Package)
			return
		}
		io.WriteString(r.to, strings.Join(r.outputs[name], ""))
		delete(r.outputs, name)
	}
}

// output keeps what a test says, and prints what the package says.
func (r *report) output(name testName, text string) {
	if name.test != "" {
		r.outputs[name] = append(r.outputs[name], text)
	} else if text != "PASS\n" {
		io.WriteString(r.to, text)
	}
}

// rest prints the output of tests that never ended.
func (r *report) rest(pkg string) {
	var names []testName
	for name := range r.outputs {
		if name.pkg == pkg {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b testName) int { return strings.Compare(a.test, b.test) })
	for _, name := range names {
		io.WriteString(r.to, strings.Join(r.outputs[name], ""))
		delete(r.outputs, name)
	}
}

// reason is what a test said before it was skipped, on one line.
func reason(output []string) string {
	var words []string
	for _, line := range output {
		text := strings.TrimSpace(line)
		if text != "" && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			words = append(words, text)
		}
	}
	if len(words) == 0 {
		return "no reason given"
	}
	return strings.Join(words, " ")
}
