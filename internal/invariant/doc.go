// Package invariant holds assertions that race builds check and other builds
// compile away.
//
// # Where it sits
//
// Below everything: any package may import it, it imports nothing. The tests
// run under the race detector as well (make test, make race), so an assertion
// that no production build pays for still runs on every change.
//
// # Use
//
//	invariant.That(n <= len(buf), "Feed consumed more than it got")
//
//	if invariant.On {
//		checkQueue(q) // costly: only where assertions are on
//	}
//
// That and Unreachable say "BUG: ", since a broken invariant is ours. What the
// environment got wrong (no memory, no file descriptors) panics with "FATAL: "
// where it is met, in every build, and is not this package's business.
//
// # Invariants
//
//  1. On is a constant: an `if invariant.On` block costs nothing where it is false.
//  2. That with a condition that has no side effect costs nothing where On is
//     false (the call is inlined and its branch removed); invariant_test.go
//     holds the inlining to it by an allocation and a panic test in both builds.
//  3. No assertion may change what the program does: tests pass in both builds.
package invariant
