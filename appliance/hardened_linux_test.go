package appliance

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/internal/invariant"
)

// hardenedStage tells this test's own processes what to do: give up, then serve.
const hardenedStage = "PANDA_TEST_HARDENED"

// TestServesWithoutWritableCode: Debian's unit for memcached sets
// MemoryDenyWriteExecute: a process gives up the
// same, and becomes a server.
func TestServesWithoutWritableCode(t *testing.T) {
	switch os.Getenv(hardenedStage) {
	case "deny":
		denyWritableCode(t)
	case "serve":
		os.Exit(serveHardened(t))
	}
	if invariant.On {
		t.Skip("skipped: the race detector's own memory is not what is tested")
	}
	if _, err := unix.PrctlRetInt(unix.PR_GET_MDWE, 0, 0, 0, 0); err != nil {
		t.Skipf("skipped: this kernel can not refuse it (%v)", err)
	}
	socket, address := filepath.Join(t.TempDir(), "s"), freeAddress(t)
	server := exec.Command(os.Args[0], "-test.run=^TestServesWithoutWritableCode$")
	server.Env = append(os.Environ(), hardenedStage+"=deny", "PANDA_TEST_SOCKET="+socket, "PANDA_TEST_ADMIN="+address)
	server.Stderr = os.Stderr
	server.Stdout = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill() }) // if it has not ended
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	c := dialWhenReady(t, socket, ended)
	value := strings.Repeat("v", 500_000)
	exchange(t, c, "set k 0 0 500000\r\n"+value+"\r\n", "STORED\r\n")
	exchange(t, c, "cache_memlimit 32\r\nget k\r\n", "OK\r\nVALUE k 0 500000\r\n"+value+"\r\nEND\r\n")
	c.Close()
	for _, path := range []string{"/metrics", "/healthz", "/debug/pprof/profile?seconds=1"} {
		if status, body, err := get(address, path); status != http.StatusOK || err != nil {
			t.Errorf("%s: %d %s %v", path, status, body, err)
		}
	}
	server.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("the server ended: %v", err)
	}
}

// dialWhenReady connects to a server that is starting.
func dialWhenReady(t *testing.T, socket string, ended <-chan error) net.Conn {
	t.Helper()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case err := <-ended:
			t.Fatalf("the server ended before it served: %v", err)
		case <-retry.C:
		}
		if c, err := net.Dial("unix", socket); err == nil {
			c.SetDeadline(time.Now().Add(patience))
			return c
		}
	}
	t.Fatal("the server does not serve")
	return nil
}

// denyWritableCode forbids this process, for ever, to make memory executable
// that is or was writable, and runs it anew. systemd asks the kernel for the same
// (since 6.3), or refuses the same calls by a filter.
func denyWritableCode(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Setenv(hardenedStage, "serve")
	t.Fatal(syscall.Exec(os.Args[0], os.Args, os.Environ()))
}

// serveHardened sees that it is denied, and serves nevertheless.
func serveHardened(t *testing.T) int {
	if b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil || unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC) != unix.EACCES {
		t.Fatalf("memory can be made executable: %v", err)
	}
	if _, err := unix.Mmap(-1, 0, 4096, unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON); err != unix.EACCES {
		t.Fatalf("memory that is writable and executable: %v", err)
	}
	c, exit := config.Memcached("memcached", []string{"-u", "root", "-s", os.Getenv("PANDA_TEST_SOCKET"), "-o", "panda_admin=" + os.Getenv("PANDA_TEST_ADMIN")})
	if exit != nil {
		t.Fatal(exit.Stderr)
	}
	return Run(c, os.Stderr)
}
