package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/perf/load"
)

const benchLong = `Put load on a running memcached or panda, and say how fast it answered.

ADDRESS is host:port, or the path of a unix socket (default 127.0.0.1:11211). It
stores keys panda-bench:00000000 and so on, which stay there and may evict what
others stored: so an address that is not surely on this host wants --yes.

First all keys are stored once (--fill=false leaves that out), then gets and sets
follow as --ratio says, for --duration, or until --requests are answered. Without
--rate each connection sends --depth requests, waits for all replies, and goes on;
with --rate requests are sent when they are due, replies or not, and latency counts
from then, so that a stall of the server shows. Every reply is checked. The load
runs on this machine: what it burns, a server here does not have.

Exit code: 0 done, 1 not done, 2 done but the server refused requests, 64 wrong
arguments, 130 interrupted.`

// benchSizesMax: each size has connections of its own.
const benchSizesMax = 16

// benchOptions are the flags of `panda bench`.
type benchOptions struct {
	address     string
	yes, json   bool
	connections int
	threads     int
	depth       int
	keysPerGet  int
	sizes       []int
	keys        int
	zipf        float64
	ratio       string
	requests    int64
	duration    time.Duration
	rate        float64
	protocol    string
	udp         bool
	fill        bool
	seed        uint64
	tls         benchTLS
}

// benchTLS are the flags of it that are about TLS.
type benchTLS struct {
	on, insecure        bool
	ca, cert, key, name string
}

func newBench(code *int, stderr io.Writer) *cobra.Command {
	o := &benchOptions{}
	c := &cobra.Command{
		Use:   "bench [ADDRESS]",
		Short: "Put load on a running memcached or panda, and measure it",
		Long:  benchLong,
		Example: "  panda bench\n  panda bench --depth 16 --ratio 1:0 --value-size 100,1000,10000\n" +
			"  panda bench 10.0.0.5:11211 --yes --rate 20000 --duration 1m --json",
		Args:    cobra.MaximumNArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error { return o.check(args) },
		Run: func(c *cobra.Command, _ []string) {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			*code = o.run(ctx, c.OutOrStdout(), stderr)
		},
		ValidArgsFunction: noFiles,
	}
	o.bind(c)
	return c
}

func (o *benchOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.IntVarP(&o.connections, "connections", "c", 50, fmt.Sprintf("connections, at most %d", load.ConnectionsMax))
	f.IntVarP(&o.threads, "threads", "t", 1, "threads that drive them")
	f.IntVarP(&o.depth, "depth", "P", 1, "requests that a connection sends at once")
	f.IntVar(&o.keysPerGet, "keys-per-get", 1, "keys of a get")
	f.IntSliceVarP(&o.sizes, "value-size", "s", []int{100}, "bytes of a value; several: a part of keys and connections each")
	f.IntVarP(&o.keys, "keys", "k", 100_000, "how many keys")
	f.Float64Var(&o.zipf, "zipf", 0, "skew of the keys' distribution, such as 1.0; 0: all are equally likely")
	f.StringVar(&o.ratio, "ratio", "9:1", "gets to sets")
	f.Int64VarP(&o.requests, "requests", "n", 0, "stop after so many requests, not after a time")
	f.DurationVarP(&o.duration, "duration", "d", 10*time.Second, "stop after this time")
	f.Float64Var(&o.rate, "rate", 0, "requests a second, sent when they are due; 0: as fast as replies come")
	f.StringVar(&o.protocol, "protocol", "text", "text, meta or binary")
	f.BoolVar(&o.udp, "udp", false, "datagrams: one request at a time")
	f.BoolVar(&o.fill, "fill", true, "store all keys before")
	f.Uint64Var(&o.seed, "seed", 1, "of the keys' order")
	f.BoolVar(&o.tls.on, "tls", false, "TLS")
	f.StringVar(&o.tls.ca, "tls-ca", "", "file of the certificates that are trusted (PEM; default: the system's)")
	f.StringVar(&o.tls.cert, "tls-cert", "", "file of our certificate (PEM)")
	f.StringVar(&o.tls.key, "tls-key", "", "file of its key (PEM)")
	f.StringVar(&o.tls.name, "tls-name", "", "the name that the server's certificate must have (default: ADDRESS's)")
	f.BoolVar(&o.tls.insecure, "tls-insecure", false, "accept any certificate")
	f.BoolVar(&o.yes, "yes", false, "yes, put load on an address that is not on this host")
	f.BoolVar(&o.json, "json", false, "print JSON")
	for _, flag := range []string{"connections", "threads", "depth", "keys-per-get", "value-size", "keys", "zipf", "ratio", "requests", "duration",
		"rate", "seed", "tls-name"} {
		complete(c, flag)
	}
	complete(c, "protocol", "text\tget and set", "meta\tmg and ms", "binary\tthe binary protocol")
}

// check refuses what makes no sense before anything is sent.
func (o *benchOptions) check(args []string) (err error) {
	o.address = cacheAddress
	if len(args) > 0 {
		if err := switchValue(args, "fill"); err != nil {
			return err
		}
		if o.address, err = address(args[0]); err != nil {
			return err
		}
	}
	if !loopback(o.address) && !o.yes {
		return fmt.Errorf("%s may be another host: what it stores would make room for our keys. Say --yes to go on", o.address)
	}
	if _, err := o.getShare(); err != nil {
		return err
	}
	if err := o.checkNumbers(); err != nil {
		return err
	}
	return o.checkTogether()
}

// checkNumbers compares each number with its bounds, which are load's.
func (o *benchOptions) checkNumbers() error {
	if len(o.sizes) < 1 || len(o.sizes) > benchSizesMax {
		return fmt.Errorf("--value-size wants 1 to %d sizes", benchSizesMax)
	}
	type bound struct {
		flag          string
		n, least, max int
	}
	bounds := []bound{
		{"connections", o.connections, 1, load.ConnectionsMax}, {"threads", o.threads, 1, load.ConnectionsMax},
		{"depth", o.depth, 1, load.DepthMax}, {"keys-per-get", o.keysPerGet, 1, load.DepthMax}, {"keys", o.keys, 1, load.KeysMax},
	}
	sizeMax := load.ValueSizeMax
	if o.udp {
		sizeMax = load.DatagramValueMax
	}
	for _, size := range o.sizes {
		bounds = append(bounds, bound{"value-size", size, 1, sizeMax})
	}
	for _, b := range bounds {
		if b.n < b.least || b.n > b.max {
			return fmt.Errorf("--%s wants %d to %d, not %d", b.flag, b.least, b.max, b.n)
		}
	}
	switch {
	case o.requests < 0:
		return errors.New("--requests wants 0 or more")
	case o.requests == 0 && o.duration <= 0:
		return errors.New("--duration wants a time, such as 10s, or there must be --requests")
	case !(o.rate >= 0 && o.zipf >= 0): // nor NaN
		return errors.New("--rate and --zipf want 0 or more")
	}
	return nil
}

// checkTogether refuses flags that do not go together.
func (o *benchOptions) checkTogether() error {
	switch {
	case o.protocol != "text" && o.protocol != "meta" && o.protocol != "binary":
		return fmt.Errorf("--protocol wants text, meta or binary, not %q", o.protocol)
	case o.connections < len(o.sizes):
		return errors.New("--value-size: each size wants a connection")
	case o.keys < len(o.sizes):
		return errors.New("--value-size: each size wants a key")
	case o.protocol != "text" && o.keysPerGet > 1:
		return fmt.Errorf("--keys-per-get: a get of --protocol %s has one key", o.protocol)
	case o.protocol == "binary" && o.rate > 0 && o.depth > 1:
		return errors.New("--depth: with --rate, requests of the binary protocol are sent one by one")
	case o.udp && strings.HasPrefix(o.address, "/"):
		return errors.New("--udp: a unix socket takes no datagrams")
	case o.udp && (o.depth > 1 || o.rate > 0 || o.tls.on):
		return errors.New("--udp: a datagram is one request, and the next one waits for its reply: without --depth, --rate and --tls")
	case (o.tls.ca != "" || o.tls.cert != "" || o.tls.key != "" || o.tls.name != "" || o.tls.insecure) && !o.tls.on:
		return errors.New("--tls-…: there is no --tls")
	}
	return nil
}

// getShare is the share of gets that --ratio says.
func (o *benchOptions) getShare() (float64, error) {
	g, s, ok := strings.Cut(o.ratio, ":")
	gets, err1 := strconv.ParseFloat(g, 64)
	sets, err2 := strconv.ParseFloat(s, 64)
	if !ok || err1 != nil || err2 != nil || !(gets >= 0 && sets >= 0 && gets+sets > 0 && gets+sets < 1e9) {
		return 0, fmt.Errorf("--ratio wants GETS:SETS, such as 9:1, not %q", o.ratio)
	}
	return gets / (gets + sets), nil
}

// config makes TLS's configuration of the flags.
func (t *benchTLS) config(address string) (*tls.Config, error) {
	if !t.on {
		return nil, nil
	}
	c := &tls.Config{ServerName: t.name, InsecureSkipVerify: t.insecure}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(address)
	}
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: %s holds no certificate", t.ca)
		}
	}
	if t.cert != "" || t.key != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// loads are the configurations of a phase: one for each size of values.
func (o *benchOptions) loads(fill bool, secure *tls.Config) (list []benchLoad) {
	share, _ := o.getShare()
	network := "tcp"
	switch {
	case strings.HasPrefix(o.address, "/"):
		network = "unix"
	case o.udp:
		network = "udp"
	}
	n := len(o.sizes)
	for i, size := range o.sizes {
		c := load.Config{
			Network: network, Address: o.address, TLS: secure,
			Connections: portion(o.connections, i, n), Workers: max(1, portion(o.threads, i, n)),
			Depth: o.depth, KeysPerGet: o.keysPerGet,
			Meta: o.protocol == "meta", Binary: o.protocol == "binary",
			SetShare: 1 - share, Zipf: o.zipf,
			KeyPrefix: "panda-bench:", KeyCount: portion(o.keys, i, n), ValueSize: size,
			Duration: o.duration, Rate: o.rate / float64(n),
			Latency: true, Seed: o.seed + uint64(i),
		}
		if n > 1 {
			c.KeyPrefix = fmt.Sprintf("panda-bench:%d:", size)
		}
		if o.requests > 0 {
			c.Requests, c.Duration = max(1, int64(portion(int(o.requests), i, n))), 0
		}
		if fill {
			c.SetShare, c.KeysPerGet, c.Sequential, c.Duration, c.Rate, c.Requests = 1, 1, true, 0, 0, int64(c.KeyCount)
		}
		list = append(list, benchLoad{c, size})
	}
	return list
}

// portion is part i of n nearly equal parts of a total.
func portion(total, i, n int) int { return (i+1)*total/n - i*total/n }

// run puts the load on and prints the result.
func (o *benchOptions) run(ctx context.Context, stdout, stderr io.Writer) int {
	secure, err := o.tls.config(o.address)
	if err != nil {
		fmt.Fprintf(stderr, "panda: bench: %v\n", err)
		return config.ExitFailure
	}
	result := o.newResult()
	if o.fill {
		if result.Fill, err = o.phase(ctx, stderr, "storing", o.loads(true, secure)); err == nil && result.Fill.Set.Stored == 0 {
			err = errNothingStored
		}
	}
	if err == nil {
		result.Run, err = o.phase(ctx, stderr, "measuring", o.loads(false, secure))
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "panda: bench interrupted: there is no result")
		return exitInterrupted
	case errors.Is(err, load.ErrConfig):
		fmt.Fprintf(stderr, "panda: bench: %v\n", err)
		return config.ExitUsage
	case err != nil:
		fmt.Fprintf(stderr, "panda: bench not done: %v\n", err)
		return config.ExitFailure
	}
	if o.json {
		err = json.NewEncoder(stdout).Encode(result)
	} else {
		err = result.page().Print(stdout, benchPageSize, false)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "panda: bench: %v\n", err)
		return config.ExitFailure
	case result.refused():
		return exitPartly
	}
	return config.ExitOK
}
