// Package events measures how late replies come because of what happens inside a
// server: memory that moves between sizes, an index that grows, items that expire
// together, a snapshot that is taken while all of it is written.
//
// # Where it sits
//
// perf/cmd/pandacheck runs it. Servers come from perf/peer, load from perf/load and
// its own connections, latencies from perf/probe.
//
// # Method
//
// A scene has a load without the event (the baseline) and then the same load with
// it. Beside the load, two probes ask the server for a key once a millisecond, on
// connections of their own, which servers give to different threads; and two ask
// an idle server of the same kind, which has nothing to be late for. The load is
// one connection at depth 16, so that one thread of load and one of the server work
// in turns and a core is left for probes.
//
// A reply later than 5 ms coincides when at that moment a reply of the idle server
// was late too (by half as much), or a probe was not woken in time: then it was the
// machine. The others are unexplained. The scene runs on ours and on memcached in
// turns. It holds when replies without explanation are not more frequent in the
// event than in its own baseline, by more than two standard deviations and one
// reply; none at all is what one wants to see, and what a quiet machine shows. A
// snapshot may not make RSS grow by more than a twentieth, either.
//
// # Types
//
//   - Options: binaries and size. Run returns a verdict.Report.
//   - scene: an event. stage: the servers of one run of it. phase: what the
//     probes saw.
//
// # Limits
//
// The index scene at full size fills 16 M items, 2 GB. A machine that stops one
// core only can look like a late server: compare with the baseline and with
// memcached, and run it again.
package events
