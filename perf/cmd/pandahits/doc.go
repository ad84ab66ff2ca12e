// Command pandahits prints how often panda and memcached hit under the same
// requests with the same memory: package perf/hits says how.
//
// It exits with status 0 when panda is nowhere below, 1 when it is, and 2 when
// nothing could be measured.
//
//	pandahits [-only table|minutes] [-rows EXPR] [-requests N] [-quick] [-seed N] [-threads N]
//	          [-minute D] [-rate N] [-panda BINARY] [-base BINARY] [-memcached BINARY]
//	          [-subject panda|memcached] [-label NAME] [-out FILE]
//
// Progress goes to standard error; the tables go to standard output and to -out.
package main
