package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance"
	"github.com/pandabeardb/panda/appliance/config"
)

const upgradeLong = `Hand a running node over to a new process, so that no client is refused.

The node starts the new process with its listening sockets. Once that one serves, the
old one answers who had connected to it, and ends. When the new one does not come to
serve, the old one goes on, and this command says why. Flags and config files are read
anew. The cache begins empty, unless the node has a memory file (-e, --memory-file) or
a data folder (persist.mode): then its content goes over, and new connections wait
until it is there. They wait for a moment, too, where there is flash (flash.files,
ext_path), which begins empty.

Only root and the node's own user may ask. SIGUSR2 does the same without a report.

Exit code: 0 done, 1 not done, 64 wrong arguments.`

// upgradeOptions are the flags of `panda upgrade`.
type upgradeOptions struct {
	binary  string
	pid     int
	pidFile string
}

// newUpgrade replaces a running node's process.
func newUpgrade(code *int, stderr io.Writer) *cobra.Command {
	var o upgradeOptions
	c := &cobra.Command{
		Use:     "upgrade [--binary PATH] [--pid PID | --pid-file FILE]",
		Short:   "Hand a running node over to a new process, and refuse no connection",
		Long:    upgradeLong,
		Example: "  panda upgrade\n  panda upgrade --binary /opt/panda-0.3/panda --pid-file /run/panda.pid",
		Args:    cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			*code = config.ExitOK
			if err := o.run(c.OutOrStdout()); err != nil {
				fmt.Fprintf(stderr, "panda: no upgrade: %v\n", err)
				*code = config.ExitFailure
			}
		},
		ValidArgsFunction: noFiles,
	}
	f := c.Flags()
	f.StringVar(&o.binary, "binary", "", "the new program (default: the path under which the node was started)")
	f.IntVar(&o.pid, "pid", 0, "the node's process (default: the only one there is)")
	f.StringVar(&o.pidFile, "pid-file", "", "file with the node's process id")
	c.MarkFlagsMutuallyExclusive("pid", "pid-file")
	return c
}

func (o *upgradeOptions) run(stdout io.Writer) error {
	pid, err := o.node()
	if err != nil {
		return err
	}
	binary := o.binary
	if binary != "" {
		if binary, err = filepath.Abs(binary); err != nil {
			return err
		}
	}
	from := time.Now()
	next, err := appliance.RequestUpgrade(pid, binary, func(text string) { fmt.Fprintf(stdout, "process %d: %s\n", pid, text) })
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "process %d serves in the place of %d, after %s\n", next, pid, time.Since(from).Round(time.Millisecond))
	return nil
}

// node is the process to ask.
func (o *upgradeOptions) node() (int, error) {
	switch {
	case o.pid != 0:
		return o.pid, nil
	case o.pidFile != "":
		text, err := os.ReadFile(o.pidFile)
		if err != nil {
			return 0, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || pid <= 0 {
			return 0, fmt.Errorf("%s holds no process id", o.pidFile)
		}
		return pid, nil
	}
	nodes, err := appliance.Nodes()
	if err != nil {
		return 0, err
	}
	switch len(nodes) {
	case 0:
		return 0, errors.New("no node runs here that can be asked")
	case 1:
		return nodes[0], nil
	}
	return 0, fmt.Errorf("several nodes run here: say which, by --pid: %s", strings.Trim(fmt.Sprint(nodes), "[]"))
}
