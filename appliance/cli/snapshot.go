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
	"github.com/pandabeardb/panda/appliance/status"
)

const snapshotLong = `Have a running node take a snapshot of its keyspace now, and wait until it is on
the disk. The node must keep its keyspace (persist.mode), and goes on serving
meanwhile. A snapshot makes the log short, and is what a backup copies: the data
folder's newest *.snapshot, and in mode log the *.log files.

ADDRESS is the operator's port, host:port (127.0.0.1:8088 of panda serve; -o
panda_admin= of panda memcached). To interrupt this command does not end the snapshot.

Exit code: 0 taken, 1 not taken, 64 wrong arguments, 130 interrupted.`

// newSnapshot has a node take a snapshot.
func newSnapshot(code *int, stderr io.Writer) *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:     "snapshot [ADDRESS]",
		Short:   "Have a running node write a snapshot of its keyspace now",
		Long:    snapshotLong,
		Example: "  panda snapshot\n  panda snapshot 127.0.0.1:8089",
		Args:    cobra.MaximumNArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) (err error) {
			at = operatorAddress
			if len(args) > 0 {
				at, err = hostPort(args[0])
			}
			return err
		},
		Run: func(c *cobra.Command, _ []string) {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			*code = takeSnapshot(ctx, at, c.OutOrStdout(), stderr)
		},
		ValidArgsFunction: noFiles,
	}
	return c
}

// hostPort is the address of an operator's port, which is no unix socket.
func hostPort(text string) (string, error) {
	if _, _, err := net.SplitHostPort(text); err == nil {
		return text, nil
	}
	_, port, _ := net.SplitHostPort(operatorAddress)
	at := net.JoinHostPort(strings.Trim(text, "[]"), port)
	if _, _, err := net.SplitHostPort(at); err != nil || text == "" || text[0] == '/' {
		return "", fmt.Errorf("%q: the operator's port is HOST:PORT", text)
	}
	return at, nil
}

// takeSnapshot asks, shows how far it is, and returns the exit code.
func takeSnapshot(ctx context.Context, at string, stdout, stderr io.Writer) int {
	show := func(status.SnapshotLine) {}
	var bar *progressbar.ProgressBar
	if console.Terminal(stderr) {
		bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription("snapshot"),
			progressbar.OptionFullWidth(), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
		show = func(l status.SnapshotLine) {
			bar.ChangeMax64(max(l.OfItems, l.DoneItems) + 1) // a bar that is full has ended
			bar.Set64(l.DoneItems)
		}
	}
	line, err := status.TakeSnapshot(ctx, at, show)
	if bar != nil {
		bar.Clear()
	}
	switch {
	case err == nil:
		took := time.Duration(line.Seconds * float64(time.Second)).Round(time.Millisecond)
		fmt.Fprintf(stdout, "snapshot taken: %d items, %s, in %s\n", line.Items, size(line.Bytes), took)
		return config.ExitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "panda: interrupted: the node goes on with the snapshot")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "panda: no snapshot: %v%s\n", err, snapshotHint(err))
	return config.ExitFailure
}

// snapshotHint is what to do about a port that does not answer.
func snapshotHint(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return " (is this the node's operator's port: admin.address, -o panda_admin=?)"
	}
	return ""
}
