package appliance

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/wire"
)

// users makes a file of users.
func users(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const (
	letFooIn   = "set x 0 0 7\r\nfoo bar\r\n"
	refuses    = "CLIENT_ERROR authentication failure\r\n"
	isStranger = "CLIENT_ERROR unauthenticated\r\n"
)

// TestTokensOverSockets: -Y, from a client's first line to a reload.
func TestTokensOverSockets(t *testing.T) {
	file := users(t, "foo:bar\n")
	n := start(t, "-l 127.0.0.1 -p -1 -t 2 -Y "+file)
	c := dial(t, n.Addrs()[0])
	exchange(t, c, "get a\r\n", isStranger)
	exchange(t, c, "set x 0 0 7\r\nfoo baz\r\n", refuses)
	exchange(t, c, letFooIn+"set a 0 0 1\r\n1\r\nget a\r\n", "STORED\r\nSTORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
	exchange(t, c, "stats settings\r\n", "STAT maxbytes")

	os.WriteFile(file, []byte("foo:other\n"), 0o600)
	n.reload()
	exchange(t, dial(t, n.Addrs()[0]), letFooIn, refuses)
	exchange(t, dial(t, n.Addrs()[0]), "set x 0 0 9\r\nfoo other\r\n", "STORED\r\n")
	os.WriteFile(file, []byte("spoiled\n"), 0o600)
	n.reload()
	exchange(t, dial(t, n.Addrs()[0]), "set x 0 0 9\r\nfoo other\r\n", "STORED\r\n")
}

// saslRequest is a request of the binary protocol without extras.
func saslRequest(opcode byte, key, value string) string {
	head := make([]byte, 24)
	head[0], head[1], head[3], head[11] = 0x80, opcode, byte(len(key)), byte(len(key)+len(value))
	return string(head) + key + value
}

// saslReply is a reply without a key.
func saslReply(opcode, status byte, body string) string {
	head := make([]byte, 24)
	head[0], head[1], head[7], head[11] = 0x81, opcode, status, byte(len(body))
	return string(head) + body
}

// TestSASLOverSockets: -S, with passwords from MEMCACHED_SASL_PWDB.
func TestSASLOverSockets(t *testing.T) {
	t.Setenv("SASL_CONF_PATH", t.TempDir()) // nothing of this host's
	t.Setenv("MEMCACHED_SASL_PWDB", users(t, "bob:secret\n"))
	n := start(t, "-l 127.0.0.1 -p -1 -S")
	c := dial(t, n.Addrs()[0])
	exchange(t, c, saslRequest(0x20, "", ""), saslReply(0x20, 0, "CRAM-MD5 PLAIN"))
	exchange(t, c, saslRequest(0x21, "PLAIN", "\x00bob\x00wrong"), saslReply(0x21, 0x20, "Auth failure."))
	exchange(t, c, saslRequest(0x21, "PLAIN", "\x00bob\x00secret"), saslReply(0x21, 0, "Authenticated"))
	exchange(t, c, saslRequest(0x0a, "", ""), saslReply(0x0a, 0, ""))
	exchange(t, c, saslRequest(0x21, "PLAIN", "\x00bob\x00secret"), saslReply(0x21, 0x20, "Auth failure."))
	exchange(t, c, saslRequest(0x0a, "", ""), saslReply(0x0a, 0x20, "Auth failure."))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a stranger is still connected")
	}
}

// TestCredentialsThatCannotBeHad end the start, in memcached's words.
func TestCredentialsThatCannotBeHad(t *testing.T) {
	if _, err := build(t, "-l 127.0.0.1 -p -1 -Y /nonexistent"); err == nil ||
		err.Error() != "Could not open authfile [/nonexistent] for reading, error No such file or directory: No such file or directory" {
		t.Error(err)
	}
	t.Setenv("SASL_CONF_PATH", filepath.Dir(users(t, "")))
	os.WriteFile(filepath.Join(os.Getenv("SASL_CONF_PATH"), "memcached.conf"), []byte("pwcheck_method: saslauthd\n"), 0o600)
	if _, err := build(t, "-l 127.0.0.1 -p -1 -S"); err == nil || !strings.HasSuffix(err.Error(), "\nError initializing sasl.") {
		t.Error(err)
	}
}

// TestAuthenticationIsLogged: no warning of a port that is open to all, and a
// bounded number of lines about those who guess.
func TestAuthenticationIsLogged(t *testing.T) {
	c, exit := config.Memcached("memcached", []string{"-p", "-1", "-Y", users(t, "foo:bar\n")})
	if exit != nil {
		t.Fatal(exit)
	}
	var log bytes.Buffer
	n, err := New(context.Background(), c, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	n.logStart()
	if text := log.String(); strings.Contains(text, "without authentication") || strings.Contains(text, "no authentication") || !strings.Contains(text, "clients must authenticate") {
		t.Error(text)
	}
	for range 1000 {
		n.authFailed(&wire.Peer{Network: "tcp", Remote: "192.0.2.1:5"})
	}
	if lines := strings.Count(log.String(), "failed to authenticate"); lines == 0 || lines > 3 {
		t.Errorf("%d lines", lines)
	}
	if strings.Contains(log.String(), "bar") {
		t.Error("a password was logged")
	}
}
