package appliance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// supervisor is a NOTIFY_SOCKET: what systemd would be told.
type supervisor struct {
	conn    *net.UnixConn
	address string
}

func newSupervisor(t *testing.T, address string) *supervisor {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &supervisor{conn, address}
}

// told is the next message; "": none came for so long.
func (s *supervisor) told(within time.Duration) string {
	b := make([]byte, 4096)
	s.conn.SetReadDeadline(time.Now().Add(within))
	n, err := s.conn.Read(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// expect waits for a message that matches, over signs of life.
func (s *supervisor) expect(t *testing.T, pattern string) {
	t.Helper()
	for {
		m := s.told(patience)
		switch {
		case regexp.MustCompile(pattern).MatchString(m):
			return
		case m != "WATCHDOG=1":
			t.Fatalf("told %q, want %s", m, pattern)
		}
	}
}

// serveCommand is panda serve at a free port and without an admin port.
func serveCommand(t *testing.T, args ...string) *exec.Cmd {
	all := []string{"serve", "--listen", "127.0.0.1", "--port", "-1", "--admin", "", "--log-format", "text"}
	return exec.Command(program(t, "panda"), append(all, args...)...)
}

func TestSystemdIsTold(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@panda-test-%d", os.Getpid())} {
		if address[0] == '@' && !peersKnown {
			continue // no abstract sockets here
		}
		s := newSupervisor(t, address)
		cmd := serveCommand(t)
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=2000000")
		r := launchProgram(t, cmd)
		s.expect(t, `^READY=1\nSTATUS=serving memcache`)
		for range 2 {
			if m := s.told(patience); m != "WATCHDOG=1" {
				t.Errorf("told %q, want a sign of life", m)
			}
		}
		r.Process.Signal(syscall.SIGHUP)
		s.expect(t, `^RELOADING=1\nMONOTONIC_USEC=[0-9]+$`)
		s.expect(t, `^READY=1$`)
		r.Process.Signal(syscall.SIGTERM)
		s.expect(t, `^STOPPING=1$`)
		if code := r.exit(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// TestEnvironmentOfTheStartIsTaken: nobody that this process starts is to think
// that it was meant.
func TestEnvironmentOfTheStartIsTaken(t *testing.T) {
	s := newSupervisor(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("NOTIFY_SOCKET", s.address)
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", "1")
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "3")
	l, err := readLaunch()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ownVariables {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s=%s is still there", name, value)
		}
	}
	if l.manager == nil || l.manager.watchdog != 0 {
		t.Errorf("%+v: the watchdog is for process 1", l.manager)
	}
	if len(l.sockets) != 0 {
		t.Errorf("%d sockets of process 1", len(l.sockets))
	}
	l.manager.tell("X=1", "Y=2")
	if m := s.told(patience); m != "X=1\nY=2" {
		t.Errorf("told %q", m)
	}
	if want := []string{"NOTIFY_SOCKET=" + s.address, "WATCHDOG_USEC=1000000"}; strings.Join(l.managed(), " ") != strings.Join(want, " ") {
		t.Errorf("the next process gets %q, want %q", l.managed(), want)
	}
}

// TestHungLoop: a loop that does not come back stops the watchdog, and makes
// /healthz say so; when it runs again, both are well.
func TestHungLoop(t *testing.T) {
	c := serveConfig(t, "loops", "2", "memcache.listen", "127.0.0.1", "memcache.port", "-1", "admin.address", "127.0.0.1:0")
	log, _ := newLog(new(safeBuffer), "text", config.LogLevel(0))
	n, err := New(t.Context(), c, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	n.pulse.limit = 3 * hungMin / 2
	release := make(chan struct{})
	addr, err := n.net.Listen(netio.Listener{Network: "tcp", Address: "127.0.0.1:0", Open: func(loop int, peer wire.Peer) wire.Session {
		<-release
		return n.memcache.Open(loop, peer)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	s := newSupervisor(t, filepath.Join(t.TempDir(), "notify"))
	m := newManager(s.address)
	m.watch("400000", "", os.Getpid())
	m.ready("", n.pulse)
	defer m.close()
	s.expect(t, `^READY=1`)
	if m := s.told(patience); m != "WATCHDOG=1" {
		t.Fatalf("told %q", m)
	}
	untilHealth(t, n, http.StatusOK, "ok\n")
	dial(t, addr)
	until(t, "/healthz to say that a loop hangs", func() bool {
		status, body, err := ask(n, "/healthz")
		return err == nil && status == http.StatusServiceUnavailable && strings.Contains(body, "hangs")
	})
	for s.told(time.Millisecond) != "" { // what was sent before
	}
	if m := s.told(3 * m.watchdog); m != "" {
		t.Errorf("told %q while a loop hangs", m)
	}
	close(release)
	untilHealth(t, n, http.StatusOK, "ok\n")
	if m := s.told(patience); m != "WATCHDOG=1" {
		t.Errorf("told %q after the loop came back", m)
	}
}

// activated starts a command with listeners, as systemd's socket units do.
func activated(t *testing.T, cmd *exec.Cmd, names string, listeners ...net.Listener) *running {
	t.Helper()
	script := `LISTEN_PID=$$ exec "$@"`
	wrapped := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, cmd.Args...)...)
	wrapped.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(listeners)), "LISTEN_FDNAMES="+names)
	for _, l := range listeners {
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		wrapped.ExtraFiles = append(wrapped.ExtraFiles, file)
	}
	return launchProgram(t, wrapped)
}

func listenLoopback(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestSocketActivation: systemd's sockets are served, in the place of the
// configuration's, and outlive the process.
func TestSocketActivation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	tcp, unixSocket, admin := listenLoopback(t, "tcp", "127.0.0.1:0"), listenLoopback(t, "unix", path), listenLoopback(t, "tcp", "127.0.0.1:0")
	free := freeAddress(t)
	_, port, _ := net.SplitHostPort(free)
	cmd := exec.Command(program(t, "panda"), "serve", "--listen", "127.0.0.1", "--port", port, "--admin", "")
	r := activated(t, cmd, "panda.socket::admin", tcp, unixSocket, admin)
	until(t, "a server on the socket that was passed", func() bool { return serverPID("tcp", tcp.Addr().String()) == r.Process.Pid })
	if got := serverPID("unix", path); got != r.Process.Pid {
		t.Errorf("the unix socket is served by %d", got)
	}
	if _, body, err := get(admin.Addr().String(), "/healthz"); body != "ok\n" {
		t.Errorf("the admin port says %q, %v", body, err)
	}
	if c, err := net.Dial("tcp", free); err == nil {
		c.Close()
		t.Error("the configuration's address is served, too")
	}
	r.Process.Signal(syscall.SIGTERM)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, l := range []net.Listener{tcp, unixSocket} {
		c, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Errorf("systemd's socket does not listen any more: %v", err)
			continue
		}
		c.Close()
	}
}

// TestActivatedSocketsAreProtected: a socket of systemd is as its name says, or as
// the listener with its address; one that has nothing but the port of a listener
// without TLS has TLS, and of one with certificates, certificates.
func TestActivatedSocketsAreProtected(t *testing.T) {
	n := &Node{config: config.Config{TLS: &config.TLS{}, Listeners: []config.Listener{
		{Host: "127.0.0.1", Port: 11211, Security: config.PlainText},
		{Host: "::1", Port: 11212, Security: config.MutualTLS},
		{Host: "", Port: 11213, Security: config.MutualTLS},
		{Host: "", Port: 11214, Security: config.PlainText},
		{Host: "localhost", Port: 11215, Security: config.MutualTLS},
		{Host: "localhost", Port: 11216, Security: config.ServerTLS},
		{Host: "cache.example.com", Port: 11217, Security: config.MutualTLS},
		{Host: "cache.example.com", Port: 11218, Security: config.PlainText},
		{Host: "127.0.0.1", Port: 11219, Security: config.MutualTLS},
		{Host: "10.0.0.5", Port: 11219, Security: config.PlainText},
		{Host: "0:0:0::1", Port: 11219, Security: config.ServerTLS},
	}}}
	for _, c := range []struct {
		name, network, address string
		want                   config.Security
	}{
		{"panda.socket", "tcp4", "127.0.0.1:11211", config.PlainText},
		{"panda.socket", "tcp4", "10.0.0.5:11211", config.PolicyTLS},
		{"panda.socket", "tcp6", "[::1]:11212", config.MutualTLS},
		{"panda.socket", "tcp4", "0.0.0.0:11213", config.MutualTLS},
		{"panda.socket", "tcp6", "[::]:11213", config.MutualTLS},
		{"panda.socket", "tcp4", "10.0.0.5:11213", config.MutualTLS},
		{"panda.socket", "tcp4", "0.0.0.0:11214", config.PlainText},
		{"panda.socket", "tcp4", "10.0.0.5:11214", config.PolicyTLS},
		{"panda.socket", "tcp4", "127.0.0.1:11215", config.MutualTLS},
		{"panda.socket", "tcp6", "[::1]:11215", config.MutualTLS},
		{"panda.socket", "tcp4", "10.0.0.5:11215", config.MutualTLS},
		{"panda.socket", "tcp6", "[::1]:11216", config.ServerTLS},
		{"panda.socket", "tcp4", "10.0.0.5:11217", config.MutualTLS},
		{"panda.socket", "tcp6", "[::]:11217", config.MutualTLS},
		{"panda.socket", "tcp4", "10.0.0.5:11218", config.PolicyTLS},
		{"panda.socket", "tcp4", "10.0.0.5:11219", config.PlainText},
		{"panda.socket", "tcp6", "[::1]:11219", config.ServerTLS},
		{"panda.socket", "tcp4", "10.0.0.6:11219", config.MutualTLS},
		{"panda.socket", "tcp4", "10.0.0.6:11220", config.PolicyTLS},
		{"btls", "tcp4", "127.0.0.1:11211", config.ServerTLS},
		{"mtls", "tcp4", "127.0.0.1:11211", config.MutualTLS},
		{"notls", "tcp4", "10.0.0.5:11211", config.PlainText},
		{"panda.socket", "unix", "/run/s", config.PlainText},
	} {
		if got := n.security(&givenSocket{name: c.name, network: c.network, address: c.address}); got != c.want {
			t.Errorf("%s at %s %s: %d, want %d", c.name, c.network, c.address, got, c.want)
		}
	}
}

// TestNamesOfSocketsGoOver: whatever FileDescriptorName holds, the next process
// gets the same, and all of the sockets.
func TestNamesOfSocketsGoOver(t *testing.T) {
	file, err := listenLoopback(t, "tcp", "127.0.0.1:0").(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd := int(file.Fd())
	var list []string
	names := []string{"panda.socket", "web,7=x", "a=b", "50%", "a+b c", ""}
	for _, name := range names {
		list = append(list, (&givenSocket{foreign: true, name: name}).described(fd))
	}
	list = append(list, (&givenSocket{}).described(fd))
	env := map[string]string{envSockets: strings.Join(list, ",")}
	in, err := readInheritance(func(name string) string { return env[name] }, os.Getpid())
	if err != nil || len(in) != len(list) {
		t.Fatalf("%q are %d sockets: %v", list, len(in), err)
	}
	for i, g := range in {
		if own := i == len(names); g.fd != fd || g.foreign == own || !own && g.name != names[i] {
			t.Errorf("%q has become %+v", list[i], g)
		}
	}
	env[envSockets] = strconv.Itoa(fd) + "=%zz"
	if in, err := readInheritance(func(name string) string { return env[name] }, os.Getpid()); err == nil {
		t.Errorf("%q are %d sockets", env[envSockets], len(in))
	}
}

// TestActivatedSocketsAreWarnedOf: systemd's addresses are what others reach, not
// those of the configuration, which are not bound.
func TestActivatedSocketsAreWarnedOf(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:0": "listening on loopback only, as the socket unit says", "0.0.0.0:0": "socket unit restrict it, not -l"} {
		l := listenLoopback(t, "tcp4", address)
		r := activated(t, exec.Command(program(t, "panda"), "serve", "--port", "-1", "--admin", "", "--log-format", "text"), "", l)
		r.said(t, want)
		r.Process.Signal(syscall.SIGTERM)
		r.exit(t)
		if printed := r.stderr.String(); strings.Count(printed, "msg=\"listening") != 1 {
			t.Errorf("%s: %s", address, printed)
		}
	}
}

// TestSocketsThatAreNone are refused by name.
func TestSocketsThatAreNone(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --admin ""`, program(t, "panda"))
	cmd.ExtraFiles = []*os.File{null}
	if code, printed := runProgram(t, cmd); code != config.ExitOSError || !strings.Contains(printed, "descriptor 3, which was passed as a socket") {
		t.Errorf("exit code %d: %s", code, printed)
	}
}
