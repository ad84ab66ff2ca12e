// Package floor builds the floor: a server in C that answers get and set
// without parsing or storing, which is as little as a server can do on one
// thread with epoll. What a real server costs above it is the server's own;
// what the floor costs is the kernel's.
//
// perf/peer starts the program. The source is compiled by the machine's own C
// compiler when it is needed, with -O2, and nothing of it is linked into
// anything of ours: a build constraint keeps cgo away from floor.c.
//
// Limits: values of at most 4 KB, all of one size; keys of the load's default
// shape in its replies, so the load accepts any key from it (Config.AnyKey).
package floor
