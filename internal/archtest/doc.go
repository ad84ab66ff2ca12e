// Package archtest holds the repository to its architecture: who may import
// whom, what a package says of itself, and how long things may grow.
//
// # Where it sits
//
// Nothing imports it. Its tests read every Go file of the repository and the
// policy in imports.txt, and fail with one line per offence. It runs in
// `make check` and `make test`.
//
// # Types
//
//   - Tree: the parsed repository (Load); a rule is a method that returns findings.
//   - Policy: imports.txt, read (ParsePolicy).
//
// # The rules
//
//  1. Imports: a package imports only what its line in imports.txt names, and
//     lines stand in layer order, so the file's own order proves there is no cycle.
//  2. A third-party module has exactly one importing package, unless imports.txt
//     declares it light.
//  3. Every package has its comment in doc.go, beginning "Package x" or
//     "Command x"; a package of more than 200 lines says in 10 to 60
//     lines where it sits, its types, ownership, invariants, limits and tests.
//  4. Functions of 71 to 90 lines are refused: what fits a screen does not grow
//     past it by accident, while a table may be long on purpose.
//  5. Files have at most 1,500 lines, tests included, generated files apart.
//  6. unsafe only in slab, and in netio and below it.
//  7. No time.Sleep in tests: a fake clock, or a deadline on a real condition.
//     A bare <-time.After gives its reason on its line.
//  8. No package named util, common, helpers, types or manager.
//  9. Only named folders and files stand at the top (topLevel).
//  10. Build tags are platforms, and the one pair race / !race.
//  11. Functions that ARCHITECTURE.md names exist.
//
// # Tests
//
// rules_test.go applies the rules to the repository; fixtures_test.go shows, on
// small file trees in memory, that each of them can fail. imports.txt is a
// statement of policy: do not change it to make a build pass.
package archtest
