package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// deadline bounds what a script waits for: a process that starts on a busy
// machine, in a race build.
const deadline = 20 * time.Second

// TestMain makes this test binary the programs that the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"panda": main, "memcached": main})
}

// TestScripts runs testdata/script. Besides testscript's own commands there are
//
//	exits CODE program args...   runs a program that must end with CODE
//	port NAME file               waits for MEMCACHED_PORT_FILENAME's file; $NAME becomes the IPv4 port
//	ask address text...          sends lines, the last of which is "quit"; the replies become stdout
//	present file                 waits until file exists
//	signal NAME pidfile          sends HUP, TERM or USR1 to the process that wrote pidfile, once it has
//	gone pidfile                 waits until the process that wrote pidfile is no more
//	free NAME                    $NAME becomes a TCP port that is free on 127.0.0.1
//	expand file                  replaces $NAME in file by the environment's
//	fetch STATUS URL             gets URL, which must answer STATUS; the body becomes stdout
//	owner address uid            the process behind address must be user's, and have no further groups
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"port":    port,
			"ask":     ask,
			"present": present,
			"signal":  send,
			"gone":    gone,
			"owner":   owner,
			"free":    free,
			"expand":  expand,
			"fetch":   fetch,
		},
		Condition: func(condition string) (bool, error) {
			if condition == "root" {
				return os.Getuid() == 0, nil
			}
			return false, errors.New("unknown condition " + condition)
		},
	})
}

// connect dials until somebody answers.
func connect(ts *testscript.TestScript, network, address string) (c net.Conn) {
	poll(ts, "a connection to "+address, func() bool {
		var err error
		c, err = net.Dial(network, address)
		return err == nil
	})
	ts.Check(c.SetDeadline(time.Now().Add(deadline)))
	return c
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program args...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

// poll calls done until it is, or fails at the deadline.
func poll(ts *testscript.TestScript, what string, done func() bool) {
	end := time.Now().Add(deadline)
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if done() {
			tick.Stop()
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: not within %v", what, deadline)
		}
	}
}

func present(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: present file")
	}
	poll(ts, args[0], func() bool {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		return err == nil
	})
}

func send(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1}
	if neg || len(args) != 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|TERM|USR1 pidfile")
	}
	ts.Check(syscall.Kill(pidOf(ts, args[1]), signals[args[0]]))
}

// pidOf waits for a pid file, and reads it.
func pidOf(ts *testscript.TestScript, file string) int {
	present(ts, false, []string{file})
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
	ts.Check(err)
	return pid
}

func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone pidfile")
	}
	pid := pidOf(ts, args[0])
	poll(ts, "the end of "+args[0], func() bool { return syscall.Kill(pid, 0) != nil })
}

func owner(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: owner address user")
	}
	who, err := user.Lookup(args[1])
	ts.Check(err)
	c := connect(ts, "tcp", args[0])
	defer c.Close()
	_, err = c.Write([]byte("stats\r\nquit\r\n"))
	ts.Check(err)
	reply, err := io.ReadAll(c)
	ts.Check(err)
	_, rest, _ := strings.Cut(string(reply), "STAT pid ")
	pid, _, _ := strings.Cut(rest, "\r\n")
	status, err := os.ReadFile("/proc/" + pid + "/status")
	ts.Check(err)
	for name, want := range map[string]string{
		"Uid":    strings.Join([]string{who.Uid, who.Uid, who.Uid, who.Uid}, "\t"),
		"Gid":    strings.Join([]string{who.Gid, who.Gid, who.Gid, who.Gid}, "\t"),
		"Groups": "",
	} {
		_, rest, _ = strings.Cut(string(status), "\n"+name+":\t")
		if got, _, _ := strings.Cut(rest, "\n"); strings.TrimSpace(got) != want {
			ts.Fatalf("%s is %q, want %q", name, got, want)
		}
	}
}

func port(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: port NAME file")
	}
	poll(ts, args[1], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[1]))
		if err != nil {
			return false
		}
		_, rest, found := strings.Cut(string(text), "TCP INET: ")
		line, _, _ := strings.Cut(rest, "\n")
		ts.Setenv(args[0], line)
		return found
	})
}

func ask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ask address text...")
	}
	network, address := "tcp", args[0]
	if !strings.Contains(address, ":") {
		network, address = "unix", ts.MkAbs(address)
	}
	c := connect(ts, network, address)
	defer c.Close()
	_, err := c.Write([]byte(strings.Join(append(args[1:], "quit"), "\r\n") + "\r\n"))
	ts.Check(err)
	for replies := bufio.NewScanner(c); replies.Scan(); {
		_, err := ts.Stdout().Write(append(replies.Bytes(), '\n'))
		ts.Check(err)
	}
}

func free(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: free NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand file")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch STATUS URL")
	}
	client := http.Client{Timeout: deadline}
	defer client.CloseIdleConnections()
	var r *http.Response
	poll(ts, "an answer of "+args[1], func() (answered bool) {
		var err error
		r, err = client.Get(args[1])
		return err == nil
	})
	defer r.Body.Close()
	if got := strconv.Itoa(r.StatusCode); got != args[0] {
		ts.Fatalf("%s answers %s, want %s", args[1], got, args[0])
	}
	_, err := io.Copy(ts.Stdout(), r.Body)
	ts.Check(err)
}
