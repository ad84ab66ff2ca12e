// Command readme writes what the documents take from the code: in README.md the
// table of commands, from wire/memcache's command table, and the tables of flags,
// from appliance/config's; and docs/settings.md, from appliance/config's table of
// settings. `make gen` runs it; its test fails when they are stale.
package main

//go:generate go run . ../../..
