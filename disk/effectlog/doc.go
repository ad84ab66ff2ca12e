// Package effectlog is the log of a keyspace's effects: records in frames, frames in
// segments. It knows files, not the keyspace.
//
// disk/keyspace gives a Writer what the loops have collected, and plays Read's batches
// back at the next start. It calls disk/dio.
//
//   - Record: one effect, the state after it. AppendRecord, ParseRecord: its codec.
//   - Writer: appends epochs, makes them durable, begins segments and forgets them.
//   - Read: visits the log; Tail: where it ends; Repair: ends it there for good.
//   - Inspect: tells what is in the files, also of a log that is in use.
//   - DamageError: the file, the offset and the record that cannot be believed.
//
// A Writer has one user, and borrows chunks until Write returns; its keeper, a goroutine
// that Close ends, makes and removes files. Read and Inspect read ahead on goroutines of
// theirs, and visit on the caller's; a Batch is its visitor's until he returns.
//
// # Invariants
//
//  1. What Read visits is whole epochs, all of them up to Tail.Epoch, in order. A frame
//     of several epochs is visited whole, or not at all.
//  2. Every epoch that Durable has named is among them.
//  3. Only the last segment may have a torn end: a segment's end is durable before the
//     next is written to, and Repair ends the last before a Writer goes on. What is only
//     a head behind the last is a segment made ahead, and no damage.
//  4. An epoch stands in one segment. Effects of one slot may stand in it in any order.
//  5. A place that is not whole is torn only if nothing behind it was written when more
//     was durable than what is before it; otherwise it is damage. Note writes that down
//     for the last epoch. That whole segments are gone, Tail.Ends tells.
//
// # Layout, little-endian; a segment is <serial>.log
//
//	block   4096   magic "PNDALOG1", CRC-32C of the rest 4, version 4, serial 8,
//	               identity 8, first epoch 8 (or less), zeros
//	frames         each from a multiple of 4096 on, zeros behind its records
//	zeros          what is allocated and not written
//
//	frame     64   magic "PNDFRAM1", CRC-32C of the rest 4, bytes of records 4, identity
//	               of the segment 8, last epoch 8, durable epoch 8, records 4, flags 4 (1:
//	               the last epoch ends, 2: the segment ends, 4: only a note of what is
//	               durable), first epoch 8 (that of the frame before, plus 1), zeros 8
//	records
//
//	record     4   CRC-32C of the rest
//	           4   bytes of it all
//	           1   kind: 1 set, 2 touch, 3 delete, 4 expire, 5 evict, 6 flush,
//	               7 flush all (its value: marks.go), 8 state (its key: a protocol), 9 mark
//	           1   type of the value: 0 bytes
//	           2   fields: 1 expiry, 2 CAS, 4 flags, 8 bits, 16 database
//	           4   length of the key
//	           8   slot sequence << 14 | slot
//	               those of: expiry 8 (ms since 1970), CAS 8, flags 4, bits 4, database 4
//	               key, value, of up to 1 GiB
//
// 1 MiB of epochs wait in memory for Flush or Sync; a frame of one epoch has 8 MiB, or one
// record. A reader keeps 20 MiB, a larger frame, and an epoch of several frames.
//
// crash_test.go ends a writer at each of its calls, with each tear; damage_test.go flips
// bits. FuzzRecord and FuzzRead; `go test -run TestLayout -rewrite` writes testdata anew.
package effectlog
