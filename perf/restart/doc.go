// Package restart measures a warm restart: how long it takes until a server that
// was stopped by SIGUSR1 serves what it had, and whether all of that is right; and what
// a start costs that recovers as much from a snapshot or a log.
//
// # Where it sits
//
// perf/cmd/pandacheck runs it. It starts servers by perf/peer with -e, speaks to
// them by sockets, and damages their memory file while nobody runs.
//
// # Method
//
// One memory file, five starts:
//
//	1  -t 2   begins empty, is filled; every item is read once; SIGUSR1
//	2  -t 1   the time from its start until the first hit, and until a sample of
//	          items has come back right; then every item is read; SIGUSR1
//	3  -t 3   one bit of one value was flipped: that item is a miss, some that lay
//	          beside it may be, the rest is right; SIGUSR1
//	4  -t 2   what was lost stays lost, the rest is right; SIGKILL
//	5  -t 2   begins empty
//
// Key, flags and value of an item follow from its number, and everything that comes
// back is compared byte for byte. memcached is measured beside: starts 1 and 2, with
// as many threads, since it knows no damage.
//
// Recovery: a data folder is filled, with a snapshot or with nothing but the log, and
// servers start on it one after the other. What they have used of the processors when
// they serve counts, and every item is read.
//
// # Limits
//
// Linux, a tmpfs with room for the file. memcached refuses a file that was saved in
// the same second, so a start waits for the next one.
package restart
