// Package netio carries bytes between sockets and sessions: loops,
// connections, listeners, timers. It knows no protocol.
//
// # Where it sits
//
// The appliance builds a Server, tells it where to Listen and how to open a
// wire.Session, and starts it. A session sees nothing of this package.
//
//	poller event -> loop.event -> Core.Event -> read -> Session.Feed -> one write
//
// # Types
//
//   - Server, Config, Listener: what the appliance uses.
//   - loop: one goroutine with one poller; the Host of a Core on real sockets.
//   - poller: epoll on Linux, gnet's kqueue elsewhere; events and posted tasks.
//   - Core, Conn: everything that is decided between a socket's event and a
//     session's bytes. No system calls, no clock of its own: netiotest drives
//     the same Core over sockets that it pretends.
//   - TLS: the Host of a second Core of a loop, between it and the sockets, for
//     connections that are encrypted; TLSConn: one of them.
//   - datagramCore: what Core is, for the sockets of UDP; sources: who may ask there.
//   - Watched: a descriptor that a loop waits for beside its connections.
//   - Latency: how long connections wait for their turn and its replies.
//
// # Ownership
//
// A Core, its connections and their sessions belong to the goroutine of their
// loop. The loop's read buffer and its wire.Out are lent to the connection
// whose turn it is; what a session leaves unconsumed, or a socket does not
// take, moves to a buffer of the loop's pool for as long as it waits. An idle
// connection owns no buffer. The Server owns the loops' goroutines, the ticker,
// and a goroutine for every handshake of TLS, whose socket no loop reads until
// it is done; all end in Stop. Listeners are shared by all loops.
//
// # Invariants
//
//  1. At most one read, one Feed and one write for a wake-up that finds one
//     request; a yielding session's output is held back until its input is
//     used up, within heldTurnsMax and heldBytesMax.
//  2. A connection whose output waits is neither read nor fed, so its output
//     is bounded by wire.Out.Cap and one reply.
//  3. A turn is at most turnSteps reads or feeds; then the others have theirs.
//     The ready list runs once per batch of events.
//  4. Sockets are registered edge triggered, once: pausing and resuming to read
//     costs no system call. An event is tried, never believed.
//  5. Session.Close is called once, with the reason; what is pinned is released
//     once.
//  6. A connection that closes in order loses no byte of its output, whatever
//     input it has not read (close.go).
//  7. A session that answered Park is resumed until it answers something else,
//     on ticks, on Server.Wake, and when its output has drained (parked.go).
//  8. A listener that was left is another process's: it is neither shut down nor
//     removed, and who connected to it here is served (leave.go). One that was
//     adopted as Foreign is never shut down nor removed (adopt.go).
//  9. While wire.Out.Barrier has not been passed, its connection is barred: not
//     written, fed, resumed, read, idle, or cut; its events are noted. Server.Passed
//     writes what waits; nothing waits for a number that was reached (barrier.go).
//  10. TLS and UDP cost plain connections nothing: they are looked for where no
//     plain one has the descriptor (loop.eventOther).
//
// # Limits
//
// They stand at the heads of core.go, buffer.go, tls.go, udpcore.go and the like.
//
// # Tests
//
// core_test.go uses netiotest to drive a Core over pretended sockets, with
// a fake clock; server_test.go and hostile_test.go use loopback. fuzz: go test -fuzz FuzzCore.
package netio
