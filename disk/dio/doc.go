// Package dio is all file I/O of what must survive: logs, snapshots, value regions
// and, later, tables. Nothing else in the product writes such a file.
//
// # Where it sits
//
// Engines (disk/...) call it, with a folder that Open was given; it calls the
// kernel. Tests put diotest's memory in its place, which loses at a crash what was
// not synced.
//
// # Types
//
//   - FS: one folder; names in it are relative and separated by slashes.
//   - File: positioned reads and writes, allocation, Sync.
//   - Pool: workers who do File's calls for those who may not wait, the loops.
//   - Queue: a loop's reads, which the kernel does without a worker.
//   - Bell: wakes who writes for others sooner than Go's scheduler does.
//   - Aligned, AlignedHuge: a buffer for files opened with Direct.
//
// # Ownership
//
// A buffer belongs to the call until it returns, or until Done is called. A File
// may be used by several goroutines at a time; Close waits for calls that are under way.
//
// # Invariants
//
//  1. What was written is durable when Sync has returned nil, and not before. What
//     became of a name (created, renamed, removed) is durable when SyncFolder has.
//  2. After a Sync that failed, every later write and Sync of that File fails, with
//     the first error. The kernel forgets after one report that pages could not be
//     written, so a second Sync that returns nil would say nothing (fsync(2), NOTES).
//  3. A write is whole or an error; how much of a failed write is in the file is
//     unknown.
//  4. With Direct, buffers, offsets and lengths are multiples of BlockSize, on a file
//     system without direct I/O and in diotest, too.
//
// # Direct I/O
//
// A file opened with Direct bypasses the page cache where the file system can do so
// (O_DIRECT, open(2)): a log that is only written, and regions that have a cache of
// their own, would push out of memory what others need. Where it cannot (tmpfs before
// Linux 6.6, systems other than Linux) File.Direct says so, and all else is the same.
//
// # Limits
//
// 1,024 buffers in one system call (IOV_MAX; more are done in several); PoolQueueMax
// calls wait in a Pool; the kernel has as many reads of a Queue as NewQueue was told.
//
// # Tests
//
// TestFolder and TestMemory run one course over the kernel's files and diotest's;
// FuzzSame runs operations that its input chooses on both.
package dio
