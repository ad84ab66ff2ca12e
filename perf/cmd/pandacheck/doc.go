// Command pandacheck holds a server to what acceptance says of its correctness
// under memory pressure: package checker.
//
//	pandacheck soak [-duration 10m] [-seed N]     every value and token verified, under eviction
//
// It starts the server itself: panda, built from this module's source or given by
// -panda, or memcached with -subject memcached, to see what the check is worth.
// Exit status 0: all held; 1: something did not; 2: nothing could be checked.
package main
