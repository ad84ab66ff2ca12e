package netio_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// serveTLS starts a server with a listener of TLS and one without.
func serveTLS(t *testing.T, c netio.Config, open func(int, wire.Peer) wire.Session) (s *netio.Server, secure, plain string) {
	t.Helper()
	if c.Loops == 0 {
		c.Loops = 2
	}
	s, err := netio.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, config := range []*tls.Config{serverTLS(), nil} {
		addr, err := s.Listen(netio.Listener{Network: "tcp", Address: "127.0.0.1:0", Open: open, TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, addr.String())
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Stop(ctx) // a test that stops it itself has checked the result
	})
	return s, addrs[0], addrs[1]
}

func dialTLS(t *testing.T, addr string, config *tls.Config) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, "tcp", addr), config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLSOnSockets(t *testing.T) {
	s, secure, plain := serveTLS(t, netio.Config{}, openToys(20))
	memory := newLedger()
	body := strings.Repeat("0123456789abcdef", 5<<20/16)
	script := fmt.Sprintf("echo a\nput %d\n%sbig 3000000\necho b\nquit\n", len(body), body)
	var all sync.WaitGroup
	for i := range 6 {
		var c net.Conn
		if i%3 == 0 {
			c = dial(t, "tcp", plain)
		} else {
			config := clientTLS()
			config.MaxVersion = tls.VersionTLS12 + uint16(i%3) - 1
			c = dialTLS(t, secure, config)
		}
		all.Go(func() {
			go io.WriteString(c, script)
			got, err := io.ReadAll(c)
			if err != nil || string(got) != expected(script, memory) {
				t.Errorf("%d bytes, want %d; %v", len(got), len(expected(script, memory)), err)
			}
		})
	}
	all.Wait()
	if n := s.Transport(); n.TotalConnections != 6 || n.TLSNewSessions != 4 || n.TLSHandshakeErrors != 0 || n.TLSRecordErrors != 0 {
		t.Errorf("%+v", n)
	}
}

func TestTLSResumption(t *testing.T) {
	s, secure, _ := serveTLS(t, netio.Config{}, openEcho)
	for i, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := clientTLS()
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for j := range 3 {
			c := dialTLS(t, secure, config)
			send(t, c, "quit\n")
			if _, err := io.ReadAll(c); err != nil {
				t.Error(err)
			}
			if resumed := c.ConnectionState().DidResume; resumed != (j > 0) {
				t.Errorf("%x, connection %d: resumed %v", version, j, resumed)
			}
		}
		wantInt(t, "new sessions", int(s.Transport().TLSNewSessions), i+1)
	}
}

// TestTLSGarbage: whoever does not speak TLS is closed, and costs nobody else.
func TestTLSGarbage(t *testing.T) {
	s, secure, _ := serveTLS(t, netio.Config{MaxConns: 3}, openEcho)
	for i, garbage := range []string{
		"get a\r\n", "GET / HTTP/1.0\r\n\r\n", "\x80\x0b" + strings.Repeat("\x00", 22), strings.Repeat("x", 100_000),
		"\x16\x03\x01\x00\x05hello", "\x16\x03\x01\xff\xff" + strings.Repeat("\x01", 100),
		"\x15\x03\x01\x00\x02\x02\x28", "\x16\x03\x01\x00\x20\x01\x00\x00\x1c" + strings.Repeat("\xff", 28),
	} {
		c := dial(t, "tcp", secure)
		_, _ = io.WriteString(c, garbage) // it may be closed before the end
		if got, _ := io.ReadAll(c); len(got) > 7 {
			t.Errorf("%.10q: answered %q", garbage, got)
		} else if garbage[0] >= ' ' && garbage[0] <= '~' && len(got) > 0 { // memcached says nothing, too
			t.Errorf("plain text %.10q: answered %q", garbage, got)
		}
		until(t, "counted", func() bool { return s.Transport().TLSHandshakeErrors == int64(i+1) })
	}
	for range 10 { // looks whether somebody listens
		dial(t, "tcp", secure).Close()
	}
	c := dialTLS(t, secure, clientTLS())
	send(t, c, "hello\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "hello\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	wantInt(t, "errors", int(s.Transport().TLSHandshakeErrors), 8)
	wantInt(t, "connections", int(s.Transport().TotalConnections), 1)
}

// TestTLSStallingHandshakes: any number of them keeps nobody from his own.
func TestTLSStallingHandshakes(t *testing.T) {
	s, secure, plain := serveTLS(t, netio.Config{}, openToys(0))
	hello := recordedHello(t)
	for i := range 200 {
		c := dial(t, "tcp", secure)
		send(t, c, hello[:i*len(hello)/200])
	}
	for range 20 {
		c := dialTLS(t, secure, clientTLS())
		send(t, c, "echo hello\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); line != "hello\n" || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
	}
	expect(t, dial(t, "tcp", plain), "echo a\n")
	before := time.Now()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(before); took > patience/4 {
		t.Errorf("Stop took %v", took)
	}
}

// TestTLSRenegotiation: who wants to negotiate again is cut off; OpenSSL's client
// takes memcached's refusal for the end, too.
func TestTLSRenegotiation(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("not installed: openssl")
	}
	s, secure, _ := serveTLS(t, netio.Config{}, openToys(0))
	other := dialTLS(t, secure, clientTLS())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := exec.CommandContext(ctx, openssl, "s_client", "-tls1_2", "-connect", secure)
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.StdoutPipe()
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	send := func(line string) { _, _ = io.WriteString(in, line) } // it may have ended
	send("echo hello\n")
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch lines.Text() {
		case "hello":
			send("R\n")
		case "RENEGOTIATING":
			send("echo never\n")
		case "never":
			t.Error("it was served on")
		}
	}
	_ = client.Wait() // however it ends
	until(t, "counted", func() bool { return s.Transport().TLSRecordErrors == 1 })
	expect(t, other, "echo a\n")
}

// recordedHello is what a client sends first.
func recordedHello(t *testing.T) string {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go tls.Client(near, clientTLS()).Handshake()
	b := make([]byte, 4096)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// TestTLSStopInHandshakes: a stop that meets handshakes at any of their points
// leaves no goroutine and no descriptor behind.
func TestTLSStopInHandshakes(t *testing.T) {
	for range 4 {
		s, secure, _ := serveTLS(t, netio.Config{}, openEcho)
		before := runtime.NumGoroutine()
		var clients sync.WaitGroup
		for range 20 {
			c := dial(t, "tcp", secure)
			clients.Go(func() {
				_ = tls.Client(c, clientTLS()).Handshake()
				_, _ = io.ReadAll(c)
			})
		}
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		clients.Wait()
		until(t, "goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
	}
}

// TestTLSSlowReaders: many who ask for much and take nothing cost little, keep
// nobody waiting, and get all of it when they take it after all.
func TestTLSSlowReaders(t *testing.T) {
	const readers, each = 60, 3
	const most = readers * (128<<10 + 64<<10) // records of one write, and what they wait in
	alloctest.SkipUnderRace(t)                // it is about memory
	_, secure, _ := serveTLS(t, netio.Config{}, openToys(0))
	slow := make([]*tls.Conn, readers)
	for i := range slow {
		slow[i] = dialTLS(t, secure, clientTLS())
	}
	before := heapNow()
	script := strings.Repeat("big 6000000\n", each)
	for _, c := range slow {
		send(t, c, script)
		if _, err := io.ReadFull(c, make([]byte, 10_000)); err != nil { // it has begun
			t.Fatal(err)
		}
	}
	other := dialTLS(t, secure, clientTLS())
	for range 20 {
		send(t, other, "echo hello\n")
		if line, err := bufio.NewReader(other).ReadString('\n'); line != "hello\n" || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
	}
	n := heapNow() - before
	if t.Logf("%d bytes for each", n/readers); n > most {
		t.Errorf("%d readers who do not read take %d bytes, want %d at most", readers, n, most)
	}
	rest := make([]byte, len(expected(script, newLedger()))-10_000)
	if _, err := io.ReadFull(slow[0], rest); err != nil {
		t.Error(err)
	}
}

// sealer is a client's socket that keeps what is written to it.
type sealer struct {
	net.Conn
	kept *[]byte // nil: it goes out
}

func (s *sealer) Write(b []byte) (int, error) {
	if s.kept == nil {
		return s.Conn.Write(b)
	}
	*s.kept = append(*s.kept, b...)
	return len(b), nil
}

// TestTLSAllocations: a request over a socket allocates nothing.
func TestTLSAllocations(t *testing.T) {
	const requests = 2000
	alloctest.SkipUnderRace(t)
	open := func(int, wire.Peer) wire.Session { return &constant{reply: strings.Repeat("r", 100)} }
	_, secure, _ := serveTLS(t, netio.Config{Loops: 1, TickEvery: time.Hour}, open)
	socket := &sealer{Conn: dial(t, "tcp", secure)}
	config := clientTLS()
	config.MaxVersion = tls.VersionTLS12 // no tickets that come whenever they like
	c := tls.Client(socket, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	socket.kept = &sealed
	for range requests + 100 {
		send(t, c, "request\n")
	}
	each := len(sealed) / (requests + 100)
	raw, err := socket.Conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fd := int(raw.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 1024)
	rounds := func(n int) {
		for range n {
			if _, err := unix.Write(fd, sealed[:each]); err != nil {
				t.Fatal(err)
			}
			if got, err := unix.Read(fd, reply); err != nil || got < 100 || got > 150 {
				t.Fatal(got, err)
			}
			sealed = sealed[each:]
		}
	}
	rounds(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rounds(requests)
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > 50 { // the runtime's own, now and then
		t.Errorf("%d allocations in %d requests", n, requests)
	}
	t.Logf("%d allocations, %d bytes, in %d requests", after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc, requests)
}
