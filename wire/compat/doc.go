// Package compat holds no code, only tests: what stands in memcached's place
// must pass memcached's own suite, serve its clients and give its replies.
//
// # Where it sits
//
// Beside the protocol, outside the process: every test starts the built binary
// (appliance/cmd/panda) as `panda memcached --compat=…` and talks to its
// socket. Nothing of ours is imported but internal/invariant, to know a race
// build, in which panda is built with the race detector too.
//
// # The tests
//
//   - suite_test.go: memcached's t/*.t, unchanged, one subtest per file
//     (testdata/suite.txt says which must pass).
//   - clients_test.go: the tests of pymemcache, gomemcache and memccapable.
//   - tools_test.go: memcached-tool, damemtop and libmemcached's tools, which must
//     show the same of us as of memcached 1.6.18.
//   - transcript_test.go: inputs and replies of memcached 1.6.18 and 1.6.45, byte
//     for byte (testdata/transcript-*.txt).
//   - watch_test.go: what watchers are told, line for line (testdata/watch-*.txt).
//   - languages_test.go: clients in C, Java, Python and JavaScript, each of which
//     meets a driver that speaks the other protocol.
//   - differential_test.go: seeded random sequences of text, meta and binary
//     sent to memcached 1.6.18 and to us; allowances_test.go lists what may differ.
//   - datagram_test.go: seeded random datagrams, likewise.
//   - hostile_test.go: peers that are slow, vanish, or push without reading.
//   - mode_test.go: what single flags change.
//
// # Peers
//
// install-peers.sh gets what is needed (Debian's packages, the rest into
// .cache/peers). What it could not get makes the tests that need it skip by
// name, with the reason.
//
// # Environment
//
//   - PANDA_COMPAT_BINARY, PANDA_COMPAT_BINARY_1645: a memcached that stands in
//     for `panda memcached` in the mode of 1.6.18 or of 1.6.45. With the original
//     here, the tests themselves are proved. With one set and the other not, the
//     tests of the other mode skip.
//   - PANDA_COMPAT_ORACLE_1645: a memcached 1.6.45 to compare with (1.6.18's
//     is Debian's package, found in PATH).
//   - PANDA_COMPAT_SEQUENCES, PANDA_COMPAT_SEED: how many sequences the
//     differential test runs (1,000), and the seed it begins at; a hundred
//     thousand take an hour and want -timeout 0.
//   - PANDA_COMPAT_DATAGRAMS: how many datagrams are sent (3,000).
//   - PANDA_COMPAT_ALL: the files of the suite that need not pass run too, and
//     what they did is printed.
//
// `go test ./wire/compat -run 'Transcript|Watch' -rewrite` rewrites the
// transcripts' replies and lines from the originals.
//
// # Invariants
//
//  1. A test that finds fewer cases than it was written for fails.
//  2. Every process that a test starts is ended by that test.
//  3. Ports are the kernel's choice. Where a suite insists on its own, it has a
//     network of its own (unshare -n).
package compat
