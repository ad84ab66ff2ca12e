package compat

import (
	"fmt"
	"net"
	"testing"
)

// What a transcript's server, with its one set of flags, does not show.

// TestShutdownRefused: without -A, and with the text of each version.
func TestShutdownRefused(t *testing.T) {
	test := func(v version, want string) {
		t.Run(string(v), func(t *testing.T) {
			s := start(t, subject(t, v))
			c := s.client(t)
			c.send("shutdown\r\nshutdown graceful\r\nmn\r\n")
			c.expect(want + want + "MN\r\n")
			if s.ended() {
				t.Error("the server ended")
			}
		})
	}
	test(v1618, "ERROR: shutdown not enabled\r\n")
	test(v1645, "SERVER_ERROR: shutdown not enabled\r\n")
}

// TestFlushForbidden: -F.
func TestFlushForbidden(t *testing.T) {
	for _, v := range []version{v1618, v1645} {
		t.Run(string(v), func(t *testing.T) {
			c := start(t, subject(t, v), "-F").client(t)
			const refused = "CLIENT_ERROR flush_all not allowed\r\n"
			c.send("set a 0 0 1\r\n1\r\nflush_all\r\nflush_all 0\r\nflush_all noreply\r\nget a\r\n")
			c.expect("STORED\r\n" + refused + refused + "VALUE a 0 1\r\n1\r\nEND\r\n")
		})
	}
}

// TestWithoutCAS: -C.
func TestWithoutCAS(t *testing.T) {
	for _, v := range []version{v1618, v1645} {
		t.Run(string(v), func(t *testing.T) {
			c := start(t, subject(t, v), "-C").client(t)
			c.send("set a 0 0 1\r\n1\r\ngets a\r\nmg a c\r\ncas a 0 0 1 0\r\n2\r\nget a\r\n")
			c.expect("STORED\r\nVALUE a 0 1 0\r\n1\r\nEND\r\nHD c0\r\nEXISTS\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
		})
	}
}

// TestClusterConfig: a client that asks for a cluster's members, as AWS's
// discovery does, hears of this node.
func TestClusterConfig(t *testing.T) {
	p := subject(t, v1645)
	if p.original {
		t.Skip("the original does not know the command")
	}
	s := start(t, p)
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf("1\n127.0.0.1|127.0.0.1|%s\n", port)
	c := s.client(t)
	c.send("config get cluster\r\nget AmazonElastiCache:cluster\r\nmn\r\n")
	c.expect(fmt.Sprintf("CONFIG cluster 0 %d\r\n%s\r\nEND\r\n", len(body), body) +
		fmt.Sprintf("VALUE AmazonElastiCache:cluster 0 %d\r\n%s\r\nEND\r\nMN\r\n", len(body), body))
}
