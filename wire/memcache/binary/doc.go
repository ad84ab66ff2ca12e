// Package binary is the codec of memcached's binary protocol: the header and the
// body's beginning of a request, what each opcode asks of them, and the headers
// of replies.
//
// # Where it sits
//
// wire/memcache's sessions call it. It imports nothing of ours, keeps no state
// between calls, does no I/O and allocates nothing.
//
// # Types
//
//   - Request: one request up to its value.
//   - Opcode, Command: what can be asked, and the shape that it must have.
//   - Status: how it ended, with the text that goes with it.
//   - Reply: what of a request its reply repeats.
//
// # Ownership
//
// Extras and Key of a Request are borrowed from the input that was parsed.
//
// # Layout
//
// As memcached's protocol_binary.h and doc/protocol-binary.xml have it; all
// numbers are big-endian:
//
//	 0  magic      1   80 request, 81 reply
//	 1  opcode     1
//	 2  key        2   length
//	 4  extras     1   length
//	 5  data type  1   0, and not looked at
//	 6  status     2   of a reply; of a request not looked at
//	 8  body       4   length: extras, key and value
//	12  opaque     4   repeated in the reply
//	16  CAS        8
//	24  extras         flags, expiry, numbers
//	    key
//	    value          to the end of the body
//
// A parse returns on header, extras and key. The value is the session's: it goes
// straight into an item, and never waits here.
//
// # Invariants
//
//  1. A Request that Parse accepted has its extras and key whole, and its key is
//     no longer than MaxKey.
//  2. Command.Fits is proto_bin.c's check of an opcode's lengths, no more and no
//     less: what it lets pass has the bytes that a handler reads.
//
// # Limits
//
// MaxKey 250 bytes; extras up to 255 are waited for, as in memcached.
//
// # Tests
//
// FuzzRequest parses anything, in one piece and cut, and compares.
package binary
