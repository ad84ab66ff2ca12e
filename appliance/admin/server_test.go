package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache"
)

const patience = 20 * time.Second

// full is a snapshot with every row that a metric is made of: the n-th says n.
func full() memcache.Snapshot {
	s := memcache.Snapshot{General: []memcache.Stat{{Name: "version", Value: "1.6.45"}}}
	n := 0
	for i := range memcached {
		m := &memcached[i]
		for key := range strings.FieldsSeq(m.key) {
			n++
			row := memcache.Stat{Name: strings.TrimPrefix(key, "-"), Value: fmt.Sprint(n)}
			switch m.from {
			case general:
				s.General = append(s.General, row)
			case settings:
				if row.Name == "lru_crawler" || row.Name == "lru_maintainer_thread" {
					row.Value = "yes"
				}
				s.Settings = append(s.Settings, row)
			case totals:
				s.Slabs = append(s.Slabs, row)
			case items:
				row.Name = "items:7:" + row.Name
				s.Items = append(s.Items, row)
			case slabs:
				row.Name = "7:" + row.Name
				s.Slabs = append(s.Slabs, row)
			}
		}
	}
	return s
}

// source is a node that answers.
func source() Source {
	return Source{
		Version:  "0.0",
		Snapshot: full,
		Memory:   func() slab.Stats { return slab.Stats{LimitBytes: 100, UsedBytes: 30, IndexBytes: 10} },
		Health:   func() error { return nil },
		Histograms: func() []Histogram {
			return []Histogram{{"panda_test_seconds", "A test.", []float64{0.001, 0.01}, []uint64{3, 4, 5}, 1.5}}
		},
	}
}

func start(t *testing.T, source Source) *Server {
	t.Helper()
	s, err := Listen("localhost:0", source, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do sends a request and returns the status and the body.
func do(t *testing.T, s *Server, method, path, host string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

func get(t *testing.T, s *Server, path string) (int, string) { return do(t, s, "GET", path, "") }

// TestMemoryWhileItShrinks: after cache_memlimit more is used than the limit for
// a while; then nothing is free, and not less than nothing.
func TestMemoryWhileItShrinks(t *testing.T) {
	from := source()
	from.Memory = func() slab.Stats { return slab.Stats{LimitBytes: 100, UsedBytes: 130, IndexBytes: 10} }
	_, text := get(t, start(t, from), "/metrics")
	for _, line := range []string{`panda_memory_bytes{use="free"} 0`, `panda_memory_bytes{use="index"} 10`, `panda_memory_bytes{use="items"} 120`} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

// TestEveryNameOfTheExporter: testdata/exporter-names.txt lists what
// prometheus/memcached_exporter shows of a server without proxy.
func TestEveryNameOfTheExporter(t *testing.T) {
	list, err := os.ReadFile("testdata/exporter-names.txt")
	if err != nil {
		t.Fatal(err)
	}
	status, text := get(t, start(t, source()), "/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	names := strings.Fields(string(list))
	if len(names) < 70 {
		t.Fatalf("only %d names", len(names))
	}
	for _, name := range names {
		if !strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+"{") {
			t.Errorf("no %s", name)
		}
	}
	known := "\n" + string(list)
	for i := range memcached {
		switch memcached[i].name {
		case "extstore_gets_total", "extstore_misses_total", "extstore_damaged_total", "extstore_recached_total":
			continue // which it forgot
		}
		if !strings.Contains(known, "\nmemcached_"+memcached[i].name+"\n") {
			t.Errorf("memcached_%s is no name of the exporter", memcached[i].name)
		}
	}
}

func TestValues(t *testing.T) {
	few := source()
	few.Snapshot = func() memcache.Snapshot {
		return memcache.Snapshot{
			General: []memcache.Stat{{Name: "version", Value: "1.6.18"}, {Name: "get_hits", Value: "5"}, {Name: "cmd_set", Value: "10"},
				{Name: "cas_hits", Value: "1"}, {Name: "cas_misses", Value: "2"}, {Name: "cas_badval", Value: "3"}, {Name: "rusage_user", Value: "1.000250"}},
			Items:    []memcache.Stat{{Name: "items:3:hits_to_temp", Value: "8"}, {Name: "items:12:number", Value: "9"}},
			Slabs:    []memcache.Stat{{Name: "3:chunk_size", Value: "152"}, {Name: "total_malloced", Value: "1048576"}, {Name: "active_slabs", Value: "1"}},
			Settings: []memcache.Stat{{Name: "lru_crawler", Value: "no"}, {Name: "lru_crawler_sleep", Value: "100"}, {Name: "maxconns", Value: "1024"}},
		}
	}
	_, text := get(t, start(t, few), "/metrics")
	for _, line := range []string{
		`memcached_up 1`, `memcached_version{version="1.6.18"} 1`, `panda_build_info{version="0.0"} 1`,
		`memcached_commands_total{command="get",status="hit"} 5`, `memcached_commands_total{command="set",status="hit"} 4`,
		`memcached_process_user_cpu_seconds_total 1.00025`, `memcached_slab_lru_hits_total{lru="temporary",slab="3"} 8`,
		`memcached_slab_current_items{slab="12"} 9`, `memcached_slab_chunk_size_bytes{slab="3"} 152`, `memcached_malloced_bytes 1.048576e+06`,
		`memcached_max_connections 1024`,
		`panda_memory_bytes{use="index"} 10`, `panda_memory_bytes{use="items"} 20`, `panda_memory_bytes{use="free"} 70`,
		`panda_test_seconds_bucket{le="0.001"} 3`, `panda_test_seconds_bucket{le="0.01"} 7`, `panda_test_seconds_bucket{le="+Inf"} 12`,
		`panda_test_seconds_sum 1.5`, `panda_test_seconds_count 12`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(text, "lru_crawler_sleep") {
		t.Error("settings of a crawler that is off")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestHealth(t *testing.T) {
	var full atomic.Bool
	node := source()
	node.Health = func() error {
		if full.Load() {
			return errors.New("no room")
		}
		return nil
	}
	s := start(t, node)
	want := func(path string, status int, body string) {
		t.Helper()
		if got, text := get(t, s, path); got != status || body != "" && text != body {
			t.Errorf("%s: %d %q, want %d %q", path, got, text, status, body)
		}
	}
	want("/healthz", 200, "ok\n")
	full.Store(true)
	want("/healthz", 503, "no room\n")
	full.Store(false)
	s.Detach()
	want("/healthz", 503, "the node stops\n")
	want("/metrics", 503, "the node stops\n")
	want("/debug/pprof/goroutine?debug=1", 200, "")
}

// TestDetachWaits: when Detach returns, nobody asks the node any more.
func TestDetachWaits(t *testing.T) {
	asked, go1 := make(chan bool), make(chan bool)
	var inside atomic.Bool
	node := source()
	node.Snapshot = func() memcache.Snapshot {
		inside.Store(true)
		close(asked)
		<-go1
		inside.Store(false)
		return full()
	}
	s := start(t, node)
	scraped := make(chan int)
	go func() {
		r, err := http.Get("http://" + s.Addr().String() + "/metrics")
		if err != nil {
			scraped <- 0
			return
		}
		r.Body.Close()
		scraped <- r.StatusCode
	}()
	<-asked
	detached := make(chan bool)
	go func() {
		s.Detach()
		detached <- inside.Load()
	}()
	select {
	case <-detached:
		t.Fatal("Detach did not wait for a scrape")
	default:
	}
	close(go1)
	if <-detached {
		t.Error("Detach returned before the scrape had asked")
	}
	if status := <-scraped; status != http.StatusOK {
		t.Errorf("the scrape that was under way: %d", status)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, source())
	port := s.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		method, path, host string
		status             int
	}{
		{"GET", "/metrics", "", 200},
		{"HEAD", "/metrics", "localhost", 200},
		{"GET", "/", fmt.Sprintf("[::1]:%d", port), 200},
		{"GET", "/", "[::1]", 200},
		{"GET", "/metrics", "evil.example:80", 403},
		{"GET", "/healthz", "127.0.0.1.example", 403},
		{"GET", "/debug/pprof/cmdline", "10.0.0.1", 403},
		{"POST", "/metrics", "", 405},
		{"DELETE", "/", "", 405},
		{"GET", "/else", "", 404},
	} {
		if got, text := do(t, s, c.method, c.path, c.host); got != c.status {
			t.Errorf("%s %s for %q: %d %q, want %d", c.method, c.path, c.host, got, text, c.status)
		}
	}
}

// TestHealthChecksWithoutHost: load balancers ask in HTTP/1.0, with no Host.
func TestHealthChecksWithoutHost(t *testing.T) {
	c, err := net.Dial("tcp", start(t, source()).Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(reply), "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(string(reply), "\r\n\r\nok\n") {
		t.Errorf("%q %v", reply, err)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "10.1.2.3:0", "localhost.example:0", "127.0.0.1.example:0"} {
		if s, err := Listen(address, source(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", address, err)
			if err == nil {
				s.Close()
			}
		}
	}
}

// TestConnectionLimit: the connection over the limit waits until one closes, and
// a close of the port ends the waiting.
func TestConnectionLimit(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimited(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Fatal("a third connection, though two is the limit")
	default:
	}
	first.Close()
	first.Close() // gives no second place back
	third := <-accepted
	l.Close()
	if err := <-ended; err == nil {
		t.Error("Accept goes on after Close")
	}
	second.Close()
	third.Close()
}

// TestCloseBeforeStart: what was bound is given back.
func TestCloseBeforeStart(t *testing.T) {
	s, err := Listen("127.0.0.1:0", source(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	address := s.Addr().String()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestIndexNamesWhatThereIs(t *testing.T) {
	s := start(t, source())
	_, page := get(t, s, "/")
	for _, part := range strings.Split(page, `href="`)[1:] {
		path, _, _ := strings.Cut(part, `"`)
		if status, _ := get(t, s, path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if !bytes.Contains([]byte(page), []byte("/metrics")) {
		t.Errorf("%s", page)
	}
}
