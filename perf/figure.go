package perf

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// Figure compares one thing that was measured on two sides, round by round.
type Figure struct {
	Row, What      string // "everysec/set/depth=16", "cpu-ns/op"
	Ours, Peer     string
	OursAt, PeerAt []float64
	Bar            float64 // of the ratio; 0: none
	AtLeast        bool    // the bar is what the ratio has at least
}

// What figures are of: the units that Go's benchmarks have.
const (
	ofCPU  = "cpu-ns/op"
	ofRate = "ops/s"
	ofP99  = "p99-ns"
	ofP999 = "p99.9-ns"
	ofSync = "syncs/s"

	ofHits    = "hits/1000"
	ofHitRate = "hits/s"
	ofFlash   = "flash-hits/1000"
)

// Ratio compares both sides.
func (f *Figure) Ratio() Ratio { return newRatio(f.OursAt, f.PeerAt) }

// Pass says whether the median holds the bar, if there is one.
func (f *Figure) Pass() bool {
	q := f.Ratio().Median
	return f.Bar == 0 || !f.AtLeast && q <= f.Bar || f.AtLeast && q >= f.Bar
}

func (f *Figure) verdict() string {
	switch {
	case f.Bar == 0:
		return ""
	case f.AtLeast:
		return fmt.Sprintf(">= %.2f: %s", f.Bar, verdict(f.Pass()))
	}
	return fmt.Sprintf("<= %.2f: %s", f.Bar, verdict(f.Pass()))
}

func writeFigures(w io.Writer, title string, figures []Figure) error {
	if len(figures) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s, medians of %d rounds; ratio by round\n", title, len(figures[0].PeerAt))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "row\tours\tpeer\tfigure\tours\tpeer\tratio\trange\tbar\t\n")
	for i := range figures {
		f := &figures[i]
		q := f.Ratio()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%.3f\t%.2f-%.2f\t%s\t\n", f.Row, f.Ours, f.Peer, f.What,
			median(f.OursAt), median(f.PeerAt), q.Median, q.Min, q.Max, f.verdict())
	}
	return t.Flush()
}

// writeFigureSamples prints figures in Go's benchmark format.
func writeFigureSamples(w io.Writer, name string, f *Figure) {
	write := func(side string, values []float64) {
		for _, v := range values {
			fmt.Fprintf(w, "Benchmark%s/%s/server=%s-%d\t1\t%.1f %s\n", name, f.Row, side, runtime.GOMAXPROCS(0), v, f.What)
		}
	}
	write(f.Ours, f.OursAt)
	write(f.Peer, f.PeerAt)
}
