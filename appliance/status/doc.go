// Package status is how a running server stands: what it says of itself, what
// happened between two such readings, and both as JSON and as tables.
//
// # Where it sits
//
// appliance/admin answers /status with a Reading; appliance/cli's `panda status`
// opens a Source, reads it again and again, and shows Reports.
//
//	Open ─ Source.Read ─► Reading ─ Since(the one before) ─► Report ─ Page ─► console
//
// # Types
//
//   - Reading: totals, and what is current; the JSON of /status, version Format.
//     FromTables makes the part of it that memcached's statistics say, whoever
//     they come from, so that there is one reading of them.
//   - Report: rates, percentiles and shares of an interval; the JSON of
//     `panda status --json`.
//   - Source: a server: panda's operator's port, or anything that speaks
//     memcached's text protocol, which says less.
//
// # Invariants
//
//  1. Fields of the JSON keep their names and meanings within a Format
//     (testdata/*.json hold them; docs/status.md explains them).
//  2. A total that shrank was reset: what it has now is what grew.
//  3. Nothing that a server answers is believed to be short, or a number.
//
// # Limits
//
// 4 MiB of a reply and 8 KiB of a line, within 10 s. The JSON is encoding/json's:
// other encoders make code at run time, which MemoryDenyWriteExecute forbids.
//
// # Tests
//
// go test ./appliance/status; -rewrite rewrites testdata. FuzzRows and
// FuzzReading read what a server may answer.
package status
