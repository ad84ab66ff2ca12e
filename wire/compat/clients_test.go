package compat

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

const clientLimit = 2 * time.Minute // for a client's tests; each takes a few seconds, building gomemcache's one more

// TestPymemcache runs pymemcache's integration tests. The three that skip
// themselves want TLS.
func TestPymemcache(t *testing.T) {
	python := peer(t, "python", "bin", "python")
	p := subject(t, v1618)
	find := exec.Command(python, "-c", "import pymemcache.test as t, os; print(os.path.dirname(t.__file__))")
	dir, err := find.Output()
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(start(t, p).address)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(python, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider",
		"-m", "integration", "--server", host, "--port", port,
		strings.TrimSpace(string(dir))+"/test_integration.py")
	command.Dir = t.TempDir()
	out, err := run(t, command, clientLimit)
	if err != nil || !regexp.MustCompile(`(?m)^100 passed, 3 skipped\b`).MatchString(out) {
		t.Errorf("%v; wanted 100 passed, 3 skipped\n%s", err, out)
	}
}

// TestGomemcache runs gomemcache's own tests against a live server: over TCP,
// for which they insist on port 11211, and over a unix socket, for which they
// start a program called memcached. Its TLS test is of a later release.
func TestGomemcache(t *testing.T) {
	module := peer(t, "gomemcache")
	p := subject(t, v1618)
	test := func(t *testing.T, name, path string) bool {
		t.Helper()
		command := exec.Command("go", "test", "-count=1", "-v", "-run", "^"+name+"$", "github.com/bradfitz/gomemcache/memcache")
		command.Dir = module
		command.Env = append(os.Environ(), "PATH="+path, "GOFLAGS=")
		out, err := run(t, command, clientLimit)
		if err == nil && strings.Contains(out, "\n--- PASS: "+name+" ") && !strings.Contains(out, "skipping") {
			return true
		}
		t.Logf("%v; wanted %s to pass\n%s", err, name, out)
		return false
	}
	t.Run("TCP", func(t *testing.T) {
		if portTaken("11211") {
			t.Skip("gomemcache's TestLocalhost wants localhost:11211, where somebody listens already")
		}
		s := &server{network: "tcp", address: "127.0.0.1:11211", output: &output{}, done: make(chan struct{})}
		s.run(t, p.command(append(asRoot(), "-l", "127.0.0.1", "-p", "11211")...))
		s.await(t)
		// The test sends flush_all on one connection, does not wait for the reply,
		// and goes on with another: with any server a set may come before the flush.
		const attempts = 3
		for i := 0; !test(t, "TestLocalhost", os.Getenv("PATH")); i++ {
			if i == attempts-1 {
				t.Fatalf("%d attempts failed", attempts)
			}
		}
	})
	t.Run("unix", func(t *testing.T) {
		dir := t.TempDir()
		standIn(t, dir, "memcached", p, "set -- \"$@\" "+strings.Join(asRoot(), " ")+"\n")
		if !test(t, "TestUnixSocket", dir+string(os.PathListSeparator)+os.Getenv("PATH")) {
			t.Error("TestUnixSocket failed")
		}
	})
}

// TestMemccapable runs the ascii cases of libmemcached's memccapable.
func TestMemccapable(t *testing.T) {
	const cases = 27
	memccapable := tool(t, "memccapable")
	host, port, err := net.SplitHostPort(start(t, subject(t, v1618)).address)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, exec.Command(memccapable, "-h", host, "-p", port, "-a"), clientLimit)
	if passed := strings.Count(out, "[pass]"); err != nil || passed != cases || !strings.Contains(out, "All tests passed") {
		t.Errorf("%v; %d cases passed, wanted %d\n%s", err, passed, cases, out)
	}
}

// portTaken reports whether somebody listens on a port of this machine.
func portTaken(port string) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("localhost", port), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
