// Package groupsync measures how often a file system makes a group of so many bytes
// durable, by a loop in C that does nothing else: what a log that syncs before it
// answers is held against.
//
// perf compiles it and runs it in turns with a server, in the server's data folder.
// The source is compiled by the machine's own C compiler when it is needed, as that of
// perf/floor is, and nothing of it is linked into anything of ours.
//
// Limits: groups of at most 1 MiB; the file that is written has 256 MiB, and is
// removed.
package groupsync
