package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
)

// tokens are the users of testdata/tokens-*.
var tokens = map[string]string{"foo": "bar", "baaaz": "quux"}

// newTokenRig is a server that wants to know who a client is.
func newTokenRig(t testing.TB, config Config) *rig {
	t.Helper()
	config.Protocol = ProtocolASCII
	r := newRig(t, config)
	r.server.env.Token = func(user, password []byte) bool {
		want, known := tokens[string(user)]
		return known && want == string(password)
	}
	return r
}

const letIn = "set foo 0 0 7\r\nfoo bar\r\n"

// TestTokens1618 and TestTokens1645 hold strangers to what memcached answered
// when all of it came at once, on a connection of its own.
func TestTokens1618(t *testing.T) { testTokens(t, "tokens-1.6.18.txt", Compat1618) }
func TestTokens1645(t *testing.T) { testTokens(t, "tokens-1.6.45.txt", Compat1645) }

func testTokens(t *testing.T, name string, compat Compat) {
	r := newTokenRig(t, Config{Compat: compat})
	for _, p := range readTranscript(t, name) {
		if got, want := r.dial().send(expand(t, p.in)), expand(t, p.reply); got != want && want != "DEAD" {
			t.Errorf("%s\n  got  %q\n  want %q", p.in, got, want)
		}
	}
}

// TestTokensSplit: whatever comes in two pieces is answered as if it had come in
// one, but that the first piece's last answer has been sent already.
func TestTokensSplit(t *testing.T) {
	for name, compat := range map[string]Compat{"tokens-1.6.18.txt": Compat1618, "tokens-1.6.45.txt": Compat1645} {
		r := newTokenRig(t, Config{Compat: compat})
		for _, p := range readTranscript(t, name) {
			in := expand(t, p.in)
			if len(in) > 200 {
				continue // one that waits for a limit
			}
			var bytewise strings.Builder
			one := r.dial()
			for i := range in {
				bytewise.WriteString(one.send(in[i : i+1]))
			}
			for cut := range in {
				two := r.dial()
				first := two.send(in[:cut])
				if two.closed {
					if !strings.HasPrefix(bytewise.String(), first) && !strings.HasSuffix(bytewise.String(), "<EOF>") {
						t.Fatalf("%q, cut at %d: %q, a byte at a time %q", in, cut, first, &bytewise)
					}
					continue
				}
				if got := first + two.send(in[cut:]); !isSubsequence(got, bytewise.String()) {
					t.Fatalf("%q, cut at %d: %q, a byte at a time %q", in, cut, got, &bytewise)
				}
				if in := two.send(""); in != "" {
					t.Fatalf("said %q of nothing", in)
				}
			}
		}
	}
}

// isSubsequence reports whether the lines of some are among those of all, in order.
func isSubsequence(some, all string) bool {
	left := strings.SplitAfter(all, "\n")
	for _, line := range strings.SplitAfter(some, "\n") {
		for len(left) > 0 && left[0] != line {
			left = left[1:]
		}
		if len(left) == 0 {
			return false
		}
		left = left[1:]
	}
	return true
}

// TestTokensCutAfterLetIn: the session goes on as any other, wherever the pieces
// end.
func TestTokensCutAfterLetIn(t *testing.T) {
	const script = letIn + "set t 0 0 2\r\nhi\r\nget t\r\nset foo 0 0 7\r\nfoo bab\r\nget foo\r\nbogus\r\n"
	const want = "STORED\r\nSTORED\r\nVALUE t 0 2\r\nhi\r\nEND\r\nSTORED\r\nVALUE foo 0 7\r\nfoo bab\r\nEND\r\nERROR\r\n"
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newTokenRig(t, Config{Compat: compat})
		for cut := range len(script) + 1 {
			p := r.dial()
			if got := p.send(script[:cut]) + p.send(script[cut:]); got != want {
				t.Fatalf("cut at %d: %q", cut, got)
			}
		}
	}
}

// TestTokenCounters: attempts count, refused lines do not.
func TestTokenCounters(t *testing.T) {
	r := newTokenRig(t, Config{})
	failed := 0
	r.server.env.AuthFailed = func(p *wire.Peer) {
		if failed++; p.FD != 7 {
			t.Errorf("another client: %+v", p)
		}
	}
	p := r.dial()
	p.want("get a\r\n", replyStranger)
	p.want("set foo 0 0 7\r\nfoo bab\r\n", replyTokenWrong)
	p.want("set foo 0 0 6\r\nfoobar\r\n", replyTokenWords)
	p.want("set foo 0 0 16385\r\n", replyTokenSize)
	p.want(letIn, "STORED\r\n")
	reply := p.send("stats\r\n")
	for _, line := range []string{"STAT auth_cmds 2\r\n", "STAT auth_errors 1\r\n"} {
		if !strings.Contains(reply, line) {
			t.Errorf("no %q", line)
		}
	}
	if failed != 1 {
		t.Errorf("told of %d failures", failed)
	}
	p.want("stats reset\r\n", "RESET\r\n")
	if reply := p.send("stats\r\n"); !strings.Contains(reply, "STAT auth_cmds 0\r\n") {
		t.Error("auth_cmds was not reset")
	}
}

// TestTokenBlockEndless: who sends more than any data block can be is not kept.
func TestTokenBlockEndless(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newTokenRig(t, Config{Compat: compat})
		p := r.dial()
		p.want("set foo 0 0 16383\r\n", "")
		p.want(strings.Repeat("x", tokenHeld-1), "")
		p.want("x", "<EOF>")
	}
	p := newTokenRig(t, Config{Compat: Compat1618}).dial()
	p.want("set foo 0 0 2000000000\r\n"+strings.Repeat("x", 1<<20), "<EOF>")
}

// TestOneReplyToAStranger: memcached has one for all that comes at once.
func TestOneReplyToAStranger(t *testing.T) {
	p := newTokenRig(t, Config{}).dial()
	p.want(strings.Repeat("get a\r\n", 50), replyStranger)
	p.want("get a\r\nset foo 0 0 7\r\nfoo bab\r\n"+letIn+"mn\r\n", "STORED\r\nMN\r\n")
}

// TestAuthenticationCostsNothing: where nobody is asked, a session is what it was.
func TestAuthenticationCostsNothing(t *testing.T) {
	r := newRig(t, Config{})
	s := r.server.Open(0, wire.Peer{FD: 9}).(*session)
	defer s.Close(wire.ByPeer)
	if !s.authenticated || s.token != nil || s.sasl != nil || s.state == stateToken {
		t.Errorf("%+v", s)
	}
	var out wire.Out
	in := []byte("get foo\r\n")
	alloctest.Zero(t, "get", func() {
		out.Buf = out.Buf[:0]
		s.Feed(in, &out)
	})
}

// TestStrangerStates are what `stats conns` shows.
func TestStrangerStates(t *testing.T) {
	for state, want := range map[state]string{stateToken: "conn_read", stateTokenData: "conn_read"} {
		if got := stateNames[state]; got != want {
			t.Errorf("%d: %s", state, got)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, in := range []string{letIn + "get foo\r\n", "set a 0 0 4294967295\r\nx", "\n\n\n", "set a 0 0 0\r\n\r\n", fmt.Sprintf("set a 0 0 %d\r\n%s", tokenMax, strings.Repeat(" ", tokenMax))} {
		f.Add([]byte(in), uint16(3), true)
		f.Add([]byte(in), uint16(20), false)
	}
	rigs := map[bool]*rig{false: newTokenRig(f, Config{}), true: newTokenRig(f, Config{Compat: Compat1618})}
	check := rigs[false].server.env.Token
	f.Fuzz(func(t *testing.T, in []byte, cut uint16, old bool) {
		r, let := rigs[old], false
		r.server.env.Token = func(user, password []byte) bool {
			ok := check(user, password)
			let = let || ok
			return ok
		}
		p := &peer{r: r, session: r.server.Open(0, wire.Peer{FD: 7, Network: "tcp"})}
		defer p.close()
		at := min(int(cut), len(in))
		reply := p.send(string(in[:at]))
		if !p.closed {
			reply += p.send(string(in[at:]))
		}
		if s := p.session.(*session); s.authenticated != let {
			t.Fatalf("authenticated %v, let in %v", s.authenticated, let)
		}
		if !let {
			for _, line := range strings.SplitAfter(strings.TrimSuffix(reply, "<EOF>"), "\n") {
				if line != "" && !strings.HasPrefix(line, "CLIENT_ERROR ") {
					t.Fatalf("a stranger was told %q", line)
				}
			}
		}
	})
}
