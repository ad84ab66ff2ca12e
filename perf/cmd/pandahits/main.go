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

	"github.com/pandabeardb/panda/perf/hits"
	"github.com/pandabeardb/panda/perf/peer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "pandahits:", err)
		os.Exit(2)
	case failed > 0:
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (failed int, err error) {
	o, out, err := parse(args, stderr)
	if err != nil {
		return 0, err
	}
	o.Log = stderr
	report, err := hits.Run(ctx, *o)
	if err != nil {
		return 0, err
	}
	var all bytes.Buffer
	if err := hits.WriteTable(&all, report); err != nil {
		return 0, err
	}
	if out != "" {
		if err := os.WriteFile(out, all.Bytes(), 0o644); err != nil {
			return 0, err
		}
	}
	_, err = stdout.Write(all.Bytes())
	return report.Failed(), err
}

// settings are the flags that do not go into hits.Options as they are.
type settings struct {
	rows, only, subject, out string
	quick                    bool
	minute                   time.Duration
	rate                     int
}

func parse(args []string, stderr io.Writer) (o *hits.Options, out string, err error) {
	o, s := &hits.Options{}, &settings{}
	f := flag.NewFlagSet("pandahits", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.only, "only", "", "table or minutes; default both")
	f.StringVar(&s.rows, "rows", "", "only rows of the table whose name matches this `expression`; no minutes")
	f.IntVar(&o.Requests, "requests", 1_500_000, "requests of a row that count")
	f.Uint64Var(&o.Seed, "seed", 1, "of the traces")
	f.IntVar(&o.Threads, "threads", 2, "of each server")
	f.DurationVar(&s.minute, "minute", time.Minute, "`length` of a minute of the calcification")
	f.IntVar(&s.rate, "rate", 20_000, "`requests` a second of the calcification")
	f.BoolVar(&s.quick, "quick", false, "fifth of the requests, minutes of 10 s: for development")
	f.StringVar(&s.subject, "subject", "panda", "what is measured: panda, or memcached to see what the method is worth")
	f.StringVar(&o.Base, "base", "", "compare with this panda `binary` instead of memcached")
	f.StringVar(&o.Panda, "panda", "", "panda `binary`; default: built from the source of this module")
	f.StringVar(&o.Memcached, "memcached", "", "memcached `binary`; default: from PATH")
	f.StringVar(&o.Label, "label", "", "a `name` for the report")
	f.StringVar(&s.out, "out", "", "write the tables to this `file` too")
	if err := f.Parse(args); err != nil {
		return nil, "", err
	}
	if f.NArg() > 0 {
		return nil, "", fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, s.out, apply(o, s)
}

// apply turns the settings into options.
func apply(o *hits.Options, s *settings) (err error) {
	o.Subject = peer.Kind(s.subject)
	if s.quick {
		o.Requests, s.minute = o.Requests/5, 10*time.Second
	}
	if s.only != "table" && s.rows == "" {
		o.Minutes = hits.DefaultCalcification()
		o.Minutes.Minute, o.Minutes.Rate = s.minute, s.rate
	}
	switch s.only {
	case "", "table":
	case "minutes":
		s.rows = "^$" // no row has no name
	default:
		return fmt.Errorf("%w: -only %q", hits.ErrOptions, s.only)
	}
	if s.rows != "" {
		o.Rows, err = regexp.Compile(s.rows)
	}
	return err
}
