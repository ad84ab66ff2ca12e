package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/pandabeardb/panda/perf"
	"github.com/pandabeardb/panda/perf/peer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "pandaperf:", err)
		os.Exit(2)
	case failed > 0:
		os.Exit(1)
	}
}

// settings are the flags that do not go into perf.Options as they are.
type settings struct {
	rows, against, subject, out string
	quick, bench                bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (failed int, err error) {
	o, s, err := parse(args, stderr)
	if err != nil {
		return 0, err
	}
	o.Log = stderr
	report, err := perf.Run(ctx, *o)
	if err != nil {
		return 0, err
	}
	var all bytes.Buffer
	if err := perf.WriteTable(&all, report); err != nil {
		return 0, err
	}
	if s.bench || s.out != "" {
		fmt.Fprintln(&all)
		if err := perf.WriteBench(&all, report); err != nil {
			return 0, err
		}
	}
	if s.out != "" {
		if err := os.WriteFile(s.out, all.Bytes(), 0o644); err != nil {
			return 0, err
		}
	}
	_, err = stdout.Write(all.Bytes())
	return report.Failed(), err
}

func parse(args []string, stderr io.Writer) (*perf.Options, *settings, error) {
	o, s := &perf.Options{}, &settings{}
	f := flag.NewFlagSet("pandaperf", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.rows, "rows", "", "only rows whose name matches this `expression`")
	f.StringVar(&s.against, "against", "both", "memcached, floor or both")
	f.StringVar(&s.subject, "subject", "panda", "what is measured: panda, or memcached to see what the method is worth")
	f.IntVar(&o.Rounds, "rounds", 7, "rounds of each row; the medians count")
	f.Float64Var(&o.Scale, "ops", 1, "`scale` of the requests of a cell")
	f.BoolVar(&o.Durable, "durable", false, "measure what durability costs, beside none and beside redis, and nothing else")
	f.BoolVar(&o.Tier, "tier", false, "compare values on flash with memcached's extstore, and nothing else")
	f.StringVar(&o.Folder, "dir", "", "a `directory` on the disk to measure, for data folders and files; default: that of temporary files")
	f.BoolVar(&s.quick, "quick", false, "3 rounds of small cells: seconds, for development")
	f.BoolVar(&o.Latency, "latency", true, "measure p99.9 at half of memcached's maximum rate too")
	f.DurationVar(&o.LatencyTime, "latency-time", 3*time.Second, "length of a cell of the tail")
	f.StringVar(&o.Base, "base", "", "compare with this panda `binary` instead, round by round")
	f.StringVar(&o.Panda, "panda", "", "panda `binary`; default: built from the source of this module")
	f.StringVar(&o.Memcached, "memcached", "", "memcached `binary`; default: from PATH")
	f.StringVar(&o.ProfileDir, "profile", "", "save a CPU profile of each row into this `directory`")
	f.StringVar(&o.Label, "label", "", "a `name` for the report")
	f.BoolVar(&s.bench, "bench", true, "print the Go benchmark lines too")
	f.StringVar(&s.out, "out", "", "write what is printed to this `file` too")
	if err := f.Parse(args); err != nil {
		return nil, nil, err
	}
	if f.NArg() > 0 {
		return nil, nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, s, apply(o, s)
}

// apply turns the settings into options.
func apply(o *perf.Options, s *settings) error {
	o.Subject = peer.Kind(s.subject)
	o.AgainstMemcached = s.against != "floor" && o.Base == ""
	o.AgainstFloor = s.against != "memcached" && o.Base == ""
	o.Latency = o.Latency && s.against != "floor"
	if o.Durable || o.Tier {
		o.AgainstMemcached, o.AgainstFloor, o.Latency = false, false, false
	}
	if s.quick {
		o.Rounds, o.Scale, o.LatencyTime = 3, 0.1, 500*time.Millisecond
	}
	if s.against != "floor" && s.against != "memcached" && s.against != "both" {
		return fmt.Errorf("%w: -against %q", perf.ErrOptions, s.against)
	}
	if o.ProfileDir != "" {
		if err := os.MkdirAll(o.ProfileDir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if s.rows != "" {
		o.Rows, err = regexp.Compile(s.rows)
	}
	return err
}
