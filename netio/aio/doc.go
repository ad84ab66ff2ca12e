// Package aio has Linux read files without a thread for each read: a Queue hands reads to the
// kernel, and a loop that waits for sockets is told when they have come.
//
// # Where it sits
//
// disk/dio puts one beside each loop, and its workers do what the kernel refuses. It is here
// since it hands the kernel addresses, which only slab and netio may do.
//
// # Types
//
//   - Queue: reads of one goroutine: Add, Flush, Take.
//   - Event: what became of one.
//
// # Source
//
// io_setup(2), io_submit(2), io_getevents(2), io_destroy(2), eventfd(2); the structures are
// those of linux/aio_abi.h (struct iocb, 64 bytes, and struct io_event, 32 bytes). io_uring
// does no more for reads of this kind, and the usual profiles of containers refuse it.
//
// # Invariants
//
//  1. Add and Flush do not wait for the disk: RWF_NOWAIT has the kernel refuse what would,
//     with EAGAIN in the Event.
//  2. A buffer belongs to the kernel from Flush to its Event: the caller keeps it reachable,
//     and not on a stack.
//  3. Every Add that returned true has one Event.
//
// # Limits
//
// The depth given to New; all queues of a machine share /proc/sys/fs/aio-max-nr (65,536
// unless it was changed). New fails on systems other than Linux.
package aio
