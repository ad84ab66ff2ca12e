// Package peer starts real servers, says what they cost, and stops them.
//
// # Where it sits
//
// perf and the end-to-end tests call it. It starts memcached, redis, our own binary
// in memcached's place or, with persistence, under its own name, or the floor
// (perf/floor), and reads their CPU time and memory from /proc.
//
// # Types
//
//   - Spec: which server, with how many threads, on what socket.
//   - Persist: what of its data it keeps.
//   - Server: a running one. Stop ends it, by its process and by no name; Kill is a crash.
//   - CPU, Memory: a reading of what it has used.
//
// # CPU time
//
// The first field of /proc/PID/task/TID/schedstat is a thread's time on a
// core, user and system, in nanoseconds; /proc/PID/stat counts in hundredths
// of a second. The kernel brings it up to date at its tick while a thread
// runs, and at once when it stops: read it when the load is over. A thread
// that ended takes its figure along, so a Server keeps the last one seen. Processes
// that redis forks count, when they are gone in hundredths of a second.
//
// # Ownership
//
// A Server's methods are called from one goroutine. Who starts one stops it;
// on Linux the kernel also kills it when we die first.
//
// # Limits
//
// Readings need Linux. A server that does not answer within startLimit, or
// does not end within stopLimit, is killed and reported.
package peer
