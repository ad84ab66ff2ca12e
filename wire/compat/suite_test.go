package compat

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	suiteLimit = 2 * time.Minute  // for one file; the slowest takes 25 s
	suiteTrial = 20 * time.Second // for one that need not pass: some wait for a reply that does not come
)

// A suiteFile is a line of testdata/suite.txt.
type suiteFile struct {
	name     string
	standing string // pass or never
	reason   string // of never; of pass: a skip inside the file that is allowed
}

// readSuiteList reads testdata/suite.txt.
func readSuiteList(t *testing.T) (files []suiteFile) {
	t.Helper()
	f, err := os.Open("testdata/suite.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		standing, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if !slices.Contains([]string{"pass", "never"}, standing) || standing != "pass" && reason == "" {
			t.Fatalf("testdata/suite.txt: %q wants a standing, and a reason unless it passes", line)
		}
		files = append(files, suiteFile{name, standing, strings.TrimSpace(reason)})
	}
	return files
}

// TestSuite runs memcached's own tests, unchanged, against us. A file passes
// when it runs all that it planned, nothing fails, and nothing skips itself.
// With PANDA_COMPAT_ALL set, the files that need not pass run too, and what
// they did is printed.
func TestSuite(t *testing.T) {
	t.Parallel()
	perl := tool(t, "perl")
	source := peer(t, "memcached-1.6.18", "t")
	work := suiteWork(t, source)
	all := os.Getenv("PANDA_COMPAT_ALL") != ""

	listed := map[string]bool{}
	for _, file := range readSuiteList(t) {
		listed[file.name] = true
		if file.standing != "pass" && !all {
			continue
		}
		t.Run(file.name, func(t *testing.T) {
			t.Parallel()
			result := runSuiteFile(t, perl, work, file)
			switch {
			case file.standing != "pass":
				t.Logf("%s (%s): %s", file.standing, file.reason, result.summary())
			case !result.passed():
				t.Errorf("%s\n%s", result.summary(), result.tail())
			}
		})
	}
	present, err := filepath.Glob(filepath.Join(source, "*.t"))
	if err != nil || len(present) == 0 {
		t.Fatalf("no tests in %s (%v)", source, err)
	}
	for _, path := range present {
		if name := strings.TrimSuffix(filepath.Base(path), ".t"); !listed[name] {
			t.Errorf("testdata/suite.txt does not name %s", name)
		}
	}
}

// suiteWork makes the folder that memcached's tests run in: its sources' t and
// doc, and stand-ins for the two programs they start.
func suiteWork(t *testing.T, source string) string {
	t.Helper()
	work := t.TempDir()
	for _, name := range []string{"t", "doc"} {
		if err := os.Symlink(filepath.Join(filepath.Dir(source), name), filepath.Join(work, name)); err != nil {
			t.Fatal(err)
		}
	}
	// timedrun ends its child after some seconds; run does that.
	if err := os.WriteFile(filepath.Join(work, "timedrun"), []byte("#!/bin/sh\nshift\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	extra := ""
	p := subject(t, v1618)
	if p.original { // a release build of the original refuses this
		extra = "set -- $(echo \"$*\" | sed 's/-o relaxed_privileges//')\n"
	}
	standIn(t, work, "memcached-debug", p, extra)
	return work
}

// A suiteResult is what a test file said, in the Test Anything Protocol.
type suiteResult struct {
	output    string
	err       error
	planned   int // -1: no plan
	succeeded int
	failed    int
	skipped   []string
	took      time.Duration
}

var (
	tapPlan = regexp.MustCompile(`^1\.\.(\d+)(.*)$`)
	tapLine = regexp.MustCompile(`^(not )?ok\b(.*)$`)
	tapSkip = regexp.MustCompile(`(?i)# *skip`)
	tapTODO = regexp.MustCompile(`(?i)# *todo`)
)

// parseTAP reads a test file's output.
func parseTAP(text string) suiteResult {
	r := suiteResult{output: text, planned: -1}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := tapPlan.FindStringSubmatch(line); m != nil {
			r.planned, _ = strconv.Atoi(m[1])
			if tapSkip.MatchString(m[2]) {
				r.skipped = append(r.skipped, line)
			}
		}
		m := tapLine.FindStringSubmatch(line)
		switch {
		case m == nil:
		case tapSkip.MatchString(m[2]):
			r.skipped = append(r.skipped, line)
			r.succeeded++
		case m[1] == "" || tapTODO.MatchString(m[2]):
			r.succeeded++
		default:
			r.failed++
		}
	}
	return r
}

// suiteEnvironment is this process's, with the switches of the suite as a file
// needs them. Without a file's needs, the test skips.
func suiteEnvironment(t *testing.T, name string) (variables []string) {
	t.Helper()
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "T_MEMD_") && !slices.Contains([]string{"SSL_TEST", "RUN_SASL_TESTS", "VALGRIND_TEST", "PARALLEL"}, name) {
			variables = append(variables, v)
		}
	}
	switch {
	case strings.HasPrefix(name, "ssl_"): // for others it would mean: all of it over TLS
		if exec.Command(tool(t, "perl"), "-e", "use IO::Socket::SSL").Run() != nil {
			t.Skip("not installed (wire/compat/install-peers.sh says why): perl's IO::Socket::SSL")
		}
		return append(variables, "SSL_TEST=1")
	case strings.Contains(name, "sasl"):
		tool(t, "saslpasswd2")
		return append(variables, "RUN_SASL_TESTS=1")
	}
	return variables
}

// fixedPorts is the file that wants the ports 11211 to 11272, whoever has them.
const fixedPorts = "issue_67"

func runSuiteFile(t *testing.T, perl, work string, file suiteFile) suiteResult {
	t.Helper()
	began := time.Now()
	words := []string{perl, filepath.Join("t", file.name+".t")}
	if file.name == fixedPorts {
		network, err := ownNetwork(perl)
		if err != nil {
			t.Skipf("the ports 11211 to 11272 want a network of their own: %v", err)
		}
		words = append(network, words...)
	}
	command := exec.Command(words[0], words[1:]...)
	command.Dir = work
	command.Env = suiteEnvironment(t, file.name)
	limit := suiteLimit
	if file.standing != "pass" {
		limit = suiteTrial
	}
	text, err := run(t, command, limit)
	r := parseTAP(text)
	r.err, r.took = err, time.Since(began)
	if file.standing == "pass" && file.reason != "" {
		r.skipped = slices.DeleteFunc(r.skipped, func(s string) bool { return strings.Contains(s, file.reason) })
	}
	return r
}

func (r suiteResult) passed() bool {
	return r.err == nil && r.planned > 0 && r.succeeded == r.planned && r.failed == 0 && len(r.skipped) == 0
}

func (r suiteResult) summary() string {
	return fmt.Sprintf("planned %d, passed %d, failed %d, skipped %q, error %v, %.1f s",
		r.planned, r.succeeded, r.failed, r.skipped, r.err, r.took.Seconds())
}

// tail is the part of the output that says what went wrong.
func (r suiteResult) tail() string {
	var kept []string
	for line := range strings.Lines(r.output) {
		if line = strings.TrimSpace(line); !tapLine.MatchString(line) || strings.HasPrefix(line, "not ") {
			kept = append(kept, fmt.Sprintf("%.160s\n", line))
		}
	}
	const most = 60
	return strings.Join(kept[max(0, len(kept)-most):], "")
}

// TestSuiteParser shows that a file which fails in any of the possible ways
// does not pass.
func TestSuiteParser(t *testing.T) {
	check := func(text string, want bool) {
		t.Helper()
		if got := parseTAP(text); got.passed() != want {
			t.Errorf("%q: passed is %v: %s", text, !want, got.summary())
		}
	}
	check("1..2\nok 1\nok 2 - b\n", true)
	check("ok 1\n1..1\n", true)
	check("1..1\nnot ok 1 - x # TODO later\n", true)
	check("1..2\nok 1\n", false)
	check("1..1\nok 1\nok 2\n", false)
	check("1..2\nok 1\nnot ok 2\n", false)
	check("ok 1\n", false)
	check("", false)
	check("1..0 # SKIP no such thing\n", false)
	check("1..2\nok 1\nok 2 # skip not here\n", false)
}
