// Package config turns memcached's command line into one immutable Config.
//
// # Where it sits
//
// appliance/cli calls Memcached or Serve once, at start; appliance builds the
// node from the Config. The package opens nothing, resolves no names and reads
// no environment: the same words give the same Config or the same Exit.
//
// # Types
//
//   - Config: what the node is told. Its Memcache field is wire/memcache's own
//     configuration, so that no value is copied by hand between two structs.
//   - Exit: the program ends instead: a text that was asked for, or an error,
//     with memcached's exit code and, where it has one, its text.
//   - option: a row of flags (flags.go) or suboptions (suboptions.go).
//
// # The tables
//
// Every flag and -o name of memcached 1.6.18 and 1.6.45 is one row, and is
// Effective (does what memcached's does), Accepted (read and checked, without
// effect, because it cannot matter here) or Refused (by name: accepting it
// would be a lie). -h lists the effective ones only: the peers' tests read it
// to learn what a server can do. The README's tables are made from the rows.
//
// # Invariants
//
//  1. No option of memcached is unknown to us: config_test.go holds the list.
//  2. What memcached refuses is refused with its exit code.
//  3. -h names nothing that does not work.
//  4. Serve listens on loopback unless it is told otherwise.
//
// # Limits
//
// -I 1 KiB to 1 GiB and at most half of -m; ports to 65,535; a connection limit
// that leaves at least one client. All are memcached's.
//
// # Tests
//
// go test ./appliance/config; -rewrite rewrites testdata/help.txt.
package config
