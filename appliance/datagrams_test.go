package appliance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// askDatagram asks an address for the version, again and again until there is an
// answer: a datagram may be lost.
func askDatagram(t *testing.T, address string) string {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 2048)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := c.Write([]byte("\x12\x34\x00\x00\x00\x01\x00\x00version\r\n")); err != nil {
			continue // nobody was there a moment ago
		}
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(b); err == nil {
			return string(b[:n])
		}
	}
	t.Fatalf("%s does not answer", address)
	return ""
}

// datagramAddrs are the addresses of UDP that a node has.
func datagramAddrs(n *Node) (list []string) {
	for _, a := range n.Addrs() {
		if a.Network() == "udp" {
			list = append(list, a.String())
		}
	}
	return list
}

// TestDatagramsAreOffByDefault, and bound on loopback until others are named.
func TestDatagramsAreOffByDefault(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-l 127.0.0.1 -p -1", ""},
		{"-l 127.0.0.1 -p -1 -U -1", "127.0.0.1"},
		{"-l 0.0.0.0 -p -1 -U -1", "127.0.0.1"},
		{"-l 0.0.0.0 -p -1 -U -1 -o panda_udp_clients=10.0.0.0/8", "0.0.0.0"},
		{"-s " + filepath.Join(t.TempDir(), "s") + " -U -1", ""},
	} {
		n, err := build(t, c.args)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(datagramAddrs(n), " ")
		host, _, _ := strings.Cut(got, ":")
		if host != c.want {
			t.Errorf("%s: bound %s, want %s", c.args, got, c.want)
		}
		stop(t, n)
	}
}

// TestDatagramsAreAnswered: each name of -l that is not loopback's is bound there,
// once; and statistics show what -l says.
func TestDatagramsAreAnswered(t *testing.T) {
	port := freeDatagramPort(t)
	n := start(t, "-p -1 -U "+port+" -l 0.0.0.0,127.0.0.1,127.0.0.2")
	if got, want := fmt.Sprint(datagramAddrs(n)), "[127.0.0.1:"+port+" 127.0.0.2:"+port+"]"; got != want {
		t.Errorf("bound %s, want %s", got, want)
	}
	if got, want := askDatagram(t, "127.0.0.1:"+port), "\x12\x34\x00\x00\x00\x01\x00\x00VERSION 1.6.45\r\n"; got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
	if conns := talk("tcp", n.Addrs()[0].String(), "stats conns"); !strings.Contains(conns, ":addr udp:0.0.0.0:"+port+"\r\n") {
		t.Errorf("stats conns shows no udp:0.0.0.0:%s:\n%s", port, conns)
	}
	if read := n.net.Transport().Datagrams.Read; read == 0 {
		t.Error("no datagram was counted")
	}
}

// freeDatagramPort is a port of loopback that nobody receives at just now.
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

func TestDatagramPortTaken(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	_, err = build(t, "-l 127.0.0.1 -p -1 -U "+port)
	if want := "failed to listen on one of interface(s) 127.0.0.1: Address already in use"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestDatagramSocketOfSystemd stands in the place of the addresses.
func TestDatagramSocketOfSystemd(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	given := inheritance{{fd: fd, foreign: true}}
	if err := given[0].identify(); err != nil {
		t.Fatal(err)
	}
	config := serveConfig(t, "memcache.listen", "127.0.0.1", "memcache.port", "-1", "memcache.udp_port", "-1", "admin.address", "")
	log, _ := newLog(new(safeBuffer), "text", 0)
	n, err := newNode(t.Context(), config, log, nil, given)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	if got, want := fmt.Sprint(datagramAddrs(n)), "["+c.LocalAddr().String()+"]"; got != want {
		t.Errorf("bound %s, want %s", got, want)
	}
	if got := askDatagram(t, c.LocalAddr().String()); !strings.HasSuffix(got, "VERSION 1.6.45\r\n") {
		t.Errorf("answered %q", got)
	}
}

// TestUpgradeKeepsDatagrams: the next process answers at the same port.
func TestUpgradeKeepsDatagrams(t *testing.T) {
	needUpgrades(t)
	r, folder, address := startNodeProcess(t, "--udp-port", "-1")
	text, err := os.ReadFile(filepath.Join(folder, "ports"))
	_, rest, found := strings.Cut(string(text), "UDP INET: ")
	if err != nil || !found {
		t.Fatalf("the file of ports says %q (%v)", text, err)
	}
	port, _, _ := strings.Cut(rest, "\n")
	until(t, "a server", func() bool { return serverPID("tcp", address) == r.Process.Pid })
	askDatagram(t, "127.0.0.1:"+port)
	upgradeTo(t, r.Process.Pid)
	if got := askDatagram(t, "127.0.0.1:"+port); !strings.HasSuffix(got, "VERSION 1.6.45\r\n") {
		t.Errorf("answered %q", got)
	}
}
