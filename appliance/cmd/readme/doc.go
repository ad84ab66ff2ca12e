// Command readme writes the generated parts of README.md: the table of commands,
// from wire/memcache's command table, and the tables of flags, from
// appliance/config's. `make gen` runs it; its test fails when README.md is stale.
package main

//go:generate go run . ../../../README.md
