package hits

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

var rewrite = flag.Bool("rewrite", false, "write the expected texts anew")

func itoa(n int) string { return strconv.Itoa(n) }

func TestVerdictIsByWhatIsPrinted(t *testing.T) {
	for _, c := range []struct {
		ours, peer int64
		pass       bool
	}{
		{5000, 5000, true}, {5001, 5000, true}, {4999, 5000, false}, // of 10,000: a hundredth of a percent
		{0, 0, true}, {0, 1, false},
	} {
		cell := Cell{Ours: Side{Count: Count{10_000, c.ours}}, Peer: Side{Count: Count{10_000, c.peer}}}
		if cell.Pass() != c.pass {
			t.Errorf("cell of %d against %d: %v", c.ours, c.peer, cell.Pass())
		}
		if m := (Minute{Ours: cell.Ours.Count, Peer: cell.Peer.Count}); m.Pass() != c.pass {
			t.Errorf("minute of %d against %d: %v", c.ours, c.peer, m.Pass())
		}
	}
	// What is not seen in print is no difference.
	if !notBelow(0.90001, 0.900049) || notBelow(0.90001, 0.90006) {
		t.Error("not rounded as printed")
	}
}

// sample has one passing and one failing figure of each kind.
func sample() *Report {
	return &Report{
		Label: "sample", When: time.Unix(1_800_000_000, 0), Machine: "a processor, 2 cores",
		Versions: []string{"panda: memcached 1.6.45", "memcached: memcached 1.6.18"},
		Ours:     "panda", Peer: "memcached", Threads: 2, Requests: 10_000,
		Cells: []Cell{
			{"zipf-0.8/2x", 244647, Side{Count{10_000, 7800}, 103_000}, Side{Count{10_000, 7722}, 101_091}},
			{"loop/5x", 611619, Side{Count{10_000, 12}, 99_000}, Side{Count{10_000, 13}, 101_091}},
		},
		Calcification: DefaultCalcification(),
		Minutes:       []Minute{{100, Count{100, 75}, Count{100, 70}}, {4096, Count{100, 35}, Count{100, 80}}},
	}
}

func TestTable(t *testing.T) {
	var got bytes.Buffer
	if err := WriteTable(&got, sample()); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/table.txt"
	if *rewrite {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got.String() != string(want) {
		t.Errorf("%v; got (-rewrite to accept)\n%s", err, &got)
	}
	if n := sample().Failed(); n != 2 {
		t.Errorf("%d failed", n)
	}
}

func TestRows(t *testing.T) {
	rows := Rows()
	traces, names := map[string]int{}, map[string]bool{}
	for _, r := range rows {
		traces[r.Trace.Name]++
		names[r.Name()] = true
		bytes := float64(r.keys()) * (float64(keySize) + sizes.Mean())
		if f := bytes / (MemoryMB << 20); f < 0.999*r.Footprint || f > 1.001*r.Footprint {
			t.Errorf("%s: %d keys are %g times the memory", r.Name(), r.keys(), f)
		}
	}
	if len(traces) != 5 || len(names) != 15 {
		t.Errorf("traces %v, names %v", traces, names)
	}
	for name, n := range traces {
		if n != 3 {
			t.Errorf("%s has %d sizes", name, n)
		}
	}
	if m := matching(rows, regexp.MustCompile("^loop/")); len(m) != 3 {
		t.Errorf("%d rows are loops", len(m))
	}
}

func TestPhases(t *testing.T) {
	c := DefaultCalcification()
	minutes := 0
	for _, p := range c.Phases {
		minutes += p.Minutes
		if last := p.firstKey + p.keys() - 1; c.sizeOf(p.firstKey) != p.ValueSize || c.sizeOf(last) != p.ValueSize {
			t.Errorf("keys %d … %d are not all of %d bytes", p.firstKey, last, p.ValueSize)
		}
		if p.ValueSize > valueMax {
			t.Errorf("values of %d bytes", p.ValueSize)
		}
	}
	if d := time.Duration(minutes) * c.Minute; d > 8*time.Minute {
		t.Errorf("%v", d)
	}
	if first, last := c.Phases[0], c.Phases[len(c.Phases)-1]; first.ValueSize != last.ValueSize {
		t.Errorf("%+v does not come back as %+v", first, last)
	}
}

// Both parts in small, memcached against itself.
func TestMemcachedAgainstItself(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: servers are started on Linux")
	}
	minutes := DefaultCalcification()
	minutes.Minute = 100 * time.Millisecond
	r, err := Run(t.Context(), Options{
		Subject: peer.Memcached, Threads: 1, Requests: 20_000, Seed: 1,
		Rows: regexp.MustCompile("^zipf-1.0/2x$"), Minutes: minutes,
	})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != 1 || len(r.Minutes) != 7 {
		t.Fatalf("%+v", r)
	}
	if c := r.Cells[0]; c.Ours.Gets != 20_000 || c.Peer.Gets != 20_000 || c.Ours.Ratio() < 0.5 || c.Ours.Items < 50_000 {
		t.Errorf("%+v", c)
	}
	for i, m := range r.Minutes {
		if m.Ours.Gets != 2000 || m.Peer.Gets != 2000 {
			t.Errorf("minute %d: %+v", i+1, m)
		}
	}
	if err := WriteTable(io.Discard, r); err != nil {
		t.Error(err)
	}
}

// What fails on one side ends the other, and is what is reported.
func TestOneSideEndsTheOther(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: servers are started on Linux")
	}
	o := Options{Subject: peer.Memcached, Threads: 1}
	err := o.pair(t.Context(), sizes.Of, func(ctx context.Context, side int, _ *client) error {
		if side == 0 {
			return ErrReply
		}
		<-ctx.Done()
		return nil
	})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if !errors.Is(err, ErrReply) {
		t.Errorf("error %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{
		{Threads: 1}, {Requests: 1000},
		{Threads: 1, Requests: 1000, Rows: regexp.MustCompile("no such row")},
	} {
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}
