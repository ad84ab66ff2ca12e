// Package perf measures panda against memcached and against the floor, and
// says whether the figures hold their bars.
//
// # Where it sits
//
// perf/cmd/pandaperf is its command, and `make compare` runs it:
//
//	go run ./perf/cmd/pandaperf                      all, some minutes
//	go run ./perf/cmd/pandaperf -quick -rows get     seconds, for development
//	go run ./perf/cmd/pandaperf -subject memcached   memcached against itself:
//	                                                 what the method is worth
//	go run ./perf/cmd/pandaperf -durable -dir DIR    what durability costs, on a disk
//	go run ./perf/cmd/pandaperf -tier -dir DIR       values on flash
//
// It starts servers by perf/peer and loads them by perf/load. It imports
// nothing of the server: what it measures, it measures from outside. How well
// memory is used, perf/hits compares (`make hits`), from traces of perf/trace.
//
// # Method
//
// Two servers run side by side with the same keys. A row is a load; a round
// runs it on A, B, B and A, the next on B, A, A and B. The figure is the
// server's CPU per request (package peer); the ratio is taken round by round,
// and its median is held against the bar. Absolute figures differ from day to
// day and machine to machine, the ratio of neighbours does not. The tail
// (p99.9) is taken at half of memcached's maximum rate, from planned times.
//
// Durability is measured in the same turns, for seconds instead of requests, beside the
// same server without it and beside redis: CPU, rate, and the tail at half of the rate
// that the peer reaches, from planned times. What fsync=always reaches with 50 writers is
// held against perf/groupsync, which makes as many bytes durable as the server's groups
// had, in turns with it and in the same folder.
//
// Second tiers are measured in turns, too, with ten times the data that memory holds: when
// it was loaded at once, and when memcached has made room for all keys.
//
// # Output
//
// WriteTable is for people, WriteBench for benchstat. Two builds are compared
// with each other in one run, round by round, or by benchstat from two reports
// that were taken in one sitting:
//
//	go run ./perf/cmd/pandaperf -panda NEW -base OLD
//	go tool benchstat -filter /server:panda old.txt new.txt
//
// perf/results keeps reports that decisions rest on, as the command wrote them.
//
// # Profiles
//
// With -profile DIR each row runs once more and its CPU profile is saved, from
// the server's own panda_pprof address (or Linux's perf, for memcached):
//
//	go run ./perf/cmd/pandaperf -quick -rows set/depth=64 -profile DIR
//	go tool pprof -top DIR/set-depth64-t2.pprof
//
// # Invariants
//
//  1. A figure exists only if every reply was right and every get hit.
//  2. Both servers of a contest get the same requests in the same order.
//  3. Every server that was started is stopped.
//
// # Limits
//
// Linux. A machine that does other work at the same time disturbs more than
// both sides alike (memcached's threads contend less when they take turns on
// one core): the report says when it was busy. Servers and generator share the machine's cores, so throughput is not
// a figure of the comparison; scaling past them cannot be seen here.
package perf
