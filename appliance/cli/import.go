package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/appliance/console"
	"github.com/pandabeardb/panda/appliance/warmup"
)

const (
	exitPartly      = 2   // all was done that could be, but some items need a look
	exitInterrupted = 130 // as a shell says it of SIGINT

	connectionsMax = 64                     // to either side; a source has clients to serve
	barEvery       = 200 * time.Millisecond // on a terminal
	lineEvery      = 10 * time.Second       // anywhere else
)

// importOptions are the flags of `panda import`.
type importOptions struct {
	from, to    string
	overwrite   bool
	connections int
	rate        int
	spool       string
}

const importLong = `Fill a running cache from another one, which goes on serving: memcached 1.6 or panda.

Items keep their flags and remaining time. What the target has already is kept, unless
--overwrite. The source's order of eviction is left alone; its counters of gets move.

Exit code: 0 done, 1 not done, 2 done but the target (or the source) refused items,
64 wrong arguments, 130 interrupted.`

// newImport warms a node up.
func newImport(code *int, stderr io.Writer) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:     "import --from host:port [--to host:port]",
		Short:   "Fill a running cache from a live memcached or panda",
		Long:    importLong,
		Example: "  panda import --from 10.0.0.5:11211 --to 127.0.0.1:11211 --rate 50000",
		Args:    noArguments(named("overwrite")),
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		Run: func(c *cobra.Command, _ []string) {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			*code = o.run(ctx, c.OutOrStdout(), stderr)
		},
		ValidArgsFunction: noFiles,
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "the source: host, host:port, or the path of a unix socket")
	f.StringVar(&o.to, "to", "127.0.0.1:11211", "the target, likewise")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace what the target has already")
	f.IntVar(&o.connections, "connections", 4, fmt.Sprintf("connections to either side, at most %d", connectionsMax))
	f.IntVar(&o.rate, "rate", 0, "items a second, at most (0: no limit)")
	f.StringVar(&o.spool, "spool", "", "folder for keys that wait, when there are many (default: the system's for temporary files)")
	for _, flag := range []string{"from", "to", "connections", "rate"} {
		complete(c, flag)
	}
	if err := c.MarkFlagDirname("spool"); err != nil {
		panic("BUG: cli: " + err.Error())
	}
	return c
}

// check completes addresses and refuses numbers that make no sense.
func (o *importOptions) check() error {
	if o.connections < 1 || o.connections > connectionsMax {
		return fmt.Errorf("--connections wants 1 to %d", connectionsMax)
	}
	if o.rate < 0 {
		return errors.New("--rate wants 0 or more items a second")
	}
	var err error
	if o.from, err = address(o.from); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if o.to, err = address(o.to); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if o.from == o.to {
		return errors.New("--from and --to are the same")
	}
	return nil
}

// address completes what a user gave for a side.
func address(given string) (string, error) {
	if given == "" {
		return "", errors.New("an address is wanted")
	}
	if strings.HasPrefix(given, "/") {
		return given, nil
	}
	if _, _, err := net.SplitHostPort(given); err == nil {
		return given, nil
	}
	complete := net.JoinHostPort(strings.Trim(given, "[]"), "11211")
	_, _, err := net.SplitHostPort(complete)
	return complete, err
}

// run imports, shows how far it is, and says at the end what was done.
func (o *importOptions) run(ctx context.Context, stdout, stderr io.Writer) int {
	var p warmup.Progress
	show := newDisplay(&p, stderr, console.Terminal(stderr))
	started := time.Now()
	shown := make(chan struct{})
	showing, stop := context.WithCancel(context.Background())
	go func() { // ends with showing
		defer close(shown)
		show.run(showing)
	}()
	err := warmup.Run(ctx, warmup.Config{
		Source: o.from, Target: o.to,
		Connections: o.connections,
		Overwrite:   o.overwrite,
		PerSecond:   o.rate,
		SpoolDir:    o.spool,
		Note:        show.note,
	}, &p)
	stop()
	<-shown
	return summarize(&p, err, time.Since(started), stdout, stderr)
}

// summarize prints what was done, and returns the exit code.
func summarize(p *warmup.Progress, err error, took time.Duration, stdout, stderr io.Writer) int {
	perSecond := func(n int64) int64 { return int64(float64(n) / max(took.Seconds(), 1e-3)) }
	fmt.Fprintf(stdout, "imported %d items, %s of values, in %s: %d items/s, %s/s\n",
		p.Count(warmup.Stored), size(p.Bytes()), took.Round(time.Millisecond), perSecond(p.Done()), size(perSecond(p.Bytes())))
	code := config.ExitOK
	for _, o := range warmup.Skips() {
		if n := p.Count(o); n > 0 {
			fmt.Fprintf(stdout, "%12d  %s\n", n, o)
			if o.Failed() {
				code = exitPartly
			}
		}
	}
	if text := p.Refusal(); text != "" {
		fmt.Fprintf(stdout, "the first error about an item: %.200q\n", text)
	}
	if spill := p.Spill(); spill != nil {
		fmt.Fprintf(stderr, "panda: keys could not wait in a file, so the source waited instead: %v\n", spill)
	}
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "panda: import interrupted: what is listed above was done, the rest was not")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "panda: import not done: %v\n", err)
		return config.ExitFailure
	}
	return code
}

// size is a number of bytes for people.
func size(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, 0
	for ; v >= 999.95 && unit < len(units)-1; unit++ {
		v /= 1000
	}
	return fmt.Sprintf("%.1f %cB", v, units[unit])
}

// A display shows how far an import is: by a bar that moves on a terminal, by a
// line now and then anywhere else.
type display struct {
	progress *warmup.Progress
	w        io.Writer
	bar      *progressbar.ProgressBar // nil: lines
	notes    chan string
}

func newDisplay(p *warmup.Progress, w io.Writer, onTerminal bool) *display {
	d := &display{progress: p, w: w, notes: make(chan string)}
	if onTerminal {
		d.bar = progressbar.NewOptions64(1,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription("importing"),
			progressbar.OptionFullWidth(),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("items"),
			progressbar.OptionClearOnFinish(),
		)
	}
	return d
}

// note shows something that a user should know while the import goes on.
func (d *display) note(text string) { d.notes <- text }

// run shows until ctx ends.
func (d *display) run(ctx context.Context) {
	every := lineEvery
	if d.bar != nil {
		every = barEvery
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			if d.bar != nil {
				d.bar.Clear()
			}
			return
		case text := <-d.notes:
			if d.bar != nil {
				d.bar.Clear()
			}
			fmt.Fprintln(d.w, "panda:", text)
		case <-ticks.C:
			d.step()
		}
	}
}

// step shows the state of the moment.
func (d *display) step() {
	done, expected := d.progress.Done(), d.progress.Expected()
	if d.bar == nil {
		fmt.Fprintf(d.w, "panda: %d of about %d items, %s of values\n", done, expected, size(d.progress.Bytes()))
		return
	}
	d.bar.ChangeMax64(max(expected, done) + 1) // a bar that is full has ended
	d.bar.Set64(done)
}
