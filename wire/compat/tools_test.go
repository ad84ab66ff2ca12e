package compat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What people look at memcached with, unchanged from Debian's packages: each
// tool is run in the same way against memcached 1.6.18 and against us, with the
// same items in both, and must print the same. What differs by nature (times,
// the process's own numbers) is masked.

const toolLimit = 20 * time.Second // for one invocation; most take milliseconds

// scripts is where Debian's memcached has memcached-tool and damemtop.
const scripts = "/usr/share/memcached/scripts"

// A pair is the two servers that a tool is compared on.
type pair struct {
	original, subject *server
	subjectIsOriginal bool // the tests are being proved
}

// startPair starts both with memcached's arguments args, and stores the same
// items in both.
func startPair(t *testing.T, args ...string) pair {
	t.Helper()
	a, b := oracle(t, v1618), subject(t, v1618)
	p := pair{start(t, a, args...), start(t, b, args...), b.original}
	p.fill(t)
	return p
}

// toolItems is how many items a pair is filled with: up to 32 KB, a megabyte in all.
const toolItems = 182

// fill stores items of sizes that fall in many of memcached's classes, with and
// without flags and expiry, and fetches some.
func (p pair) fill(t *testing.T) {
	t.Helper()
	var requests strings.Builder
	for i := range toolItems - 2 {
		fmt.Fprintf(&requests, "set tool%d %d %d %d\r\n%s\r\n", i, i%3, i%2*5000, i*i, strings.Repeat("x", i*i))
	}
	requests.WriteString("set a%20b 0 0 5\r\nvalue\r\n" + "set %6 7 0 0\r\n\r\n")
	for i := range 20 {
		fmt.Fprintf(&requests, "mg tool%d\r\nmg none%d\r\n", i, i)
	}
	for _, s := range []*server{p.original, p.subject} {
		c := s.client(t)
		c.send(requests.String())
		c.expect(strings.Repeat("STORED\r\n", toolItems) + strings.Repeat("HD\r\nEN\r\n", 20))
	}
}

// An invocation is a command line; ADDRESS, HOST and PORT in it become a
// server's.
type invocation []string

// run runs the tool and returns what it printed and its exit code, with the
// server's address replaced.
func (i invocation) run(t *testing.T, s *server) string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	words := make([]string, len(i))
	for n, word := range i {
		words[n] = strings.NewReplacer("ADDRESS", s.address, "HOST", host, "PORT", port).Replace(word)
	}
	out, err := run(t, exec.Command(words[0], words[1:]...), toolLimit)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	out = strings.NewReplacer(s.address, "ADDRESS", "("+port+")", "(PORT)").Replace(out)
	return fmt.Sprintf("%sexit code %d\n", out, code)
}

// compare runs a tool on both and fails the test unless it prints the same,
// masked, and of the original what is said. It returns what it printed of us.
//
// The original is asked again when it does not say that: its dumps leave out
// what its own housekeeping has in hand. We are asked once.
func (p pair) compare(t *testing.T, i invocation, says func(string) bool, mask func(string) string) string {
	t.Helper()
	const attempts = 30
	original := i.run(t, p.original)
	for range attempts {
		if says(original) {
			break
		}
		original = i.run(t, p.original)
	}
	if !says(original) {
		t.Fatalf("%s: of the original it prints\n%.2000s\nthe test proves nothing", strings.Join(i, " "), original)
	}
	ours := i.run(t, p.subject)
	for n := 0; p.subjectIsOriginal && !says(ours) && n < attempts; n++ {
		ours = i.run(t, p.subject)
	}
	maskedOriginal, maskedOurs := mask(original), mask(ours)
	if !same(maskedOurs, maskedOriginal) {
		t.Errorf("%s differs:\n%s", strings.Join(i, " "), difference(maskedOriginal, maskedOurs))
	}
	return ours
}

// matches wants a text that a regular expression, of lines, matches.
func matches(expression string) func(string) bool {
	return regexp.MustCompile("(?m)" + expression).MatchString
}

// lines wants a text with so many lines that a regular expression matches.
func lines(n int, expression string) func(string) bool {
	e := regexp.MustCompile("(?m)" + expression)
	return func(text string) bool { return len(e.FindAllStringIndex(text, -1)) == n }
}

// difference shows the lines that only one of two texts has.
func difference(original, ours string) string {
	a, b := strings.Split(original, "\n"), strings.Split(ours, "\n")
	var out strings.Builder
	shown := 0
	only := func(who string, lines, others []string) {
		for _, line := range lines {
			if !slices.Contains(others, line) && shown < 20 {
				fmt.Fprintf(&out, "only %s %.100q\n", who, line)
				shown++
			}
		}
	}
	only("the original:", a, b)
	only("ours:", b, a)
	if shown == 0 {
		return fmt.Sprintf("the same lines, %d and %d of them, in another order", len(a), len(b))
	}
	return out.String()
}

// exact masks nothing.
func exact(text string) string { return text }

// sorted is for lines in no order.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// perlTool is one of Debian's scripts; without it, the test skips.
func perlTool(t *testing.T, name string) invocation {
	t.Helper()
	path := filepath.Join(scripts, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("not installed (wire/compat/install-peers.sh says why): %v", err)
	}
	return invocation{tool(t, "perl"), path}
}

// with is the invocation with more arguments.
func (i invocation) with(args ...string) invocation { return append(slices.Clone(i), args...) }

func TestMemcachedTool(t *testing.T) {
	memcachedTool := perlTool(t, "memcached-tool").with("ADDRESS")
	p := startPair(t, "-m", "128", "-t", "2")
	test := func(mode string, says func(string) bool, mask func(string) string) {
		t.Run(mode, func(t *testing.T) { p.compare(t, memcachedTool.with(mode), says, mask) })
	}
	test("stats", matches(`^ +curr_items +182\r$`), maskStatistics)
	test("settings", matches(`^ +maxbytes +134217728\r$`), maskStatistics)
	test("sizes", matches(`^ +sizes_status +disabled\r$`), exact)
	test("display", lines(27, `^ +\d+ +[\d.]+[BK] +\d+s +1 +\d+ +no +0 +0 +0$`), maskDisplay)
	test("keys", lines(toolItems, `^key=\S+ exp=`), maskKeys)
	test("dump", lines(toolItems, `^add `), maskDump)
	t.Run("default", func(t *testing.T) {
		p.compare(t, memcachedTool, matches(`^ +1 +96B `), maskDisplay)
	})
	t.Run("limited", func(t *testing.T) {
		if out := memcachedTool.with("dump", "7").run(t, p.subject); !lines(7, `^add `)(out) {
			t.Errorf("dump 7 prints %.1000s", out)
		}
	})
}

func TestMemcachedToolSizes(t *testing.T) {
	p := startPair(t, "-o", "track_sizes")
	p.compare(t, perlTool(t, "memcached-tool").with("ADDRESS", "sizes"), matches(`^ +96 +\d+\r$`), exact)
}

// maskStatistics masks the values of a table of statistics, as those of `stats`
// are masked elsewhere, and the header's spaces, which depend on the address.
func maskStatistics(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] != "exit" && words[0] != "#ADDRESS" {
			masked := statistic([]string{"STAT", strings.TrimSuffix(words[0], ":"), words[len(words)-1] + "\n"})
			words = append(words[:1], masked[2])
		}
		out.WriteString(strings.Join(words, " ") + "\n")
	}
	return out.String()
}

// displayRow is a class in memcached-tool's display: number, size, age, pages,
// items, full, evicted, time of eviction, out of memory.
var displayRow = regexp.MustCompile(`(?m)^( *\d+ +\S+) +(\d+)s +[1-9]\d* +(\d+) +(?:yes|no) +(\d+ +\d+ +\d+)$`)

// maskDisplay masks how old the oldest item of a class is, how many pages it
// has, and whether they are full.
func maskDisplay(text string) string { return displayRow.ReplaceAllString(text, "$1 _ _ $3 _ $4") }

// dumpEntry begins an item in memcached-tool's dump.
var dumpEntry = regexp.MustCompile(`(?m)^add (\S+ \d+) (\d+) (\d+)\r\n`)

// maskDump sorts the items of a dump, whose order is perl's, and marks expiry.
func maskDump(text string) string {
	text = dumpEntry.ReplaceAllStringFunc(text, func(line string) string {
		m := dumpEntry.FindStringSubmatch(line)
		if m[2] != "0" {
			m[2] = "later"
		}
		return fmt.Sprintf("add %s %s %s ", m[1], m[2], m[3])
	})
	return sorted(text)
}

// varying are the numbers of a metadump that differ from server to server.
var varying = regexp.MustCompile(`( exp=)\d+|( la=)\d+|( cas=)\d+`)

func maskKeys(text string) string { return sorted(varying.ReplaceAllString(text, "$1$2${3}_")) }

// TestDamemtop runs damemtop in a terminal of its own until it has shown both
// the totals and the server, and ends it as a person does.
func TestDamemtop(t *testing.T) {
	perl := perlTool(t, "damemtop")
	if out, err := exec.Command(perl[0], "-MAnyEvent", "-MYAML", "-MTerm::ReadKey", "-e", "1").CombinedOutput(); err != nil {
		t.Skipf("perl lacks a module (wire/compat/install-peers.sh says why): %.200s", out)
	}
	script := tool(t, "script")
	p := startPair(t)
	original, ours := damemtop(t, script, perl, p.original), damemtop(t, script, perl, p.subject)
	if !regexp.MustCompile(`ADDRESS 1\.6\.18 N% NA 0 182 8 8 96 6 0`).MatchString(original) {
		t.Fatalf("of the original it shows\n%s\nthe test proves nothing", original)
	}
	if original != ours {
		t.Errorf("it shows of the original\n%s\nand of us\n%s", original, ours)
	}
}

// damemtopConfig shows columns of all kinds: computed, general, and those of both
// tables of classes. hit_rate is NA: nobody gets anything while it looks.
const damemtopConfig = `delay: 1
mode: t
no_clear: 1
top_mode:
    sort_column: "hostname"
    sort_order: "asc"
    columns:
        - hostname
        - all_version
        - all_fill_rate
        - hit_rate
        - evictions
        - all_curr_items
        - "all_items:1:number"
        - "all_1:used_chunks"
        - "all_1:chunk_size"
        - "all_1:get_hits"
        - "all_items:2:evicted"
servers:
    - %s
`

// fillRate is a part of the memory, which is what differs.
var fillRate = regexp.MustCompile(`\d+\.\d+%`)

// damemtop returns the table that damemtop shows of a server, without its time.
func damemtop(t *testing.T, script string, perl invocation, s *server) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".damemtop"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(damemtopConfig, s.address)
	if err := os.WriteFile(filepath.Join(home, ".damemtop", "damemtop.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(script, "-qefc", "stty rows 50 cols 250; exec "+strings.Join(perl, " "), os.DevNull)
	command.Env = append(os.Environ(), "HOME="+home, "TERM=vt100")
	keys, shows, err := terminal(command)
	if err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(toolLimit, func() { command.Process.Kill() })
	var shown []byte
	buffer := make([]byte, 4096)
	for n := 0; err == nil && !bytes.Contains(shown, []byte("loop took")); shown = append(shown, buffer[:n]...) {
		n, err = shows.Read(buffer)
	}
	io.WriteString(keys, "q")
	io.Copy(io.Discard, shows)
	err = command.Wait()
	if !watchdog.Stop() || err != nil {
		t.Fatalf("damemtop did not end by its own key: %v; it showed\n%s", err, shown)
	}
	_, table, _ := strings.Cut(strings.ReplaceAll(string(shown), s.address, "ADDRESS"), "\n")
	table, _, _ = strings.Cut(table, "loop took")
	lines := strings.Split(fillRate.ReplaceAllString(table, "N%"), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ") // widths depend on the address
	}
	return strings.Join(lines, "\n")
}

// terminal starts a command and returns its ends: for keys, and for what it shows.
func terminal(command *exec.Cmd) (io.Writer, io.Reader, error) {
	keys, err := command.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	shows, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return keys, shows, command.Start()
}

// took is a time, a rate, or what is counted from there.
var took = regexp.MustCompile(`\d+\.\d+ seconds|Run time: .*|\(\d+s\)|\(\d+ bytes[^)]*\)`)

func maskTimes(text string) string { return took.ReplaceAllString(text, "N") }

func TestLibmemcachedTools(t *testing.T) {
	tool(t, "memccat")
	p := startPair(t, "-m", "128", "-t", "2")
	compare := func(says string, mask func(string) string, words ...string) {
		t.Helper()
		i := invocation{tool(t, words[0]), "--servers=ADDRESS"}.with(words[1:]...)
		p.compare(t, i, matches(says), mask)
	}
	compare("^xxxx\nexit code 0", exact, "memccat", "tool2")
	compare("^2\nxxxx\nexit code", exact, "memccat", "--flags", "tool2")
	compare("^x+\nx+\nexit code 0", exact, "memccat", "tool177", "tool150")
	compare("exit code 1", exact, "memccat", "nobody")
	compare("curr_items: 182\n", maskStatistics, "memcstat")
	compare("maxbytes: 134217728\n", maskStatistics, "memcstat", "settings")
	compare("items:1:number: ", maskClasses, "memcstat", "items")
	compare("1:chunk_size: 96\n", maskClasses, "memcstat", "slabs")
	compare("sizes_status: disabled\n", exact, "memcstat", "sizes")
	compare("1.6.18\n", exact, "memcstat", "--server-version")
	compare("Number of Servers Analyzed +: 1\n", maskAnalysis, "memcstat", "--analyze")
	p.dumpKeys(t)
	compare("exit code 0", exact, "memcping")
	compare("exit code 0", exact, "memcexist", "tool1")
	compare("exit code 1", exact, "memcexist", "nobody")
	compare("exit code 0", exact, "memctouch", "--expire=100", "tool1")
	compare("exit code 1", exact, "memctouch", "--expire=100", "nobody")
	compare("exit code 0", exact, "memcrm", "tool1")
	compare("exit code 1", exact, "memcrm", "tool1")
	file := filepath.Join(t.TempDir(), "copied")
	if err := os.WriteFile(file, bytes.Repeat([]byte("y"), 70_000), 0o600); err != nil {
		t.Fatal(err)
	}
	compare("exit code 0", exact, "memccp", "--flags=9", "--expire=300", file)
	compare("^9\nyyy", exact, "memccat", "--flags", "copied")
	for _, test := range []string{"set", "get", "mget"} {
		compare("Time to "+test+" +200 keys by +2 threads: ", maskTimes, "memcslap", "--concurrency=2", "--execute-number=100", "--test="+test)
	}
	compare("Time to set +1000 keys by +1 threads: ", maskTimes, "memcslap", "--execute-number=1000", "--test=set", "--noreply")
	compare("Time to set +1000 keys by +1 threads: ", maskTimes, "memcslap", "--execute-number=1000", "--test=set", "--non-blocking", "--tcp-nodelay")
	compare("cmd_get: 1800\ncmd_set: 200\nget_misses: 0\n", maskTimes, "memcaslap", "-x", "2000", "-T", "1", "-c", "4")
	compare("exit code 0", exact, "memcflush")
	compare("exit code 1", exact, "memccat", "tool2")
}

// dumpKeys compares memcdump, which asks for `stats cachedump`. memcached shows
// only what has become cold by then; we show everything.
func (p pair) dumpKeys(t *testing.T) {
	t.Helper()
	memcdump := invocation{tool(t, "memcdump"), "--servers=ADDRESS"}
	original, ours := strings.Split(memcdump.run(t, p.original), "\n"), strings.Split(memcdump.run(t, p.subject), "\n")
	if p.subjectIsOriginal {
		return // a little colder by now
	}
	if len(ours) != toolItems+2 { // the exit code, and what follows the last line's end
		t.Errorf("memcdump prints %d lines of us", len(ours))
	}
	for _, line := range original {
		if !slices.Contains(ours, line) {
			t.Errorf("memcdump prints %q of the original only", line)
		}
	}
}

// maskAnalysis masks what memory is called an item's.
func maskAnalysis(text string) string {
	return regexp.MustCompile(`\d+ bytes`).ReplaceAllString(text, "N bytes")
}

// classStatistic is a line of `stats items` or `stats slabs`: the class and the name.
var classStatistic = regexp.MustCompile(`^\t((?:items:)?(\d+):)?(\w+): (\d+)\n$`)

// classExact are the numbers of a class that the same items make the same.
var classExact = regexp.MustCompile(`^(number|chunk_size|chunks_per_page|used_chunks|cmd_set|get_hits|delete_hits|evicted\w*|outofmemory|tailrepairs|reclaimed|expired_unfetched|direct_reclaims)$`)

// maskClasses keeps the names of a table of classes, and the numbers in
// classExact.
func maskClasses(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if m := classStatistic.FindStringSubmatch(line); m != nil && !classExact.MatchString(m[3]) {
			line = m[1] + m[3] + " _\n"
		}
		out.WriteString(line)
	}
	return out.String()
}
