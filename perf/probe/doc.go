// Package probe asks a server for something at a steady pace and keeps how long
// each reply took.
//
// # Where it sits
//
// perf/checker and perf/events run one beside their load. It knows no key but
// its own.
//
// # Method
//
// A Probe sends one request at each planned time and waits for its reply. A reply
// counts from the planned time, so that a server that stalls is blamed for all
// that it kept waiting, unless the probe itself woke up late: that is counted
// apart, since it says something of the machine only.
package probe
