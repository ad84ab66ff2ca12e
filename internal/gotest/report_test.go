package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// wantReport feeds events, and compares all that is printed.
func wantReport(t *testing.T, events, want string) {
	t.Helper()
	var got bytes.Buffer
	newReport(&got).read(strings.NewReader(events))
	if got.String() != want {
		t.Errorf("printed %q, want %q", got.String(), want)
	}
}

func TestSkipsAreNamed(t *testing.T) {
	wantReport(t, `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: no such program\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p","Elapsed":0.1}
`, "SKIPPED: p TestA: a_test.go:5: no such program\nSKIPPED: p TestB: no reason given\nok  \tp\t0.1s\n")
}

func TestPassesAreQuiet(t *testing.T) {
	wantReport(t, `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: a log\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t(cached)\n"}
{"Action":"pass","Package":"p"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}
`, "ok  \tp\t(cached)\n?   \tq\t[no test files]\n")
}

func TestFailuresArePrinted(t *testing.T) {
	wantReport(t, `{"ImportPath":"q","Action":"build-output","Output":"q/q.go:3: undefined: x\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: wrong\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
no event at all
`, "q/q.go:3: undefined: x\n    a_test.go:5: wrong\n--- FAIL: TestA (0.00s)\nFAIL\tp\t0.1s\npanic: test timed out\nno event at all\n")
}

// TestExitCode: a make that goes on after a failure would be worse than silence.
func TestExitCode(t *testing.T) {
	if out, err := exec.Command("go", "run", ".", "-run", "TestReason", ".").CombinedOutput(); err != nil || !strings.Contains(string(out), "ok  \t") {
		t.Errorf("a test that passes: %v, %s", err, out)
	}
	if out, err := exec.Command("go", "run", ".", "./nowhere").CombinedOutput(); err == nil {
		t.Errorf("a package that does not exist: no error, %s", out)
	}
}

func TestReason(t *testing.T) {
	if got := reason([]string{"=== RUN   TestA\n", "    one\n", "    two\n", "--- SKIP\n"}); got != "one two" {
		t.Errorf("%q", got)
	}
}
