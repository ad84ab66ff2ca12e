// Command pandacheck holds a server to what acceptance says of correctness under
// memory pressure and behind crashes, of density, and of latency while memory moves.
//
//	pandacheck soak     every value and token verified, under eviction; 10 minutes
//	pandacheck exhaust  memory exhausted with -M: exact errors, nothing lost
//	pandacheck items    RSS of 5 M items                          (package density)
//	pandacheck fit      items and bytes that -m 64 holds
//	pandacheck churn    RSS while sizes turn; 10 minutes
//	pandacheck scale    CPU per get at 50 M items; 10 GB
//	pandacheck events   late replies while memory moves, an index grows, items expire
//	pandacheck restart  5 M items served after a stop by SIGUSR1  (package restart)
//	pandacheck density  items and fit
//	pandacheck snapshot late replies and memory while snapshots of 5 M items are taken
//	pandacheck recovery 5 M items from a snapshot, and from a log  (package restart)
//	pandacheck crash    100 kills under load, and what comes back  (package crash)
//
// It starts servers itself: panda, built from this module's source or given by
// -panda, and memcached beside it. Flags, behind the name: -quick (seconds, for
// development), -duration D, -seed N, -subject memcached (soak and exhaust, to see
// what the check is worth), -memory MB, -threads N, -scenes EXPR, -alone (scale,
// events and restart: without memcached), -dir DIR (of the memory file, or of the data
// folder), -fsync always,everysec,no (crash; soak: with a log and restarts, the duration
// for each), -flash (both: and a second tier), -rounds N (crash).
//
// Exit status 0: all held; 1: something did not; 2: nothing could be checked.
package main
