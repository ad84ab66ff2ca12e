package compat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 20 * time.Second // for a process to serve: a race build on a busy machine
	stopLimit  = 10 * time.Second // for it to end after SIGTERM
	replyLimit = 20 * time.Second // for any reply
)

// A server is a running program, listening on TCP and, if asked to, instead on
// a unix socket.
type server struct {
	network, address string
	process          *os.Process
	output           *output
	done             chan struct{} // closed when the process is gone
	err              error         // how it went; set before done
}

// output collects what a process prints. It is written by the goroutine of
// os/exec and read by tests.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

const outputMax = 64 << 20 // of a process gone mad; memcached's own tests print a megabyte

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes.Len() < outputMax {
		o.bytes.Write(b)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String()
}

// start runs p with memcached's arguments args on a free port of 127.0.0.1
// until the test ends. An argument "-s" lets it listen there instead.
func start(t testing.TB, p program, args ...string) *server {
	t.Helper()
	s := &server{output: &output{}, done: make(chan struct{})}
	args = append(args, asRoot()...)
	for i, arg := range args {
		if arg == "-s" {
			s.network, s.address = "unix", args[i+1]
		}
	}
	if s.network == "" {
		port := freePort(t)
		s.network, s.address = "tcp", net.JoinHostPort("127.0.0.1", port)
		args = append(args, "-l", "127.0.0.1", "-p", port)
	}
	s.run(t, p.command(args...))
	s.await(t)
	return s
}

// asRoot is what memcached wants to hear before it serves as root.
func asRoot() []string {
	if os.Getuid() == 0 {
		return []string{"-u", "root"}
	}
	return nil
}

// run starts the process and has the test's end stop it.
func (s *server) run(t testing.TB, command *exec.Cmd) {
	t.Helper()
	command.Stdout, command.Stderr = s.output, s.output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = command.Process
	go func() { // ends with the process, which Cleanup ends
		s.err = command.Wait()
		close(s.done)
	}()
	t.Cleanup(func() { s.stop(t) })
}

// await returns when the server accepts connections.
func (s *server) await(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(startLimit)
	for {
		c, err := net.Dial(s.network, s.address)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-s.done:
			t.Fatalf("server ended at once: %v\n%s", s.err, s.output)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("server does not accept: %v\n%s", err, s.output)
		}
	}
}

// stop ends the process as an operator would and looks at what it said.
func (s *server) stop(t testing.TB) {
	if err := s.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	select {
	case <-s.done:
	case <-time.After(stopLimit):
		t.Errorf("server does not stop within %v of SIGTERM", stopLimit)
		s.process.Kill()
		<-s.done
	}
	if said := s.output.String(); confession(said) != "" {
		t.Errorf("the server said:\n%s", said)
	}
}

// ended reports whether the process is gone.
func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// dial opens a connection which the test's end closes.
func (s *server) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial(s.network, s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// rss is the process's resident memory in bytes.
func (s *server) rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.process.Pid))
	if err != nil {
		t.Skipf("resident memory cannot be read here: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// freePort is a port of 127.0.0.1 that nobody listens on just now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// standIn writes a shell script that runs p with memcached's arguments, and
// returns the folder it is in, for PATH and for memcached's own tests. Extra is
// shell text that runs first.
func standIn(t testing.TB, dir, name string, p program, extra string) {
	t.Helper()
	words := []string{"exec", p.path}
	words = append(words, p.prefix...)
	text := "#!/bin/sh\n" + extra + strings.Join(words, " ") + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs a command to its end and returns what it printed. It has a process
// group of its own, of which nothing outlives it.
func run(t testing.TB, command *exec.Cmd, limit time.Duration) (string, error) {
	t.Helper()
	// A file, not a pipe: servers that the command leaves behind hold it open.
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	command.Stdout, command.Stderr = out, out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return "", err
	}
	killGroup := func() { syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	stop := context.AfterFunc(ctx, killGroup)
	err = command.Wait()
	if !stop() {
		err = fmt.Errorf("not done within %v: %w", limit, err)
	}
	killGroup()
	text, readErr := os.ReadFile(out.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	if word := confession(string(text)); err == nil && word != "" {
		err = fmt.Errorf("something said %q", word)
	}
	return string(text), err
}

// confession finds in what a program printed the words of one that failed.
func confession(text string) string {
	for _, word := range []string{"DATA RACE", "panic:", "BUG:", "FATAL:", "fatal error:"} {
		if strings.Contains(text, word) {
			return word
		}
	}
	return ""
}

// A client speaks lines to a server and fails the test when that does not work.
type client struct {
	t testing.TB
	net.Conn
	reader *bufio.Reader
}

func (s *server) client(t testing.TB) *client {
	t.Helper()
	c := s.dial(t)
	return &client{t, c, bufio.NewReader(c)}
}

// send writes text.
func (c *client) send(text string) {
	c.t.Helper()
	c.SetWriteDeadline(time.Now().Add(replyLimit))
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// expect reads exactly want.
func (c *client) expect(want string) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(replyLimit))
	for i := range len(want) {
		b, err := c.reader.ReadByte()
		if err == nil && b == want[i] {
			continue
		}
		rest, _ := c.reader.Peek(c.reader.Buffered())
		c.t.Fatalf("read %.200q, then %q and %.200q (%v); wanted %.200q", want[:i], b, rest, err, want)
	}
}

// expectEnd reads the end of the connection: a close or a reset.
func (c *client) expectEnd() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(replyLimit))
	if b, err := c.reader.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %q (%v), wanted the connection closed", b, err)
	}
}

// stat asks for one value of the general statistics.
func (c *client) stat(name string) int64 {
	c.t.Helper()
	c.send("stats\r\n")
	c.SetReadDeadline(time.Now().Add(replyLimit))
	value := int64(-1)
	for {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		fields := strings.Fields(line)
		if line == "END\r\n" {
			if value < 0 {
				c.t.Fatalf("stats has no number %s", name)
			}
			return value
		}
		if len(fields) == 3 && fields[1] == name {
			if value, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}
