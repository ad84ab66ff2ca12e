// Command gotest runs `go test`, and says by name what was skipped and why.
//
// # Where it sits
//
// The Makefile calls it, with the flags and packages that go test takes:
//
//	go run ./internal/gotest -race -timeout 10m ./...
//
// It prints what go test prints: the output of tests that failed, and the line
// that closes each package; and for each test that was skipped its name and
// reason, which go test keeps to itself without -v. Its exit code says whether
// go test succeeded.
//
// # Invariants
//
//  1. What was not understood is printed, not swallowed.
//  2. A test that did not end (a timeout, a crash) has its output printed.
//
// # Tests
//
// report_test.go feeds it what go test -json writes.
package main
