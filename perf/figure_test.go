package perf

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/perf/peer"
)

func TestFigureVerdicts(t *testing.T) {
	f := Figure{OursAt: []float64{11, 12, 30}, PeerAt: []float64{10, 10, 10}, Bar: 1.2}
	if !f.Pass() {
		t.Errorf("%v fails a bar of 1.2", f.Ratio())
	}
	if f.Bar = 1.19; f.Pass() {
		t.Errorf("%v holds a bar of 1.19", f.Ratio())
	}
	if f.AtLeast = true; !f.Pass() {
		t.Errorf("%v is not 1.19 at least", f.Ratio())
	}
	if f.Bar = 1.21; f.Pass() {
		t.Errorf("%v is 1.21 at least", f.Ratio())
	}
	r := Report{Figures: []Figure{f, {OursAt: []float64{1}, PeerAt: []float64{1}}}}
	if r.Failed() != 1 {
		t.Errorf("%d failed, want one: the other has no bar", r.Failed())
	}
	var table, bench bytes.Buffer
	if err := errors.Join(WriteTable(&table, &r), WriteBench(&bench, &r)); err != nil || !strings.Contains(table.String(), ">= 1.21: FAIL") {
		t.Errorf("%v\n%s", err, &table)
	}
}

// The tail of a cell is the mean of its halves.
func TestAddTail(t *testing.T) {
	var s Sample
	for _, half := range tails(100, 300) {
		s.addTail(half)
		s.add(half)
	}
	if s.P999.Microseconds() != 200 || s.Requests != 2000 {
		t.Errorf("%+v", s)
	}
}

func durable(t *testing.T, rows string) *Report {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: measuring needs Linux's /proc and epoll")
	}
	program, err := peer.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{
		Panda: program, Durable: true, Rounds: 1, Scale: 0.1, Rows: regexp.MustCompile(rows), Folder: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Skipped {
		t.Log("SKIP:", s)
	}
	return r
}

// The whole way, beside a server without durability and beside redis.
func TestDurable(t *testing.T) {
	r := durable(t, "^everysec/set/depth=16$|^always/set/depth=1/redis$")
	var all bytes.Buffer
	if err := WriteTable(&all, r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", &all)
	if len(r.Figures) != 5 && len(r.Skipped) == 0 {
		t.Errorf("%d figures, want 3 and 2", len(r.Figures))
	}
	for _, f := range r.Figures {
		if q := f.Ratio().Median; !(q > 0.001 && q < 1000) {
			t.Errorf("%+v: %g", f, q)
		}
	}
	if len(r.Versions) < 2 || r.Versions[0] == r.Versions[1] {
		t.Errorf("versions %q", r.Versions)
	}
}

// fsync=always beside the file system, and the reads beside its writers.
func TestGroup(t *testing.T) {
	r := durable(t, "^always/(writers|reads)")
	for _, f := range r.Figures {
		if q := f.Ratio().Median; !(q > 0.0001 && q < 1000) || len(f.OursAt) != 1 {
			t.Errorf("%+v: %g", f, q)
		}
	}
	if len(r.Figures) != 6 && len(r.Skipped) == 0 {
		t.Errorf("%d figures, want 5 and 1", len(r.Figures))
	}
	if len(r.Figures) == 6 && (math.Abs(r.Figures[0].Ratio().Median-r.Figures[2].Ratio().Median) > 0.01 || r.Figures[0].Bar != groupBar) {
		t.Errorf("operations %+v, syncs %+v: not the same ratio", r.Figures[0], r.Figures[2])
	}
}
