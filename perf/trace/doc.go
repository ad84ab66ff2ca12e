// Package trace makes the request sequences that caches are compared with.
//
// # Where it sits
//
// perf/load draws keys by Zipf; perf/hits drives servers by whole traces. It
// imports nothing of ours.
//
// # Types
//
//   - Trace: a named sequence of keys, without end, of any number of keys.
//   - Source: one run through it. The same seed gives the same keys.
//   - Zipf: ranks whose frequency falls as a power.
//   - LogUniform: a size for each key, always the same one.
//
// # The traces
//
//	zipf-0.8 … zipf-1.2   independent draws, hot keys scattered over the numbers
//	zipf-scan             zipf-1.0; after scanEvery draws scanLength keys that
//	                      were never asked for before and never will be again
//	loop                  all keys in one order, again and again
//
// # Ownership
//
// A Source belongs to one goroutine.
//
// # Tests
//
// The distribution is held by a chi-square test, sizes by their mean, and each
// trace by what its name says of it.
package trace
