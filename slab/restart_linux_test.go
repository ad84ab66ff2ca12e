//go:build !race

package slab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// smallTmpfs mounts a file system of so many bytes, and returns a restarter in it.
func smallTmpfs(t *testing.T, bytes int64, c Config) (*restarter, string) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("skipped: a tmpfs cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := newRestarter(t, c)
	r.config.File = filepath.Join(dir, "arena")
	return r, dir
}

// TestTmpfsThatIsTooSmall is refused by that name, before anything is served.
func TestTmpfsThatIsTooSmall(t *testing.T) {
	r, _ := smallTmpfs(t, 32<<20, Config{LimitBytes: 64 << 20})
	if _, err := New(r.config); !errors.Is(err, ErrFileSpace) {
		t.Errorf("64 MB in 32 MB: %v", err)
	}
	r.config.LimitBytes = 24 << 20
	s := r.open()
	set(t, s.Handle(0), "a", []byte("1"), Spec{})
	r.save(s)
	r.config.LimitBytes = 64 << 20
	if _, err := New(r.config); !errors.Is(err, ErrFileSpace) {
		t.Errorf("64 MB in 32 MB, saved: %v", err)
	}
	r.config.LimitBytes = 24 << 20
	s = r.reopen() // what was refused has taken nothing away
	if get(s.Handle(0), "a", testStartMS) == nil {
		t.Error("the item is gone")
	}
	r.close(s)
}

// TestTmpfsThatFillsUp while it is used: the store is full with what it has, and
// nothing dies. A save that has no room for its metadata says so.
func TestTmpfsThatFillsUp(t *testing.T) {
	told := make(chan int64, 1)
	r, dir := smallTmpfs(t, 128<<20, Config{
		LimitBytes: 100 << 20, Evict: true, Loops: 1,
		Refused: func(have int64, err error) {
			if errors.Is(err, unix.ENOSPC) {
				told <- have
			}
		},
	})
	s := r.open()
	hog := filepath.Join(dir, "hog")
	fillFile(t, hog)
	for i := range 150_000 {
		set(t, s.Handle(0), fmt.Sprint(i), value(1, 1000), Spec{Evictable: true})
	}
	if st := s.Stats(); st.Evictions == 0 || st.UsedBytes > 80<<20 {
		t.Errorf("%d bytes used, %d evictions", st.UsedBytes, st.Evictions)
	}
	await(t, s, "told of the refusal", func(*arena) bool { return len(told) == 1 })
	fillFile(t, hog+"2") // what openAhead and the pages' tables left
	if err := s.Save(testStartMS, nil, nil); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a save without room: %v", err)
	}
	r.close(s)
	for _, name := range []string{metadataSuffix, temporaryName} {
		if _, err := os.Stat(r.config.File + name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if err := errors.Join(os.Remove(hog), os.Remove(hog+"2")); err != nil {
		t.Fatal(err)
	}
	s = r.open()
	if s.Restart().Restored {
		t.Error("restored what was not saved")
	}
	set(t, s.Handle(0), "a", []byte("1"), Spec{})
	r.save(s)
	r.close(r.reopen())
}

// fillFile writes until the file system has no room left.
func fillFile(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b := make([]byte, 4096); ; {
		if _, err = f.Write(b); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// TestSmallerLimitGivesTheFileSystemBack what it does not need, and takes it again.
func TestSmallerLimitGivesTheFileSystemBack(t *testing.T) {
	r, _ := smallTmpfs(t, 128<<20, Config{LimitBytes: 64 << 20, Evict: true, Loops: 1})
	s := r.open()
	fill := func(name string) {
		for i := range 60_000 {
			set(t, s.Handle(0), fmt.Sprint(name, i), value(1, 1000), Spec{Evictable: true})
		}
	}
	fill("a")
	for round := range 2 {
		if err := s.SetLimit(16 << 20); err != nil {
			t.Fatal(err)
		}
		await(t, s, "memory within the smaller limit", func(a *arena) bool {
			a.mu.Unlock()
			s.Handle(0).Tick(testStartMS)
			a.mu.Lock()
			return a.inUse <= a.limit && a.over() <= 0
		})
		if _, have, _ := s.file.space(); have > 20<<20 {
			t.Errorf("round %d: the file has %d bytes at a limit of 16 MB", round, have)
		}
		if round == 1 {
			break
		}
		if err := s.SetLimit(64 << 20); err != nil {
			t.Fatal(err)
		}
		fill("b")
		if _, have, _ := s.file.space(); have < 60<<20 {
			t.Errorf("the file has %d bytes at a limit of 64 MB", have)
		}
	}
	r.save(s)
	s = r.reopen()
	awaitChecked(t, s)
	checkMemory(t, s)
	fill("c")
	r.close(s)
}
