package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/pandabeardb/panda/perf/checker"
	"github.com/pandabeardb/panda/perf/density"
	"github.com/pandabeardb/panda/perf/events"
	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/restart"
	"github.com/pandabeardb/panda/perf/verdict"
)

// errUsage says that the command line is not one of ours.
var errUsage = errors.New("usage: pandacheck soak|exhaust|density|items|fit|churn|scale|events|restart|crash|snapshot|recovery [flags]")

func main() {
	// Probes wait in the kernel on threads of their own, and want a processor of
	// Go's at once when they wake, whatever the load does.
	runtime.GOMAXPROCS(runtime.NumCPU() + probesMax)
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	held, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "pandacheck:", err)
		os.Exit(2)
	case !held:
		os.Exit(1)
	}
}

// probesMax is how many probes run at once.
const probesMax = 4

// settings are the flags that all checks share.
type settings struct {
	subject, panda, memcached, extra string
	scenes, dir, fsync               string
	duration                         time.Duration
	seed                             uint64
	threads, memoryMB, clients       int
	rounds                           int
	quick, alone, flash              bool
	out, log                         io.Writer
}

// checks are the subcommands.
var checks = map[string]func(context.Context, *settings) (held bool, err error){
	"soak":     soak,
	"exhaust":  exhaust,
	"density":  measures(density.Items, density.Fit),
	"items":    measures(density.Items),
	"fit":      measures(density.Fit),
	"churn":    measures(density.Churn),
	"scale":    measures(density.Scale),
	"events":   latencies,
	"restart":  restarts,
	"recovery": recoveries,
	"crash":    crashes,
	"snapshot": func(ctx context.Context, s *settings) (bool, error) {
		return s.scenesOf(ctx, regexp.MustCompile("^snapshot$"))
	},
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (held bool, err error) {
	if len(args) == 0 || checks[args[0]] == nil {
		return false, errUsage
	}
	s := &settings{out: stdout, log: stderr}
	f := flag.NewFlagSet("pandacheck "+args[0], flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.subject, "subject", "panda", "what is checked: panda, or memcached")
	f.StringVar(&s.panda, "panda", "", "panda `binary`; default: built from the source of this module")
	f.StringVar(&s.memcached, "memcached", "", "memcached `binary`; default: from PATH")
	f.StringVar(&s.extra, "extra", "", "more `flags` for the server")
	f.DurationVar(&s.duration, "duration", 0, "how long; 0: the check's own")
	f.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of what is drawn")
	f.IntVar(&s.threads, "threads", 2, "of the server")
	f.IntVar(&s.memoryMB, "memory", 0, "of the server, in `MB`; 0: the check's own")
	f.IntVar(&s.clients, "clients", 0, "connections that own keys; 0: the check's own")
	f.StringVar(&s.scenes, "scenes", "", "events: only those that match this `expression`: index, moves, expiry, snapshot")
	f.StringVar(&s.dir, "dir", "", "where a memory file or a data folder is made; default: the machine's tmpfs, and the folder of temporary files")
	f.StringVar(&s.fsync, "fsync", "", "crash: always, everysec or no, or several with commas; default: always,everysec. soak: keep a log, with these, one after the other")
	f.BoolVar(&s.flash, "flash", false, "crash, and soak with -fsync: a second tier on flash, too")
	f.IntVar(&s.rounds, "rounds", 0, "crash: how many; 0: 100, or 10 quick ones")
	f.BoolVar(&s.quick, "quick", false, "seconds, for development")
	f.BoolVar(&s.alone, "alone", false, "scale, events, restart: ours only, without memcached beside it")
	if err := f.Parse(args[1:]); err != nil {
		return false, err
	}
	if f.NArg() > 0 {
		return false, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	dir, err := os.MkdirTemp("", "pandacheck")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if s.panda == "" && peer.Kind(s.subject) == peer.Panda {
		if s.panda, err = peer.Build(ctx, dir); err != nil {
			return false, err
		}
	}
	return checks[args[0]](ctx, s)
}

// spec is the server under test.
func (s *settings) spec(memoryMB int) peer.Spec {
	p := peer.Spec{Kind: peer.Kind(s.subject), Binary: s.panda, Threads: s.threads, MemoryMB: memoryMB, Extra: strings.Fields(s.extra)}
	if p.Kind == peer.Memcached {
		p.Binary = s.memcached
	}
	if s.memoryMB > 0 {
		p.MemoryMB = s.memoryMB
	}
	return p
}

// lasts is the duration of a check: what was asked, else quick or full.
func (s *settings) lasts(quick, full time.Duration) time.Duration {
	switch {
	case s.duration > 0:
		return s.duration
	case s.quick:
		return quick
	}
	return full
}

const (
	soakMB   = 64
	soakFull = 10 * time.Minute
	// soakRestarts is how often a server that keeps its data is started again.
	soakRestarts = 5
)

// soak is ten minutes of mixed load with eviction, expiry, moves, limits that
// change and large items.
func soak(ctx context.Context, s *settings) (bool, error) {
	if s.fsync != "" {
		return soaksThatKeep(ctx, s)
	}
	return s.check(s.spec(soakMB), soakFull, func(c checker.Config) (fmt.Stringer, error) { return soakOf(ctx, s, c) })
}

// soakOf runs it.
func soakOf(ctx context.Context, s *settings, c checker.Config) (fmt.Stringer, error) {
	c.Evicts, c.LimitMoves, c.FlushEvery = true, true, 17*time.Second
	report, err := checker.Run(ctx, c)
	if err == nil && report.Refusal != "" {
		fmt.Fprintln(s.out, "NOT CHECKED:", report.Refusal)
	}
	return report, err
}

// exhaust is a server that may not evict, and whose memory is exhausted.
func exhaust(ctx context.Context, s *settings) (bool, error) {
	spec := s.spec(64)
	spec.Extra = append(spec.Extra, "-M")
	return s.check(spec, time.Minute, func(c checker.Config) (fmt.Stringer, error) {
		c.Phase = time.Second
		return checker.Exhaust(ctx, c)
	})
}

// check runs one of checker's checks against a server of its own.
func (s *settings) check(spec peer.Spec, full time.Duration, run func(checker.Config) (fmt.Stringer, error)) (bool, error) {
	server, err := peer.Start(spec)
	if err != nil {
		return false, err
	}
	config := checker.Config{
		Network: server.Network, Address: server.Address, Duration: s.lasts(20*time.Second, full),
		Clients: s.clients, MemoryMB: spec.MemoryMB, Seed: s.seed,
	}
	if spec.Kind == peer.Memcached {
		config.Slack = 1500 * time.Millisecond // its clock ticks once a second
		config.Original = true
	}
	fmt.Fprintf(s.log, "%v, seed %d, %v\n", spec.Kind, s.seed, config.Duration)
	if spec.Persist != nil {
		config.Restart = func() (string, error) {
			if err := server.Stop(); err != nil {
				return "", err
			}
			again, err := peer.Start(spec)
			if err != nil {
				return "", err
			}
			server = again
			return server.Address, nil
		}
	}
	report, err := run(config)
	err = errors.Join(err, server.Stop())
	fmt.Fprint(s.out, report)
	var wrong *checker.Wrong
	if errors.As(err, &wrong) {
		fmt.Fprintln(s.out, err)
		return false, nil
	}
	if err == nil {
		fmt.Fprintln(s.out, "no wrong answer")
	}
	return err == nil, err
}

// measures runs measurements of package density one after the other.
func measures(all ...func(context.Context, density.Options) (*verdict.Report, error)) func(context.Context, *settings) (bool, error) {
	return func(ctx context.Context, s *settings) (held bool, err error) {
		held = true
		o := density.Options{Panda: s.panda, Memcached: s.memcached, Quick: s.quick, Alone: s.alone, Duration: s.duration, Seed: s.seed, Log: s.log}
		for _, measure := range all {
			report, err := measure(ctx, o)
			if err != nil {
				return false, err
			}
			fmt.Fprint(s.out, report)
			held = held && report.Held()
		}
		return held, nil
	}
}

// latencies plays the scenes of package events.
func latencies(ctx context.Context, s *settings) (bool, error) {
	scenes, err := regexp.Compile(s.scenes)
	if err != nil {
		return false, err
	}
	return s.scenesOf(ctx, scenes)
}

func (s *settings) scenesOf(ctx context.Context, scenes *regexp.Regexp) (bool, error) {
	report, err := events.Run(ctx, events.Options{Panda: s.panda, Memcached: s.memcached, Quick: s.quick, Alone: s.alone, Scenes: scenes, Folder: s.dir, Log: s.log})
	if err != nil {
		return false, err
	}
	fmt.Fprint(s.out, report)
	return report.Held(), nil
}

// restarts is stops by SIGUSR1, and what is there behind them.
func restarts(ctx context.Context, s *settings) (bool, error) {
	report, err := restart.Run(ctx, restart.Options{Panda: s.panda, Memcached: s.memcached, Quick: s.quick, Alone: s.alone, Dir: s.dir, Seed: s.seed, Log: s.log})
	if err != nil {
		return false, err
	}
	fmt.Fprint(s.out, report)
	return report.Held(), nil
}
