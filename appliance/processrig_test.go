package appliance

import (
	"bytes"
	"errors"
	"fmt"
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

	"github.com/pandabeardb/panda/internal/invariant"
)

// programs is the folder with the program under both of its names, built once.
var programs = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "panda-programs-")
	if err != nil {
		return "", err
	}
	programsFolder = folder
	args := []string{"build", "-o", filepath.Join(folder, "panda")}
	if invariant.On {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./cmd/panda")...).CombinedOutput(); err != nil {
		return folder, fmt.Errorf("%w: %s", err, out)
	}
	return folder, os.Symlink("panda", filepath.Join(folder, "memcached"))
})

var programsFolder string // what TestMain removes

func TestMain(m *testing.M) {
	code := m.Run()
	if programsFolder != "" {
		os.RemoveAll(programsFolder)
	}
	os.Exit(code)
}

// program is the path of panda, or memcached.
func program(t *testing.T, name string) string {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil { // for other users
		t.Fatal(err)
	}
	return filepath.Join(folder, name)
}

// asRoot is what memcached's flags must have when root starts it.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return []string{"-u", "root"}
	}
	return nil
}

// A running is a program that a test started.
type running struct {
	*exec.Cmd
	stderr *safeBuffer
	ended  chan error
}

// safeBuffer is written by exec's goroutine.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// launchProgram starts a program. It is killed when the test ends.
func launchProgram(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{Cmd: cmd, stderr: new(safeBuffer), ended: make(chan error, 1)}
	cmd.Stderr, cmd.Stdout = r.stderr, r.stderr
	cmd.WaitDelay = time.Second // a daemon, or a successor, keeps stderr open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- cmd.Wait() }() // ends with the process
	t.Cleanup(func() {
		cmd.Process.Kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", cmd, r.stderr)
		}
	})
	return r
}

// said waits until the program has printed a text. It comes through a pipe: what was
// printed before a reply may be read after it.
func (r *running) said(t *testing.T, text string) {
	t.Helper()
	until(t, text, func() bool { return strings.Contains(r.stderr.String(), text) })
}

// exit waits for the end, and returns the exit code.
func (r *running) exit(t *testing.T) int {
	t.Helper()
	select {
	case err := <-r.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			t.Fatal(err)
		}
		return r.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s does not end", r)
		return -1
	}
}

// runProgram runs a program to its end.
func runProgram(t *testing.T, cmd *exec.Cmd) (code int, printed string) {
	t.Helper()
	r := launchProgram(t, cmd)
	code = r.exit(t)
	return code, r.stderr.String()
}

// until polls a condition of another process.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	retry := time.NewTicker(2 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-retry.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// talk connects, sends lines, and returns all that comes back; "" when nobody
// answers.
func talk(network, address string, lines ...string) string {
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c.Write([]byte(strings.Join(append(lines, "quit"), "\r\n") + "\r\n"))
	var all bytes.Buffer
	all.ReadFrom(c)
	return all.String()
}

// serverPID is the process that serves an address; 0: none does.
func serverPID(network, address string) int {
	_, rest, _ := strings.Cut(talk(network, address, "stats"), "STAT pid ")
	number, _, _ := strings.Cut(rest, "\r\n")
	pid, _ := strconv.Atoi(number)
	return pid
}

// portOf reads the IPv4 port from MEMCACHED_PORT_FILENAME's file, once it is there.
func portOf(t *testing.T, file string) string {
	t.Helper()
	port := ""
	until(t, file, func() bool {
		text, _ := os.ReadFile(file)
		_, rest, found := strings.Cut(string(text), "TCP INET: ")
		port, _, _ = strings.Cut(rest, "\n")
		return found
	})
	return port
}

// alive reports whether a process runs: a zombie, whose parent does not care,
// does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// endProcess ends a process that is not the test's child, and waits for it.
func endProcess(t *testing.T, pid int) {
	t.Helper()
	syscall.Kill(pid, syscall.SIGTERM)
	until(t, "the end of a process", func() bool { return !alive(pid) })
}
