package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// write makes a file in a directory of the test.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestAuthFile holds files to what memcached 1.6.45 made of them.
func TestAuthFile(t *testing.T) {
	long := func(c string, n int) string { return strings.Repeat(c, n) }
	for _, c := range []struct {
		text string
		want string // user:password, a bar between; "malformed"
	}{
		{"foo:bar\nbaaaz:quux\n", "foo:bar|baaaz:quux"},
		{"foo:bar", "foo:bar"},
		{"", "malformed"},
		{"\n", "malformed"},
		{"foo:bar\n\n", "malformed"},
		{"\nfoo:bar\n", "malformed"},
		{"foo\nbar:x\n", "malformed"},
		{"# comment\nfoo:bar\n", "malformed"},
		{"foo:bar\r\nbaz:q\r\n", "foo:bar|baz:q"},
		{"foo:\n", "foo:"},
		{":bar\n", ":bar"},
		{"foo:bar:baz\n", "foo:bar:baz"},
		{"foo:b ar\n", "foo:b ar"},
		{"a\rb:c\n", "a\rb:c"},
		{"foo:bar\rjunk\nx:y\n", "foo:bar|x:y"},
		{"foo:b\x00ar\nx:y\n", "foo:b"},
		{"foo:b\r\x00ar\nx:y\n", "foo:b|x:y"},
		{"fo\x00o:bar\n", "malformed"},
		{"dup:a\ndup:b\n", "dup:a|dup:b"},
		{"a:1\nb:2\nc:3\nd:4\ne:5\nf:6\ng:7\nh:8\ni:9\nbad\n", "a:1|b:2|c:3|d:4|e:5|f:6|g:7|h:8"},
		{"u:" + long("p", 300) + "\nx:y\n", "u:" + long("p", 253)},
		{"u:p\r" + long("j", 251) + "x:y\n", "u:p|x:y"},
		{"u:p\r" + long("j", 252) + "x:y\n", "u:p|jx:y"},
		{long("u", 300) + ":p\n", "malformed"},
		{long("u", 254) + ":p\nx:y\n", long("u", 254) + ":"},
		{long("u", 252) + ":p\nx:y\n", long("u", 252) + ":p|x:y"},
		{long("u", 253) + ":p\nx:y\n", long("u", 253) + ":p"},
	} {
		got := "malformed"
		if entries, err := parseTokens([]byte(c.text)); err == nil {
			var list []string
			for _, e := range entries {
				list = append(list, string(e.user)+":"+string(e.password))
			}
			got = strings.Join(list, "|")
		} else if !errors.Is(err, ErrMalformed) {
			t.Errorf("%.40q: %v", c.text, err)
		}
		if got != c.want {
			t.Errorf("%.40q\n got  %.300q\n want %.300q", c.text, got, c.want)
		}
	}
}

func TestTokens(t *testing.T) {
	name := write(t, "foo:bar\nbaaaz:quux\nnone:\n")
	tokens, err := OpenTokens(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, password string
		want           bool
	}{
		{"foo", "bar", true}, {"baaaz", "quux", true}, {"none", "", true},
		{"foo", "quux", false}, {"foo", "ba", false}, {"foo", "bar ", false}, {"fo", "obar", false}, {"", "", false}, {"foo", "", false},
	} {
		if got := tokens.Check([]byte(c.user), []byte(c.password)); got != c.want {
			t.Errorf("%s:%s: %v", c.user, c.password, got)
		}
	}
}

// TestReload: who is new comes in, who is gone does not; a file that is spoiled
// changes nothing.
func TestReload(t *testing.T) {
	name := write(t, "foo:bar\n")
	tokens, err := OpenTokens(name)
	if err != nil {
		t.Fatal(err)
	}
	foo := func() bool { return tokens.Check([]byte("foo"), []byte("bar")) }
	bob := func() bool { return tokens.Check([]byte("bob"), []byte("x")) }
	os.WriteFile(name, []byte("bob:x\n"), 0o600)
	if !foo() || bob() {
		t.Error("read without a reload")
	}
	if err := tokens.Reload(); err != nil || foo() || !bob() {
		t.Error("not read by a reload", err)
	}
	os.WriteFile(name, []byte("foo:bar\nspoiled\n"), 0o600)
	if err := tokens.Reload(); !errors.Is(err, ErrMalformed) || foo() || !bob() {
		t.Error("a spoiled file changed something", err)
	}
	os.Remove(name)
	if err := tokens.Reload(); !errors.Is(err, os.ErrNotExist) || !bob() {
		t.Error("a missing file changed something", err)
	}
}

// TestTokensErrors: the sentences are memcached's.
func TestTokensErrors(t *testing.T) {
	spoiled, folder := write(t, "foo\n"), t.TempDir()
	for name, want := range map[string]string{
		"/nonexistent": "Could not open authfile [/nonexistent] for reading, error No such file or directory: No such file or directory",
		"":             "Could not open authfile [] for reading, error No such file or directory: No such file or directory",
		folder:         "Could not open authfile [" + folder + "] for reading, error Is a directory: Is a directory",
		spoiled:        "Authfile [" + spoiled + "] has a malformed entry. Should be 'user:password'",
		"/dev/null":    "Authfile [/dev/null] has a malformed entry. Should be 'user:password'",
	} {
		if _, err := OpenTokens(name); err == nil || err.Error() != want {
			t.Errorf("%q\n got  %v\n want %s", name, err, want)
		}
	}
}

// TestCheckLooksAtEveryUser: what is compared does not depend on what was found.
func TestCheckLooksAtEveryUser(t *testing.T) {
	var text strings.Builder
	for i := range tokensMax {
		fmt.Fprintf(&text, "user%d:password%d\n", i, i)
	}
	tokens, err := OpenTokens(write(t, text.String()))
	if err != nil {
		t.Fatal(err)
	}
	if tokens.Users() != tokensMax {
		t.Fatalf("%d users", tokens.Users())
	}
	for i := range tokensMax {
		for j := range tokensMax {
			got := tokens.Check(fmt.Appendf(nil, "user%d", i), fmt.Appendf(nil, "password%d", j))
			if got != (i == j) {
				t.Errorf("user%d with password%d: %v", i, j, got)
			}
		}
	}
}

// TestDigestsAreApart: parts cannot be moved from one to the next, kinds cannot
// be mistaken, and another process's digests are others.
func TestDigestsAreApart(t *testing.T) {
	a, b := newDigester(), newDigester()
	seen := map[digest]string{}
	for name, sum := range map[string]digest{
		"ab c": a.of(kindToken, []byte("ab"), []byte("c")),
		"a bc": a.of(kindToken, []byte("a"), []byte("bc")),
		"line": a.of(kindLine, []byte("ab"), []byte("c")),
		"abc":  a.of(kindToken, []byte("abc")),
		"b":    b.of(kindToken, []byte("ab"), []byte("c")),
	} {
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[sum] = name
	}
}

// FuzzAuthFile: users and passwords are pieces of the text, within the limits.
func FuzzAuthFile(f *testing.F) {
	for _, text := range []string{"foo:bar\nbaaaz:quux\n", "a:b\r\nc:d", "a\x00b:c\n", strings.Repeat("u:p\n", 12), "u:" + strings.Repeat("p", 300) + "\nx:y\n", ":\n:\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseTokens(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || entries != nil {
				t.Fatal(err, entries)
			}
			return
		}
		if len(entries) == 0 || len(entries) > tokensMax {
			t.Fatalf("%d entries", len(entries))
		}
		rest := text
		for _, e := range entries {
			line := append(append(bytes.Clone(e.user), ':'), e.password...)
			at := bytes.Index(rest, line)
			if at < 0 || len(line) > recordMax || bytes.ContainsAny(e.password, "\r\n\x00") || bytes.ContainsAny(e.user, ":\n\x00") {
				t.Fatalf("%q of %q", line, text)
			}
			rest = rest[at+len(line):]
		}
	})
}

// TestCheckWhileReloaded: an attempt sees one list of users, while SIGHUP puts a
// shorter one in its place. (It looked at the present one for each user, beyond its end.)
func TestCheckWhileReloaded(t *testing.T) {
	few, many := "foo:bar\n", "a:1\nb:2\nc:3\nd:4\ne:5\nf:6\ng:7\nfoo:bar\n"
	name := write(t, many)
	tokens, err := OpenTokens(name)
	if err != nil {
		t.Fatal(err)
	}
	lists := make([]*[]digest, 2)
	for i, text := range []string{few, many} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tokens.Reload(); err != nil {
			t.Fatal(err)
		}
		lists[i] = tokens.users.Load()
	}
	var over atomic.Bool
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for i := 0; !over.Load(); i++ {
			tokens.users.Store(lists[i%2])
		}
	})
	for range 20_000 {
		if !tokens.Check([]byte("foo"), []byte("bar")) {
			t.Fatal("who is in both lists was not known")
		}
	}
	over.Store(true)
	reloads.Wait()
}
