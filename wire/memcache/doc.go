// Package memcache is memcached's text and meta protocol: sessions that turn
// the bytes of a client into replies of the store.
package memcache
