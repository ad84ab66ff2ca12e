package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pandabeardb/panda/perf/checker"
	"github.com/pandabeardb/panda/perf/crash"
	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/restart"
)

// fsyncs are the promises that are checked: those asked for, else both.
func (s *settings) fsyncs() []string {
	if s.fsync != "" {
		return strings.Split(s.fsync, ",")
	}
	return []string{"always", "everysec"}
}

// soakAfter is the persist.snapshot_after of a soak, the least there is: snapshots go on
// all the time.
const soakAfter = 1 << 20

// soakFlashMB is less than what is stored: pages are dropped and compacted.
const soakFlashMB = 256

// soaksThatKeep is the soak of a server that keeps a log, with small memory, and is started
// again now and then.
func soaksThatKeep(ctx context.Context, s *settings) (held bool, err error) {
	for _, fsync := range s.fsyncs() {
		fmt.Fprintf(s.log, "soak: fsync=%s\n", fsync)
		folder, err := os.MkdirTemp(s.dir, "pandacheck-soak")
		if err != nil {
			return false, err
		}
		spec := s.spec(soakMB)
		spec.Persist = &peer.Persist{Mode: "log", Fsync: fsync, Folder: filepath.Join(folder, "data"), SnapshotAfter: soakAfter}
		if s.flash {
			spec.Persist.FlashMB = soakFlashMB
		}
		held, err := s.check(spec, soakFull, func(c checker.Config) (fmt.Stringer, error) {
			c.Restarts, c.Flash = soakRestarts, s.flash
			return soakOf(ctx, s, c)
		})
		if !held || err != nil {
			fmt.Fprintln(s.log, "the data folder, as it is:", folder)
			return held, err
		}
		if err := os.RemoveAll(folder); err != nil {
			return false, err
		}
	}
	return true, nil
}

// crashes are kills under load, and what comes back.
func crashes(ctx context.Context, s *settings) (bool, error) {
	o := crash.Options{Panda: s.panda, Rounds: s.rounds, Seed: s.seed, Folder: s.dir, Flash: s.flash, Log: s.log}
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
