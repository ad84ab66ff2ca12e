package netio

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
)

// Whoever sends a datagram can claim any source, and the reply, which is up to
// hundreds of times as long, goes there: UDP caches are the amplifier that floods
// are best made with. Three things keep this one from being useful for that:
//
//   - This host may ask, and the networks that the operator named, nobody else.
//     All others are dropped unread. Loopback's addresses cannot be claimed from
//     outside: the kernel drops what comes in with them.
//   - A source of these networks gets sourceBytesPerSecond. What is over that is
//     dropped, the request too where it is known before it is run. Loopback is not
//     capped: who floods this host's loopback is on it already.
//   - Nothing is answered that comes from the port that is listened at: two caches
//     would otherwise answer each other's errors for ever.
const (
	nsPerByte            = 32              // 31 MB/s: a quarter of a link of 1 Gbit/s, which is what a client and a victim have
	sourceBytesPerSecond = 1e9 / nsPerByte //
	sourceBurst          = 8 << 20         // eight values of the default limit at once
	sourceBurstNS        = sourceBurst * nsPerByte
	sourceBuckets        = 1 << 14 // 128 KB; two of 100 clients share one with a chance of 1 in 4
	sourceBitsIPv6       = 64      // a host has all addresses of such a network
	nsPerMS              = 1_000_000
)

// sources decides who may ask, and how much they are told.
//
// A source's bucket is the one that its address hashes to, without a look at
// whose it is: sources that meet in one share its rate, and no flood of others
// can make a bucket forget. All loops share them, since one source's datagrams
// may come to any. The seed is the process's own, so that nobody knows whom to
// claim to be in order to use up somebody else's.
type sources struct {
	clients []netip.Prefix // besides this host
	seed    maphash.Seed
	fullAt  []atomic.Int64 // when a bucket would be full again, in ns of the loops' clock; its burst is what it holds then
}

func newSources(clients []netip.Prefix) *sources {
	s := &sources{clients: clients, seed: maphash.MakeSeed()}
	if len(clients) > 0 {
		s.fullAt = make([]atomic.Int64, sourceBuckets)
	}
	return s
}

// bucket is what a source's datagrams are charged to.
type bucket int

const (
	refused  bucket = -1 // the source may not ask
	uncapped bucket = -2
)

// bucketOf looks a source up.
func (s *sources) bucketOf(a netip.Addr) bucket {
	a = a.Unmap()
	if a.IsLoopback() {
		return uncapped
	}
	for i := range s.clients {
		if s.clients[i].Contains(a) {
			return s.bucketOfClient(a)
		}
	}
	return refused
}

func (s *sources) bucketOfClient(a netip.Addr) bucket {
	b := a.As16()
	part := b[:]
	if a.Is6() {
		part = b[:sourceBitsIPv6/8]
	}
	return bucket(maphash.Bytes(s.seed, part) % sourceBuckets)
}

// empty reports whether a bucket has nothing left for a reply.
func (s *sources) empty(b bucket, nowMS int64) bool {
	return b >= 0 && s.fullAt[b].Load()-nowMS*nsPerMS >= sourceBurstNS
}

// take charges n bytes to a bucket, and reports whether it had as much.
func (s *sources) take(b bucket, n int, nowMS int64) bool {
	if b == uncapped {
		return true
	}
	now := nowMS * nsPerMS
	for at := &s.fullAt[b]; ; {
		old := at.Load()
		full := max(old, now) + int64(n)*nsPerByte
		if full-now > sourceBurstNS {
			return false
		}
		if at.CompareAndSwap(old, full) {
			return true
		}
	}
}
