// Package wire holds what every protocol shares: the Session that turns a
// stream of bytes into replies, and the Out that carries the replies away.
//
// # Where it sits
//
// netio owns sockets and loops and drives a Session; a protocol package
// (wire/memcache, later wire/redis) implements it. Neither knows the other:
// this package is the whole of what they have in common.
//
//	netio loop -> Session.Feed(bytes, *Out) -> command row -> slab -> Out -> one write
//
// # Types
//
//   - Session: one client's conversation; Parked: one that waits for something
//     else than input.
//   - Next: what a Session wants to happen after a call; Reason: why no more will.
//   - Out: the replies of one turn, a queue of own bytes and pinned memory.
//   - Releaser: who gets pinned memory back.
//   - Datagrams: the same for requests of one datagram each. Its replies are
//     made one datagram at a time, when the layer below can send it, so that the
//     longest one needs the memory of a batch of them.
//   - Transport: the counters of the layer below, for a protocol's statistics.
//
// # Ownership
//
// All calls on a Session and its Out come from the one goroutine that owns the
// connection. Bytes given to Feed are borrowed until it returns. Bytes behind
// Out.Buf belong to Out; bytes given to Out.Pin belong to their Releaser until
// Out calls Release, which happens exactly once, whether they were written or
// the connection died.
//
// # Invariants
//
//  1. Replies leave in the order in which they were appended.
//  2. A Session that returned Full, Yield, More or Park is called again; one that
//     returned Close or Cut gets its method Close and nothing else.
//  3. Feed makes progress, returns More, or returns Full with an Out.Barrier that
//     has not been passed: netio never spins on it.
//  4. The output of one connection is bounded by Out.Cap plus one reply.
//  5. A datagram given to Datagrams leaves nothing behind for the next one.
//  6. While Out.Barrier has not been passed no byte of the connection is written,
//     and its session is not fed, not resumed, and its socket not read. Only the end
//     (Close) may come in between; what waits is dropped then.
package wire
