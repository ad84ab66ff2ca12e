package appliance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startServe makes a node of `panda serve` on free ports.
func startServe(t *testing.T, log *slog.Logger, set ...string) *Node {
	t.Helper()
	c := serveConfig(t, append([]string{"memcache.listen", "127.0.0.1", "memcache.port", "-1", "admin.address", "127.0.0.1:0"}, set...)...)
	n, err := New(t.Context(), c, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// ask gets a path of a node's admin port.
func ask(n *Node, path string) (status int, body string, err error) {
	return get(n.AdminAddr().String(), path)
}

// get gets a path by HTTP.
func get(address, path string) (status int, body string, err error) {
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

// metricValues reads Prometheus's text.
func metricValues(text string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && at > 0 {
			values[line[:at]], _ = strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		}
	}
	return values
}

// TestMetricsAreTheStatistics: what /metrics says is what `stats` says.
func TestMetricsAreTheStatistics(t *testing.T) {
	n := startServe(t, slog.New(slog.DiscardHandler))
	defer stop(t, n)
	c := dial(t, n.Addrs()[0])
	exchange(t, c, "set a 0 0 3\r\nabc\r\nset b 0 0 1\r\nx\r\nget a\r\nget a\r\nget c\r\nincr a 1\r\ndelete b\r\ntouch z 0\r\n",
		"STORED\r\nSTORED\r\nVALUE a 0 3\r\nabc\r\nEND\r\nVALUE a 0 3\r\nabc\r\nEND\r\nEND\r\n"+
			"CLIENT_ERROR cannot increment or decrement non-numeric value\r\nDELETED\r\nNOT_FOUND\r\n")
	status, text, err := ask(n, "/metrics")
	if err != nil || status != http.StatusOK {
		t.Fatal(status, text, err)
	}
	got := metricValues(text)
	for name, want := range map[string]float64{
		`memcached_commands_total{command="get",status="hit"}`:    2,
		`memcached_commands_total{command="get",status="miss"}`:   1,
		`memcached_commands_total{command="set",status="hit"}`:    2,
		`memcached_commands_total{command="delete",status="hit"}`: 1,
		`memcached_commands_total{command="touch",status="miss"}`: 1,
		`memcached_current_items`:                                 1,
		`memcached_items_total`:                                   2,
		`memcached_limit_bytes`:                                   64 << 20,
		`memcached_max_connections`:                               1024,
		`memcached_up`:                                            1,
		`memcached_version{version="1.6.45"}`:                     1,
		`memcached_accepting_connections`:                         1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	memory := got[`panda_memory_bytes{use="index"}`] + got[`panda_memory_bytes{use="items"}`] + got[`panda_memory_bytes{use="free"}`]
	if got["memcached_read_bytes_total"] != 86 || memory != 64<<20 || got["go_goroutines"] < 3 || got["process_open_fds"] < 3 && got["process_open_fds"] != 0 {
		t.Errorf("%s", text)
	}
}

// TestTurnsAreMeasured: one batch of events in 64, so a few hundred requests
// one by one are some.
func TestTurnsAreMeasured(t *testing.T) {
	n := startServe(t, slog.New(slog.DiscardHandler))
	defer stop(t, n)
	c := dial(t, n.Addrs()[0])
	for range 300 {
		exchange(t, c, "mn\r\n", "MN\r\n")
	}
	_, text, err := ask(n, "/metrics")
	got := metricValues(text)
	turns := got["panda_turn_duration_seconds_count"]
	if err != nil || turns < 3 || turns != got[`panda_turn_duration_seconds_bucket{le="+Inf"}`] || got["panda_turn_duration_seconds_sum"] <= 0 {
		t.Errorf("%v turns were measured (%v)", turns, err)
	}
}

// TestStopUnderScrapes: a node that stops while it is scraped and served ends,
// says that it is unwell meanwhile, and nobody reads memory that was given back.
func TestStopUnderScrapes(t *testing.T) {
	n := startServe(t, slog.New(slog.DiscardHandler))
	var running sync.WaitGroup
	ended, scraped := make(chan struct{}), make(chan struct{}, 1)
	for range 3 {
		running.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				status, body, err := ask(n, "/metrics")
				if err == nil && status == http.StatusOK {
					if !strings.Contains(body, "\nmemcached_up ") {
						t.Errorf("a scrape without memcached_up: %s", body)
					}
					select {
					case scraped <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	c := dial(t, n.Addrs()[0])
	running.Go(func() {
		in := bufio.NewReader(c)
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "set k%d 0 0 100\r\n%0100d\r\n", i%1000, i); err != nil {
				return
			}
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
		}
	})
	<-scraped
	stop(t, n)
	close(ended)
	running.Wait()
	if _, err := net.Dial("tcp", n.AdminAddr().String()); err == nil {
		t.Error("the admin port is open after the stop")
	}
}

// TestHealthWhileStopping: 200, and then 503 as long as a client keeps the stop
// waiting.
func TestHealthWhileStopping(t *testing.T) {
	n := startServe(t, slog.New(slog.DiscardHandler), "memory.limit", "256MB")
	slow := dial(t, n.Addrs()[0])
	value := strings.Repeat("v", 1000_000)
	exchange(t, slow, "set k 0 0 1000000\r\n"+value+"\r\n", "STORED\r\n")
	if _, err := io.WriteString(slow, "get "+strings.Repeat("k ", 100)+"\r\n"); err != nil { // 100 MB that nobody reads
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(slow).ReadByte(); err != nil {
		t.Fatal(err)
	}
	if status, body, err := ask(n, "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Fatal(status, body, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error)
	go func() { done <- n.Stop(ctx) }()
	for {
		status, body, err := ask(n, "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		if status == http.StatusServiceUnavailable {
			if body != "the node stops\n" {
				t.Errorf("%q", body)
			}
			break
		}
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the stop did not wait for the client")
	}
}

// TestHealthAtTheLimit: 503 while a further client would not be served, whether
// it would be told so or would wait, and 200 when there is room again.
func TestHealthAtTheLimit(t *testing.T) {
	for _, refuse := range []string{"true", "false"} {
		n := startServe(t, slog.New(slog.DiscardHandler), "memcache.connections", "1", "memcache.refuse_over_limit", refuse)
		defer stop(t, n)
		untilHealth(t, n, http.StatusOK, "ok\n")
		c := dial(t, n.Addrs()[0])
		exchange(t, c, "mn\r\n", "MN\r\n")
		untilHealth(t, n, http.StatusServiceUnavailable, errAtLimit.Error()+"\n")
		c.Close()
		untilHealth(t, n, http.StatusOK, "ok\n")
	}
}

// untilHealth asks until the answer is as it should be.
func untilHealth(t *testing.T, n *Node, wantStatus int, wantBody string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		status, body, err := ask(n, "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		if status == wantStatus && body == wantBody {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("/healthz says %d %q, want %d %q", status, body, wantStatus, wantBody)
		}
	}
}

// TestLogOfALife: one line for each thing that happens to a node, none for a
// request, each of them JSON with attributes.
func TestLogOfALife(t *testing.T) {
	c := serveConfig(t, "memcache.listen", "127.0.0.1", "memcache.port", "-1", "admin.address", "127.0.0.1:0")
	var b bytes.Buffer
	log, level := newLog(&b, "json", c.LogLevel)
	n, err := startNode(c, log, level, &launch{})
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, n.Addrs()[0])
	for range 100 {
		exchange(t, client, "set a 0 0 3\r\nabc\r\nget a\r\n", "STORED\r\nVALUE a 0 3\r\nabc\r\nEND\r\n")
	}
	p := &process{config: c, launch: &launch{}, node: n, log: log, stderr: &b}
	n.requestShutdown(true)
	p.wait()
	p.stop()
	var messages []string
	for line := range strings.Lines(b.String()) {
		var entry struct {
			Time       time.Time
			Level, Msg string
			Reason     string
			Items      int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level != "INFO" || entry.Time.IsZero() {
			t.Errorf("%q %v", line, err)
		}
		if entry.Msg == "stopping" && entry.Reason != "the shutdown command" || entry.Msg == "stopped" && entry.Items != 1 {
			t.Errorf("%q", line)
		}
		messages = append(messages, entry.Msg)
	}
	want := "listening on loopback only, since there is no authentication; -l (--listen) opens it to other hosts|" +
		"serving memcache|serving the operator|started|stopping|stopped"
	if got := strings.Join(messages, "|"); got != want {
		t.Errorf("logged %s\nwant %s", got, want)
	}
}

// freeAddress is one of loopback's that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestEveryExporterNameOfALiveNode: what the exporter's dashboards ask for is
// there once a node holds an item, and so are its classes.
func TestEveryExporterNameOfALiveNode(t *testing.T) {
	list, err := os.ReadFile("admin/testdata/exporter-names.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := startServe(t, slog.New(slog.DiscardHandler), "memcache.temporary_ttl", "61s", // its queue is shown only then
		"flash.files", filepath.Join(t.TempDir(), "flash")+":64MB") // likewise
	defer stop(t, n)
	exchange(t, dial(t, n.Addrs()[0]), "set a 0 0 3\r\nabc\r\n", "STORED\r\n")
	_, text, err := ask(n, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(list)) {
		if !strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+"{") {
			t.Errorf("no %s", name)
		}
	}
}
