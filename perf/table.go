package perf

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteTable prints a report for people.
func WriteTable(w io.Writer, r *Report) error {
	fmt.Fprintf(w, "%s %s, %s\n", r.Label, r.When.UTC().Format(time.DateOnly), r.Machine)
	for _, v := range r.Versions {
		fmt.Fprintf(w, "  %s\n", v)
	}
	if r.Load > busyLoad {
		fmt.Fprintf(w, "  the machine was busy with other work (load average %.1f): the figures are no evidence\n", r.Load)
	}
	for i := range r.Contests {
		if err := writeContest(w, &r.Contests[i]); err != nil {
			return err
		}
	}
	if r.Latency != nil {
		if err := writeLatency(w, r.Latency); err != nil {
			return err
		}
	}
	if err := writeFigures(w, "Durability", r.Figures); err != nil {
		return err
	}
	if err := writeFigures(w, "Values on flash", r.Flash); err != nil {
		return err
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "SKIPPED %s\n", s)
	}
	_, err := fmt.Fprintf(w, "\n%d figures do not hold their bar\n", r.Failed())
	return err
}

func writeContest(w io.Writer, c *Contest) error {
	fmt.Fprintf(w, "\n%s / %s, -t %d: server CPU per request in µs, medians of %d rounds; ratio by round\n",
		c.Ours, c.Peer, c.Threads, rounds(c.Rows))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "row\t%s\t%s\tratio\trange\tbar\t\t\n", c.Ours, c.Peer)
	for i := range c.Rows {
		row := &c.Rows[i]
		q := row.Ratio()
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.3f\t%.2f-%.2f\t%.2f\t%s\t\n", row.Name,
			median(figures(row.Ours, Sample.cpuNS))/1e3, median(figures(row.Peer, Sample.cpuNS))/1e3,
			q.Median, q.Min, q.Max, row.Bar, verdict(row.Pass()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if c.PeerMem > 0 && c.Items > 0 {
		fmt.Fprintf(w, "memory with %d items: %s %d MB, %s %d MB\n",
			c.Items, c.Ours, c.OursMem>>20, c.Peer, c.PeerMem>>20)
	}
	return nil
}

func rounds(rows []RowResult) int {
	if len(rows) == 0 {
		return 0
	}
	return len(rows[0].Peer)
}

func writeLatency(w io.Writer, l *LatencyResult) error {
	fmt.Fprintf(w, "\nLatency at %.0f requests/s, half of %s's maximum, -t %d, open loop, in µs, medians of %d rounds\n",
		l.Rate, l.Peer, l.Threads, len(l.PeerAt))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "server\tp50\tp99\tp99.9\t\n")
	for _, s := range []struct {
		name string
		at   []Sample
	}{{l.Ours, l.OursAt}, {l.Peer, l.PeerAt}} {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t\n", s.name,
			median(figures(s.at, func(s Sample) float64 { return float64(s.P50) }))/1e3,
			median(figures(s.at, func(s Sample) float64 { return float64(s.P99) }))/1e3,
			median(figures(s.at, Sample.p999NS))/1e3)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	q := l.Ratio()
	_, err := fmt.Fprintf(w, "p99.9 ratio %.2f, by round %.2f-%.2f, bar %.2f: %s\n",
		q.Median, q.Min, q.Max, latencyBar, verdict(q.Median <= latencyBar))
	return err
}

func verdict(pass bool) string {
	if pass {
		return "pass"
	}
	return "FAIL"
}
