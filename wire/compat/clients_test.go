package compat

import (
	"fmt"
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

const clientLimit = 2 * time.Minute // for a client's tests; each takes a few seconds, building gomemcache's one more

// TestPymemcache runs pymemcache's integration tests. The three that skip
// themselves want TLS.
func TestPymemcache(t *testing.T) {
	t.Parallel()
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

// TestGomemcache runs gomemcache's own tests against a live server. Over a unix
// socket and over TLS they start a program called memcached; over TCP they
// insist on port 11211.
func TestGomemcache(t *testing.T) {
	t.Parallel()
	module := peer(t, "gomemcache")
	p := subject(t, v1618)
	bin := t.TempDir()
	standIn(t, bin, "memcached", p, "set -- \"$@\" "+strings.Join(asRoot(), " ")+"\n")
	tests := filepath.Join(bin, "gomemcache.test")
	build := exec.Command("go", "test", "-c", "-o", tests, "github.com/bradfitz/gomemcache/memcache")
	build.Dir = module
	build.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := run(t, build, clientLimit); err != nil {
		t.Fatalf("building gomemcache's tests: %v\n%s", err, out)
	}
	// test runs a test as the last arguments of a command.
	test := func(t *testing.T, name string, words ...string) error {
		t.Helper()
		words = append(words, tests, "-test.v", "-test.run", "^"+name+"$")
		command := exec.Command(words[0], words[1:]...)
		command.Dir = t.TempDir()
		command.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := run(t, command, clientLimit)
		if err == nil && strings.Contains(out, "\n--- PASS: "+name+" ") && !strings.Contains(out, "skipping") {
			return nil
		}
		return fmt.Errorf("%w; wanted %s to pass\n%s", err, name, out)
	}
	for name, test := range map[string]func(t *testing.T) error{
		"unix": func(t *testing.T) error { return test(t, "TestUnixSocket") },
		"TLS": func(t *testing.T) error {
			if out, err := p.command("--enable-ssl", "--version").CombinedOutput(); p.original && err != nil {
				t.Skipf("the stand-in has no TLS: %v: %s", err, out)
			}
			return test(t, "TestTLS")
		},
		"TCP": func(t *testing.T) (err error) {
			words, networkErr := ownNetwork(tool(t, "perl"))
			if networkErr != nil && portTaken("11211") {
				t.Skipf("gomemcache's TestLocalhost wants localhost:11211, where somebody listens already; its own network: %v", networkErr)
			}
			words = append(words, "sh", "-c", serverBeside)
			// The test sends flush_all on one connection, does not wait for the reply,
			// and goes on with another: with any server a set may come before the flush.
			const attempts = 3
			for range attempts {
				if err = test(t, "TestLocalhost", words...); err == nil {
					return nil
				}
				t.Log(err)
			}
			return fmt.Errorf("%d attempts failed", attempts)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test(t); err != nil {
				t.Error(err)
			}
		})
	}
}

// serverBeside is a shell program that runs its arguments beside a server on
// 127.0.0.1:11211. The server writes its ports to a file when it listens.
const serverBeside = `MEMCACHED_PORT_FILENAME=$PWD/ports memcached -l 127.0.0.1 -p 11211 & server=$!
while kill -0 $server && ! [ -s ports ]; do sleep 0.05; done
"$0" "$@"; status=$?
kill $server; wait $server
rm -f ports
exit $status`

// TestMemccapable runs libmemcached's memccapable, the 54 cases of both
// protocols. 1.6.45 fails two of them: it takes no delete with a time any more.
func TestMemccapable(t *testing.T) {
	const cases = 54
	memccapable := tool(t, "memccapable")
	test := func(v version, wantFailed ...string) {
		t.Run(string(v), func(t *testing.T) {
			host, port, err := net.SplitHostPort(start(t, subject(t, v)).address)
			if err != nil {
				t.Fatal(err)
			}
			out, err := run(t, exec.Command(memccapable, "-h", host, "-p", port), clientLimit)
			var failed []string
			for _, m := range memccapableFailed.FindAllStringSubmatch(out, -1) {
				failed = append(failed, m[1])
			}
			passed := strings.Count(out, "[pass]")
			if (err == nil) != (len(wantFailed) == 0) || !slices.Equal(failed, wantFailed) || passed != cases-len(wantFailed) {
				t.Errorf("%v; %d cases passed, wanted %d; failed %q, wanted %q\n%s", err, passed, cases-len(wantFailed), failed, wantFailed, out)
			}
		})
	}
	test(v1618)
	test(v1645, "ascii delete", "ascii delete noreply")
}

var memccapableFailed = regexp.MustCompile(`(?m)^(.*?) +\[FAIL\]`)

// portTaken reports whether somebody listens on a port of this machine.
func portTaken(port string) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("localhost", port), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
