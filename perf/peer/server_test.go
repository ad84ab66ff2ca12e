package peer

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startMemcached starts a memcached, or skips the test and says why.
func startMemcached(t *testing.T, spec Spec) *Server {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: readings need Linux's /proc")
	}
	spec.Kind = Memcached
	s, err := Start(spec)
	if errors.Is(err, ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends lines to a server and returns the lines of the answers.
func ask(t *testing.T, s *Server, request string, lines int) {
	t.Helper()
	c, err := net.Dial(s.Network, s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go fmt.Fprint(c, request)
	r := bufio.NewReader(c)
	for range lines {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartStop(t *testing.T) {
	for _, unix := range []bool{false, true} {
		s := startMemcached(t, Spec{Threads: 2, Unix: unix})
		ask(t, s, "version\r\n", 1)
		if m, err := s.Memory(); err != nil || m.RSS < 1<<20 || m.PSS > m.RSS {
			t.Errorf("memory %+v, %v", m, err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(s.PID, 0); err == nil {
			t.Errorf("process %d is still there", s.PID)
		}
		if _, err := os.Stat(s.dir); unix && err == nil {
			t.Errorf("the socket's folder is still there")
		}
	}
}

// The nanoseconds agree with the kernel's hundredths of a second.
func TestCPUAgreesWithStat(t *testing.T) {
	s := startMemcached(t, Spec{Threads: 2})
	defer s.Stop()
	const n = 2000
	request := strings.Repeat("get k\r\n", n)
	var fine, coarse time.Duration
	for deadline := time.Now().Add(10 * time.Second); fine < 200*time.Millisecond; {
		if time.Now().After(deadline) {
			t.Fatalf("only %v of CPU", fine)
		}
		ask(t, s, request, n)
		var err, err2 error
		fine, err = s.CPU()
		coarse, err2 = s.CoarseCPU()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
	}
	if d := (fine - coarse).Abs(); d > 4*statTick {
		t.Fatalf("schedstat %v, stat %v", fine, coarse)
	}
}

func TestStartReportsLastWords(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: readings need Linux's /proc")
	}
	_, err := Start(Spec{Kind: Memcached, Extra: []string{"--no-such-option"}})
	if errors.Is(err, ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if !errors.Is(err, ErrStart) || !strings.Contains(err.Error(), "no-such-option") {
		t.Fatalf("error %v", err)
	}
}

func TestStopReportsServerThatDied(t *testing.T) {
	s := startMemcached(t, Spec{})
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.ended <- <-s.ended
	if err := s.Stop(); !errors.Is(err, ErrStop) {
		t.Fatalf("error %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	for _, s := range []Spec{{Kind: Memcached, Binary: "no-such-memcached"}, {Kind: Panda}, {Kind: Floor}} {
		if _, err := Start(s); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: error %v", s.Kind, err)
		}
	}
}

func TestArguments(t *testing.T) {
	s := Spec{Kind: Panda, Threads: 2, MemoryMB: 128, Extra: []string{"-I", "2m"}}
	got := strings.Join(s.arguments("1234", "127.0.0.1:99"), " ")
	want := "memcached -l 127.0.0.1 -p 1234 -U 0 -t 2 -m 128 "
	if os.Geteuid() == 0 {
		want += "-u root "
	}
	if want += "-o panda_pprof=127.0.0.1:99 -I 2m"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	if got := strings.Join((&Spec{Kind: Floor, ValueSize: 100}).arguments("1234", ""), " "); got != "1234 100" {
		t.Fatalf("floor: %q", got)
	}
}
