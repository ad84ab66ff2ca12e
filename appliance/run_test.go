package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/appliance/config"
)

func TestLogShowsWhatVerbosityAsksFor(t *testing.T) {
	for verbosity, want := range []string{"warn", "info warn", "debug info warn", "debug info warn"} {
		var b bytes.Buffer
		log, _ := newLog(&b, "json", config.LogLevel(verbosity))
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		var seen []string
		for _, m := range []string{"debug", "info", "warn"} {
			if strings.Contains(b.String(), `"msg":"`+m+`"`) {
				seen = append(seen, m)
			}
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("verbosity %d shows %q, want %q", verbosity, got, want)
		}
	}
}

func TestVerbosityCommandChangesTheLog(t *testing.T) {
	c, _ := config.Memcached("memcached", strings.Fields("-l 127.0.0.1 -p -1"))
	level := new(slog.LevelVar)
	n, err := New(t.Context(), c, slog.New(slog.DiscardHandler), level)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	exchange(t, dial(t, n.Addrs()[0]), "verbosity 2\r\n", "OK\r\n")
	if level.Level() != slog.LevelDebug {
		t.Errorf("the log's level is %v after verbosity 2", level.Level())
	}
}

func TestPIDFileReplacesAnOldOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	p := &process{config: config.Config{PIDFile: name}, launch: &launch{}, stderr: &b}
	p.log, _ = newLog(&b, "text", slog.LevelWarn)
	p.writePIDFile()
	if got, err := os.ReadFile(name); err != nil || string(got) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("%q %v", got, err)
	}
	if !strings.Contains(b.String(), "names a process that runs") {
		t.Errorf("no warning of the running process: %q", b.String())
	}
	p.config.PIDFile = filepath.Join(name, "impossible")
	p.writePIDFile()
	if !strings.Contains(b.String(), "could not write the pid file") {
		t.Errorf("no word of a pid file that could not be written: %q", b.String())
	}
}

// TestComplaintsAreMemcachedsSentences, to the letter, under its name.
func TestComplaintsAreMemcachedsSentences(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	p := &process{config: config.Config{PIDFile: name, AsMemcached: true, Daemon: true}, launch: &launch{}, stderr: &b, node: &Node{}}
	said := func(want string) {
		t.Helper()
		if got := b.String(); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
		b.Reset()
	}
	p.writePIDFile()
	said(fmt.Sprintf("WARNING: The pid file contained the following (running) pid: %d\n", os.Getpid()))
	p.config.PIDFile = filepath.Join(name, "below")
	p.writePIDFile()
	said("Could not open the pid file " + p.config.PIDFile + ".tmp for writing: Not a directory\n")
	p.config.PIDFile = t.TempDir()
	p.writePIDFile()
	said("Could not rename the pid file from " + p.config.PIDFile + ".tmp to " + p.config.PIDFile + ": File exists\n")
	p.config.PIDFile = name + ".gone"
	p.removePIDFile()
	said("Could not remove the pid file " + p.config.PIDFile + ": No such file or directory\n")
	t.Setenv("MEMCACHED_PORT_FILENAME", filepath.Join(name, "below"))
	p.writePortFile()
	said("Failed to open \"" + filepath.Join(name, "below") + ".lck\": Not a directory\n")
}

func TestFileLimitThatCannotBeRaised(t *testing.T) {
	if exit := raiseFileLimit(1, 1); exit != nil {
		t.Errorf("one connection: %v", exit)
	}
	if exit := raiseFileLimit(1<<40, 1); exit == nil || exit.Code != config.ExitOSError {
		t.Errorf("2^40 connections: %v, want exit %d", exit, config.ExitOSError)
	}
}

// TestFileLimitHasRoomForLoops: each loop has two files of its own.
func TestFileLimitHasRoomForLoops(t *testing.T) {
	var old, now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
	if old.Max < 4000 {
		t.Skipf("skipped: the hard limit of files is %d", old.Max)
	}
	low := old
	low.Cur = 1024
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	if exit := raiseFileLimit(1024, loopFiles*500); exit != nil {
		t.Fatal(exit)
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil || now.Cur < 1024+2*500 {
		t.Errorf("room for %d files (%v), wanted for 1024 connections and 500 loops", now.Cur, err)
	}
}

// TestLoopsAreWhatTheProcessMayUse: not what the machine has.
func TestLoopsAreWhatTheProcessMayUse(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 3)) // as a quota would set it, but more
	var c config.Config
	chooseLoops(&c)
	if want := runtime.NumCPU() + 3; c.Loops != want || c.Memcache.Settings.NumThreads != want {
		t.Errorf("%d loops, %d threads shown, want %d", c.Loops, c.Memcache.Settings.NumThreads, want)
	}
	c.Loops = 7
	if chooseLoops(&c); c.Loops != 7 {
		t.Errorf("%d loops, though 7 were asked for", c.Loops)
	}
}

// TestProcessors: who waits for the disk has a processor of Go's of its own.
func TestProcessors(t *testing.T) {
	flash := "ext_path=" + filepath.Join(t.TempDir(), "flash") + ":64m"
	for _, test := range []struct {
		args []string
		want int
	}{
		{nil, 4},
		{[]string{"-o", "panda_persist=snapshot"}, 4},
		{[]string{"-o", "panda_persist=log"}, 5},
		{[]string{"-o", flash}, 4 + flashReaders},
		{[]string{"-o", "panda_persist=log," + flash}, 5 + flashReaders},
	} {
		c, exit := config.Memcached("memcached", append([]string{"-t", "3"}, test.args...))
		if exit != nil {
			t.Fatal(exit)
		}
		if got := processorsFor(&c); got != test.want {
			t.Errorf("%q: %d, want %d", test.args, got, test.want)
		}
	}
}

// TestFailureAfterBindingCleansUp: what New has bound is given back when
// starting fails later.
func TestFailureAfterBindingCleansUp(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	socket := filepath.Join(t.TempDir(), "s")
	c, exit := config.Memcached("memcached", []string{"-s", socket, "-o", "panda_pprof=" + taken.Addr().String()})
	if exit != nil {
		t.Fatal(exit)
	}
	log, level := newLog(io.Discard, "text", slog.LevelWarn)
	if _, err := startNode(c, log, level, &launch{}); !errors.Is(err, ErrAdmin) {
		t.Fatalf("started, though the admin port is taken: %v", err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unix socket was left behind: %v", err)
	}
}

// TestReachIsSaid: the warning is of those addresses alone that strangers come in
// at, and names what restricts them.
func TestReachIsSaid(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	secure := a.flags("server") + ",ssl_ca_cert=" + a.file("ca.pem")
	const beyond, only, none = "listening beyond loopback", "listening on loopback only, since", ""
	for args, want := range map[string]string{
		"-p -1":                                                        beyond,
		"-p -1 -l 127.0.0.1":                                           only,
		"-p -1 -l ::1,localhost":                                       only,
		"-p -1 -l ::1,0.0.0.0":                                         beyond,
		"-s " + t.TempDir() + "/s":                                     none,
		secure + ",ssl_verify_mode=0":                                  beyond,
		secure + ",ssl_verify_mode=1":                                  beyond,
		secure + ",ssl_verify_mode=2":                                  none,
		secure + ",ssl_verify_mode=3":                                  none,
		secure + " -l mtls:0.0.0.0":                                    none,
		secure + " -l mtls:0.0.0.0,notls:127.0.0.1:-1":                 none,
		secure + " -l mtls:0.0.0.0,btls:0.0.0.0:-1":                    beyond,
		secure + ",ssl_verify_mode=2 -l 0.0.0.0,btls:0.0.0.0:-1":       beyond,
		secure + " -l mtls:0.0.0.0 -U -1":                              none,
		secure + ",panda_udp_clients=10.0.0.0/8 -l mtls:0.0.0.0 -U -1": beyond,
		"-p -1 -l 127.0.0.1 -U -1 -o panda_udp_clients=10.0.0.0/8":     only,
	} {
		n, err := build(t, args+" -m 16")
		if err != nil {
			t.Fatal(err)
		}
		said := new(safeBuffer)
		n.log, _ = newLog(said, "text", slog.LevelInfo)
		n.logReach()
		stop(t, n)
		if got := said.String(); !strings.Contains(got, want) || want == none && got != "" {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

// TestReachOfDatagrams: a socket of systemd can be bound for all hosts, and refuse
// others but those that panda_udp_clients names.
func TestReachOfDatagrams(t *testing.T) {
	n := new(Node)
	all := &net.UDPAddr{IP: net.IPv4zero, Port: 11211}
	if got := n.reachOf(all, config.PlainText, true); got != reachGivenLocal {
		t.Errorf("without panda_udp_clients: %d", got)
	}
	n.config.UDPClients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if got := n.reachOf(all, config.PlainText, true); got != reachGiven {
		t.Errorf("with panda_udp_clients: %d", got)
	}
}
