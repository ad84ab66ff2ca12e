package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected texts in testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s differs (%v); if that is meant, go test ./appliance/cli -rewrite\n%s", path, err, got)
	}
}

// parsed are the options of a command line.
func parsed(t *testing.T, args ...string) (o *benchOptions, err error) {
	t.Helper()
	o = &benchOptions{}
	c := &cobra.Command{Use: "bench"}
	o.bind(c)
	if err := c.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return o, o.check(c.Flags().Args())
}

func TestBenchRefuses(t *testing.T) {
	check := func(want string, args ...string) {
		t.Helper()
		if _, err := parsed(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
	check("10.0.0.1:11211 may be another host", "10.0.0.1")
	check("cache:11211 may be another host", "cache")
	check("--ratio wants GETS:SETS", "--ratio", "9")
	check("--ratio wants GETS:SETS", "--ratio", "0:0")
	check("--ratio wants GETS:SETS", "--ratio", "-1:2")
	check("--ratio wants GETS:SETS", "--ratio", "NaN:1")
	check("--protocol wants text, meta or binary", "--protocol", "resp")
	check("--value-size wants 1 to 16 sizes", "--value-size", strings.TrimSuffix(strings.Repeat("1,", 17), ","))
	check("each size wants a connection", "-s", "1,2", "-c", "1")
	check("each size wants a key", "-s", "1,2", "-k", "1")
	check("--connections wants 1 to 1000, not 0", "-c", "0")
	check("--depth wants 1 to 4096, not 0", "-P", "0")
	check("--threads wants 1 to 1000, not -1", "-t", "-1")
	check("--keys wants 1 to 100000000, not 0", "-k", "0")
	check("--value-size wants 1 to 8388608, not 0", "-s", "100,0")
	check("--value-size wants 1 to 1000, not 1001", "-s", "1001", "--udp")
	check("--requests wants 0 or more", "-n", "-1")
	check("--duration wants a time", "-d", "0")
	check("--rate and --zipf want 0 or more", "--rate", "-1")
	check("--rate and --zipf want 0 or more", "--zipf", "NaN")
	check("a get of --protocol meta has one key", "--protocol", "meta", "--keys-per-get", "2")
	check("are sent one by one", "--protocol", "binary", "--rate", "9", "-P", "2")
	check("a datagram is one request", "--udp", "-P", "2")
	check("a datagram is one request", "--udp", "--tls")
	check(`"false" stands alone: the value of a switch stands behind an =, as in --fill=false`, "--fill", "false")
	check("a unix socket takes no datagrams", "/run/s", "--udp")
	check("there is no --tls", "--tls-insecure")
	if _, err := parsed(t, "10.0.0.1", "--yes"); err != nil {
		t.Error(err)
	}
	if code, _, notes := run(t, "bench", filepath.Join(t.TempDir(), "nowhere")); code != 1 || !strings.Contains(notes, "panda: bench not done: ") {
		t.Errorf("exit code %d, %s", code, notes)
	}
	if code, _, notes := run(t, "bench", "-s", "999999999", "--duration", "1s"); code != 64 || !strings.Contains(notes, "--value-size wants 1 to 8388608, not 999999999") {
		t.Errorf("exit code %d, %s", code, notes)
	}
}

// TestBenchParts: sizes share keys, connections, requests and rate without loss.
func TestBenchParts(t *testing.T) {
	o, err := parsed(t, "127.0.0.1:1", "-s", "10,200,3000", "-c", "50", "-t", "2", "-k", "1000", "-n", "100", "--rate", "300", "--ratio", "3:1", "--protocol", "meta")
	if err != nil {
		t.Fatal(err)
	}
	var connections, keys int
	var requests, stores int64
	var rate float64
	var prefixes []string
	for _, l := range o.loads(false, nil) {
		c := l.config
		connections += c.Connections
		keys += c.KeyCount
		requests += c.Requests
		rate += c.Rate
		prefixes = append(prefixes, c.KeyPrefix)
		if c.Workers != 1 || c.SetShare != 0.25 || !c.Meta || c.Duration != 0 || c.ValueSize != l.size || !c.Latency {
			t.Errorf("%+v", c)
		}
	}
	for _, l := range o.loads(true, nil) {
		c := l.config
		stores += c.Requests
		if c.SetShare != 1 || !c.Sequential || c.Rate != 0 || c.KeysPerGet != 1 {
			t.Errorf("%+v", c)
		}
	}
	if connections != 50 || keys != 1000 || requests != 100 || stores != 1000 || rate != 300 ||
		!slices.Equal(prefixes, []string{"panda-bench:10:", "panda-bench:200:", "panda-bench:3000:"}) {
		t.Errorf("%d connections, %d keys, %d requests, %d stores, rate %g, %s", connections, keys, requests, stores, rate, prefixes)
	}
	one, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	if c := one.loads(false, nil)[0].config; c.KeyPrefix != "panda-bench:" || c.Network != "tcp" || c.Address != "127.0.0.1:11211" || c.Duration != 10*time.Second || c.Requests != 0 {
		t.Errorf("%+v", c)
	}
}

func sampleResult() *benchResult {
	ratio := 0.975
	return &benchResult{
		Format: benchFormat, Address: "127.0.0.1:11211", Protocol: "text", TLS: true, Connections: 50, Threads: 1, Depth: 16, KeysPerGet: 1, Keys: 100_000,
		ValueSizes: []int{100, 1000}, GetShare: 0.9,
		Fill: &benchPhase{Seconds: 0.5, Requests: 100_000, PerSecond: 200_000, Errors: 3, Set: benchSets{99_997, 199_994, 110e6},
			Latency: benchLatency{1_000_000, 900_000, 1_500_000, 3_000_000, 5_000_000, 9_000_000}},
		Run: &benchPhase{Seconds: 10, Requests: 5_000_000, PerSecond: 500_000, Get: benchGets{4_500_000, 450_000, 4_387_500, 112_500, &ratio, 241e6},
			Set: benchSets{500_000, 50_000, 27e6}, Latency: benchLatency{700_000, 600_000, 900_000, 2_000_000, 4_000_000, 120_000_000}},
	}
}

func TestBenchResult(t *testing.T) {
	r := sampleResult()
	var text, object bytes.Buffer
	if err := r.page().Print(&text, benchPageSize, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.txt", text.String())
	e := json.NewEncoder(&object)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.json", object.String())
	if !r.refused() {
		t.Error("the fill had errors")
	}
}

// TestBenchBar: with the time, or in circles, and gone in the end, with whoever drew
// it: a bubble does not end before its goroutines.
func TestBenchBar(t *testing.T) {
	for _, duration := range []time.Duration{time.Minute, 0} {
		synctest.Test(t, func(t *testing.T) {
			done := make(chan struct{})
			w := &lines{end: sync.OnceFunc(func() { close(done) })} // any write ends it
			showPhase(w, "measuring", duration, done)
			if text := w.written.String(); !strings.Contains(text, "measuring") || !strings.HasSuffix(strings.TrimRight(text, " "), "\r") {
				t.Errorf("%q", text)
			}
		})
	}
}
