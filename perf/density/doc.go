// Package density compares what two servers make of the same memory: bytes of
// RSS an item, items and bytes that a limit holds, how well RSS keeps to the
// limit, and what a request costs when there are very many items.
//
// # Where it sits
//
// perf/cmd/pandacheck runs it. It starts servers by perf/peer, loads them by
// perf/load, or by its own connections where sizes are mixed, and speaks to them
// by sockets.
//
// # Types
//
//   - Options: which binaries, how long, how much.
//   - Items, Fit, Churn, Scale: the checks. Each returns a verdict.Report.
//
// # Method
//
// Items: all of RSS behind a load, divided by the items that the server says it
// has; nothing is evicted. What it has when empty is stated, but not taken off: a
// server may touch memory ahead of its use.
//
// Fit: a multiple of what fits is stored, key by key, by several connections. What
// stays is counted twice: as the server says, and by reading all keys back. Of
// mixed sizes, the bytes of keys and values that come back count.
//
// Churn: values whose sizes turn, phase by phase, between 10 B and 1 MB. RSS is
// read once a second; what the process had when it was empty is a constant that
// is taken off and stated.
//
// Scale: two servers of a kind stand side by side, with few and with many items;
// gets of random keys that all hit run on the one and on the other in turns; CPU
// per request of both, as a ratio. It says how much of a server's cost is misses
// of the processor's caches. The same machine's memcached has its own ratio, which
// is printed beside.
//
// # Limits
//
// Linux. Scale at full size needs 10 GB of free memory.
package density
