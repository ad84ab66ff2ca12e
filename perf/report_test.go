package perf

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}

// The ratio is the median of the rounds' ratios, not the ratio of the medians.
func TestRatio(t *testing.T) {
	r := newRatio([]float64{10, 40, 90}, []float64{10, 20, 100})
	if r.Median != 1 || r.Min != 0.9 || r.Max != 2 {
		t.Fatalf("%+v", r)
	}
	if r := newRatio(nil, nil); r != (Ratio{}) {
		t.Fatalf("no rounds: %+v", r)
	}
}

func TestVerdicts(t *testing.T) {
	r := sampleReport()
	if r.Failed() != 2 {
		t.Fatalf("%d failed, want the second row and the tail", r.Failed())
	}
	if r.Contests[0].Rows[1].Bar = 0.6; r.Failed() != 1 {
		t.Fatalf("%d failed, want the tail: the bar itself passes", r.Failed())
	}
	if r.Contests[0].Rows[1].Peer[0].CPU = 0; !math.IsInf(r.Contests[0].Rows[1].Ratio().Max, 1) {
		t.Fatalf("%+v", r.Contests[0].Rows[1].Ratio())
	}
}

func cells(requests int64, cpuUS ...int) []Sample {
	var s []Sample
	for _, us := range cpuUS {
		s = append(s, Sample{Requests: requests, CPU: time.Duration(us) * time.Microsecond, Elapsed: time.Second})
	}
	return s
}

func tails(us ...int) []Sample {
	s := cells(1000, make([]int, len(us))...)
	for i, n := range us {
		d := time.Duration(n) * time.Microsecond
		s[i].CPU, s[i].P50, s[i].P99, s[i].P999 = time.Second, d/20, d/2, d
	}
	return s
}

func sampleReport() *Report {
	return &Report{
		Label: "sample", When: time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC),
		Versions: []string{"panda: panda 0.1", "memcached: memcached 1.6.18"},
		Machine:  "A processor, 2 cores", Load: 2.5, Rounds: 3,
		Contests: []Contest{{
			Ours: "panda", Peer: "memcached", Threads: 2, Items: 1000, OursMem: 20 << 20, PeerMem: 25 << 20,
			Rows: []RowResult{
				{"set/depth=1", 1.05, cells(1000, 7000, 8000, 9000), cells(1000, 8000, 8000, 8000)},
				{"get/depth=16", 0.5, cells(1000, 600, 600, 600), cells(1000, 1000, 1000, 1000)},
			},
		}},
		Latency: &LatencyResult{
			Ours: "panda", Peer: "memcached", Threads: 2, MaxRate: 80_000, Rate: 40_000,
			OursAt: tails(1000, 2000, 4000), PeerAt: tails(1000, 1000, 2000),
		},
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTable(&b, sampleReport()); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", b.String())
}

func TestBench(t *testing.T) {
	var b bytes.Buffer
	if err := WriteBench(&b, sampleReport()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	// The golden is the same on every machine.
	text = strings.Replace(text, "goos: "+runtime.GOOS, "goos: OS", 1)
	text = strings.Replace(text, "goarch: "+runtime.GOARCH, "goarch: ARCH", 1)
	golden(t, "bench.txt", regexp.MustCompile(`-\d+\t`).ReplaceAllString(text, "-N\t"))
}

// golden compares got with a file, or rewrites the file: go test -rewrite.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -rewrite, and look at the difference):\n%s", path, got)
	}
}
