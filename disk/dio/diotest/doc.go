// Package diotest is a file system in memory that forgets at a crash what was not
// synced, and fails where a test wants it to.
//
// # Where it sits
//
// Tests of what uses disk/dio take it in the place of dio.Folder.
//
// # Types
//
//   - FS: the file system. Before is called ahead of every call, and may make it
//     fail or wait; StopAt is a process that dies at its n-th call; SetSpace a disk of
//     a size.
//   - Tear: what a crash makes of what was not synced. Tears lists the kinds.
//
// # How a crash is modelled
//
// Crash returns a new FS. Of a file it holds what the last Sync covered, and of each
// later change what the Tear keeps: writes sector by sector, each for itself, since
// disks reorder; changes of the size whole. Of names it holds what SyncFolder
// covered, and of later changes the first ones, since file systems keep the order
// of those (ext4, XFS and btrfs do). A sector that is lost but lies below the end
// that a later change left reads as zero.
//
// After a Sync that failed nothing that it covered becomes durable by a later one:
// the kernel has forgotten that it is to be written.
//
// # Ownership
//
// Everything may be called from any goroutine; one lock guards it all. Before runs
// without the lock, on the caller's goroutine.
//
// # Invariants
//
//  1. A file's durable bytes are what Sync has covered: pending changes are kept
//     apart, in order.
//  2. A call that Before lets fail has no effect, but for a write, half of whose bytes
//     are there, and a Sync, see above.
//  3. On a disk that is full a call has no effect, but for Allocate: the file is as long
//     as there was room for whole blocks, and the disk has none left.
package diotest
