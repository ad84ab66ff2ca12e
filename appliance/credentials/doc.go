// Package credentials reads the files that say who may come in: memcached's
// authentication file (-Y), and what SASL (-S) takes its passwords from.
//
// # Where it sits
//
// The appliance opens what its configuration names and gives it to
// wire/memcache as Env.Token and Env.SASL. It imports nothing of ours.
//
// # Types
//
//   - Tokens: the users of -Y. Read at the start and on Reload.
//   - SASL: mechanisms, and passwords from MEMCACHED_SASL_PWDB and from the
//     sasldb of Cyrus SASL (saslpasswd2), a Berkeley DB hash file.
//   - accounts: an immutable snapshot of one file, swapped atomically.
//   - digester: keyed digests, which are what is compared.
//
// # Ownership
//
// Check, Plain and Response are called on loops, by several at a time. They ask
// the kernel once whether a SASL file has changed, and read it when it has, at
// most maxFile bytes of it: memcached reads it at every attempt, and people count
// on a new user being known at once. Everything else is called by the appliance.
//
// # Invariants
//
//  1. What a client sends is compared by digests of a key that is new in every
//     process: how long that takes tells nothing of what is in a file.
//  2. A file that cannot be understood changes nothing: who was known stays known.
//     A SASL file that is gone, or cannot be read, knows nobody.
//  3. A password is never logged, nor part of an error.
//
// # Layout
//
// The authentication file and MEMCACHED_SASL_PWDB are lines of user:password as C's fgets
// reads them, see tokens.go and passwords.go; the Berkeley DB pages are drawn
// in sasldb.go.
//
// # Limits
//
// tokensMax users of -Y, recordMax bytes a line; maxFile bytes and accountsMax
// passwords of a SASL file; nameMax and passwordMax bytes of what a client sends.
//
// # Tests
//
// FuzzAuthFile, FuzzSASLDatabase, FuzzPasswords, FuzzSASLConfig; testdata holds
// databases that saslpasswd2 wrote.
package credentials
