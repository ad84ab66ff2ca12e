// Package cli is the panda command line: which program is meant, and panda's own
// commands. It alone knows cobra.
//
//	panda memcached -m 64    memcached's flags, also by argv[0] = memcached
//	panda serve              a node with safe defaults, from one config file
//	panda import             fills a running cache from another (appliance/warmup)
//	panda status             shows how a node, or any memcached, stands (appliance/status)
//	panda snapshot           has a node take a snapshot (appliance/status)
//	panda inspect log        shows what is in a log, and what is damaged (disk/effectlog)
//	panda inspect snapshot   the same of a snapshot (disk/snapshot)
//	panda bench              puts load on one (perf/load)
//	panda upgrade            hands a running node over to a new process
//	panda completion         scripts for shells; complete.go has the words
//	panda version
//
// The originals' flags are parsed by appliance/config, not by cobra, and cobra is
// not even set up for them: tests and scripts start `panda memcached` often.
//
// A command with a file of its own has its flags, its texts and its display
// there, and the work elsewhere. Goldens are in testdata; -rewrite rewrites them.
package cli
