package perf

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/floor"
	"github.com/pandabeardb/panda/perf/peer"
)

// quick measures memcached against itself and the floor in a second or two:
// what is tested is the whole way, not the figures.
func quick() Options {
	return Options{
		Subject: peer.Memcached, AgainstMemcached: true, Rounds: 2, Scale: 0.01,
		Rows: regexp.MustCompile("^(set|get)/depth=16$"), Label: "test",
	}
}

// measured runs o, or skips the test and says why it cannot.
func measured(t *testing.T, o Options) *Report {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: measuring needs Linux's /proc and epoll")
	}
	r, err := Run(t.Context(), o)
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if errors.Is(err, floor.ErrNoCompiler) {
		t.Skip("SKIP: no C compiler (cc) on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunAgainstMemcached(t *testing.T) {
	o := quick()
	o.Latency, o.LatencyTime = true, 150*time.Millisecond
	var log bytes.Buffer
	o.Log = &log
	r := measured(t, o)
	if len(r.Contests) != 1 || len(r.Versions) != 2 || bytes.Count(log.Bytes(), []byte("\n")) != 2 {
		t.Fatalf("%+v, log %q", r, &log)
	}
	c := r.Contests[0]
	if c.Ours != "memcached" || c.Peer != "base" || c.Items != pipelineKeys || c.OursMem < 10<<20 || c.PeerMem < 10<<20 {
		t.Errorf("%+v", c)
	}
	for _, row := range c.Rows {
		// The same program twice: a quarter to four times, however busy the machine.
		if q := row.Ratio(); len(row.Ours) != 2 || len(row.Peer) != 2 || q.Median < 0.25 || q.Median > 4 {
			t.Errorf("%s: %+v", row.Name, row)
		}
	}
	l := r.Latency
	if len(l.OursAt) != 2 || len(l.PeerAt) != 2 || l.MaxRate < 1000 || l.Rate != l.MaxRate/2 {
		t.Fatalf("%+v", l)
	}
	for _, s := range append(l.OursAt, l.PeerAt...) {
		if s.P50 <= 0 || s.P50 > s.P99 || s.P99 > s.P999 || s.P999 > 5*time.Second {
			t.Errorf("%+v", s)
		}
	}
}

// A get of memcached 1.6.18 in a pipeline costs many times the floor's.
func TestRunAgainstFloor(t *testing.T) {
	o := quick()
	o.AgainstMemcached, o.AgainstFloor = false, true
	r := measured(t, o)
	if len(r.Contests) != 1 || r.Contests[0].Peer != "floor" || r.Contests[0].Threads != 1 {
		t.Fatalf("%+v", r)
	}
	for _, row := range r.Contests[0].Rows {
		if q := row.Ratio(); q.Median < 1.2 {
			t.Errorf("%s: %.2f times the floor", row.Name, q.Median)
		}
	}
}

func TestProfileByPerf(t *testing.T) {
	o := quick()
	o.Rows, o.ProfileDir, o.ProfileTime, o.Rounds = regexp.MustCompile("^get/depth=16$"), t.TempDir(), time.Second, 1
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: measuring needs Linux's /proc and epoll")
	}
	_, err := Run(t.Context(), o)
	if errors.Is(err, peer.ErrMissing) || errors.Is(err, ErrProfile) {
		t.Skip("SKIP: no memcached, or no working perf, on this machine: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(o.ProfileDir, "get-depth16-t2.perf")); err != nil || fi.Size() == 0 {
		t.Fatal("no profile: ", err)
	}
}

func TestRunEndsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, quick())
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err == nil {
		t.Fatal("no error")
	}
}

func TestRunRefusesBadOptions(t *testing.T) {
	for _, change := range []func(*Options){
		func(o *Options) { o.Rounds = 0 },
		func(o *Options) { o.Scale = 0 },
		func(o *Options) { o.Subject = peer.Floor },
		func(o *Options) { o.AgainstMemcached = false },
		func(o *Options) { o.Rows = regexp.MustCompile("no such row") },
		func(o *Options) { o.Latency = true },
	} {
		o := quick()
		change(&o)
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: error %v, want ErrOptions", o, err)
		}
	}
}
