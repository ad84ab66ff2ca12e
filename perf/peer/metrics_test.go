package peer

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestPandaThatKeeps(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: readings need Linux's /proc")
	}
	program, err := Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	s, err := Start(Spec{Kind: Panda, Binary: program, Persist: &Persist{Mode: "log", Fsync: "always", Folder: folder}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	ask(t, s, "set k 0 0 1\r\nv\r\n", 1)
	if m, err := s.Metrics(); err != nil || m["panda_persist_fsync_duration_seconds_count"] < 1 {
		t.Errorf("%d metrics, %g syncs, %v", len(m), m["panda_persist_fsync_duration_seconds_count"], err)
	}
	if err := s.Snapshot(t.Context()); err != nil {
		t.Error(err)
	}
	if names, err := filepath.Glob(filepath.Join(folder, "*.snapshot")); len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	if rss, err := s.RSS(); err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v", rss, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func TestPandaThatKeepsNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: readings need Linux's /proc")
	}
	program, err := Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(Spec{Kind: Panda, Binary: program, Persist: &Persist{Mode: "off", Folder: os.DevNull}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if err := s.Snapshot(t.Context()); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a snapshot of nothing: %v", err)
	}
}
