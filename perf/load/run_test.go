package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a small memcached: classic and meta get and set on a map.
type fake struct {
	mu    sync.Mutex
	items map[string]string
	spoil bool // answer every get with another key's value
	mute  bool // never answer
}

// serve starts f and returns its address.
func (f *fake) serve(t *testing.T, network string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the generator runs on Linux only")
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	f.items = map[string]string{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func (f *fake) talk(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if err := f.answer(strings.Fields(line), r, w); err != nil {
			return
		}
		if r.Buffered() == 0 && !f.mute {
			w.Flush()
		}
	}
}

func (f *fake) answer(words []string, r io.Reader, w io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch words[0] {
	case "get":
		for _, k := range words[1:] {
			if v, ok := f.items[k]; ok {
				fmt.Fprintf(w, "VALUE %s 0 %d\r\n%s\r\n", k, len(v), f.spoiled(v))
			}
		}
		fmt.Fprint(w, "END\r\n")
	case "mg":
		if v, ok := f.items[words[1]]; ok {
			fmt.Fprintf(w, "VA %d\r\n%s\r\n", len(v), f.spoiled(v))
		} else {
			fmt.Fprint(w, "EN\r\n")
		}
	default:
		var n int
		fmt.Sscan(words[len(words)-1], &n)
		v := make([]byte, n+2)
		if _, err := io.ReadFull(r, v); err != nil {
			return err
		}
		f.items[words[1]] = string(v[:n])
		fmt.Fprint(w, map[string]string{"set": "STORED\r\n", "ms": "HD\r\n"}[words[0]])
	}
	return nil
}

func (f *fake) spoiled(v string) string {
	if f.spoil {
		return "9" + v[1:]
	}
	return v
}

// run runs c against f and fails the test on an error.
func run(t *testing.T, network, address string, c Config) *Result {
	t.Helper()
	c.Network, c.Address = network, address
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunKinds(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		address := new(fake).serve(t, network)
		fill := run(t, network, address, Config{Connections: 3, Depth: 5, SetShare: 1, Sequential: true, KeyCount: 101})
		if fill.Stores != 101 || fill.Requests != 101 {
			t.Fatalf("%s: loaded %+v", network, fill)
		}
		for _, c := range []Config{
			{Connections: 4, Requests: 500},
			{Connections: 4, Workers: 2, Depth: 16, Requests: 501},
			{Connections: 2, KeysPerGet: 100, Requests: 50},
			{Connections: 4, Depth: 8, Meta: true, Requests: 500},
			{Connections: 4, Zipf: 0.99, SetShare: 0.1, Requests: 500},
			{Connections: 4, Workers: 2, Rate: 20_000, Requests: 500},
			{Connections: 4, Workers: 2, Rate: 20_000, Burst: 16, SetShare: 0.5, Requests: 500},
		} {
			c.KeyCount = 101
			r := run(t, network, address, c)
			keys := int64(max(c.KeysPerGet, 1))
			if r.Requests != c.Requests || r.Hits+r.Stores != c.Requests*keys || r.Misses+r.Errors != 0 {
				t.Errorf("%s %+v: %+v", network, c, r)
			}
			if c.Rate > 0 && r.Latency.TotalCount() != c.Requests {
				t.Errorf("%d latencies of %d requests", r.Latency.TotalCount(), c.Requests)
			}
		}
	}
}

func TestRunCountsMisses(t *testing.T) {
	address := new(fake).serve(t, "tcp")
	run(t, "tcp", address, Config{Connections: 2, SetShare: 1, Sequential: true, KeyCount: 10})
	r := run(t, "tcp", address, Config{Connections: 2, KeyCount: 20, Requests: 1000})
	if r.Misses < 400 || r.Misses > 600 || r.Hits+r.Misses != 1000 {
		t.Fatalf("%+v, want about half missed", r)
	}
}

func TestRunLargeValues(t *testing.T) {
	address := new(fake).serve(t, "tcp")
	c := Config{Connections: 3, KeyCount: 6, ValueSize: 500 << 10, SetShare: 1, Sequential: true}
	run(t, "tcp", address, c)
	c.SetShare, c.Sequential, c.Requests = 0.5, false, 60
	if r := run(t, "tcp", address, c); r.Requests != 60 || r.Misses+r.Errors != 0 {
		t.Fatalf("%+v", r)
	}
}

// A run of a fixed time keeps to it, closed and open.
func TestRunDuration(t *testing.T) {
	address := new(fake).serve(t, "tcp")
	for _, rate := range []float64{0, 2000} {
		r := run(t, "tcp", address, Config{Connections: 2, KeyCount: 5, Duration: 100 * time.Millisecond, Rate: rate})
		if r.Requests == 0 || r.Elapsed < 90*time.Millisecond || rate > 0 && r.Requests != 200 {
			t.Errorf("rate %g: %d requests in %v", rate, r.Requests, r.Elapsed)
		}
	}
}

func TestRunFailsOnWrongReply(t *testing.T) {
	f := &fake{spoil: true}
	address := f.serve(t, "tcp")
	run(t, "tcp", address, Config{Connections: 2, SetShare: 1, Sequential: true, KeyCount: 10})
	_, err := Run(t.Context(), Config{Network: "tcp", Address: address, Connections: 2, Workers: 2, KeyCount: 10, Requests: 100})
	if !errors.Is(err, ErrReply) {
		t.Fatalf("error %v, want ErrReply", err)
	}
}

func TestRunEndsWhenCancelled(t *testing.T) {
	address := (&fake{mute: true}).serve(t, "tcp")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, Config{Network: "tcp", Address: address, Connections: 2, KeyCount: 10, Requests: 100})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want the context's", err)
	}
}

func TestRunRefusesBadConfig(t *testing.T) {
	for _, c := range []Config{
		{KeyCount: 1},
		{Requests: 1},
		{KeyCount: 1, Requests: 1, SetShare: 2},
		{KeyCount: 1, Requests: 1, Meta: true, KeysPerGet: 2},
		{KeyCount: 1, Requests: 1, Depth: DepthMax + 1},
	} {
		if _, err := Run(t.Context(), c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: error %v, want ErrConfig", c, err)
		}
	}
}
