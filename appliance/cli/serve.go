package cli

import (
	"strconv"

	"github.com/spf13/cobra"
)

// serveOptions are the flags of `panda serve`: few, since the defaults are
// meant to be right.
type serveOptions struct {
	listen   []string
	port     int
	memoryMB int
	loops    int
	itemMax  string
	compat   string
	pprof    string
	verbose  int
}

func (o *serveOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVarP(&o.listen, "listen", "l", []string{"localhost"}, "addresses: host, host:port or [v6]:port")
	f.IntVarP(&o.port, "port", "p", 11211, "port of the addresses that name none")
	f.IntVarP(&o.memoryMB, "memory", "m", 64, "memory of the data, in MB")
	f.IntVarP(&o.loops, "loops", "t", 0, "loops that serve connections (0: one per core)")
	f.StringVar(&o.itemMax, "item-max", "1m", "largest item")
	f.StringVar(&o.compat, "compat", "1.6.45", "whose replies: memcached 1.6.45 or 1.6.18")
	f.StringVar(&o.pprof, "pprof", "", "serve Go profiles at this loopback address")
	f.CountVarP(&o.verbose, "verbose", "v", "log more")
}

// args says the same in memcached's flags, which config understands.
func (o *serveOptions) args() []string {
	args := []string{"-v", "-p", strconv.Itoa(o.port), "-m", strconv.Itoa(o.memoryMB), "-I", o.itemMax, "--compat", o.compat}
	for _, l := range o.listen {
		args = append(args, "-l", l)
	}
	if o.loops > 0 {
		args = append(args, "-t", strconv.Itoa(o.loops))
	}
	if o.pprof != "" {
		args = append(args, "-o", "panda_pprof="+o.pprof)
	}
	for range o.verbose {
		args = append(args, "-v")
	}
	return args
}
