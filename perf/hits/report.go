package hits

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// Report is all that one command measured.
type Report struct {
	Label      string
	When       time.Time
	Machine    string
	Versions   []string
	Ours, Peer string
	Threads    int
	Requests   int
	Cells      []Cell

	Calcification *Calcification
	Minutes       []Minute
}

// notBelow compares ratios as they are printed.
func notBelow(ours, other float64) bool { return math.Round(ours*1e4) >= math.Round(other*1e4) }

// Failed counts the figures where ours is below the other.
func (r *Report) Failed() (n int) {
	for i := range r.Cells {
		if !r.Cells[i].Pass() {
			n++
		}
	}
	for _, m := range r.Minutes {
		if !m.Pass() {
			n++
		}
	}
	return n
}

// WriteTable prints a report for people.
func WriteTable(w io.Writer, r *Report) error {
	fmt.Fprintf(w, "%s %s, %s\n", r.Label, r.When.UTC().Format(time.DateOnly), r.Machine)
	for _, v := range r.Versions {
		fmt.Fprintf(w, "  %s\n", v)
	}
	if len(r.Cells) > 0 {
		if err := r.writeCells(w); err != nil {
			return err
		}
	}
	if len(r.Minutes) > 0 {
		if err := r.writeMinutes(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d figures are below %s's\n", r.Failed(), r.Peer)
	return err
}

func (r *Report) writeCells(w io.Writer) error {
	fmt.Fprintf(w, "\nHit ratio in %%, -m %d -t %d, read-through, %d requests counted after warm-up;\n", MemoryMB, r.Threads, r.Requests)
	fmt.Fprintf(w, "keys of %d bytes, values of %g to %g bytes, log-uniform, mean %.0f; footprint in multiples of the memory\n",
		keySize, sizes.Min, sizes.Max, sizes.Mean())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "trace/footprint\tkeys\t%s\t%s\tdifference\titems of %s\tof %s\t\t\n", r.Ours, r.Peer, r.Ours, r.Peer)
	for i := range r.Cells {
		c := &r.Cells[i]
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%s\t\n", c.Name, c.Keys,
			columns(c.Ours.Count, c.Peer.Count), c.Ours.Items, c.Peer.Items, verdict(c.Pass()))
	}
	return t.Flush()
}

func (r *Report) writeMinutes(w io.Writer) error {
	c := r.Calcification
	fmt.Fprintf(w, "\nCalcification: hit ratio in %% by minute of %g s, -m %d -t %d, %d requests/s, zipf %g, footprint %d times the memory\n",
		c.Minute.Seconds(), MemoryMB, r.Threads, c.Rate, minuteSkew, minuteFootprint)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "minute\tvalues\t%s\t%s\tdifference\t\t\n", r.Ours, r.Peer)
	for i, m := range r.Minutes {
		fmt.Fprintf(t, "%d\t%d\t%s\t%s\t\n", i+1, m.ValueSize, columns(m.Ours, m.Peer), verdict(m.Pass()))
	}
	return t.Flush()
}

// columns are both ratios in percent, and their difference.
func columns(ours, other Count) string {
	a, b := 100*ours.Ratio(), 100*other.Ratio()
	return fmt.Sprintf("%.2f\t%.2f\t%+.2f", a, b, a-b)
}

func verdict(pass bool) string {
	if pass {
		return "pass"
	}
	return "FAIL"
}
