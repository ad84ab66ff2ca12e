package compat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/internal/invariant"
)

// Peers that are slow, broken or greedy, against the real binary over real
// sockets. A limit on memory is on the growth of the process's resident set.

const mib = 1 << 20

// hostile starts the program under test in its default mode.
func hostile(t *testing.T, args ...string) *server {
	t.Helper()
	if os.Getenv("PANDA_COMPAT_BINARY_1645") == "" && os.Getenv("PANDA_COMPAT_BINARY") != "" {
		return start(t, subject(t, v1618), args...)
	}
	return start(t, subject(t, v1645), args...)
}

// growth measures how much the server's memory has grown, as soon as it has
// fallen to limit: a collector may take its time.
func growth(t *testing.T, s *server, before, limit int64) {
	t.Helper()
	if invariant.On {
		t.Log("the race detector's own memory hides ours: growth is not judged in race builds")
		return
	}
	deadline := time.Now().Add(5 * time.Second)
	grown := s.rss(t) - before
	for grown > limit && time.Now().Before(deadline) {
		<-time.After(50 * time.Millisecond) // between looks at another process
		grown = s.rss(t) - before
	}
	t.Logf("resident memory grew by %.1f MiB, at most %.1f allowed", float64(grown)/mib, float64(limit)/mib)
	if grown > limit {
		t.Errorf("resident memory grew by %.1f MiB, at most %.1f allowed", float64(grown)/mib, float64(limit)/mib)
	}
}

// settled is the server's memory as soon as it stands still: the store touches
// pages ahead of their use.
func settled(t *testing.T, s *server) int64 {
	t.Helper()
	const still, stillFor = 64 << 10, 300 * time.Millisecond
	deadline := time.Now().Add(5 * time.Second)
	last, since := s.rss(t), time.Now()
	for time.Since(since) < stillFor && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond) // between looks at another process
		if now := s.rss(t); now > last+still || now < last-still {
			last, since = now, time.Now()
		}
	}
	return s.rss(t)
}

// served checks that the server serves somebody else, now.
func served(t *testing.T, s *server) {
	t.Helper()
	c := s.client(t)
	defer c.Close()
	c.send("set other 0 0 5\r\nalive\r\nget other\r\n")
	c.expect("STORED\r\nVALUE other 0 5\r\nalive\r\nEND\r\n")
}

func TestHostileOneByteAtATime(t *testing.T) {
	s := hostile(t)
	c := s.client(t)
	for range 3 {
		for _, b := range []byte("set a 5 0 12\r\nhello\r\nworld\r\nget a b a\r\nms m 4 c0\r\n1234\r\nms m 2 F7\r\nhi\r\nmg m v f Oxy k\r\nincr n 1\r\nfoo\r\nmn\r\n") {
			c.send(string([]byte{b}))
		}
		c.expect("STORED\r\nVALUE a 5 12\r\nhello\r\nworld\r\nVALUE a 5 12\r\nhello\r\nworld\r\nEND\r\n")
		line, err := c.reader.ReadString('\n') // what c0 is answered differs with the version
		for err == nil && line != "VA 2 f7 Oxy km\r\n" {
			line, err = c.reader.ReadString('\n')
		}
		if err != nil {
			t.Fatal(err)
		}
		c.expect("hi\r\nNOT_FOUND\r\nERROR\r\nMN\r\n")
	}
	served(t, s)
}

func TestHostileLongLines(t *testing.T) {
	const long = 64 << 10
	s := hostile(t)
	before := settled(t, s)
	for range 200 {
		for _, line := range []string{
			strings.Repeat("x", long),
			strings.Repeat("x", long) + "\r\n",
			"set a 0 0 1 " + strings.Repeat("x", long) + "\r\n",
			"mg a " + strings.Repeat("x", long) + "\r\n",
		} {
			c := s.client(t)
			go func() { // ends when the server closes
				io.WriteString(c, line)
			}()
			c.expectEnd()
			c.Close()
		}
	}
	c := s.client(t)
	for range 200 {
		c.send("get " + strings.Repeat("k ", long/2) + "\r\n") // as long as it likes
		c.expect("END\r\n")
	}
	growth(t, s, before, 8*mib)
	served(t, s)
}

// push writes text again and again until the server takes no more, or count
// times; it returns how many bytes it took.
func push(t *testing.T, c net.Conn, text []byte, count int) (taken int64) {
	t.Helper()
	const patience = 500 * time.Millisecond
	for range count {
		c.SetWriteDeadline(time.Now().Add(patience))
		n, err := c.Write(text)
		taken += int64(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return taken
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return taken
}

// store sets a value of n letters.
func store(t *testing.T, s *server, key string, n int) {
	t.Helper()
	c := s.client(t)
	defer c.Close()
	c.send(fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", key, n, strings.Repeat("v", n)))
	c.expect("STORED\r\n")
}

func TestHostileNeverReads(t *testing.T) {
	const gets = 100_000
	for _, size := range []int{1 << 10, 10 << 10, 200 << 10} { // copied, copied, pinned
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := hostile(t)
			store(t, s, "big", size)
			before := settled(t, s)
			c := s.dial(t)
			taken := push(t, c, bytes.Repeat([]byte("get big\r\n"), 100), gets/100)
			t.Logf("the server took %d of %d bytes", taken, gets*9)
			growth(t, s, before, 8*mib)
			served(t, s)
		})
	}
}

// TestHostileReadsLate has the reader of 100,000 replies come back: all are there.
func TestHostileReadsLate(t *testing.T) {
	const gets, size = 100_000, 1 << 10
	s := hostile(t)
	store(t, s, "big", size)
	c := s.dial(t)
	taken := push(t, c, bytes.Repeat([]byte("get big\r\n"), 100), gets/100)
	go func() { // ends with the connection
		c.SetWriteDeadline(time.Now().Add(replyLimit))
		rest := bytes.Repeat([]byte("get big\r\n"), gets)[taken:]
		c.Write(append(rest, "quit\r\n"...))
	}()
	want := fmt.Sprintf("VALUE big 0 %d\r\n%s\r\nEND\r\n", size, strings.Repeat("v", size))
	expectReplies(t, c, want, gets)
}

// expectReplies reads count times want, and then the end.
func expectReplies(t *testing.T, c net.Conn, want string, count int) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(replyLimit))
	got := make([]byte, len(want))
	for i := range count {
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("reply %d of %d: %.100q (%v)", i, count, got, err)
		}
	}
	if n, err := c.Read(got); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("behind the last reply: %.100q (%v), wanted the connection closed", got[:n], err)
	}
}

func TestHostilePushAtPausedConnection(t *testing.T) {
	const megabytes = 300
	s := hostile(t, "-m", "1024")
	store(t, s, "big", 100<<10)
	c := s.dial(t)
	push(t, c, bytes.Repeat([]byte("get big\r\n"), 1000), 20) // its output is full, and nobody reads it
	before := settled(t, s)
	body := bytes.Repeat([]byte("x"), 1_000_000)
	set := append(fmt.Appendf(nil, "set pushed 0 0 %d\r\n", len(body)), append(body, "\r\n"...)...)
	taken := push(t, c, set, megabytes)
	t.Logf("the server's side took %d MB of %d", taken/1_000_000, megabytes)
	if taken > 32*mib {
		t.Errorf("%d bytes were taken from a connection that does not read", taken)
	}
	growth(t, s, before, 8*mib)
	served(t, s)
}

func TestHostileHalfClosed(t *testing.T) {
	const gets, size = 20_000, 1 << 10
	s := hostile(t)
	store(t, s, "big", size)
	c := s.dial(t)
	go func() { // ends with the connection
		c.SetWriteDeadline(time.Now().Add(replyLimit))
		c.Write(bytes.Repeat([]byte("get big\r\n"), gets))
		c.(*net.TCPConn).CloseWrite()
	}()
	expectReplies(t, c, fmt.Sprintf("VALUE big 0 %d\r\n%s\r\nEND\r\n", size, strings.Repeat("v", size)), gets)
	served(t, s)
}

func TestHostileQuitAfterPipeline(t *testing.T) {
	const gets = 10_000
	for _, size := range []int{10, 1 << 10, 50 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := hostile(t)
			store(t, s, "big", size)
			c := s.dial(t)
			go func() { // ends with the connection
				c.SetWriteDeadline(time.Now().Add(replyLimit))
				c.Write(append(bytes.Repeat([]byte("get big\r\n"), gets), "quit\r\n"...))
			}()
			expectReplies(t, c, fmt.Sprintf("VALUE big 0 %d\r\n%s\r\nEND\r\n", size, strings.Repeat("v", size)), gets)
		})
	}
}

// TestHostileVanishing has clients vanish at the worst moments, with a reset.
// All that was reserved for them must come back: without eviction, a leak of
// their half-sent values would fill the memory.
func TestHostileVanishing(t *testing.T) {
	const vanishing = 300
	s := hostile(t, "-M", "-m", "64")
	store(t, s, "big", 100<<10)
	watcher := s.client(t)
	connections := watcher.stat("curr_connections")
	halves := []string{
		"set half 0 0 900000\r\n" + strings.Repeat("x", 450_000),
		"ms half 900000\r\n" + strings.Repeat("x", 899_999),
		"set half 0 0 900",
		"get big",
		strings.Repeat("get big\r\n", 2000),
		"set half 0 0 99999999\r\n" + strings.Repeat("x", 100_000),
		"append big 0 0 300000\r\n" + strings.Repeat("x", 200_000),
	}
	for i := range vanishing {
		c := s.dial(t)
		c.SetWriteDeadline(time.Now().Add(replyLimit))
		if _, err := io.WriteString(c, halves[i%len(halves)]); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 { // some are known to have arrived
			c.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
			c.Read(make([]byte, 100))
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	deadline := time.Now().Add(replyLimit)
	for watcher.stat("curr_connections") > connections {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, %d before", watcher.stat("curr_connections"), connections)
		}
		<-time.After(10 * time.Millisecond) // between questions to another process
	}
	for i := range 40 { // of 64 MB
		store(t, s, fmt.Sprint("after", i), 1_000_000)
	}
}

// openIdle opens connections that have said one thing and say no more.
func openIdle(t *testing.T, s *server, count int) (closeAll func()) {
	t.Helper()
	var all []net.Conn
	closeAll = func() {
		for _, c := range all {
			c.Close()
		}
	}
	t.Cleanup(closeAll)
	for range count {
		c, err := net.Dial(s.network, s.address)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		if _, err := io.WriteString(c, "mn\r\n"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		c.SetReadDeadline(time.Now().Add(replyLimit))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "MN\r\n" {
			t.Fatalf("%q (%v)", got, err)
		}
	}
	return closeAll
}

func TestHostileIdleConnections(t *testing.T) {
	const idle, perConnection = 5000, 4 << 10
	const active, needed = 50, 0.6 // of the rate without the idle ones; a busy machine varies by a third
	s := hostile(t, "-c", "6000", "-t", "2")
	rate(t, s, active) // warm
	alone := rate(t, s, active)
	before := settled(t, s)
	closeIdle := openIdle(t, s, idle)
	growth(t, s, before, idle*perConnection)
	beside := 0.0
	for range 3 { // the best of a few: a neighbour may take the machine away
		beside = max(beside, rate(t, s, active))
	}
	closeIdle()
	settled(t, s)
	alone = min(alone, rate(t, s, active)) // it may have come since
	share := beside / alone
	t.Logf("%d connections reach %.0f %% of the rate they had without %d idle ones", active, 100*share, idle)
	if share < needed {
		t.Errorf("%d connections reach %.0f %% of the rate they had without %d idle ones", active, 100*share, idle)
	}
}

// rate is how many requests a second some connections get answered, in
// pipelines of 16.
func rate(t *testing.T, s *server, connections int) float64 {
	t.Helper()
	const span = 700 * time.Millisecond
	request := bytes.Repeat([]byte("mn\r\n"), 16)
	var requests atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for range connections {
		c := s.dial(t)
		wait.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(replyLimit))
			reply := make([]byte, len(request))
			for time.Since(began) < span {
				if _, err := c.Write(request); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(c, reply); err != nil {
					t.Error(err)
					return
				}
				requests.Add(16)
			}
		})
	}
	wait.Wait()
	return float64(requests.Load()) / time.Since(began).Seconds()
}

// TestHostileGreedyNeighbour puts a connection that pipelines without end on
// the same loop as a quiet one: requests of which many, or few, make a turn.
func TestHostileGreedyNeighbour(t *testing.T) {
	var prefixes strings.Builder
	prefixes.WriteString("stats detail on\r\nget")
	for i := range 65_536 {
		fmt.Fprintf(&prefixes, " %060d:x", i)
	}
	for name, c := range map[string]struct{ setup, setupReply, request string }{
		"get":             {"set some 0 0 4\r\nsome\r\n", "STORED\r\n", "get some\r\n"},
		"append to large": {"set big 0 0 900000\r\n" + strings.Repeat("v", 900_000) + "\r\n", "STORED\r\n", "append big 0 0 1\r\nv\r\n"},
		"incr of large":   {"set big 0 0 500000\r\n5" + strings.Repeat(" ", 499_999) + "\r\n", "STORED\r\n", "incr big 1\r\n"},
		"flush_all":       {"", "", "flush_all\r\n"},
		"stats":           {"", "", "stats\r\n"},
		"settings":        {"", "", "stats settings\r\n"},
		"dump":            {prefixes.String() + "\r\n", "OK\r\nEND\r\n", "stats detail dump\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := hostile(t, "-t", "1")
			first := s.client(t)
			first.send(c.setup)
			first.expect(c.setupReply)
			greedyNeighbour(t, s, c.request)
		})
	}
}

// greedyNeighbour measures how long a quiet connection waits while another
// sends a request without end.
func greedyNeighbour(t *testing.T, s *server, request string) {
	t.Helper()
	// What a machine is busy with besides delays the quiet one, neighbour or not.
	turn := 10 * time.Millisecond
	if invariant.On {
		turn *= 5 // under the race detector a turn is 3 to 5 times as long, by how busy caches are; the bar is the other build's
	}
	stallMax := turn + 4*quietStall(t, s)
	greedy := s.dial(t)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		text := bytes.Repeat([]byte(request), 10_000)
		for {
			select {
			case <-stop:
				greedy.Close()
				return
			default:
				if _, err := greedy.Write(text); err != nil {
					return
				}
			}
		}
	})
	var read atomic.Int64
	wait.Go(func() {
		buffer := make([]byte, 256<<10)
		for {
			n, err := greedy.Read(buffer)
			read.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	defer wait.Wait()
	defer greedy.Close() // a writer that waits is let go
	defer close(stop)

	// The client's threads share the cores with the server and with whatever
	// else runs: of a few measurements, the best says what the server does.
	best := time.Duration(1 << 62)
	for tries := 0; tries < 4 && best > stallMax; tries++ {
		best = min(best, quietStall(t, s))
	}
	t.Logf("99 of 100 replies within %v, beside %d MB of replies", best, read.Load()/mib)
	if best > stallMax {
		t.Errorf("a quiet connection waits %v beside a greedy one, wanted at most %v", best, stallMax)
	}
	if read.Load() == 0 {
		t.Error("the greedy connection got no replies")
	}
}

// quietStall is the 99th percentile of a quiet connection's waits.
func quietStall(t *testing.T, s *server) time.Duration {
	t.Helper()
	const samples = 200
	c := s.client(t)
	defer c.Close()
	var waits []time.Duration
	for range samples {
		<-time.After(time.Millisecond) // a client that is mostly silent
		began := time.Now()
		c.send("mn\r\n")
		c.expect("MN\r\n")
		waits = append(waits, time.Since(began))
	}
	slices.Sort(waits)
	return waits[samples*99/100]
}
