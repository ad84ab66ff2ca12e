package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/appliance/warmup"
)

// serve answers each line of every connection with what replies says for its
// first word, on a unix socket whose path it returns. A value of ms is read over.
func serve(t *testing.T, replies map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c, replies) // ends with the connection, which the import closes
		}
	}()
	return path
}

func answer(c net.Conn, replies map[string]string) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		if words[0] == "ms" {
			var size int
			fmt.Sscan(words[2], &size)
			r.Discard(size + 2)
		}
		reply := replies[words[0]]
		if words[0] == "mn" {
			reply = "MN\r\n"
		}
		io.WriteString(c, strings.ReplaceAll(reply, "$O", words[len(words)-1]))
	}
}

// source is a cache of n items of one byte.
func source(t *testing.T, n int) string {
	return serve(t, map[string]string{
		"stats":       fmt.Sprintf("STAT curr_items %d\r\nEND\r\n", n),
		"lru_crawler": strings.Repeat("key=k exp=-1\n", n) + "END\r\n",
		"mg":          "VA 1 f0 t-1 kk $O\r\nx\r\n",
	})
}

// runImport runs the command and returns its exit code and all that it printed.
func runImport(t *testing.T, args ...string) (code int, printed string) {
	t.Helper()
	var out bytes.Buffer
	code = Main(append([]string{"panda", "import"}, args...), &out, &out)
	return code, out.String()
}

func TestImport(t *testing.T) {
	check := func(ms string, wantCode int, want string) {
		t.Helper()
		code, printed := runImport(t, "--from", source(t, 300), "--to", serve(t, map[string]string{"ms": ms}))
		if code != wantCode || !regexp.MustCompile(want).MatchString(printed) {
			t.Errorf("ms is answered %q: exit code %d, want %d, and\n%s\nwant %s", ms, code, wantCode, printed, want)
		}
	}
	check("", 0, `^imported 300 items, 300 B of values, in \S+: \d+ items/s, \S+ k?M?B/s\n$`)
	check("NS\r\n", 0, `^imported 0 items, .*\n +300  kept: the target had the key already\n$`)
	check("SERVER_ERROR object too large for cache\r\n", 2,
		`^imported 0 items, .*\n +300  too large for the target\nthe first error about an item: "SERVER_ERROR object too large for cache"\n$`)
	check("HTTP\r\n", 1, `panda: import not done: target \S+: a reply that no meta command has: "HTTP`)
}

func TestImportFails(t *testing.T) {
	check := func(wantCode int, want string, args ...string) {
		t.Helper()
		code, printed := runImport(t, args...)
		if code != wantCode || !strings.Contains(printed, want) {
			t.Errorf("import %s: exit code %d, want %d, and\n%s\nwant %s", args, code, wantCode, printed, want)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	refuses := serve(t, map[string]string{"stats": "END\r\n", "lru_crawler": "ERROR metadump not allowed\r\n"})
	check(1, "panda: import not done: source: dial unix", "--from", nowhere)
	check(1, "panda: import not done: target: dial unix", "--from", source(t, 1), "--to", nowhere)
	check(1, "the source does not allow dumps (it was started with -X)", "--from", refuses, "--to", source(t, 1))
	check(64, "--from: an address is wanted")
	check(64, "--from and --to are the same", "--from", "127.0.0.1")
	check(64, "--connections wants 1 to 64", "--from", "a", "--connections", "0")
	check(64, "--connections wants 1 to 64", "--from", "a", "--connections", "65")
	check(64, "--rate wants 0 or more", "--from", "a", "--rate", "-1")
	check(64, "--to: an address is wanted", "--from", "a", "--to", "")
	check(64, "panda: import takes flags only, and \"b\" is none", "--from", "a", "b")
}

// TestImportInterrupted: ctrl-C cancels the context.
func TestImportInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	replies := map[string]string{"stats": "END\r\n", "lru_crawler": "key=k exp=-1\n"} // and no more
	o := importOptions{from: serve(t, replies), to: serve(t, nil), connections: 1}
	cancel()
	var stdout, stderr bytes.Buffer
	if code := o.run(ctx, &stdout, &stderr); code != exitInterrupted || !strings.Contains(stderr.String(), "interrupted") ||
		!strings.HasPrefix(stdout.String(), "imported 0 items") {
		t.Errorf("exit code %d, printed %q and %q", code, stdout.String(), stderr.String())
	}
}

func TestAddress(t *testing.T) {
	for given, want := range map[string]string{
		"a": "a:11211", "a:1": "a:1", "10.0.0.1": "10.0.0.1:11211", "::1": "[::1]:11211", "[::1]": "[::1]:11211", "[::1]:5": "[::1]:5",
		"/run/s": "/run/s",
	} {
		if got, err := address(given); got != want || err != nil {
			t.Errorf("%q is %q (%v), want %q", given, got, err, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 12_345_678_901: "12.3 GB"} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}

// TestDisplay: lines where nobody watches, a bar that moves where somebody does.
func TestDisplay(t *testing.T) {
	var p warmup.Progress
	c := warmup.Config{Source: source(t, 300), Target: serve(t, nil), Connections: 1}
	if err := warmup.Run(t.Context(), c, &p); err != nil {
		t.Fatal(err)
	}
	var lines, bar bytes.Buffer
	newDisplay(&p, &lines, false).step()
	if want := "panda: 300 of about 300 items, 300 B of values\n"; lines.String() != want {
		t.Errorf("%q, want %q", lines.String(), want)
	}
	newDisplay(&p, &bar, true).step()
	if !strings.Contains(bar.String(), "importing  99%") || !strings.Contains(bar.String(), "(300/301") || strings.Contains(bar.String(), "\n") {
		t.Errorf("the bar is %q", bar.String())
	}
}
