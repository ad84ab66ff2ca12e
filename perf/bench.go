package perf

import (
	"fmt"
	"io"
	"runtime"
)

// WriteBench prints a report in Go's benchmark format, one line per server,
// row and round, for benchstat:
//
//	benchstat -col /server FILE
//	benchstat -filter /server:panda OLD NEW
func WriteBench(w io.Writer, r *Report) error {
	fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: github.com/pandabeardb/panda/perf\ncpu: %s\n",
		runtime.GOOS, runtime.GOARCH, r.Machine)
	if r.Label != "" {
		fmt.Fprintf(w, "label: %s\n", r.Label)
	}
	for _, v := range r.Versions {
		fmt.Fprintf(w, "# %s\n", v)
	}
	for i := range r.Contests {
		c := &r.Contests[i]
		for j := range c.Rows {
			writeSamples(w, c.Rows[j].Name, c.Threads, c.Ours, c.Rows[j].Ours)
			writeSamples(w, c.Rows[j].Name, c.Threads, c.Peer, c.Rows[j].Peer)
		}
	}
	if l := r.Latency; l != nil {
		writeTails(w, l.Threads, l.Ours, l.OursAt)
		writeTails(w, l.Threads, l.Peer, l.PeerAt)
	}
	for i := range r.Figures {
		writeFigureSamples(w, "Durable", &r.Figures[i])
	}
	for i := range r.Flash {
		writeFigureSamples(w, "Flash", &r.Flash[i])
	}
	_, err := fmt.Fprintln(w, "PASS")
	return err
}

func writeSamples(w io.Writer, row string, threads int, server string, samples []Sample) {
	for _, s := range samples {
		fmt.Fprintf(w, "BenchmarkServer/%s/t=%d/server=%s-%d\t%d\t%.1f cpu-ns/op\t%.1f ns/op\n",
			row, threads, server, runtime.GOMAXPROCS(0), s.Requests, s.cpuNS(),
			float64(s.Elapsed)/float64(s.Requests))
	}
}

func writeTails(w io.Writer, threads int, server string, samples []Sample) {
	for _, s := range samples {
		fmt.Fprintf(w, "BenchmarkLatency/half-rate/t=%d/server=%s-%d\t%d\t%d p50-ns\t%d p99-ns\t%d p99.9-ns\t%.1f cpu-ns/op\n",
			threads, server, runtime.GOMAXPROCS(0), s.Requests, s.P50, s.P99, s.P999, s.cpuNS())
	}
}
