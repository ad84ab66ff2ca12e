package appliance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// startDaemon starts memcached -d with a pid file, and returns its process and address.
func startDaemon(t *testing.T, args ...string) (pid int, address, pidFile string) {
	t.Helper()
	folder := t.TempDir()
	pidFile = filepath.Join(folder, "pid")
	ports := filepath.Join(folder, "ports")
	all := append(asRoot(), "-d", "-l", "127.0.0.1", "-p", "-1", "-P", pidFile)
	cmd := exec.Command(program(t, "memcached"), append(all, args...)...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+ports)
	if code, printed := runProgram(t, cmd); code != 0 {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	// What follows does not wait: the daemon serves when its parent has ended.
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSuffix(string(text), "\n"))
	if err != nil {
		t.Fatalf("%q", text)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	address = net.JoinHostPort("127.0.0.1", portOf(t, ports))
	if got := serverPID("tcp", address); got != pid {
		t.Fatalf("process %d serves, the pid file says %d", got, pid)
	}
	return pid, address, pidFile
}

// open is the file behind a descriptor of a process, by name.
func openFile(t *testing.T, pid int, name string) string {
	t.Helper()
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Skipf("skipped: what a process has open cannot be seen here (%v)", err)
	}
	return path
}

func TestDaemon(t *testing.T) {
	pid, address, pidFile := startDaemon(t)
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("process %d is in session %d (%v), wanted its own", pid, session, err)
	}
	for _, name := range []string{"fd/0", "fd/1", "fd/2"} {
		if path := openFile(t, pid, name); path != os.DevNull {
			t.Errorf("%s is %s", name, path)
		}
	}
	if folder := openFile(t, pid, "cwd"); folder != "/" {
		t.Errorf("it stays in %s", folder)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil { // a terminal that goes away
		t.Fatal(err)
	}
	if got := talk("tcp", address, "version"); !strings.HasPrefix(got, "VERSION ") {
		t.Errorf("after SIGHUP: %q", got)
	}
	endProcess(t, pid)
	if _, err := os.Lstat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there (%v)", err)
	}
}

// TestDaemonThatDumpsCore stays where it was, and with -v keeps its stderr.
func TestDaemonThatDumpsCore(t *testing.T) {
	pid, _, pidFile := startDaemon(t, "-r", "-v")
	if folder, want := openFile(t, pid, "cwd"), filepath.Dir(pidFile); folder != want {
		t.Errorf("it is in %s, not in %s", folder, want)
	}
	if path := openFile(t, pid, "fd/2"); path == os.DevNull {
		t.Error("-v, and nothing is printed")
	}
	endProcess(t, pid)
}

// TestDaemonThatDoesNotStart: its parent says why, and ends with its exit code.
func TestDaemonThatDoesNotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	check := func(wantCode int, want string, args ...string) {
		t.Helper()
		code, printed := runProgram(t, exec.Command(program(t, "memcached"), append([]string{"-d"}, args...)...))
		if code != wantCode || printed != want {
			t.Errorf("%s: exit code %d, want %d, and %q, want %q", args, code, wantCode, printed, want)
		}
	}
	check(71, "failed to listen on one of interface(s) 127.0.0.1: Address already in use\n", append(asRoot(), "-l", "127.0.0.1", "-p", port)...)
	if os.Geteuid() == 0 {
		check(67, "can't find the user nobody-of-that-name to switch to\n", "-u", "nobody-of-that-name")
		check(64, "must add '-u root' to start as root\n")
	}
}
