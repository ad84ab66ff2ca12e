// Package hits compares how well two servers use the same memory: their hit
// ratios under the same requests.
//
// # Where it sits
//
// perf/cmd/pandahits is its command. It starts servers by perf/peer, takes keys
// from perf/trace, and speaks to the servers by sockets.
//
// # Method
//
// A client reads through: it asks for keys, and stores what it missed. It sends
// one batch at a time on one connection, the sets of the last batch's misses and
// one get of the next keys, so that a server sees exactly the same keys in the
// same order as the other; which are stored again follows from its own misses. A
// key that occurs twice in a batch is asked for twice and counts as the server
// answers. Every value is checked, and the counts are held against the server's
// own (`stats`).
//
// The table: traces with footprints that are multiples of the memory, which is
// the default 64 MB. A footprint is the sum of keys and values, overhead not
// counted. The warm-up visits many keys once, so that memory is full, then runs
// the trace; only what comes after counts.
//
// Calcification: values of 100 bytes, then others of 4 KB, then those of 100
// bytes again, at a fixed rate in real time, since memcached moves pages by its
// clock. Each minute counts for itself.
//
// # Types
//
//   - Options: what to run. Run returns a Report, which WriteTable prints.
//   - Row, Cell: a trace at a footprint, and what came out of it.
//   - Calcification, Minute: the phases, and what came out.
//
// # Verdict
//
// A cell passes when our hit ratio is not below the other's in what is printed,
// a hundredth of a percent.
//
// # Limits
//
// Ratios repeat to about a tenth of a percent: memcached moves items between its
// queues in a thread of its own, by its own clock.
package hits
