package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pandabeardb/panda/perf/crash"
	"github.com/pandabeardb/panda/perf/restart"
)

// fsyncs are the promises that are checked: those asked for, else both.
func (s *settings) fsyncs() []string {
	if s.fsync != "" {
		return strings.Split(s.fsync, ",")
	}
	return []string{"always", "everysec"}
}

// crashes are kills under load, and what comes back.
func crashes(ctx context.Context, s *settings) (bool, error) {
	o := crash.Options{Panda: s.panda, Rounds: s.rounds, Seed: s.seed, Folder: s.dir, Log: s.log}
	if s.quick && s.rounds == 0 {
		o.Rounds = 10
	}
	for _, o.Fsync = range s.fsyncs() {
		fmt.Fprintf(s.log, "crash: fsync=%s, seed %d\n", o.Fsync, s.seed)
		report, err := crash.Run(ctx, o)
		if report != nil {
			fmt.Fprint(s.out, report)
		}
		var wrong *crash.Wrong
		switch {
		case errors.As(err, &wrong):
			fmt.Fprintln(s.out, err)
			return false, nil
		case err != nil:
			return false, err
		}
		fmt.Fprintln(s.out, "nothing wrong")
	}
	return true, nil
}

// recoveries are starts from a snapshot and from a log.
func recoveries(ctx context.Context, s *settings) (bool, error) {
	report, err := restart.Recover(ctx, restart.Options{Panda: s.panda, Quick: s.quick, Dir: s.dir, Seed: s.seed, Log: s.log})
	if err != nil {
		return false, err
	}
	fmt.Fprint(s.out, report)
	return report.Held(), nil
}
