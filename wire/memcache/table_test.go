package memcache

import (
	"strings"
	"testing"
)

// TestLookup finds every command, and nothing that only looks like one.
func TestLookup(t *testing.T) {
	for i := range table {
		name := table[i].name
		if lookup([]byte(name)) != &table[i] {
			t.Errorf("%s is not found", name)
		}
		for _, other := range []string{name + "x", name[:len(name)-1], strings.ToUpper(name), "x" + name[1:], name[:1], ""} {
			if r := lookup([]byte(other)); r != nil && r.name != other {
				t.Errorf("%q is taken for %s", other, r.name)
			}
		}
	}
}

// TestNamed: the shortcuts lead where a lookup leads.
func TestNamed(t *testing.T) {
	w := newRig(t, Config{Compat: Compat1618, RelaxedPrivileges: true}).server.workers[0]
	for i := range table {
		for _, rest := range []string{" key", " k", "", "  key", "\tkey"} {
			line := []byte(table[i].name + rest)
			want := &table[i]
			if rest == "\tkey" {
				want = nil
			}
			if got := w.named(line); got != want {
				t.Errorf("%q leads to %v", line, got)
			}
		}
	}
	for _, line := range []string{"", "g", "get", "mg", "gett k", "mgg k", "sets k", " get k", "GET k"} {
		if got, want := w.named([]byte(line)), lookup([]byte(strings.Split(line, " ")[0])); got != want {
			t.Errorf("%q leads to %v", line, got)
		}
	}
}

// TestKnown: some commands are there in one dialect or with a flag only.
func TestKnown(t *testing.T) {
	for _, c := range []struct {
		config Config
		name   string
		known  bool
	}{
		{Config{}, "bget", false}, {Config{Compat: Compat1618}, "bget", true},
		{Config{}, "debugtime", false}, {Config{RelaxedPrivileges: true}, "debugtime", true},
	} {
		w := newRig(t, c.config).server.workers[0]
		if got := w.known([]byte(c.name)) != nil; got != c.known {
			t.Errorf("%+v: %s known: %v", c.config.Compat, c.name, got)
		}
	}
}

// TestTokenCounts: the columns of the table, and what their violation answers.
func TestTokenCounts(t *testing.T) {
	older := newRig(t, Config{Compat: Compat1618})
	newer := newRig(t, Config{})
	for i := range table {
		r := &table[i]
		line := func(tokens int) string { return r.name + strings.Repeat(" 1", tokens-1) + "\r\n" }
		if r.oldMin > 1 {
			older.dial().want(line(int(r.oldMin)-1), replyError)
		}
		if r.oldMax > 0 {
			older.dial().want(line(int(r.oldMax)+1), replyError)
		}
		if r.newMin > 1 {
			newer.dial().want(line(int(r.newMin)-1), replyFormat)
		}
	}
}
