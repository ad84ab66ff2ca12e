// Package slab is the keyspace: shards, their index, and the memory of items.
// It knows no protocol.
//
// # Where it sits
//
// Sessions (wire/...) call it from the loops; it calls nothing of ours.
//
//	k := h.Key(0, name)                // hash and slot, once per request
//	it, err := h.Reserve(&k, spec)     // memory, before any lock; may evict
//	it.WriteAt(body, 0)
//	l := h.Lock(&k)                    // the key's shard
//	cas := l.Put(it, nowMS)            // or l.Find, then look or change
//	l.Unlock()                         // frees what was replaced
//
// # Types
//
//   - Store: everything; Handle: one loop's way into it.
//   - Key: a key with its hash and its slot. Key identity is (db, bytes).
//   - Locked: one key's shard, locked, and what may be done there.
//   - Item: an item's memory, borrowed until Unlock. Tier: where values go (tier.go).
//   - Effect, EffectReader: the one tap from which persistence and replicas drink.
//
// # Ownership and locks
//
// A shard's lock guards its index and the items in it. The lock of a free list
// guards the runs of one class in one domain, that of the segments the index's
// memory, the arena's lock the runs that nobody has. Order: the search for memory
// (Store.reclaiming), shard, free list or segments, arena; the search only tries
// a shard's. A reserved item belongs to who reserved it. The value of a pinned
// large item may be read without a lock. One goroutine, the populator, belongs to
// the Store, and after a restart the one that checks; Close ends them.
//
// # Invariants
//
//  1. An item's first word is not zero if and only if it is in the index. It is
//     written atomically, under the shard's lock.
//  2. Every change of a shard goes through commit.
//  3. Memory is allocated before a shard is locked. (Two exceptions take only what
//     is free without evicting: Locked.rebuild, and eviction where it moves items.)
//  4. A run keeps its class while a chunk of it is out or eviction looks at it.
//     Eviction moves an item only under its shard's lock, and a large value's
//     piece only while nobody has pinned it.
//  5. No Go pointer is kept in the arena, so the collector never looks there.
//  6. Nothing of a restored run is read or written before its checksum was compared.
//
// # Layout
//
// The arena is address space in runs of 64 KiB. A run is cut into chunks of one
// size class, or into index segments, or is one piece of a large value. An item:
//
//	 0  stamp      8   slot sequence << 14 | slot
//	 8  lengths    4   value length (16 bits), group (6), heat (2), key length (8)
//	12  bits       4   14 bits (item.go), access time in seconds (18)
//	    large      8   references, value length      values from 16 KiB
//	    cas        8   a token that the client chose
//	    expiry     6   milliseconds since the epoch; also where a chunk has room for it
//	    flags      4   the client's
//	    db         2
//	    key            then the value, or (aligned) the references of its pieces
//
// With Config.File the arena is that file: run n at byte n * 65536, nothing in run
// 0. What else there is Save writes into FILE.meta (restart_metadata.go draws it).
//
// Containers of other protocols will be items of another type (three of the
// bits), whose nodes are named by numbers local to the item: a table there, one
// entry a node, is all that a page move has to patch. Keys above 255 bytes will
// have their length in a field of its own (bitLongKey).
//
// # Limits
//
// Keys up to 255 bytes, values up to 1 GiB, 8 TiB of memory (40 bits of 8
// bytes), 3 days of access clock (idle times stay at 2 days).
//
// # Tests
//
// FuzzStore runs operations that its input chooses against a model; FuzzRestartMetadata
// is fast with TMPDIR on a tmpfs. In race builds the arena is Go memory, so that the
// race detector sees every access.
package slab
