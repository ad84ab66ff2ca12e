package netio

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
)

func TestLatencyBuckets(t *testing.T) {
	if latencyBound(0) != 1<<10 || latencyBound(1) != 1536 || latencyBound(2) != 2048 || latencyBound(latencyBuckets-2) != 1<<30 {
		t.Errorf("bounds %d %d %d … %d", latencyBound(0), latencyBound(1), latencyBound(2), latencyBound(latencyBuckets-2))
	}
	for i := range latencyBuckets - 1 {
		bound := latencyBound(i)
		if got := latencyBucket(bound); got != i {
			t.Errorf("%d ns are in bucket %d, want %d", bound, got, i)
		}
		if got := latencyBucket(bound + 1); got != i+1 {
			t.Errorf("%d ns are in bucket %d, want %d", bound+1, got, i+1)
		}
	}
	for _, ns := range []int64{0, 1, -1} {
		if got := latencyBucket(ns); got != 0 {
			t.Errorf("%d ns are in bucket %d", ns, got)
		}
	}
	if got := latencyBucket(1 << 40); got != latencyBuckets-1 {
		t.Errorf("1<<40 ns are in bucket %d", got)
	}
}

func TestLatencyAllocatesNothing(t *testing.T) {
	var l latency
	alloctest.Zero(t, "a measured turn", func() {
		l.wait = 0
		l.batch()
		l.turned()
	})
}

// repeat is a session that says what it hears.
type repeat struct{}

func (repeat) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	out.Buf = append(out.Buf, in...)
	return len(in), wire.More
}
func (repeat) Body(v [][]byte) [][]byte        { return v }
func (repeat) Filled(int, *wire.Out) wire.Next { return wire.More }
func (repeat) Close(wire.Reason)               {}

// TestLatency: of a client's requests, about one in 64 is measured.
func TestLatency(t *testing.T) {
	s, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen(Listener{Network: "tcp", Address: "127.0.0.1:0", Open: func(int, wire.Peer) wire.Session { return repeat{} }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const requests = 6400
	b := make([]byte, 1)
	for range requests {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}
	l := s.Latency()
	var sum int64
	for _, bucket := range l.Buckets {
		sum += bucket.Count
	}
	if sum != l.Count || l.Count < requests/latencySample/2 || l.Count > 2*requests/latencySample+2 || l.SumNS <= 0 {
		t.Errorf("%d measured, %d in buckets, %d ns", l.Count, sum, l.SumNS)
	}
}
