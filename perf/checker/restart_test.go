package checker

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

// kept starts a server that keeps a log, with snapshots all the time, and returns how it
// is started again.
func kept(t *testing.T, fsync string, forget bool) (server *peer.Server, again func() (string, error)) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: servers are started on Linux only")
	}
	spec := peer.Spec{
		Kind: peer.Panda, Binary: panda, Threads: 2, MemoryMB: 64,
		Persist: &peer.Persist{Mode: "log", Fsync: fsync, Folder: t.TempDir(), SnapshotAfter: 1 << 20},
	}
	server, err := peer.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server, func() (string, error) {
		if err := server.Stop(); err != nil {
			return "", err
		}
		if forget {
			names, _ := filepath.Glob(filepath.Join(spec.Persist.Folder, "*"))
			for _, name := range names {
				os.Remove(name)
			}
		}
		if server, err = peer.Start(spec); err != nil {
			return "", err
		}
		return server.Address, nil
	}
}

// Everything goes on behind a restart: values, tokens, times; and nothing that was gone
// is there again.
func TestRestarts(t *testing.T) {
	for _, fsync := range []string{"always", "everysec"} {
		s, again := kept(t, fsync, false)
		c := config(s, lasts(6*time.Second))
		c.Evicts, c.LimitMoves, c.FlushEvery = true, true, c.Duration/3
		c.Restart, c.Restarts = again, 2
		report, err := Run(t.Context(), c)
		if err != nil {
			t.Fatalf("%s, seed %d: %v", fsync, c.Seed, err)
		}
		t.Logf("%s, seed %d: %v", fsync, c.Seed, report)
		if report.Restarts != 2 || report.Kept < 10 {
			t.Errorf("too little was checked: %v", report)
		}
	}
}

// A server that forgets what it had is found out where it may not evict.
func TestForgettingIsFound(t *testing.T) {
	s, again := kept(t, "everysec", true)
	c := config(s, time.Second)
	c.Keys, c.Restart = 100, again
	_, err := Run(t.Context(), c)
	var wrong *Wrong
	if !errors.As(err, &wrong) {
		t.Fatalf("error: %v", err)
	}
}
