// Package alloctest holds hot paths to an exact number of heap allocations.
//
// # Where it sits
//
// Imported by tests only (x_alloc_test.go beside the code). It imports
// internal/invariant, to know race builds, and nothing else of ours.
//
// # Use
//
//	func TestSetAllocatesNothing(t *testing.T) {
//		alloctest.Zero(t, "set", func() { session.Feed(request, &out) })
//	}
//
// The function is run once unmeasured, so that buffers which grow on first use
// have grown, then Runs times. The count must be exact: a path that allocates
// less than its gate says is a gate that has to be tightened.
//
// # Invariants
//
//  1. Race builds skip with a printed reason: the detector allocates on its own
//     account, and the number would say nothing about the code.
//  2. The measured function runs with GOMAXPROCS(1), but other goroutines'
//     allocations count too: stop them first.
//
// # Limits
//
// Runs is 200 calls an attempt. testing.AllocsPerRun divides and truncates, so
// an allocation in every second call would show as none; Zero and Exact compare
// totals, in which one in 200 shows. Up to three attempts: the runtime allocates
// now and then on its own account, code that allocates does so in each of them.
package alloctest
