package peer

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestPersistArguments(t *testing.T) {
	s := Spec{Kind: Panda, Threads: 2, MemoryMB: 128, Persist: &Persist{Mode: "log", Fsync: "always", Folder: "/d", SnapshotAfter: 5}}
	got := strings.Join(s.arguments("1234", "127.0.0.1:99"), " ")
	const want = "serve --log-format text -t 2 -m 128MB --admin 127.0.0.1:99 -l 127.0.0.1 -p 1234 --persist log --data /d --fsync always --set persist.snapshot_after=5B"
	if got != want {
		t.Errorf("panda: %q, want %q", got, want)
	}
	s.Persist.FlashMB = 7
	got = strings.Join(s.arguments("1234", "127.0.0.1:99"), " ")
	if got != want+" --set flash.files=/d.flash:7MB --set flash.idle_after=1s" {
		t.Errorf("with flash: %q", got)
	}
	s = Spec{Kind: Redis, MemoryMB: 100, Persist: &Persist{Mode: "log", Fsync: "everysec", Folder: "/d"}}
	got = strings.Join(s.arguments("1234", ""), " ")
	if !strings.HasSuffix(got, "--maxmemory 100mb --enable-debug-command local --dir /d --appendonly yes --appendfsync everysec") {
		t.Errorf("redis: %q", got)
	}
}

// CPU counts the process that rewrites redis's file, while it runs and behind it.
func TestRedisRewriteCounts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: readings need Linux's /proc")
	}
	s, err := Start(Spec{Kind: Redis, Persist: &Persist{Mode: "log", Fsync: "no", Folder: t.TempDir()}})
	if errors.Is(err, ErrMissing) {
		t.Skip("SKIP: redis-server is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	c, err := net.Dial(s.Network, s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	fmt.Fprint(c, "DEBUG POPULATE 500000\r\nBGREWRITEAOF\r\n")
	for range 2 {
		if line, err := r.ReadString('\n'); err != nil || line[0] == '-' && !strings.Contains(line, "DEBUG") {
			t.Fatalf("%q, %v", line, err)
		} else if line[0] == '-' {
			t.Skipf("SKIP: redis forbids DEBUG: %s", line)
		}
	}
	most := time.Duration(0)
	for deadline := time.Now().Add(20 * time.Second); most < 50*time.Millisecond && time.Now().Before(deadline); {
		children, err := s.children()
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, children)
		fmt.Fprint(c, "PING\r\n")
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if most < 50*time.Millisecond {
		t.Errorf("a rewrite of 500,000 keys cost %v", most)
	}
	all, err := s.CPU()
	own, err2 := s.times.read(s.proc())
	if err != nil || err2 != nil || all < own+50*time.Millisecond {
		t.Errorf("CPU %v, the server's own %v, %v, %v", all, own, err, err2)
	}
}

func TestLaunchKill(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: readings need Linux's /proc")
	}
	s, err := Launch(Spec{Kind: Memcached})
	if errors.Is(err, ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if _, err := os.Stat(filepath.Join(s.proc(), "task")); err == nil {
		t.Error("it is still there")
	}
}
