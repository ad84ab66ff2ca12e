package compat

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Clients in other languages. Each has a program of ours (testdata/clients)
// that does what its users do and checks each answer. It runs against the
// original, which proves the program, and against us. What it writes by its
// protocol is read here by the other one, and the other way round.

// A dialect is a client program and the way it is run.
type dialect struct {
	name     string
	command  func(t *testing.T) []string // all before the host and the port
	argument string                      // what comes behind them: the protocol
	datagram bool                        // only writes, by UDP
	flags    uint32                      // of values that cross
	plain    bool                        // has neither append nor touch
	checks   int                         // that the program makes
}

// dialects are all but the ones with a password.
var dialects = []dialect{
	{name: "C libmemcached text", command: clientInC, argument: "text", flags: 305419896, checks: 87},
	{name: "C libmemcached binary", command: clientInC, argument: "binary", flags: 305419896, checks: 94},
	{name: "C libmemcached UDP text", command: clientInC, argument: "udp", datagram: true, checks: 10},
	{name: "C libmemcached UDP binary", command: clientInC, argument: "udp-binary", datagram: true, checks: 10},
	{name: "Java spymemcached text", command: clientInJava("Spy"), argument: "text", flags: 305419896, checks: 86},
	{name: "Java spymemcached binary", command: clientInJava("Spy"), argument: "binary", flags: 305419896, checks: 90},
	{name: "Java xmemcached text", command: clientInJava("XMem"), argument: "text", flags: 305419896, checks: 79},
	{name: "Java xmemcached binary", command: clientInJava("XMem"), argument: "binary", flags: 305419896, checks: 85},
	{name: "Python bmemcached", command: clientInPython, plain: true, checks: 88},
	{name: "Node memjs", command: clientInNode, checks: 64},
}

const (
	ownValue     = "'s own"
	crossingSize = 400_000 // more than memcached puts in one chunk of a slab
)

// versus runs a test against the original, if it is here, and against us.
func versus(t *testing.T, test func(t *testing.T, p program)) {
	ours := subject(t, v1618)
	if original, err := findOracle(v1618); err == nil && !ours.original {
		t.Run("original", func(t *testing.T) { test(t, original) })
	}
	t.Run("ours", func(t *testing.T) { test(t, ours) })
}

// TestClients runs the clients that need no password.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			command := d.command(t)
			versus(t, func(t *testing.T, p program) {
				args := []string(nil)
				port := ""
				if d.datagram {
					port = freeDatagramPort(t)
					args = []string{"-U", port, "-t", "1"} // of more threads, any may take the next datagram
				}
				s := start(t, p, args...)
				if d.datagram {
					d.datagrams(t, s, command, port)
				} else {
					d.crossing(t, s, command)
				}
			})
		})
	}
}

// TestClientsSASL: one client writes with a password, another reads it.
func TestClientsSASL(t *testing.T) {
	t.Parallel()
	const user, password = "frodo", "baggins of the shire"
	python, node, java := clientInPython(t), clientInNode(t), clientInJava("Spy")(t)
	versus(t, func(t *testing.T, p program) {
		s := startSASL(t, p, user, password)
		runDialect(t, s, python, 80, user, password)
		runDialect(t, s, node, 52, user, password)
		runDialect(t, s, java, 78, "binary", user, password)
	})
}

// startSASL starts a server that wants a password: the original's is in a
// database of SASL's, ours in a file.
func startSASL(t *testing.T, p program, user, password string) *server {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if !p.original {
		return start(t, p.with("MEMCACHED_SASL_PWDB="+file("passwords", user+":"+password+"\n")), "-S")
	}
	database := filepath.Join(dir, "sasldb")
	file("memcached.conf", "mech_list: plain\nsasldb_path: "+database+"\n")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(tool(t, "saslpasswd2"), "-f", database, "-a", "memcached", "-c", "-p", "-u", host, user)
	command.Stdin = strings.NewReader(password)
	if out, err := command.CombinedOutput(); err != nil {
		t.Skipf("saslpasswd2: %v: %s", err, out)
	}
	return start(t, p.with("SASL_CONF_PATH="+dir), "-S")
}

var checksMade = regexp.MustCompile(`(?m)^(\d+) passed, 0 failed$`)

// runDialect runs a client program and wants it to pass all its checks.
func runDialect(t *testing.T, s *server, program []string, checks int, args ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	runDialectAt(t, host, port, program, checks, args...)
}

func runDialectAt(t *testing.T, host, port string, program []string, checks int, args ...string) {
	t.Helper()
	command := exec.Command(program[0], append(append(program[1:len(program):len(program)], host, port), args...)...)
	command.Env = append(os.Environ(), "NODE_PATH="+filepath.Join("..", "..", ".cache", "peers", "node", "node_modules"))
	out, err := run(t, command, clientLimit)
	m := checksMade.FindStringSubmatch(out)
	if err != nil || m == nil || m[1] != strconv.Itoa(checks) {
		t.Errorf("%v; wanted %d passed, 0 failed\n%s", err, checks, failures(out))
	}
}

// failures leaves out of a client's lines those of checks that passed.
func failures(out string) string {
	var kept strings.Builder
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "ok - ") {
			kept.WriteString(line)
		}
	}
	return clip(kept.String())
}

// crossing runs a client that meets the driver.
func (d dialect) crossing(t *testing.T, s *server, program []string) {
	ended := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() { d.meet(t, s, ended) })
	runDialect(t, s, program, d.checks, strings.Fields(d.argument)...)
	close(ended)
	wait.Wait()
	if !t.Failed() {
		d.look(t, s)
	}
}

// text reports whether the client speaks text.
func (d dialect) text() bool { return d.argument == "text" || d.argument == "udp" }

// largeFlags are those of the large values.
func (d dialect) largeFlags() uint32 {
	if d.plain {
		return 0 // its flags have a meaning
	}
	return 9
}

// meet waits for the client's sign, and stores what the client is to read.
func (d dialect) meet(t *testing.T, s *server, ended chan struct{}) {
	c, err := s.drive(d.text())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for {
		if _, _, err = c.get("client:ready"); err == nil {
			break
		}
		if !errors.Is(err, errAbsent) {
			t.Error(err)
			return
		}
		select {
		case <-ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
	set := func(key, value string, flags uint32, ttl int) {
		if err := c.set("driver:"+key, value, flags, ttl); err != nil {
			t.Error(err)
		}
	}
	set("value", "driver"+ownValue, d.flags, 0)
	set("large", crossingPattern(crossingSize), d.largeFlags(), 0)
	set("counter", "41", 0, 0)
	set("appended", "driver"+ownValue, 0, 0)
	set("touched", "x", 0, 100)
	set("deleted", "x", 0, 0)
	set("ready", "x", 0, 0)
}

// look reads what the client wrote.
func (d dialect) look(t *testing.T, s *server) {
	t.Helper()
	c, err := s.drive(d.text())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	large := d.largeFlags()
	if d.flags == 0 {
		large = 0 // memjs sets none
	}
	c.holds(t, "client:value", "client"+ownValue, d.flags)
	c.holds(t, "client:counter", "100", 0)
	c.holds(t, "client:large", crossingPattern(crossingSize), large)
	c.holds(t, "driver:counter", "42", 0)
	c.misses(t, "driver:deleted")
	s.lives(t, "client:expiring", 500)
	if d.plain {
		c.holds(t, "client:typed", "4711", 2)
		return
	}
	c.holds(t, "driver:appended", "driver"+ownValue+", and the client"+"'s", 0)
	s.lives(t, "driver:touched", 700)
}

// lives wants an item that lives for at most some seconds, and not much less.
// Only meta commands tell.
func (s *server) lives(t *testing.T, key string, most int) {
	t.Helper()
	c := s.client(t)
	c.send("mg " + key + " t\r\n")
	c.SetReadDeadline(time.Now().Add(replyLimit))
	line, err := c.reader.ReadString('\n')
	ttl := 0
	if _, scanErr := fmt.Sscanf(line, "HD t%d\r\n", &ttl); err != nil || scanErr != nil || ttl > most || ttl < most-60 {
		t.Errorf("%s: %q (%v), wanted about %d seconds", key, line, errors.Join(err, scanErr), most)
	}
}

// datagrams runs a client that only writes, by UDP, and reads by the other
// protocol what became of it. Whoever answers by text receives datagrams, too: a
// client whose first one finds nobody is refused its second one.
func (d dialect) datagrams(t *testing.T, s *server, program []string, port string) {
	c, err := s.drive(d.text())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(c.set("udp:counter", "5", 0, 0), c.set("udp:deleted", "x", 0, 0)); err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	runDialectAt(t, host, port, program, d.checks, d.argument)
	// Datagrams to one socket keep their order on a machine, but may lie in its
	// buffer yet.
	for deadline := time.Now().Add(replyLimit); ; {
		if _, _, err = c.get("udp:last"); err == nil {
			break
		}
		if !errors.Is(err, errAbsent) || time.Now().After(deadline) {
			t.Fatalf("the last datagram's value is not there: %v", err)
		}
	}
	c.holds(t, "udp:last", "end", 0)
	c.holds(t, "udp:value", "by datagram", 77)
	c.holds(t, "udp:added", "one tail", 0)
	c.holds(t, "udp:counter", "7", 0)
	c.holds(t, "udp:large", crossingPattern(1300), 0)
	c.misses(t, "udp:deleted")
}

// freeDatagramPort is a port of 127.0.0.1 at which nobody receives datagrams just
// now. One that is free for connections may not be.
func freeDatagramPort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// crossingPattern is a value that the programs make, too.
func crossingPattern(n int) string {
	const letters = "abcdefghijklmnopqrstuvw"
	return strings.Repeat(letters, n/len(letters)+1)[:n]
}

// --- the programs ---------------------------------------------------------------

// clientSource is the path of a program's source.
func clientSource(elements ...string) string {
	return filepath.Join(append([]string{"testdata", "clients"}, elements...)...)
}

var buildClientInC = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "client")
	out, err := exec.Command("cc", "-O1", "-Wall", "-o", path, clientSource("c", "client.c"), "-lmemcached").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the client in C: %w\n%s", err, out)
	}
	return path, nil
})

func clientInC(t *testing.T) []string {
	t.Helper()
	tool(t, "cc")
	if _, err := os.Stat("/usr/include/libmemcached/memcached.h"); err != nil {
		t.Skipf("not installed (wire/compat/install-peers.sh says why): %v", err)
	}
	path, err := buildClientInC()
	if err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

var buildClientsInJava = sync.OnceValues(func() (string, error) {
	classes := filepath.Join(buildDir, "classes")
	sources, err := filepath.Glob(clientSource("java", "*.java"))
	if err != nil {
		return "", err
	}
	jars := filepath.Join("..", "..", ".cache", "peers", "java", "*")
	args := append([]string{"-Xlint:-options", "-d", classes, "-cp", jars}, sources...)
	if out, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the clients in Java: %w\n%s", err, out)
	}
	return classes + string(os.PathListSeparator) + jars, nil
})

func clientInJava(class string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		peer(t, "java", "complete")
		tool(t, "javac")
		path, err := buildClientsInJava()
		if err != nil {
			t.Fatal(err)
		}
		return []string{tool(t, "java"), "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", path, class}
	}
}

func clientInPython(t *testing.T) []string {
	t.Helper()
	python := peer(t, "python", "bin", "python")
	if err := exec.Command(python, "-c", "import bmemcached").Run(); err != nil {
		t.Skipf("not installed (wire/compat/install-peers.sh says why): bmemcached: %v", err)
	}
	return []string{python, clientSource("python", "client.py")}
}

func clientInNode(t *testing.T) []string {
	t.Helper()
	peer(t, "node", "node_modules", "memjs")
	return []string{tool(t, "node"), clientSource("node", "client.js")}
}
