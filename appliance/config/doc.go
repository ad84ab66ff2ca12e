// Package config turns memcached's command line, or panda's config file and
// flags, into one immutable Config.
//
// # Where it sits
//
// appliance/cli calls Memcached, or ReadSettings and Serve, once, at start;
// appliance builds the node from the Config. The package opens nothing, resolves no names and reads
// no environment: the same words give the same Config or the same Exit.
//
// # Types
//
//   - Config: what the node is told. Its Memcache field is wire/memcache's own
//     configuration, so that no value is copied by hand between two structs.
//   - Exit: the program ends instead: a text that was asked for, or an error,
//     with memcached's exit code and, where it has one, its text.
//   - option: a row of flags (flags.go) or suboptions (suboptions.go).
//   - setting: a row of settings (settings.go), all that `panda serve` can be
//     told. A row of any table ends in a set function on the same parser.
//
// # The tables
//
// Every flag and -o name of memcached 1.6.18 and 1.6.45 is one row, and is
// Effective (does what memcached's does), Accepted (read and checked, without
// effect, because it cannot matter here) or Refused (by name: accepting it
// would be a lie). -h lists the effective ones only: the peers' tests read it
// to learn what a server can do. The README's tables are made from the rows.
//
// Every setting of `panda serve` is one row with its kind, range, default, help
// and reason. The reader of TOML files (file.go), the flags (serve.go),
// --print-config and docs/settings.md (print.go) are made from the rows.
//
// # Invariants
//
//  1. No option of memcached is unknown to us: config_test.go holds the list.
//  2. What memcached refuses is refused with its exit code.
//  3. -h names nothing that does not work.
//  4. Serve listens on loopback unless it is told otherwise, and the operator's
//     port listens nowhere else.
//  5. What a file says is taken whole or not at all: a key that is unknown, or a
//     value out of its range, is refused with its line and what is allowed.
//
// # Limits
//
// -I 1 KiB to 1 GiB and at most half of -m; ports to 65,535; a connection limit
// that leaves at least one client. All are memcached's. A config file of 1 MiB.
//
// # Tests
//
// go test ./appliance/config; -rewrite rewrites the expected texts in testdata.
// fuzz: go test -fuzz FuzzConfig.
package config
