// Package memcache is memcached's protocols, text with meta, and binary: sessions
// that turn the bytes of a client into changes of the store and replies.
//
// # Where it sits
//
// netio's loops drive it through wire.Session, the appliance assembles it, the
// store is slab's. Lines are read by the codec in wire/memcache/ascii, packets by
// that in wire/memcache/binary. A connection's first byte tells which it speaks.
//
//	Session.Feed -> line, body or list -> row of table       -> shard -> Out
//	             -> request or body    -> row of packetTable -/
//
// # Types
//
//   - Config, Settings: what memcached's flags say. Env: what lies around.
//   - Server: makes sessions; what they share.
//   - session: one client's conversation; what of it outlives a call.
//   - worker: what the sessions of a loop share: its handle of the store, its
//     counters, and the memory of the command that runs.
//   - trace, tracer, watcher: what watch shows, see trace.go; connection: what
//     `stats conns` shows.
//   - hotKeys: the keys that a loop samples, see hotkeys.go. fetches: values on their way
//     from the tier on flash, see tier.go.
//   - row: a command. The table in table.go is the only place that names it.
//   - packetRow: its opcodes, see binary.go. The commands look up, store and count by
//     the same functions; only what they read and answer is encoded in another way.
//
// # Ownership
//
// All of a worker and its sessions belongs to the goroutine of one loop. A
// request's tokens are borrowed from the input until its handler returns; a
// store command's data goes straight into a reserved item, which the session
// owns until it is stored or discarded. Replies are appended to Out; a value of
// wire.PinMin bytes or more is pinned and written from where it lies. Atomics
// in Server are what one loop tells the others.
//
// # Invariants
//
//  1. Replies are those of the version that Config.Compat names, byte for byte,
//     but for what transcript_test.go lists as ours on purpose and, where no
//     transcript shows it: mg's l and me's la count from the last access, as
//     protocol.txt has it (there a read counts or not by what the LRU makes of it,
//     the first after a store never); `stats detail dump` is in the order of first
//     commands, and bounded; a clock of milliseconds ends an item's life, not one
//     of seconds; how often a turn ends (conn_yields) without -R; and
//     what dump.go, lru.go and admin.go say where they do it.
//  2. Nothing is reserved while a shard is locked, and one shard at a time is.
//  3. How the input is cut changes no reply, but for lines of more than 2,048
//     bytes and for commands that may not follow another in one piece (watch, the
//     dumps), where memcached's depend on it too.
//  4. A list of keys can be interrupted at any key: by a full output, by the end
//     of the turn, or because its line has not ended.
//  5. No request of the hot paths allocates.
//  6. Nobody waits for a watcher: one that does not read misses lines, and is
//     told how many.
//
// # Limits
//
// Those of the protocol are in ascii and size.go, those of a turn in turn.go;
// foresight looks 16 keys and 4 KB ahead; `stats detail` remembers 65,536
// prefixes of 4 MB, see prefix.go; 20 sessions watch, see trace.go.
//
// # Tests
//
// testdata has transcripts of real servers, see transcript_test.go and
// binary_transcript_test.go. FuzzSession and FuzzBinarySession compare replies under
// different cuts, FuzzDispatcher looks at single lines.
package memcache
