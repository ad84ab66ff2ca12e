// Command pandaperf measures panda against memcached and the floor and prints
// the comparison of acceptance: package perf says how.
//
// It exits with status 0 when every figure holds its bar, 1 when one does not,
// and 2 when nothing could be measured.
//
//	pandaperf [-durable|-tier [-dir DIR]] [-against memcached|floor|both] [-rows EXPR] [-rounds N] [-ops SCALE]
//	          [-quick] [-latency=false] [-latency-time D]
//	          [-panda BINARY] [-base BINARY] [-memcached BINARY] [-subject panda|memcached]
//	          [-profile DIR] [-label NAME] [-bench=false] [-out FILE]
//
// Progress goes to standard error, a line per row; the report goes to standard
// output and to -out.
package main
