package perf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/pandabeardb/panda/perf/floor"
	"github.com/pandabeardb/panda/perf/peer"
)

// Options say what to measure.
type Options struct {
	Subject peer.Kind // what is measured, default peer.Panda
	// Panda is its binary; empty: built from this module's source.
	Panda     string
	Memcached string // its binary; empty: from PATH

	AgainstMemcached bool
	AgainstFloor     bool
	Base             string // a panda binary to compare with, in place of both
	Latency          bool   // against memcached, or the base
	Durable          bool   // what durability costs, beside none and beside redis
	Tier             bool   // values on flash, beside memcached's extstore
	Folder           string // where data folders and files are made; empty: the system's for temporary files

	Rows        *regexp.Regexp // nil: all
	Rounds      int
	Scale       float64       // of the requests of a cell
	LatencyTime time.Duration // of one cell of the tail

	ProfileDir  string        // empty: no profiles
	ProfileTime time.Duration // of each row, default 4 s
	Label       string
	Log         io.Writer // progress, a line per row; nil: none
}

// The threads of each contest, as the acceptance lines have them.
const (
	peerThreads  = 2
	floorThreads = 1
)

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, format+"\n", args...)
	}
}

// requests scales a cell, to whole batches of all connections at least.
func (o *Options) requests(n int64) int64 { return max(int64(float64(n)*o.Scale), 1000) }

func (o *Options) check() error {
	switch {
	case o.Rounds < 1 || o.Scale <= 0:
		return fmt.Errorf("%w: %d rounds at scale %g", ErrOptions, o.Rounds, o.Scale)
	case o.Subject != peer.Panda && o.Subject != peer.Memcached:
		return fmt.Errorf("%w: cannot measure %q", ErrOptions, o.Subject)
	case o.Latency && (!o.AgainstMemcached && o.Base == "" || o.LatencyTime <= 0):
		return fmt.Errorf("%w: latency is measured against memcached, for some time", ErrOptions)
	case o.Durable && !o.wantsDurable():
		return fmt.Errorf("%w: no row of durability matches %v", ErrOptions, o.Rows)
	case o.Tier && !o.wantsTier():
		return fmt.Errorf("%w: no row of flash matches %v", ErrOptions, o.Rows)
	case o.Durable || o.Tier:
		return nil
	case !o.AgainstMemcached && !o.AgainstFloor && o.Base == "":
		return fmt.Errorf("%w: nothing to measure against", ErrOptions)
	case len(matching(append(Rows(), FullRows()...), o.Rows)) == 0 && !o.Latency:
		return fmt.Errorf("%w: no row matches %v", ErrOptions, o.Rows)
	}
	return nil
}

// Run measures what the options say.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Subject == "" {
		o.Subject = peer.Panda
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pandaperf")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if o.Subject == peer.Panda && o.Panda == "" {
		if o.Panda, err = peer.Build(ctx, dir); err != nil {
			return nil, err
		}
	}
	report := &Report{Label: o.Label, When: time.Now(), Machine: Machine(), Load: LoadAverage(), Rounds: o.Rounds}
	if o.AgainstMemcached || o.Base != "" {
		if err := o.againstPeer(ctx, report); err != nil {
			return nil, err
		}
	}
	if o.AgainstFloor {
		if err := o.againstFloor(ctx, report, dir); err != nil {
			return nil, err
		}
	}
	if o.Durable {
		if err := o.againstDurable(ctx, report); err != nil {
			return nil, err
		}
	}
	if o.Tier {
		if err := o.againstTier(ctx, report); err != nil {
			return nil, err
		}
	}
	return report, nil
}

// subject is the measured server with some threads.
func (o *Options) subject(threads int) peer.Spec {
	s := peer.Spec{Kind: o.Subject, Binary: o.Memcached, Threads: threads, MemoryMB: memoryMB}
	if o.Subject == peer.Panda {
		s.Binary, s.Pprof = o.Panda, o.ProfileDir != ""
	}
	return s
}

// againstPeer compares with memcached, or with another build of panda, which
// has to be matched in every row.
func (o *Options) againstPeer(ctx context.Context, report *Report) error {
	other := peer.Spec{Kind: peer.Memcached, Binary: o.Memcached, Threads: peerThreads, MemoryMB: memoryMB}
	bar := func(r *Row) float64 { return r.BarPeer }
	if o.Base != "" {
		other.Kind, other.Binary = peer.Panda, o.Base
		bar = func(*Row) float64 { return 1 }
	}
	if err := o.againstFull(ctx, report, other, bar); err != nil {
		return err
	}
	if err := o.againstOver(ctx, report, other, bar); err != nil {
		return err
	}
	rows := over(matching(Rows(), o.Rows), OverTCP)
	if len(rows) == 0 && !o.Latency {
		return nil
	}
	c, err := newContest(o, o.subject(peerThreads), other, rows, bar)
	if err != nil {
		return err
	}
	if err := c.versions(report); err != nil {
		return errors.Join(err, c.stop())
	}
	if err := c.compare(ctx, report); err != nil {
		return errors.Join(err, c.stop())
	}
	if o.Latency {
		if report.Latency, err = c.latency(ctx); err != nil {
			return errors.Join(err, c.stop())
		}
	}
	return c.stop()
}

// againstOver compares the rows that plain TCP does not carry.
func (o *Options) againstOver(ctx context.Context, report *Report, other peer.Spec, bar func(*Row) float64) error {
	for _, t := range []Transport{OverTLS, OverUDP} {
		rows := over(matching(Rows(), o.Rows), t)
		if len(rows) == 0 {
			continue
		}
		ours := o.subject(peerThreads)
		ours.TLS, ours.UDP = t == OverTLS, t == OverUDP
		other.TLS, other.UDP = ours.TLS, ours.UDP
		c, err := newContest(o, ours, other, rows, bar)
		if err == nil {
			err = errors.Join(c.compare(ctx, report), c.stop())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) againstFloor(ctx context.Context, report *Report, dir string) error {
	var rows []Row
	for _, r := range matching(Rows(), o.Rows) {
		if r.BarFloor > 0 {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	program, err := floor.Build(dir)
	if err != nil {
		return err
	}
	other := peer.Spec{Kind: peer.Floor, Binary: program, ValueSize: smallValue}
	c, err := newContest(o, o.subject(floorThreads), other, rows, func(r *Row) float64 { return r.BarFloor })
	if err != nil {
		return err
	}
	return errors.Join(c.compare(ctx, report), c.stop())
}

// compare adds the contest's rows to a report, and takes the profiles.
func (c *contest) compare(ctx context.Context, report *Report) error {
	if len(c.rows) == 0 {
		return nil
	}
	out, err := c.run(ctx)
	if err != nil {
		return err
	}
	report.Contests = append(report.Contests, *out)
	for i := range c.rows {
		if c.o.ProfileDir == "" {
			break
		}
		if err := c.profile(ctx, &c.rows[i]); err != nil {
			return fmt.Errorf("%s: %w", c.rows[i].Name, err)
		}
	}
	return nil
}

func (c *contest) versions(report *Report) error {
	for _, s := range c.sides() {
		v, err := s.Spec.Version()
		if err != nil {
			return err
		}
		if line := s.name + ": " + v; !slices.Contains(report.Versions, line) {
			report.Versions = append(report.Versions, line)
		}
	}
	return nil
}

// LoadAverage is the machine's over the last minute, 0 where it is not known.
func LoadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(b, []byte(" "))
	load, _ := strconv.ParseFloat(string(first), 64)
	return load
}

// Machine names the processor and how many the kernel gives us.
func Machine() string {
	name := runtime.GOARCH
	b, err := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(b) {
		k, v, ok := bytes.Cut(line, []byte(":"))
		if err == nil && ok && string(bytes.TrimSpace(k)) == "model name" {
			name = string(bytes.TrimSpace(v))
			break
		}
	}
	return fmt.Sprintf("%s, %d cores", name, runtime.NumCPU())
}
