// Package crash kills a server again and again under load, and checks each time what
// came back: nothing that was promised is missing, and nothing is half there.
//
// # Where it sits
//
// perf/cmd/pandacheck runs it (`pandacheck crash`), and its own test does for seconds. It
// starts servers by perf/peer with a data folder, kills them by SIGKILL, and speaks
// sockets only.
//
// # Types
//
//   - Options: which promise, how many rounds. Run returns a verdict.Report.
//   - client: a connection, and the keys that only it writes. entry: such a key.
//   - state: what a key may be. history: what a client did since the last crash.
//   - Wrong: what came back and may not be there, or did not and must.
//
// # Method
//
// A client sends batches of requests about its own keys, so that it knows the reply to
// each before it is sent, and numbers them. The server handles a connection's requests
// in order, and keeps its changes in order. So what comes back behind a crash must be,
// for all keys of a client together, the state behind some number p of requests. Each
// key's values bear the number of the request that made them; a key that is found in a
// state allows those p at which it had it, and some p must be allowed by all keys.
//
// A reply, also that to a read, tells of the last change of its key; so does a value that
// another client sees. With fsync=always p is not less than any number that was told.
// With everysec it is not less than any number that was told a second before the crash.
// And whatever was answered before a request was sent that came back came back, too,
// whoever's it was: prefixes are those of one common order. A flush_all, which is sent
// while the clients rest, is behind a crash for all of them or for none.
//
// The times to live and the CAS tokens must be as they were, and tokens go on above all
// that were ever seen. Keys of class mortal expire while the check goes on: they may be
// gone, but not be there behind their time.
//
// Some recoveries are killed, too, at any time from their beginning on.
//
// # Limits
//
// Linux. SIGKILL ends the process and not the machine: what was written and not synced
// survives it. What a failing machine takes back, disk/keyspace's crash_test.go shows.
package crash
