package appliance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// answers sends text, and returns what comes back until the line MN.
func answers(t *testing.T, n *Node, text string) string {
	t.Helper()
	c := dial(t, n.Addrs()[0])
	defer c.Close()
	if _, err := io.WriteString(c, text+"mn\r\n"); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			t.Fatalf("%.300q, then %v", got.String(), err)
		case line == "MN\r\n":
			return got.String()
		}
		got.WriteString(line)
	}
}

// TestWhatIsKept: values, flags, times to live, tokens, stale marks and flushes are
// after a restart as they were before; what is gone stays away.
func TestWhatIsKept(t *testing.T) {
	for _, mode := range []string{"log", "snapshot"} {
		folder := filepath.Join(t.TempDir(), "data")
		n := startKept(t, folder, silent, "persist.mode", mode)
		answers(t, n, "set flushed 0 0 1\r\nx\r\nflush_all\r\n"+
			"set flags 4294967295 0 5\r\nvalue\r\nset number 0 0 2\r\n41\r\nincr number 1\r\nset text 0 0 2\r\nbc\r\nappend text 0 0 1\r\nd\r\nprepend text 0 0 1\r\na\r\n"+
			"set lives 0 1000 1\r\nx\r\nset touched 0 0 1\r\nx\r\ntouch touched 1000\r\nset deleted 0 0 1\r\nx\r\ndelete deleted\r\n"+
			"set empty 0 0 0\r\n\r\nms chosen 1 E1234\r\nx\r\nset stale 0 0 1\r\nx\r\nmd stale I\r\nset expires 0 -1 1\r\nx\r\n"+
			"set large 0 0 100000\r\n"+strings.Repeat("l", 100_000)+"\r\n")
		const look = "gets flags number text empty large deleted flushed expires\r\nmg chosen c v\r\nmg stale v\r\n"
		want := answers(t, n, look)
		if strings.Count(want, "VALUE") != 5 || !strings.Contains(want, "abcd") || !strings.Contains(want, "c1234") || !strings.Contains(want, " X W") {
			t.Fatalf("%q", strings.ReplaceAll(want, "l", ""))
		}
		token := strings.Fields(answers(t, n, "gets number\r\n"))[4]
		stop(t, n)
		defer func() { // at last, a token of a process before
			n = startKept(t, folder, silent, "persist.mode", mode)
			if got := answers(t, n, "cas number 0 0 2 "+token+"\r\n43\r\ncas number 0 0 2 "+token+"\r\n44\r\n"); got != "STORED\r\nEXISTS\r\n" {
				t.Errorf("%s: %q", mode, got)
			}
			stop(t, n)
		}()
		for range 2 {
			n = startKept(t, folder, silent, "persist.mode", mode)
			got := answers(t, n, look)
			if got != want && strings.Replace(got, "Z X", "X W", 1) != want { // whether somebody has won the stale one is not always kept
				t.Errorf("%s:\n%q\nwant\n%q", mode, strings.ReplaceAll(got, "l", ""), strings.ReplaceAll(want, "l", ""))
			}
			for _, key := range []string{"lives", "touched"} {
				ttl := 0
				if fmt.Sscanf(answers(t, n, "mg "+key+" t\r\n"), "HD t%d", &ttl); ttl < 900 || ttl > 1000 {
					t.Errorf("%s: %s has %d s to live", mode, key, ttl)
				}
			}
			if got := answers(t, n, "cas number 0 0 2 1\r\n42\r\n"); got != "EXISTS\r\n" {
				t.Errorf("%s: %q", mode, got)
			}
			stop(t, n)
		}
	}
}

// TestDelayedFlushIsKept: a flush_all that is yet to come comes, after a restart.
func TestDelayedFlushIsKept(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	n := startKept(t, folder, silent)
	if got := answers(t, n, "set a 0 0 1\r\nx\r\nflush_all 2\r\n"); got != "STORED\r\nOK\r\n" {
		t.Fatal(got)
	}
	stop(t, n)
	n = startKept(t, folder, silent)
	until(t, "the flush", func() bool { return answers(t, n, "get a\r\n") == "END\r\n" })
	stop(t, n)
	n = startKept(t, folder, silent)
	defer stop(t, n)
	until(t, "the second of the flush to be over", func() bool {
		got := answers(t, n, "get a\r\nset b 0 0 1\r\nx\r\nget b\r\n")
		if !strings.HasPrefix(got, "END\r\nSTORED\r\n") {
			t.Errorf("%q", got)
		}
		return strings.HasSuffix(got, "VALUE b 0 1\r\nx\r\nEND\r\n")
	})
}

// TestOffKeepsNothing: nor does it make a folder.
func TestOffKeepsNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	for range 2 {
		n := startKept(t, folder, silent, "persist.mode", "off")
		if got := answers(t, n, "get a\r\nset a 0 0 1\r\nx\r\n"); got != "END\r\nSTORED\r\n" {
			t.Errorf("%q", got)
		}
		stop(t, n)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("there is a folder (%v)", err)
	}
}

// TestDurabilityIsShown: each test that docs/durability.md names is there.
func TestDurabilityIsShown(t *testing.T) {
	doc, err := os.ReadFile("../docs/durability.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`").FindAllStringSubmatch(string(doc), -1)
	for _, name := range named {
		files, err := filepath.Glob("../" + name[1] + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "\nfunc "+name[2]+"(t *testing.T)")
		}
		if !found {
			t.Errorf("%s has no %s", name[1], name[2])
		}
	}
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
}
