// Command panda is Panda Bear Database: one binary that stands in for
// memcached, and later for Redis and MySQL 5.5.
//
// Called by the name of the original, through a symlink, it takes the
// original's own flags:
//
//	ln -s panda memcached && ./memcached -m 1024 -l 127.0.0.1
//
// See appliance/cli for the commands.
package main
