package checker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

// panda is our server, built once.
var panda string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "checker")
	if err != nil {
		log.Fatal(err)
	}
	if panda, err = peer.Build(context.Background(), dir); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func start(t *testing.T, spec peer.Spec) *peer.Server {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: servers are started on Linux only")
	}
	s, err := peer.Start(spec)
	if errors.Is(err, peer.ErrMissing) {
		t.Skipf("SKIP: %s is not installed", spec.Kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// lasts is the time for one check in a test.
func lasts(full time.Duration) time.Duration {
	if testing.Short() {
		return full / 4
	}
	return full
}

// config keeps a machine that runs other tests as well usable: few clients.
func config(s *peer.Server, d time.Duration) Config {
	return Config{
		Network: s.Network, Address: s.Address, Duration: d, Clients: 4, Keys: 4000, MemoryMB: 64,
		Phase: d / 6, Slack: time.Second, Seed: uint64(time.Now().UnixNano()),
	}
}

// Everything that makes memory move, with every answer checked.
func TestUnderEviction(t *testing.T) {
	s := start(t, peer.Spec{Kind: peer.Panda, Binary: panda, Threads: 2, MemoryMB: 64})
	c := config(s, lasts(8*time.Second))
	c.Evicts, c.LimitMoves, c.FlushEvery = true, true, c.Duration/3
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatalf("seed %d: %v", c.Seed, err)
	}
	t.Logf("seed %d: %v", c.Seed, report)
	if report.Values < 1000 || report.Flushes == 0 || report.Limits == 0 {
		t.Errorf("too little was checked: %v", report)
	}
}

// Memory exhausted, with -M.
func TestExhausted(t *testing.T) {
	s := start(t, peer.Spec{Kind: peer.Panda, Binary: panda, Threads: 2, MemoryMB: 64, Extra: []string{"-M"}})
	c := config(s, lasts(5*time.Second))
	c.Keys = 16_000 // of 6 KB: each client alone exhausts the memory, however late the others are
	report, err := Exhaust(t.Context(), c)
	if err != nil {
		t.Fatalf("seed %d: %v", c.Seed, err)
	}
	t.Logf("seed %d: %v", c.Seed, report)
	if report.Refused == 0 || report.Kept < 1000 || report.Replaced == 0 {
		t.Errorf("too little was checked: %v", report)
	}
}

// The original passes, so that what is checked is its behaviour.
func TestOriginal(t *testing.T) {
	s := start(t, peer.Spec{Kind: peer.Memcached, Threads: 2, MemoryMB: 64})
	c := config(s, lasts(4*time.Second))
	c.Evicts, c.Original, c.LimitMoves, c.Slack = true, true, true, 2*time.Second
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatalf("seed %d: %v", c.Seed, err)
	}
	t.Logf("seed %d: %v", c.Seed, report)
}

// faulty stands before a server and spoils what it says, once.
type faulty struct {
	listener net.Listener
	server   *peer.Server
	spoil    func(reply []byte) bool // changes it in place, true when it did
	done     atomic.Bool
}

func newFaulty(t *testing.T, s *peer.Server, spoil func([]byte) bool) *faulty {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f := &faulty{listener: l, server: s, spoil: spoil}
	go f.accept()
	return f
}

func (f *faulty) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(f.server.Network, f.server.Address)
		if err != nil {
			client.Close()
			return
		}
		go func() {
			_, _ = io.Copy(server, client) // an end of the one is the other's
			server.Close()
		}()
		go f.answer(client, server)
	}
}

func (f *faulty) answer(client, server net.Conn) {
	defer client.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		if !f.done.Load() && f.spoil(b[:n]) {
			f.done.Store(true)
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

// replace spoils the first occurrence of a text.
func replace(old, with string) func([]byte) bool {
	return func(reply []byte) bool {
		i := bytes.Index(reply, []byte(old))
		if i >= 0 {
			copy(reply[i:], with)
		}
		return i >= 0
	}
}

// Each lie is found, and its conversation is told.
func TestLiesAreFound(t *testing.T) {
	s := start(t, peer.Spec{Kind: peer.Panda, Binary: panda, Threads: 2, MemoryMB: 64})
	for _, lie := range []struct {
		name  string
		spoil func([]byte) bool
		why   string
	}{
		{"a byte of a value", func(reply []byte) bool {
			head := bytes.Index(reply, []byte("VALUE c1:"))
			if head < 0 {
				return false
			}
			line := bytes.IndexByte(reply[head:], '\n')
			if line < 0 || head+line+4 > len(reply) {
				return false
			}
			reply[head+line+2] ^= 1
			return true
		}, "value"},
		{"a store that did not happen", replace("NOT_STORED\r\n", "STORED\r\n\r\n\r\n"), ""},
		{"a delete of what is not there", replace("NOT_FOUND\r\n", "DELETED\r\n\r\n"), ""},
		{"a miss in words of its own", replace("END\r\n", "EMD\r\n"), ""},
	} {
		t.Run(lie.name, func(t *testing.T) {
			f := newFaulty(t, s, lie.spoil)
			c := config(s, 5*time.Second)
			c.Evicts, c.Address = true, f.listener.Addr().String()
			_, err := Run(t.Context(), c)
			var wrong *Wrong
			if !errors.As(err, &wrong) || !strings.Contains(wrong.Why, lie.why) || len(wrong.Conversation) < 2 {
				t.Fatalf("spoiled: %v, error: %v", f.done.Load(), err)
			}
		})
	}
}
