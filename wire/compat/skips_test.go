package compat

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	skipsFile   = "memcached-skips.txt"
	skipsReason = skipsFile + " says why"
)

// A suiteSkip is a paragraph of memcached-skips.txt.
type suiteSkip struct {
	name  string
	fails []string
}

func readSuiteSkips(t *testing.T) (skips []suiteSkip) {
	t.Helper()
	f, err := os.Open(skipsFile)
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
		rest = strings.TrimSpace(rest)
		switch {
		case name == "fails" && len(skips) > 0 && rest != "":
			last := &skips[len(skips)-1]
			last.fails = append(last.fails, rest)
		case strings.HasPrefix(rest, "because "):
			skips = append(skips, suiteSkip{name: name})
		default:
			t.Fatalf("%s: %q says neither because nor fails", skipsFile, line)
		}
	}
	return skips
}

// TestSuiteSkips holds memcached-skips.txt against what happens: its files fail,
// in what it lists and in nothing else, and testdata/suite.txt agrees.
func TestSuiteSkips(t *testing.T) {
	t.Parallel()
	perl := tool(t, "perl")
	work := suiteWork(t, peer(t, "memcached-1.6.18", "t"))
	var never []string
	for _, file := range readSuiteList(t) {
		if file.standing == "never" && file.reason == skipsReason {
			never = append(never, file.name)
		}
	}
	for _, skip := range readSuiteSkips(t) {
		at := slices.Index(never, skip.name)
		if at < 0 {
			t.Errorf("testdata/suite.txt does not send %s here", skip.name)
			continue
		}
		never = slices.Delete(never, at, at+1)
		t.Run(skip.name, func(t *testing.T) {
			t.Parallel()
			result := runSuiteFile(t, perl, work, suiteFile{name: skip.name, standing: "pass"})
			if result.passed() {
				t.Fatalf("it passes: %s", result.summary())
			}
			skip.check(t, &result)
		})
	}
	if len(never) != 0 {
		t.Errorf("%s does not name %q", skipsFile, never)
	}
}

// check compares the assertions that failed with the list.
func (s *suiteSkip) check(t *testing.T, r *suiteResult) {
	failed := map[string]bool{}
	for line := range strings.Lines(r.output) {
		m := tapLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil || m[1] == "" {
			continue
		}
		_, name, _ := strings.Cut(m[2], " - ")
		failed[name] = true
		if !slices.Contains(s.fails, name) {
			t.Errorf("%q fails, and is not listed", name)
		}
	}
	for _, name := range s.fails {
		if !failed[name] {
			t.Errorf("%q is listed, and does not fail", name)
		}
	}
	if r.planned <= 0 || r.succeeded+r.failed < r.planned {
		t.Errorf("it did not come to its end: %s", r.summary())
	}
}
