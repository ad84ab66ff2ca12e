package appliance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/appliance/config"
)

// patience bounds what a test waits for on a busy machine, in a race build.
const patience = time.Minute

// build makes a node from memcached's flags.
func build(t *testing.T, args string) (*Node, error) {
	t.Helper()
	c, exit := config.Memcached("memcached", strings.Fields(args))
	if exit != nil {
		t.Fatalf("%s: %v", args, exit)
	}
	return New(context.Background(), c, slog.New(slog.DiscardHandler), nil)
}

// start makes a node and lets it serve until the test ends.
func start(t *testing.T, args string) *Node {
	t.Helper()
	n, err := build(t, args)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, n) })
	return n
}

func stop(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// dial connects to one of a node's addresses.
func dial(t *testing.T, a net.Addr) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(a.Network(), a.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// exchange sends text and reads as many bytes as want has.
func exchange(t *testing.T, c net.Conn, text, want string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if string(got[:n]) != want {
		t.Fatalf("%q is answered %q (%v), want %q", text, got[:n], err, want)
	}
}

func TestServesTCPOfBothFamilies(t *testing.T) {
	n := start(t, "-l localhost -p -1 -t 2")
	for _, a := range n.Addrs() {
		exchange(t, dial(t, a), "set a 0 0 1\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
	}
	first := n.Addrs()[0].(*net.TCPAddr).Port
	for _, a := range n.Addrs() {
		if a.(*net.TCPAddr).Port != first {
			t.Errorf("the families have ports %v, want one", n.Addrs())
		}
	}
}

// TestListenersHaveProtocols: each speaks its own, whatever -B says.
func TestListenersHaveProtocols(t *testing.T) {
	n := start(t, "-p -1 -l proto[binary]:127.0.0.1,proto[ascii]:127.0.0.2,127.0.0.3")
	noop := "\x80\x0a" + strings.Repeat("\x00", 22)
	answer := "\x81" + noop[1:]
	binary, text, either := n.Addrs()[0], n.Addrs()[1], n.Addrs()[2]
	exchange(t, dial(t, binary), noop, answer)
	exchange(t, dial(t, text), "version\r\n", "VERSION 1.6.45\r\n")
	exchange(t, dial(t, text), noop+"\r\n", "CLIENT_ERROR")
	exchange(t, dial(t, either), noop, answer)
	exchange(t, dial(t, either), "version\r\n", "VERSION 1.6.45\r\n")
	c := dial(t, binary)
	io.WriteString(c, strings.Repeat("version\r\n", 3))
	if got, err := io.ReadAll(c); len(got) != 0 || err != nil {
		t.Errorf("text on a binary port: %q, %v", got, err)
	}
}

func TestServesUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	n := start(t, "-s "+path+" -a 0750")
	exchange(t, dial(t, n.Addrs()[0]), "version\r\n", "VERSION 1.6.45\r\n")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("mode %v (%v), want 0750", info.Mode(), err)
	}
}

func TestSharesOneStoreBetweenLoops(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1 -t 3")
	for i := range 9 {
		exchange(t, dial(t, n.Addrs()[0]), fmt.Sprintf("set k%d 0 0 1\r\n%d\r\n", i, i), "STORED\r\n")
	}
	for range 6 {
		c := dial(t, n.Addrs()[0])
		for i := range 9 {
			exchange(t, c, fmt.Sprintf("get k%d\r\n", i), fmt.Sprintf("VALUE k%d 0 1\r\n%d\r\nEND\r\n", i, i))
		}
	}
}

func TestConnectionsOverTheLimitAreToldSo(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1 -t 1 -c 10") // 10 - 1 - 5 - 1 listener: 3 clients
	for range 3 {
		exchange(t, dial(t, n.Addrs()[0]), "mn\r\n", "MN\r\n")
	}
	c := dial(t, n.Addrs()[0])
	if got, _ := io.ReadAll(c); string(got) != reject {
		t.Errorf("the fourth connection got %q, want %q and the end", got, reject)
	}
}

func TestConnectionsOverTheLimitWait(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1 -t 1 -c 8 -o no_maxconns_fast") // 1 client
	first := dial(t, n.Addrs()[0])
	exchange(t, first, "mn\r\n", "MN\r\n")
	second := dial(t, n.Addrs()[0])
	if _, err := io.WriteString(second, "mn\r\n"); err != nil {
		t.Fatal(err)
	}
	exchange(t, first, "mn\r\n", "MN\r\n") // the loop had every chance to serve the second
	first.Close()
	exchange(t, second, "", "MN\r\n")
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1 -o idle_timeout=1")
	c := dial(t, n.Addrs()[0])
	exchange(t, c, "mn\r\n", "MN\r\n")
	if got, err := io.ReadAll(c); len(got) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an idle connection got %q, %v; want its end", got, err)
	}
}

func TestTwoNodesOnOnePort(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1")
	port := n.Addrs()[0].(*net.TCPAddr).Port
	_, err := build(t, fmt.Sprintf("-l 127.0.0.1 -p %d", port))
	if !errors.Is(err, ErrListen) {
		t.Errorf("the second node on port %d: %v, want ErrListen", port, err)
	}
}

// TestOneFamilyTaken: with a server on 127.0.0.1 only ::1 is left. Whoever
// asked for memcached gets that with a warning, as memcached would; `panda
// serve` must not succeed while clients of 127.0.0.1 talk to somebody else.
func TestOneFamilyTaken(t *testing.T) {
	taken := start(t, "-l 127.0.0.1 -p -1").Addrs()[0].(*net.TCPAddr).String()
	_, port, _ := net.SplitHostPort(taken)

	var log bytes.Buffer
	c, exit := config.Memcached("memcached", []string{"-l", "localhost", "-p", port})
	if exit != nil {
		t.Fatal(exit)
	}
	n, err := New(t.Context(), c, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Skipf("skipped: this machine has no other address for localhost: %v", err)
	}
	stop(t, n)
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), taken) {
		t.Errorf("no warning of %s: %s", taken, log.String())
	}

	c = serveConfig(t, "memcache.port", port, "admin.address", "")
	_, err = New(t.Context(), c, slog.New(slog.DiscardHandler), nil)
	want := "failed to listen on one of interface(s) localhost: Address already in use"
	if !errors.Is(err, ErrListen) || err.Error() != want {
		t.Errorf("panda serve: %v, want %s", err, want)
	}
}

// TestNoAddressOfAnyKind: what is bearable of one address is not of all.
func TestNoAddressOfAnyKind(t *testing.T) {
	n, err := build(t, "-l 127.0.0.1 -p -1")
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	elsewhere := []string{"2001:db8::1", "2001:db8::2"} // for documentation: nobody's
	if err := n.listenHosts(elsewhere, 0, "tcp", n.bindTCP(config.Listener{})); err == nil {
		t.Error("nothing could be bound, and that was no error")
	}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	_, err := build(t, "-l 256.256.256.256")
	if !errors.Is(err, ErrListen) || !errors.Is(err, ErrResolve) {
		t.Errorf("%v, want ErrListen and ErrResolve", err)
	}
}

// TestPortFile: with -p 0 it is empty, with -s it is not there, as memcached's.
func TestPortFile(t *testing.T) {
	folder := t.TempDir()
	for flags, want := range map[string]string{
		"-l 127.0.0.1 -p -1":               "TCP INET: PORT\n",
		"-l 127.0.0.1 -p -1 -U -1":         "TCP INET: PORT\nUDP INET: PORT\n",
		"-l 127.0.0.1 -p 0 -U -1":          "UDP INET: PORT\n",
		"-l 127.0.0.1 -p 0":                "",
		"-s " + filepath.Join(folder, "s"): "No such file or directory",
	} {
		name := filepath.Join(folder, "ports")
		t.Setenv("MEMCACHED_PORT_FILENAME", name)
		n := start(t, flags)
		p := &process{config: n.config, node: n, stderr: new(safeBuffer)}
		p.writePortFile()
		text, err := os.ReadFile(name)
		got := string(text)
		if err != nil {
			got = reasonText(err)
		}
		for _, a := range n.Addrs() {
			_, port, _ := net.SplitHostPort(a.String())
			got = strings.Replace(got, port+"\n", "PORT\n", 1)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", flags, got, want)
		}
		os.Remove(name)
	}
}

// TestSmallGrowthFactors: memcached starts with every -f above 1; the classes
// are then of equal sizes, and all items are in the first that fits.
func TestSmallGrowthFactors(t *testing.T) {
	for flags, class := range map[string]int{"-f 1.01 -n 1": 63, "-f 1.0001": 1, "-f 1000000": 1, "-n 2000000": 1, "-f 1.01 -I 2k -o slab_chunk_max=2": 1} {
		n := start(t, "-m 16 -l 127.0.0.1 -p -1 "+flags)
		exchange(t, dial(t, n.Addrs()[0]), "set k 0 0 1\r\nv\r\nget k\r\nstats items\r\nquit\r\n",
			fmt.Sprintf("STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\nSTAT items:%d:number 1\r\n", class))
	}
}

func TestClusterIsThisNode(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1")
	port := n.Addrs()[0].(*net.TCPAddr).Port
	c := dial(t, n.Addrs()[0])
	io.WriteString(c, "config get cluster\r\nquit\r\n")
	got, _ := io.ReadAll(c)
	if want := fmt.Sprintf("127.0.0.1|127.0.0.1|%d\n", port); !bytes.Contains(got, []byte(want)) {
		t.Errorf("config get cluster: %q, want it to name %q", got, want)
	}
}

func TestShutdownCommandAsksForTheEnd(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1 -A")
	c := dial(t, n.Addrs()[0])
	io.WriteString(c, "shutdown graceful\r\n")
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("shutdown is answered %q, want the end of the connection", got)
	}
	if graceful := <-n.ShutdownRequested(); !graceful {
		t.Error("shutdown graceful did not arrive as graceful")
	}
}

func TestStopAnswersWhatWasRead(t *testing.T) {
	n, err := build(t, "-l 127.0.0.1 -p -1 -t 2")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	const requests = 2000
	c := dial(t, n.Addrs()[0])
	io.WriteString(c, strings.Repeat("mn\r\n", requests))
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); line != "MN\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	stop(t, n) // the pipeline is read by now, or at least its first segment
	rest, err := io.ReadAll(r)
	if whole := strings.Repeat("MN\r\n", len(rest)/4); string(rest) != whole || err != nil {
		t.Errorf("after the stop came %d bytes that are no whole replies (%v)", len(rest), err)
	}
}

// serveConfig is `panda serve` with settings: names and values.
func serveConfig(t *testing.T, set ...string) config.Config {
	t.Helper()
	var overrides []config.Override
	for i := 0; i < len(set); i += 2 {
		overrides = append(overrides, config.Override{Spelling: set[i], Setting: set[i], Text: set[i+1]})
	}
	s, exit := config.ReadSettings(config.File{}, overrides)
	if exit != nil {
		t.Fatal(exit)
	}
	c, exit := config.Serve(s)
	if exit != nil {
		t.Fatal(exit)
	}
	return c
}
