// Package load is a black-box load generator for memcached's protocols, text,
// meta and binary, and redis's, over TCP, TLS, UDP and unix sockets: it talks to a
// server over sockets and knows nothing else of it.
//
// # Where it sits
//
// perf calls Run once per measured cell, against a server that perf/peer
// started. The generator shares the machine with the server, so what it burns
// the server cannot have: requests are templates in which only the digits of
// the key change, replies are compared where they lie in the read buffer, and
// a few workers drive all connections by edge-triggered epoll.
//
// # Types
//
//   - Config: what to send, how much of it, in which shape.
//   - Result: what came back, and how long it took.
//   - stream: the requests and expected replies of one connection; it does no
//     I/O and reads no clock, so tests drive it with plain bytes and times.
//   - schedule: the planned send times of an open loop.
//   - conn: a stream's socket; secure: the TLS between them, which reads and
//     writes memory.
//   - worker: the sockets, the clock and the epoll of a share of the streams.
//
// # Closed and open loop
//
// Closed: each connection sends Depth requests in one write, waits for all
// their replies, and sends the next ones. Open (Rate > 0): request i is due at
// start + i/Rate, on the connections in turn, whether or not earlier replies
// have come. A latency runs from the due time, not from the send, so that a
// stall of the server counts against every request that it delayed (no
// coordinated omission). Burst requests may be due together, in one write.
//
// A binary batch deeper than one is quiet: only hits and the noop behind it are
// answered. Over UDP each request is a datagram, and waits for its reply.
//
// # Ownership
//
// A worker, its goroutine and its streams live for one Run. The only memory
// shared between workers is read-only: templates and the table of zipf draws.
//
// # Invariants
//
//  1. Every reply is checked against the request that it answers; the first
//     wrong one ends the run with an error that shows it.
//  2. Nothing is allocated per request.
//  3. A run is bounded: by Requests or Duration, and by StallLimit without a
//     single reply.
//
// # Limits
//
// Linux only (epoll, timerfd); elsewhere Run returns errors.ErrUnsupported.
// A value holds its key's 8 digits first, when it is 8 bytes or longer, so
// that a value which belongs to another key is seen.
package load
