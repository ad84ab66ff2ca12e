package hits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/pandabeardb/panda/perf"
	"github.com/pandabeardb/panda/perf/peer"
)

// Options say what to run.
type Options struct {
	Panda     string // its binary; empty: built from this module's source
	Memcached string // its binary; empty: from PATH
	Base      string // another panda to compare with, in place of memcached
	Subject   peer.Kind
	Threads   int

	Rows     *regexp.Regexp // of the table; nil: all
	Requests int            // of a row that count; as many again, at most, warm up
	Seed     uint64

	Minutes *Calcification // nil: none

	Label string
	Log   io.Writer // progress, a line per row; nil: none
}

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, format+"\n", args...)
	}
}

func (o *Options) check() error {
	if o.Requests < batchSize || o.Threads < 1 {
		return fmt.Errorf("%w: %d requests, %d threads", ErrOptions, o.Requests, o.Threads)
	}
	if len(matching(Rows(), o.Rows)) == 0 && o.Minutes == nil {
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
	dir, err := os.MkdirTemp("", "pandahits")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if o.Subject == peer.Panda && o.Panda == "" {
		if o.Panda, err = peer.Build(ctx, dir); err != nil {
			return nil, err
		}
	}
	r := &Report{Label: o.Label, When: time.Now(), Machine: perf.Machine(), Requests: o.Requests, Threads: o.Threads}
	if r.Ours, r.Peer, r.Versions, err = o.names(); err != nil {
		return nil, err
	}
	for _, row := range matching(Rows(), o.Rows) {
		cell, err := o.cell(ctx, row)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.Name(), err)
		}
		o.logf("%s", cell)
		r.Cells = append(r.Cells, *cell)
	}
	if o.Minutes != nil {
		if r.Minutes, err = o.minutes(ctx); err != nil {
			return nil, fmt.Errorf("calcification: %w", err)
		}
		r.Calcification = o.Minutes
	}
	return r, nil
}

// specs are the two servers: ours, and the one it is compared with.
func (o *Options) specs() [2]peer.Spec {
	ours := peer.Spec{Kind: o.Subject, Binary: o.Panda, Threads: o.Threads, MemoryMB: MemoryMB}
	if o.Subject != peer.Panda {
		ours.Binary = o.Memcached
	}
	other := peer.Spec{Kind: peer.Memcached, Binary: o.Memcached, Threads: o.Threads, MemoryMB: MemoryMB}
	if o.Base != "" {
		other.Kind, other.Binary = peer.Panda, o.Base
	}
	return [2]peer.Spec{ours, other}
}

func (o *Options) names() (ours, other string, versions []string, err error) {
	specs := o.specs()
	ours, other = string(specs[0].Kind), string(specs[1].Kind)
	if o.Base != "" {
		other = "base"
	} else if ours == other {
		other += "-2"
	}
	for i, name := range []string{ours, other} {
		v, err := specs[i].Version()
		if err != nil {
			return "", "", nil, err
		}
		versions = append(versions, name+": "+v)
	}
	return ours, other, versions, nil
}

// pair starts both servers, lets both be driven at once by drive, and stops them.
// What fails on one side ends the other.
func (o *Options) pair(ctx context.Context, size func(uint32) int, drive func(ctx context.Context, side int, c *client) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan error, 2)
	for side, spec := range o.specs() {
		go func() {
			err := one(spec, size, func(c *client) error { return drive(ctx, side, c) })
			if err != nil {
				cancel(err)
			}
			results <- err
		}()
	}
	<-results
	<-results
	return context.Cause(ctx)
}

// one runs one server.
func one(spec peer.Spec, size func(uint32) int, drive func(*client) error) (err error) {
	server, err := peer.Start(spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	c, err := dial(server.Network, server.Address, size)
	if err != nil {
		return err
	}
	defer c.close()
	c.mayRefuse = spec.Kind == peer.Memcached
	if err := drive(c); err != nil {
		return fmt.Errorf("%s: %w", spec.Kind, err)
	}
	return nil
}
