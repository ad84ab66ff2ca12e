package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/appliance/console"
	"github.com/pandabeardb/panda/appliance/status"
)

const (
	operatorAddress = "127.0.0.1:8088"  // panda serve's operator's port
	cacheAddress    = "127.0.0.1:11211" // memcached's own

	intervalMin = 100 * time.Millisecond // each reading takes all shards' locks, one by one
	intervalMax = 24 * time.Hour
)

const statusLong = `Show how a running node stands: rates, hit ratio, latency, memory by class, hot
keys, shares of loops. On a terminal the tables are refreshed until interrupted;
elsewhere, and with --once, they are printed once, over one interval.

ADDRESS is host:port, or the path of a unix socket. What answers there decides:
panda's operator's port (127.0.0.1:8088 of panda serve; -o panda_admin= of panda
memcached) tells all; anything that speaks memcached's text protocol tells what
memcached's statistics say, without latency, hot keys, loops and queues. Without
ADDRESS it is 127.0.0.1:8088, or 127.0.0.1:11211 if nobody listens there.

--json prints one object a line and interval; docs/status.md explains its fields.

Exit code: 0 shown, 1 not shown, 64 wrong arguments.`

// statusOptions are the flags of `panda status`.
type statusOptions struct {
	address  string
	once     bool
	json     bool
	interval time.Duration
	getenv   func(string) string
}

// newStatus shows how a node stands.
func newStatus(code *int, stderr io.Writer) *cobra.Command {
	o := statusOptions{getenv: os.Getenv}
	c := &cobra.Command{
		Use:     "status [ADDRESS]",
		Short:   "Show how a running node, or any memcached, stands",
		Long:    statusLong,
		Example: "  panda status\n  panda status 10.0.0.5:11211\n  panda status --json --interval 10s | jq .rates",
		Args:    cobra.MaximumNArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error { return o.check(args) },
		Run: func(c *cobra.Command, _ []string) {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			*code = o.run(ctx, c.OutOrStdout(), stderr)
		},
		ValidArgsFunction: noFiles,
	}
	f := c.Flags()
	f.BoolVar(&o.once, "once", false, "print once, over one interval, and end")
	f.BoolVar(&o.json, "json", false, "print JSON, an object for each interval")
	f.DurationVar(&o.interval, "interval", time.Second, "time between two readings")
	complete(c, "interval", "1s", "10s", "1m")
	return c
}

func (o *statusOptions) check(args []string) error {
	if o.interval < intervalMin || o.interval > intervalMax {
		return fmt.Errorf("--interval wants %v to %v", intervalMin, intervalMax)
	}
	if len(args) == 0 {
		return nil
	}
	if err := switchValue(args, "json"); err != nil {
		return err
	}
	if strings.HasPrefix(args[0], "http://") {
		o.address = args[0]
		return nil
	}
	var err error
	o.address, err = address(args[0])
	return err
}

func (o *statusOptions) run(ctx context.Context, stdout, stderr io.Writer) int {
	source, err := o.open(ctx, stderr)
	if err != nil {
		return statusFailed(ctx, err, stderr)
	}
	defer source.Close()
	if o.json {
		err = o.stream(ctx, source, stdout)
	} else {
		err = o.show(ctx, source, stdout)
	}
	return statusFailed(ctx, err, stderr)
}

// statusFailed says why, and returns the exit code. To be interrupted is how it ends.
func statusFailed(ctx context.Context, err error, stderr io.Writer) int {
	if err == nil || ctx.Err() != nil {
		return config.ExitOK
	}
	fmt.Fprintf(stderr, "panda: status: %v\n", err)
	return config.ExitFailure
}

// open finds a server.
func (o *statusOptions) open(ctx context.Context, stderr io.Writer) (status.Source, error) {
	if o.address != "" {
		return status.Open(ctx, o.address)
	}
	o.address = operatorAddress
	source, err := status.Open(ctx, o.address)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return source, err
	}
	o.address = cacheAddress
	source, other := status.Open(ctx, o.address)
	if other != nil {
		return nil, fmt.Errorf("%w; %w", err, other)
	}
	fmt.Fprintf(stderr, "panda: no operator's port at %s; asking %s by memcached's protocol\n", operatorAddress, cacheAddress)
	return source, nil
}

// each calls f with a report of each interval, and first with one since the
// server's start where that is wanted.
func (o *statusOptions) each(ctx context.Context, source status.Source, first bool, f func(*status.Report) error) error {
	before, err := source.Read(ctx)
	if err != nil {
		return err
	}
	if first {
		if err := f(before.Since(nil)); err != nil {
			return err
		}
	}
	ticks := time.NewTicker(o.interval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticks.C:
		}
		now, err := source.Read(ctx)
		if err != nil {
			return err
		}
		if err := f(now.Since(before)); err != nil {
			return err
		}
		if o.once {
			return nil
		}
		before = now
	}
}

// stream prints JSON.
func (o *statusOptions) stream(ctx context.Context, source status.Source, w io.Writer) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	return o.each(ctx, source, false, func(r *status.Report) error { return lines.Encode(r) })
}

// show prints tables, or keeps them on a terminal.
func (o *statusOptions) show(ctx context.Context, source status.Source, w io.Writer) error {
	screen := console.NewScreen(w, o.getenv)
	if o.once || !screen.Live() {
		o.once = true
		return o.each(ctx, source, false, func(r *status.Report) error { return screen.Show(r.Page(o.address)) })
	}
	err := o.each(ctx, source, true, func(r *status.Report) error { return screen.Draw(r.Page(o.address)) })
	return errors.Join(err, screen.Close())
}

// loopback reports whether an address is surely on this host.
func loopback(address string) bool {
	if strings.HasPrefix(address, "/") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
