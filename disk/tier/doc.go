// Package tier is a second tier behind a cache: values on flash, found by the
// references that their owner keeps in memory.
//
// # Where it sits
//
// A cache's keyspace gives it values that memory has no room for, sessions read them
// back. It calls disk/dio. It knows neither the keyspace nor a protocol.
//
// # Types
//
//   - Tier: pages in files; Ref: where a value is, 12 bytes.
//   - Read: a value on its way back. Bucket: values that belong together.
//   - Owner: who says, when a page is compacted, which values are alive.
//   - Policy, Stats, PageStat: the operator's.
//
// # Ownership
//
// Loops call Append, Delete, Live and Read, which never wait for a disk. The kernel reads,
// for a loop's own dio.Queue; workers of two dio.Pools do what it does not, and write; one
// goroutine compacts. The Tier owns them, Close ends them.
// A Read's memory is its owner's until Release, or, after Keep, until Tier.Release. One
// lock guards all but the copying and the checksums; no call of an Owner is under it.
//
// # Invariants
//
//  1. What Read gives is what Append took, or an error: the checksum covers head, key,
//     value, and the place: page, version, offset. So a page that was used again
//     meanwhile is never taken for the value.
//  2. A page is opened with a version that no page had before, and a Ref of another
//     version is dead. Nothing of a page is used again while a write to it is on its way.
//  3. An error costs values, which are misses then, and never more: after a write that
//     failed its file takes no more. What else is in the file can be read as long as the
//     disk can.
//  4. ErrGone means dropped for want of room. What the disk lost is ErrDamaged, or the
//     disk's error: the page stays until its room is needed.
//
// Nothing is durable: a tier begins empty, whatever is in its files, unless CloseKeeping
// ended the one before, and the owner has its mark (keep.go).
//
// # Layout
//
// A file is pages one behind the other, a page is what write buffers held, each from
// a block (4,096 bytes) on, zeros behind its records, and in front of one that a small
// gap saves a block to read. A record, from a multiple of 8 on:
//
//	 0  checksum  4  CRC-32C of page, version, offset and all that follows
//	 4  value     4  its length
//	 8  key       2  its length, not 0
//	10  head      2  its length
//	12  head, key, value
//
// # Room
//
// Pages fill one after the other, one at a time for each bucket. When none is free, the
// oldest is dropped, with all in it. Before that, pages of which little is alive are
// compacted: their values are appended again, and the owner is told.
//
// # Limits
//
// 8 write buffers; 256 reads and 32 MB of them at a time, 8 MB of read buffers kept
// beside; a million pages; a value with its key and head is no longer than a buffer.
//
// # Tests
//
// Over diotest's memory, with faults at every call; FuzzWalk looks for records in any
// bytes, FuzzKept changes what CloseKeeping wrote.
package tier
