// Package snapshot is the file of a keyspace's snapshot: records in frames, with a head
// and a trailer. It knows files, not the keyspace.
//
// # Where it sits
//
// The engine of a durable keyspace walks its items and gives a Writer their records,
// while writes go on; at the next start it has Newest and Read give them back, and
// plays the log back on them, with effectlog.ReadOptions.After = Header.Begin. It calls
// disk/dio, and effectlog for the records' codec.
//
// # Types
//
//   - Writer: Create, Append, Finish, Publish; or Abandon.
//   - Newest: the published one that counts. Read: its records, in batches.
//   - Header, Trailer: what it is a snapshot of, and what is in it.
//   - Inspect: the frames of any file, also of a damaged one.
//   - DamageError: the file, the offset and the record that cannot be believed.
//
// # Ownership
//
// A Writer has one goroutine that calls it, and owns one that writes, which Finish and
// Abandon end; it copies what it is given. Append waits for at most one write of a MiB
// for each MiB it is given. Read owns its goroutines, and ends them before it returns; a
// Batch is its visitor's until the visitor returns. One Writer at a time works in a folder.
//
// # Invariants
//
//  1. What has a published name was whole and durable before it got it. Its records
//     contain all effects up to Begin, and some of those up to End.
//  2. Older snapshots are removed only when the name is durable. So after a crash the
//     newest is the old or the new one. When Publish has returned nil, it is the new
//     one, and the log may forget what is not after its Begin.
//  3. A Writer that fails removes its file at once, and touches no other.
//  4. Read returns no error only for what Finish wrote, bit for bit. A newest snapshot
//     that somebody has removed is not noticed here but by effectlog.Read, when the log
//     has been forgotten: it then begins later than behind the older one's Begin.
//
// # Layout
//
// Numbers are little-endian. A snapshot, <serial>.snapshot, until it is published
// <serial>.snapshot.temporary:
//
//	block   4096   magic "PNDSNAP1", CRC-32C of the rest 4, version 4, serial 8,
//	               identity 8, begin epoch 8, creation 8 (milliseconds since 1970), zeros
//	frames         each from a multiple of 4096 on, zeros behind its records
//	trailer        a frame, the last
//
//	frame     64   magic "PNDSFRM1", CRC-32C of the rest 4, bytes of records 4, identity
//	               of the file 8, number 8 (from 0), records before it 8, records 4,
//	               CRC-32C of its records 4, flags 4 (1: trailer), zeros 12
//	records        as effectlog has them, each with its checksum
//
//	trailer        begin epoch 8, end epoch 8, creation 8, serial 8, frames 8, bytes of
//	131128         records 8, CRC-32C of the checksums of head and frames in order 4,
//	               slots 4 (16384), the last sequence of each slot 8
//
// A version that this program does not know is refused, and not salvaged. Magic,
// checksum and version of the block keep their places in all versions.
//
// # Limits
//
// Appended at once: 8 MiB, or one record. A Writer has 3 MiB of memory; a reader 5 MiB
// for each of up to 8 checkers and three more (25 MiB with 2 processors), 1 MiB, and the
// largest frame if that is more than 1 MiB, which is what was appended at once.
//
// # Tests
//
// crash_test.go ends a Writer at each of its calls, with each tear; damage_test.go flips
// bits. FuzzRead; `go test -run TestLayout -rewrite` writes testdata anew.
package snapshot
