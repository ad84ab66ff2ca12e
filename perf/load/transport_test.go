package load

import (
	"errors"
	"testing"

	"github.com/pandabeardb/panda/perf/peer"
)

// memcached starts the original, with TLS or UDP.
func memcached(t *testing.T, spec peer.Spec) *peer.Server {
	t.Helper()
	spec.Kind, spec.Threads = peer.Memcached, 2
	s, err := peer.Start(spec)
	if errors.Is(err, peer.ErrMissing) {
		t.Skipf("skipped: %v", err)
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

// transfer runs a load, all of whose requests have to succeed.
func transfer(t *testing.T, s *peer.Server, c Config) {
	t.Helper()
	if c.Network == "" {
		c.Network = s.Network
	}
	c.Address, c.TLS, c.Connections, c.KeyCount = s.Address, s.TLS, 8, 500
	r, err := Run(t.Context(), c)
	if err != nil || r.Errors+r.Misses > 0 || r.Stores+r.Hits != r.Requests || r.Requests < 500 {
		t.Errorf("%+v: %+v %v", c, r, err)
	}
}

func TestBinaryWithMemcached(t *testing.T) {
	s := memcached(t, peer.Spec{})
	for _, depth := range []int{1, 16} {
		transfer(t, s, Config{Binary: true, Depth: depth, SetShare: 1, Sequential: true})
		transfer(t, s, Config{Binary: true, Depth: depth, Requests: 2000})
		transfer(t, s, Config{Binary: true, Depth: depth, SetShare: 0.3, Requests: 2000})
		transfer(t, s, Config{Depth: depth, Requests: 2000}) // text reads what binary wrote
	}
	transfer(t, s, Config{Binary: true, SetShare: 0.3, Requests: 2000, Rate: 20_000})
}

func TestTLSWithMemcached(t *testing.T) {
	s := memcached(t, peer.Spec{TLS: true})
	for _, size := range []int{100, 100_000} {
		transfer(t, s, Config{SetShare: 1, Sequential: true, ValueSize: size})
		transfer(t, s, Config{Depth: 16, Requests: 1000, ValueSize: size})
	}
}

func TestUDPWithMemcached(t *testing.T) {
	s := memcached(t, peer.Spec{UDP: true})
	transfer(t, s, Config{SetShare: 1, Sequential: true})
	transfer(t, s, Config{Network: "udp", Requests: 2000})
	transfer(t, s, Config{Network: "udp", Requests: 2000, SetShare: 0.5})
	transfer(t, s, Config{Network: "udp", Requests: 2000, Binary: true})
}

func TestRedis(t *testing.T) {
	s, err := peer.Start(peer.Spec{Kind: peer.Redis})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: redis-server is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, size := range []int{100, 50_000} {
		transfer(t, s, Config{RESP: true, SetShare: 1, Sequential: true, ValueSize: size})
		transfer(t, s, Config{RESP: true, Depth: 16, SetShare: 0.3, Requests: 2000, ValueSize: size})
	}
}
