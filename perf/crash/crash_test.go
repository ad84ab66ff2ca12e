package crash

import (
	"context"
	"errors"
	"log"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

// panda is our server, built once.
var panda string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		log.Fatal(err)
	}
	if panda = os.Getenv("PANDA_BINARY"); panda == "" {
		if panda, err = peer.Build(context.Background(), dir); err != nil {
			log.Fatal(err)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func options(t *testing.T, fsync string) Options {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: servers are started on Linux only")
	}
	return Options{
		Panda: panda, Fsync: fsync, Rounds: 6, Seed: uint64(time.Now().UnixNano()),
		LoadMost: 1500 * time.Millisecond, Folder: t.TempDir(),
	}
}

// Crashes under load, with recoveries that crash, too: nothing that was promised is missing.
func TestCrashes(t *testing.T) {
	for _, fsync := range []string{"always", "everysec", "always and flash"} {
		t.Run(fsync, func(t *testing.T) {
			promise, _, flash := strings.Cut(fsync, " ")
			o := options(t, promise)
			o.Flash = flash
			if testing.Short() {
				o.Rounds, o.LoadMost = 3, 500*time.Millisecond
			}
			report, err := Run(t.Context(), o)
			if err != nil {
				t.Fatalf("seed %d: %v", o.Seed, err)
			}
			t.Logf("seed %d:\n%v", o.Seed, report)
		})
	}
}

// A server that promises less than it is judged by is found out: what it answers before
// it is written is missing behind a crash.
func TestBrokenPromiseIsFound(t *testing.T) {
	o := options(t, "everysec")
	o.Judge, o.Rounds, o.LoadMost = "always", 20, 300*time.Millisecond
	_, err := Run(t.Context(), o)
	var wrong *Wrong
	if !errors.As(err, &wrong) {
		t.Fatalf("seed %d: it passed as always: %v", o.Seed, err)
	}
	t.Log(wrong)
}
