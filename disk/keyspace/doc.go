// Package keyspace makes a store durable: a log of its effects, snapshots that keep
// the log short, and recovery from both.
//
// # Where it sits
//
// The appliance opens one over its slab.Store before the loops start. The store tells it of
// every effect; sessions ask their Loop what replies wait for. It calls
// disk/effectlog, disk/snapshot and, through them, disk/dio.
//
// # Types
//
//   - Keyspace: the whole. Open recovers; Close makes all durable.
//   - Loop: a loop's side: BeginTurn, Observe, EndTurn, EndBatch, Full.
//   - Mode, Fsync: what is promised. Recovery: what Open found.
//
// # Goroutines
//
// The writer closes epochs, writes and syncs them; the snapshots' takes snapshots; the
// watch's keeps KEYSPACE, and looks how full the disk is. Close ends them, Open its own.
//
// # How an effect becomes durable
//
//	shard lock ─ Append: the buffer of the loop, the epoch that is open
//	writer     ─ closes the epoch, takes every buffer's half of it ─ Writer.Write ─ Sync
//	           ─ Released grows ─ Passed: loops let replies go
//
// An epoch is open until the writer is woken: behind a batch of events where replies
// wait (by a bell, if a group was just written), every 20 ms else, or when a loop has
// 512 KiB.
//
// # Invariants
//
//  1. An effect's epoch is read under its buffer's lock, which a loop may keep for
//     a turn, and the writer takes behind closing the epoch. So an epoch that was
//     taken is whole, and what a client did because of a reply is in no earlier
//     epoch: after a crash there is a prefix of whole epochs.
//  2. With FsyncAlways no reply leaves that tells of an effect, its own or another's,
//     that is not durable. Of reads it holds those back that saw one.
//  3. Nothing waits for the log under a lock. A loop whose buffer is full runs no
//     request that changes something until the writer has taken what is there.
//  4. A snapshot is published when the log durably has all effects that the walk may
//     have seen, and only then is the log behind its beginning forgotten.
//  5. Evictions and expiries are effects, so that recovery brings nothing back that was gone.
//  6. Tokens go on above all that were ever given out: the folder says up to where.
//
// # The folder
//
//	KEYSPACE              text: version, base of sequences, last segment, snapshot
//	LOCK                  locked by who uses the folder
//	<number>.log          see disk/effectlog
//	<number>.snapshot     see disk/snapshot
//
// # Limits
//
// Config.LoopBytes of effects wait in a loop's buffer, and those of the requests that
// run when it is full; large values count, and stay where they are, pinned.
//
// # Tests
//
// crash_test.go stops at some calls of the disk, with some tears, also within recovery;
// with -every-crash at each call, with each tear, for half an hour.
package keyspace
