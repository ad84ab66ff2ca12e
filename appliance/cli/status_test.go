package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/appliance/status"
)

// cached is a memcached that stands still.
func cached(t *testing.T) string {
	return serve(t, map[string]string{
		"version": "VERSION 1.6.18\r\n",
		"stats":   "STAT pid 7\r\nSTAT uptime 100\r\nSTAT version 1.6.18\r\nSTAT libevent 2.1\r\nSTAT threads 4\r\nSTAT max_connections 1024\r\nEND\r\n",
	})
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, notes bytes.Buffer
	code = Main(append([]string{"panda"}, args...), &out, &notes)
	return code, out.String(), notes.String()
}

func TestStatusOnce(t *testing.T) {
	code, text, notes := run(t, "status", cached(t), "--interval", "100ms")
	if code != 0 || notes != "" || !regexp.MustCompile(`^memcached 1\.6\.18 at /\S+, pid 7, up 00:01:40; over 0\.\d s\n4 threads, 0\.00 cores busy; 0 of 1,024 connections\n`).MatchString(text) {
		t.Errorf("exit code %d, %q\n%s", code, notes, text)
	}
	code, text, _ = run(t, "status", cached(t), "--once", "--json", "--interval", "100ms")
	var r status.Report
	if err := json.Unmarshal([]byte(text), &r); code != 0 || err != nil || r.Server.PID != 7 || r.IntervalSeconds <= 0 || strings.Count(text, "\n") != 1 {
		t.Errorf("exit code %d, %v\n%s", code, err, text)
	}
}

// lines ends a context with the n-th line.
type lines struct {
	written bytes.Buffer
	left    int
	end     func()
}

func (l *lines) Write(p []byte) (int, error) {
	if l.left -= bytes.Count(p, []byte("\n")); l.left <= 0 {
		l.end()
	}
	return l.written.Write(p)
}

// TestStatusStream: an object a line, until interrupted, which is no failure.
func TestStatusStream(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &lines{left: 3, end: cancel}
	o := statusOptions{address: cached(t), json: true, interval: time.Millisecond}
	var notes bytes.Buffer
	if code := o.run(ctx, out, &notes); code != 0 || notes.Len() > 0 {
		t.Errorf("exit code %d, %q", code, notes.String())
	}
	last := int64(0)
	for line := range strings.Lines(out.written.String()) {
		var r status.Report
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.TimeMS < last || r.SinceStart && r.TimeMS != last {
			t.Errorf("%v, %s", err, line)
		}
		last = r.TimeMS
	}
}

func TestStatusFails(t *testing.T) {
	check := func(wantCode int, want string, args ...string) {
		t.Helper()
		code, _, notes := run(t, append([]string{"status"}, args...)...)
		if code != wantCode || !strings.Contains(notes, want) {
			t.Errorf("status %s: exit code %d, want %d, and\n%s\nwant %s", args, code, wantCode, notes, want)
		}
	}
	check(1, "panda: status: dial unix", filepath.Join(t.TempDir(), "nowhere"))
	check(1, "neither memcached nor panda's operator's port", serve(t, map[string]string{"version": "NO\r\n"}))
	check(64, "--interval wants 100ms to 24h", "a", "--interval", "99ms")
	check(64, "accepts at most 1 arg", "a", "b")
	check(64, "an address is wanted", "")
	check(64, "as in --json=true", "--json", "true")
}

// TestArguments: where there are none, a switch's value that stands alone is told
// where to stand.
func TestArguments(t *testing.T) {
	check := func(want string, args ...string) {
		t.Helper()
		if code, _, notes := run(t, args...); code != 64 || !strings.Contains(notes, want) {
			t.Errorf("%s: exit code %d, %s, want %s", args, code, notes, want)
		}
	}
	check(`"false" stands alone: the value of a switch stands behind an =, as in --evictions=false`, "serve", "--evictions", "false")
	check("as in --tls=true", "serve", "--loops", "1", "--tls", "true")
	check("as in --evictions=true", "serve", "true")
	check("panda: unknown flag: --fast", "bench", "--fast")
	check("panda: serve takes flags only, and \"fast\" is none", "serve", "fast")
	check("as in --overwrite=false", "import", "--overwrite", "false", "--from", "a")
	check("panda: import takes flags only", "import", "a", "b")
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"/run/s": true, "localhost:1": true, "127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true,
		"10.0.0.1:1": false, "0.0.0.0:1": false, "[::]:1": false, "localhost.example:1": false, "127.0.0.1.example:1": false, "cache:1": false, ":1": false,
	} {
		if loopback(address) != want {
			t.Errorf("%s: %v", address, !want)
		}
	}
}
