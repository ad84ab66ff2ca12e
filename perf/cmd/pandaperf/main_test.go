package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf"
	"github.com/pandabeardb/panda/perf/floor"
	"github.com/pandabeardb/panda/perf/peer"
)

func TestFlags(t *testing.T) {
	o, s, err := parse(nil, io.Discard)
	if err != nil || !o.AgainstMemcached || !o.AgainstFloor || !o.Latency || o.Rounds < 5 || o.Subject != peer.Panda || !s.bench {
		t.Errorf("defaults: %+v %+v %v", o, s, err)
	}
	o, _, err = parse([]string{"-quick", "-against", "floor", "-rows", "^set"}, io.Discard)
	if err != nil || o.AgainstMemcached || o.Latency || o.Scale >= 1 || o.LatencyTime >= time.Second || !o.Rows.MatchString("set/depth=1") {
		t.Errorf("quick: %+v %v", o, err)
	}
	o, _, err = parse([]string{"-base", "old"}, io.Discard)
	if err != nil || o.AgainstMemcached || o.AgainstFloor || !o.Latency || o.Base != "old" {
		t.Errorf("base: %+v %v", o, err)
	}
	o, _, err = parse([]string{"-durable", "-dir", "d"}, io.Discard)
	if err != nil || !o.Durable || o.AgainstMemcached || o.AgainstFloor || o.Latency || o.Folder != "d" {
		t.Errorf("durable: %+v %v", o, err)
	}
	o, _, err = parse([]string{"-tier", "-dir", "d"}, io.Discard)
	if err != nil || !o.Tier || o.Durable || o.AgainstMemcached || o.AgainstFloor || o.Latency || o.Folder != "d" {
		t.Errorf("tier: %+v %v", o, err)
	}
	for _, bad := range [][]string{{"-against", "redis"}, {"-rows", "("}, {"extra"}, {"-no-such-flag"}} {
		if _, _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

// The whole command, with memcached in panda's place.
func TestReport(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: measuring needs Linux's /proc and epoll")
	}
	out := filepath.Join(t.TempDir(), "report.txt")
	var stdout bytes.Buffer
	failed, err := run(t.Context(), []string{"-subject", "memcached", "-against", "floor", "-rounds", "1", "-ops", "0.01",
		"-rows", "^get/depth=64$", "-label", "test", "-out", out}, &stdout, io.Discard)
	if errors.Is(err, peer.ErrMissing) || errors.Is(err, floor.ErrNoCompiler) {
		t.Skip("SKIP: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if failed != 0 && failed != 1 {
		t.Errorf("%d of one figure failed", failed)
	}
	file, err := os.ReadFile(out)
	if err != nil || string(file) != stdout.String() {
		t.Errorf("file and output differ: %v", err)
	}
	for _, want := range []string{"memcached / floor, -t 1", "label: test\n", "\nBenchmarkServer/get/depth=64/t=1/server=floor-"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in:\n%s", want, &stdout)
		}
	}
}

func TestNothingToMeasure(t *testing.T) {
	_, err := run(t.Context(), []string{"-rows", "no such row", "-latency=false"}, io.Discard, io.Discard)
	if !errors.Is(err, perf.ErrOptions) {
		t.Fatalf("error %v", err)
	}
}
