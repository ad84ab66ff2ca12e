// Package slab is the keyspace: shards, their index, and the memory of items.
package slab
