package memcache

import (
	"testing"

	"github.com/pandabeardb/panda/wire"
)

// knownSASL lets bob in.
type knownSASL struct{}

func (knownSASL) Mechanisms() string { return "PLAIN CRAM-MD5" }
func (knownSASL) Plain(identity, user, password []byte) bool {
	return len(identity) == 0 && string(user) == "bob" && string(password) == "secret"
}
func (knownSASL) Challenge() []byte { return []byte("<1@vm>") }
func (knownSASL) Response(challenge, response []byte) bool {
	return string(response) == "bob signs "+string(challenge)
}

// saslCall is one of opcodes 21 and 22, or 20.
type saslCall struct {
	step            bool
	mechanism, data string
	want            saslResult
}

// TestSASLConversations holds the order of things to what memcached 1.6.18 did.
func TestSASLConversations(t *testing.T) {
	const good, bad, signed = "\x00bob\x00secret", "\x00bob\x00wrong", "bob signs <1@vm>"
	for name, calls := range map[string][]saslCall{
		"plain":                     {{false, "PLAIN", good, saslAccepted}},
		"in small letters":          {{false, "plain", good, saslAccepted}},
		"a C string":                {{false, "PLAIN\x00x", good, saslAccepted}},
		"a space behind":            {{false, "PLAIN ", good, saslFailed}},
		"wrong, then right":         {{false, "PLAIN", bad, saslFailed}, {false, "PLAIN", good, saslAccepted}},
		"nobody comes in twice":     {{false, "PLAIN", good, saslAccepted}, {false, "PLAIN", good, saslFailed}},
		"nor by a step":             {{false, "PLAIN", good, saslAccepted}, {true, "PLAIN", good, saslFailed}},
		"a step first":              {{true, "PLAIN", good, saslFailed}},
		"in steps":                  {{false, "PLAIN", "", saslContinue}, {true, "LOGIN", good, saslAccepted}},
		"a step that fails":         {{false, "PLAIN", "", saslContinue}, {true, "PLAIN", bad, saslFailed}, {true, "PLAIN", good, saslAccepted}},
		"a step behind a bad start": {{false, "PLAIN", bad, saslFailed}, {true, "PLAIN", good, saslFailed}},
		"unknown":                   {{false, "LOGIN", good, saslFailed}},
		"three NULs":                {{false, "PLAIN", good + "\x00", saslFailed}},
		"one NUL":                   {{false, "PLAIN", "bob\x00secret", saslFailed}},
		"signed":                    {{false, "CRAM-MD5", "", saslContinue}, {true, "CRAM-MD5", signed, saslAccepted}},
		"signed, by any name":       {{false, "cram-md5", "", saslContinue}, {true, "PLAIN", signed, saslAccepted}},
		"signed at once":            {{false, "CRAM-MD5", signed, saslFailed}},
		"signed twice":              {{false, "CRAM-MD5", "", saslContinue}, {true, "CRAM-MD5", "x", saslFailed}, {true, "CRAM-MD5", signed, saslFailed}},
		"another start":             {{false, "CRAM-MD5", "", saslContinue}, {false, "NONE", "", saslFailed}, {true, "CRAM-MD5", signed, saslFailed}},
		"from one to the other":     {{false, "CRAM-MD5", "", saslContinue}, {false, "PLAIN", good, saslAccepted}},
		"too much":                  {{false, "PLAIN", good + string(make([]byte, saslDataMax)), saslFailed}},
	} {
		r := newRig(t, Config{Protocol: ProtocolBinary})
		r.server.env.SASL = knownSASL{}
		s := r.server.Open(0, wire.Peer{FD: 7}).(*session)
		if s.authenticated {
			t.Fatal("everybody is let in")
		}
		for i, c := range calls {
			got, challenge := s.worker.saslAuthenticate(s, c.step, []byte(c.mechanism), []byte(c.data))
			if got != c.want || s.authenticated != (got == saslAccepted) || len(challenge) > 0 && got != saslContinue {
				t.Errorf("%s, call %d: %d, authenticated %v, challenge %q", name, i, got, s.authenticated, challenge)
			}
		}
		s.worker.saslMechanisms(s)
		if s.authenticated {
			t.Errorf("%s: not a stranger again", name)
		}
		s.Close(wire.ByPeer)
	}
}
