// Package checker talks to a server as many clients do at once, and knows what
// each reply may be.
//
// # Where it sits
//
// perf/cmd/pandacheck runs it against a server of perf/peer for as long as asked,
// and this package's tests do for seconds. It speaks sockets only. Config.Restart starts
// a server again that keeps its data: what is known goes on, and what was gone stays gone.
//
// # Types
//
//   - Config, Report: what to check, what was done. Run, Exhaust: the checks.
//   - Wrong: a wrong answer, with the conversation that led to it.
//   - client: connections after each other, and the keys that only it writes.
//   - entry: the model of one such key. shared: a key that all write.
//   - operator: the connection that turns knobs meanwhile.
//
// # What is known
//
// A value is made of segments whose every byte follows from the key, the writer, a
// version and the length: nothing that is wrong, torn, mixed or old compares equal.
// Of its own keys a client knows the value, so that a reply is right or wrong;
// whether it is there is known but for expiry (the moment lies within bounds),
// flush_all (both orders are allowed while it is under way) and eviction, where
// the server does that. What was gone once stays gone until it is stored again. Of
// a shared key, versions of one writer never go back, and a CAS token names one
// value and lets one swap succeed.
//
// # Oddities
//
// Of memcached itself (Config.Original) two are accepted: an append or prepend that
// finds no memory answers NOT_STORED and leaves the value (do_store_item); a number of
// 2^63 or more may be called none, since '-' is looked for beyond its end
// (safe_strtoull).
//
// # Ownership
//
// A client and its entries belong to one goroutine; shared, flushes and the flag
// to stop have locks or are atomic.
//
// # Limits
//
// Tokens: those of one key must grow, as memcached's and ours do. A connection
// that is closed with requests under way leaves its keys behind unchecked.
//
// # Tests
//
// checker_test.go runs against our server and, where it is installed, memcached;
// a faulty server shows that each kind of wrong answer is found.
package checker
