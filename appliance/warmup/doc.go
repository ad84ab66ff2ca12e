// Package warmup fills a running cache from another one, which goes on serving.
//
// # Where it sits
//
// `panda import` (appliance/cli) calls Run. Both sides are reached over sockets
// only, in memcached's text protocol, so either may be memcached or panda.
//
//	source: lru_crawler metadump all ─ keys ─► spool ─► worker: mg k v f t k O q u ─ values ─► target: ms … M<mode> q
//	        one connection                              several, each with a connection to either side
//
// # Types
//
//   - Config, Run: one import.
//   - Progress: what was done so far, counted by Outcome; anybody may read it.
//   - Entry, Reply: the codecs (metadump.go, reply.go, request.go), no I/O.
//   - spool: keys on their way, bounded in memory (spool.go).
//
// # Ownership
//
// Run starts all goroutines and joins them: one reads the dump, three serve each
// worker (they ask, carry and confirm), so that no side ever waits for one that
// waits for it. What a Parse function returns is borrowed from its input.
//
// # Invariants
//
//  1. The dump is read as fast as it comes. memcached's crawler waits for its
//     reader with the crawler's lock held (crawler.c); then the commands of
//     lru_crawler, and a growth of the hash table with everything behind it,
//     wait, too. So keys are taken in at once, and what the workers cannot take
//     yet goes to a temporary file. It is `all`, never `hash`: that holds a
//     bucket's lock while it waits.
//  2. Memory is bounded whatever the size of the source: values pass through
//     fixed buffers, keys through the spool.
//  3. What the target has is newer: it is kept, unless Overwrite.
//  4. An item outlives its expiry by no more than the time between its reply and
//     its store; one that expires in the second of the reply is not carried. Over
//     a month a TTL is a point in time, counted from each server's clock, which
//     in memcached may be a second late.
//  5. The source's order of eviction is left alone: u keeps an item from being
//     moved or marked as fetched. Its counters of gets move, and an item that is
//     marked stale gives its win token away (to a reader that will not use it).
//
// # Limits
//
// Base64 makes keys longer: a key that text cannot carry (a space or a control
// character in it) and that has over 187 bytes cannot be asked for. CAS tokens
// and the times of last access are not carried; the oldest items come first, so
// that the order of eviction is about kept.
//
// # Tests
//
// Codecs by FuzzMetadump and FuzzReply; against a scripted peer over pipes
// (run_test.go); from Debian's memcached into a node in this process
// (memcached_test.go).
package warmup
