package status

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// cacheOf answers each line with what replies has for it, on a unix socket whose
// path it returns.
func cacheOf(t *testing.T, replies map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, which the source closes
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					reply, ok := replies[lines.Text()]
					if !ok {
						reply = replies["*"]
					}
					if reply == "" {
						return
					}
					io.WriteString(c, reply)
				}
			}()
		}
	}()
	return path
}

func TestOpenMemcached(t *testing.T) {
	source, err := Open(t.Context(), cacheOf(t, recorded(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for range 2 {
		r, err := source.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := original(t)
		if want.TimeMS = r.TimeMS; indented(t, *r) != indented(t, want) {
			t.Errorf("%s", indented(t, r))
		}
	}
}

// operator answers /status with a text.
func operator(t *testing.T, status int, text string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestOpenOperatorsPort(t *testing.T) {
	_, after := node()
	text, err := json.Marshal(after)
	if err != nil {
		t.Fatal(err)
	}
	address := operator(t, 200, string(text))
	for _, address := range []string{address, "http://" + address, "http://" + address + "/"} {
		source, err := Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		r, err := source.Read(t.Context())
		if err != nil || indented(t, r) != indented(t, after) {
			t.Errorf("%s: %v, %s", address, err, indented(t, r))
		}
		source.Close()
	}
}

// TestRefused: what is no server that can be asked is said to be none.
func TestRefused(t *testing.T) {
	check := func(address, want string, is error) {
		t.Helper()
		source, err := Open(t.Context(), address)
		if err == nil {
			defer source.Close()
			_, err = source.Read(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) || is != nil && !errors.Is(err, is) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check(cacheOf(t, map[string]string{"*": "-ERR unknown command\r\n"}), "neither memcached nor", ErrAnswer)
	check(cacheOf(t, nil), "neither memcached nor", ErrAnswer)
	check(cacheOf(t, map[string]string{"*": strings.Repeat("x", 2*rowMax)}), "neither memcached nor", ErrAnswer)
	check(cacheOf(t, map[string]string{"*": "CLIENT_ERROR unauthenticated\r\n"}), "authentication", ErrUnauthenticated)
	check(cacheOf(t, map[string]string{"version": "VERSION 1\r\n", "*": "CLIENT_ERROR unauthenticated\r\n"}), "authentication", ErrUnauthenticated)
	check(cacheOf(t, map[string]string{"version": "VERSION 1\r\n", "*": "ERROR\r\n"}), `stats is answered "ERROR"`, nil)
	check(cacheOf(t, map[string]string{"version": "VERSION 1\r\n", "*": "STAT a 1\r\n" + strings.Repeat("STAT "+strings.Repeat("b", 4000)+" 1\r\n", 2000)}), "too long", ErrTooLong)
	check(cacheOf(t, map[string]string{"version": "VERSION 1\r\n"}), "closed the connection", ErrClosed)
	check(operator(t, 404, "404 page not found"), `404 Not Found: "404 page not found"`, nil)
	check(operator(t, 503, "the node stops"), `503 Service Unavailable: "the node stops"`, nil)
	check(operator(t, 200, "no JSON"), "another format", ErrFormat)
	check(operator(t, 200, `{"format":2}`), "another format", ErrFormat)
	check(operator(t, 200, strings.Repeat(" ", replyMax+10)), "too long", ErrTooLong)
	check(filepath.Join(t.TempDir(), "nowhere"), "no such file", nil)
	check("http://127.0.0.1:1", "connection refused", nil)
}

// TestReadEnds: an interrupt ends a reading that waits for the rest of a reply.
func TestReadEnds(t *testing.T) {
	mine, theirs := net.Pipe()
	defer mine.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends with the connection
		defer theirs.Close()
		bufio.NewReader(theirs).ReadString('\n')
		io.WriteString(theirs, "STAT and nothing more\r\n") // it was read when this returns
		cancel()
		io.Copy(io.Discard, theirs)
	}()
	c := &cache{mine, bufio.NewReader(mine)}
	if _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
