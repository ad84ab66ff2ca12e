// Package ascii is the codec of memcached's text and meta protocol: lines,
// tokens, numbers, meta flags, and the pieces that replies are made of.
//
// # Where it sits
//
// wire/memcache's sessions call it. It imports nothing of ours, keeps no state
// between calls, does no I/O and allocates nothing.
//
// # Types
//
//   - Request: one command line, cut into tokens.
//   - Flags: what the flags of a meta command ask for.
//   - Dialect: which of memcached's two parsers decides where they differ.
//
// # Ownership
//
// Everything that a Request or Flags hands out is borrowed from the line that
// was parsed (a decoded key: from the Flags), and good until the next Parse.
//
// # Layout
//
//	<command> <token>* [noreply] (\r\n | \n)
//	<data of the length that a token said> \r\n
//
// A parse returns on the line alone. The data is the session's: it goes
// straight into an item, and never waits here.
//
// # Invariants
//
//  1. A token is a longest run of bytes other than the space; tokens beyond
//     MaxTokens are not seen, as in memcached.
//  2. Parsing looks at each byte of a line a constant number of times.
//  3. What memcached's C library does with numbers (white space, signs,
//     overflow, truncation) is done here on every byte string, see number.go.
//
// # Limits
//
// MaxTokens 23 (memcached's 24 with its end mark), MaxKey 250 bytes, MaxLine
// 2,048 bytes without a newline, MaxOpaque 32 bytes.
//
// # Tests
//
// number_test.go compares with tables made by the C functions; FuzzRequest and
// FuzzFlags run with go test -fuzz; seeds are in testdata/fuzz.
package ascii
