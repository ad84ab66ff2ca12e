package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/hits"
	"github.com/pandabeardb/panda/perf/peer"
)

func TestFlags(t *testing.T) {
	o, _, err := parse(nil, io.Discard)
	if err != nil || o.Minutes == nil || o.Minutes.Minute != time.Minute || o.Rows != nil || o.Subject != peer.Panda {
		t.Errorf("defaults: %+v %v", o, err)
	}
	o, _, err = parse([]string{"-only", "minutes", "-quick"}, io.Discard)
	if err != nil || o.Minutes == nil || o.Minutes.Minute >= time.Minute || o.Rows.MatchString("loop/2x") {
		t.Errorf("minutes: %+v %v", o, err)
	}
	for _, args := range [][]string{{"-only", "table"}, {"-rows", "loop"}} {
		if o, _, err = parse(args, io.Discard); err != nil || o.Minutes != nil {
			t.Errorf("%v: %+v %v", args, o, err)
		}
	}
	for _, bad := range [][]string{{"-only", "hours"}, {"-rows", "("}, {"extra"}, {"-no-such-flag"}} {
		if _, _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

// The whole command, with memcached in panda's place.
func TestReport(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: servers are started on Linux")
	}
	out := filepath.Join(t.TempDir(), "report.txt")
	var stdout strings.Builder
	failed, err := run(t.Context(), []string{"-subject", "memcached", "-rows", "^loop/2x$", "-requests", "1000",
		"-label", "test", "-out", out}, &stdout, io.Discard)
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil || failed != 0 { // neither hits at all
		t.Fatalf("%d failed, %v", failed, err)
	}
	file, err := os.ReadFile(out)
	if err != nil || string(file) != stdout.String() || !strings.Contains(stdout.String(), "loop/2x") {
		t.Errorf("%v, file and output:\n%s\n%s", err, file, &stdout)
	}
}

func TestNothingToMeasure(t *testing.T) {
	if _, err := run(t.Context(), []string{"-rows", "no such row"}, io.Discard, io.Discard); !errors.Is(err, hits.ErrOptions) {
		t.Fatalf("error %v", err)
	}
}
