package peer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseSchedstat(t *testing.T) {
	if ns, err := parseSchedstat([]byte("20052493 10907335 77\n")); err != nil || ns != 20052493 {
		t.Fatalf("%d, %v", ns, err)
	}
	for _, s := range []string{"", "1 2", "x 2 3", "1 2 3 4"} {
		if _, err := parseSchedstat([]byte(s)); !errors.Is(err, ErrProc) {
			t.Errorf("%q: error %v", s, err)
		}
	}
}

func TestParseStat(t *testing.T) {
	// The name holds what could be taken for the end of it.
	const stat = "3713 (a) b (c) S 3696 3713 3713 0 -1 4194560 2483 48411 0 17 123 45 44 191 20 0 1 0 97750"
	if d, err := parseStat([]byte(stat), statOwn); err != nil || d != 1680*time.Millisecond {
		t.Fatalf("%v, %v, want 1.68s", d, err)
	}
	if _, err := parseStat([]byte("1 (x) S 1 2 3"), statOwn); !errors.Is(err, ErrProc) {
		t.Fatalf("short: error %v", err)
	}
}

func TestParseRollup(t *testing.T) {
	const rollup = "55ca-7ffc ---p 00000000 00:00 0    [rollup]\nRss:                1760 kB\nPss:                 381 kB\nPss_Dirty: 1 kB\n"
	m, err := parseRollup([]byte(rollup))
	if err != nil || m != (Memory{RSS: 1760 << 10, PSS: 381 << 10}) {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := parseRollup([]byte("Rss: 1 kB\n")); !errors.Is(err, ErrProc) {
		t.Fatalf("no Pss: error %v", err)
	}
}

// A thread that ends takes nothing off the sum.
func TestThreadTimesKeepEndedThreads(t *testing.T) {
	proc := t.TempDir()
	write := func(tid, schedstat string) {
		dir := filepath.Join(proc, "task", tid)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "schedstat"), []byte(schedstat), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	times := threadTimes{}
	sum := func(want time.Duration) {
		t.Helper()
		if got, err := times.read(proc); err != nil || got != want {
			t.Fatalf("%d, %v, want %d", got, err, want)
		}
	}
	write("10", "100 0 1\n")
	write("11", "50 0 1\n")
	sum(150)
	if err := os.RemoveAll(filepath.Join(proc, "task", "11")); err != nil {
		t.Fatal(err)
	}
	write("10", "120 0 1\n")
	write("12", "7 0 1\n")
	sum(177)
}
