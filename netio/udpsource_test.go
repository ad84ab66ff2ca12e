package netio

import (
	"net/netip"
	"testing"
)

const sourceTestMS = 1_700_000_000_000 // some time

func clientsOf(networks ...string) *sources {
	var list []netip.Prefix
	for _, n := range networks {
		list = append(list, netip.MustParsePrefix(n))
	}
	return newSources(list)
}

// TestOnlyNamedSourcesMayAsk: this host may, and who is in a network that was named.
func TestOnlyNamedSourcesMayAsk(t *testing.T) {
	nobody, some := clientsOf(), clientsOf("10.0.0.0/8", "fd00::/8", "192.0.2.7/32")
	for _, c := range []struct {
		address      string
		nobody, some bool
	}{
		{"127.0.0.1", true, true},
		{"127.9.9.9", true, true},
		{"::1", true, true},
		{"::ffff:127.0.0.1", true, true},
		{"10.1.2.3", false, true},
		{"::ffff:10.1.2.3", false, true},
		{"11.1.2.3", false, false},
		{"192.0.2.7", false, true},
		{"192.0.2.8", false, false},
		{"fd00::1", false, true},
		{"fe80::1", false, false},
		{"0.0.0.0", false, false},
		{"255.255.255.255", false, false},
	} {
		a := netip.MustParseAddr(c.address)
		if got := nobody.bucketOf(a) != refused; got != c.nobody {
			t.Errorf("%s may ask where nobody is named: %v", a, got)
		}
		if got := some.bucketOf(a) != refused; got != c.some {
			t.Errorf("%s may ask where some are named: %v", a, got)
		}
	}
	if nobody.bucketOf(netip.Addr{}) != refused {
		t.Error("who has no address may ask")
	}
}

// takeAll takes datagrams of n bytes until the bucket refuses one, and returns the bytes.
func takeAll(s *sources, b bucket, n int, nowMS int64) (bytes int) {
	for s.take(b, n, nowMS) {
		bytes += n
	}
	return bytes
}

// TestSourceHasItsShare: a burst, then so many bytes a second, on the clock.
func TestSourceHasItsShare(t *testing.T) {
	s := clientsOf("10.0.0.0/8")
	b := s.bucketOf(netip.MustParseAddr("10.1.2.3"))
	const datagram = 1400
	now := int64(sourceTestMS)
	if s.empty(b, now) {
		t.Fatal("a source begins with nothing")
	}
	if got := takeAll(s, b, datagram, now); got > sourceBurst || got < sourceBurst-datagram {
		t.Errorf("%d bytes at once, want the burst of %d", got, sourceBurst)
	}
	if !s.take(b, sourceBurst%datagram, now) || !s.empty(b, now) {
		t.Error("the rest of the burst is not the rest")
	}
	for _, ms := range []int64{1, 10, 100} {
		now += ms
		want := int(ms) * sourceBytesPerSecond / 1000
		if got := takeAll(s, b, 125, now); got != want {
			t.Errorf("%d bytes after %d ms, want %d", got, ms, want)
		}
	}
	now += 3600_000
	if got := takeAll(s, b, 1<<10, now); got != sourceBurst {
		t.Errorf("%d bytes after an hour, want the burst of %d", got, sourceBurst)
	}
	if s.take(b, datagram, now-1) {
		t.Error("a clock that is a moment behind brings more")
	}
}

// TestSourcesDoNotShare, unless they are of one network of IPv6, or meet in a bucket.
func TestSourcesDoNotShare(t *testing.T) {
	s := clientsOf("10.0.0.0/8", "fd00::/8")
	flooder := s.bucketOf(netip.MustParseAddr("10.1.2.3"))
	takeAll(s, flooder, 1400, sourceTestMS)
	met := 0
	const others = 1000
	for i := range others {
		b := s.bucketOf(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}))
		if b == flooder {
			met++
		} else if s.empty(b, sourceTestMS) {
			t.Fatalf("source %d has nothing left", i)
		}
	}
	if met > others/100 {
		t.Errorf("%d of %d sources meet the flooder", met, others)
	}
	if s.bucketOf(netip.MustParseAddr("fd00::1:2:3:4")) != s.bucketOf(netip.MustParseAddr("fd00::9:8:7:6")) {
		t.Error("two addresses of a host's network have a bucket each")
	}
	if s.bucketOf(netip.MustParseAddr("127.0.0.1")) != uncapped || !s.take(uncapped, 1<<40, 0) || s.empty(uncapped, 0) {
		t.Error("loopback is capped")
	}
}
