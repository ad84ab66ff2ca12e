package memcache

import (
	"bytes"
	"strings"

	"github.com/pandabeardb/panda/wire"
)

// SASL is who may come in by the binary protocol, and how. Its methods are
// called on loops, by several at a time. Nothing they do may take longer for
// one name or one wrong password than for another.
type SASL interface {
	// Mechanisms are the names of what a client can choose from, with spaces
	// between: PLAIN and CRAM-MD5 are known.
	Mechanisms() string

	// Plain checks what PLAIN sends: who wants to act (empty: the user), as whom
	// it presents itself, and its password.
	Plain(identity, user, password []byte) bool

	// Challenge makes what CRAM-MD5 asks a client to sign.
	Challenge() []byte

	// Response checks what CRAM-MD5's client made of a challenge.
	Response(challenge, response []byte) bool
}

const (
	mechanismPlain = "PLAIN"
	mechanismCRAM  = "CRAM-MD5"

	// mechanismMax is the longest name of a mechanism (MAX_SASL_MECH_LEN): a
	// longer one is answered "Invalid arguments", whatever its data.
	mechanismMax = 32

	// saslDataMax is how much data of a request is looked at: nobody whose name
	// and password are longer can be known, so that the rest need not be kept.
	saslDataMax = 16 << 10
)

// saslResult is how a step of SASL ended.
type saslResult uint8

const (
	saslFailed   saslResult = iota // status 0x20, "Auth failure."
	saslAccepted                   // status 0, "Authenticated"
	saslContinue                   // status 0x21, and a challenge
)

// saslState is where the conversation of opcodes 21 and 22 stands.
type saslState struct {
	mechanism string // of the last start that was not refused; "": none, a step has nothing to go on
	challenge []byte // CRAM-MD5: what is to be signed; nil once a response came
	done      bool   // a client that was let in cannot begin again
}

// openAuth decides, once, whether a new session must say who it is.
func (s *session) openAuth() {
	env := &s.worker.server.env
	s.authenticated = env.Token == nil && env.SASL == nil
	if env.Token != nil {
		s.state = stateToken
	}
}

// goodbye is how the conversation ends. A stranger that goes on is not heard, as
// memcached hears nobody whom it hung up on.
func (s *session) goodbye() wire.Next {
	if s.authenticated {
		return wire.Close
	}
	return wire.Cut
}

// countAuth counts an attempt.
func (s *session) countAuth(ok bool) {
	w := s.worker
	w.count(authCommands)
	if ok {
		return
	}
	w.count(authErrors)
	if f := w.server.env.AuthFailed; f != nil {
		f(&s.conn.peer)
	}
}

// saslEnabled reports whether opcodes 20 to 22 are known at all.
func (s *Server) saslEnabled() bool { return s.env.SASL != nil }

// saslMechanisms answers opcode 20. As in memcached, who asks is a stranger
// again.
func (w *worker) saslMechanisms(s *session) string {
	s.authenticated = false
	return w.server.env.SASL.Mechanisms()
}

// saslAuthenticate runs opcode 21, and 22 when step is set, with the key and the
// value of the request. The bytes are the challenge, if there is one. Whatever
// comes of it, who was let in before is a stranger again, as in memcached.
func (w *worker) saslAuthenticate(s *session, step bool, mechanism, data []byte) (saslResult, []byte) {
	s.authenticated = false
	w.work -= tokenWork
	if s.sasl == nil {
		s.sasl = new(saslState)
	}
	result, challenge := saslFailed, []byte(nil)
	switch {
	case len(data) > saslDataMax:
		s.saslRefused(step)
	case step:
		result = s.saslStep(data)
	default:
		result, challenge = s.saslStart(w.mechanism(mechanism), data)
	}
	switch result {
	case saslAccepted:
		s.authenticated, s.sasl.done = true, true
		s.countAuth(true)
	case saslFailed:
		s.countAuth(false)
	}
	return result, challenge
}

// mechanism is the one of that name, a C string in whatever case; "" when it is
// not on offer.
func (w *worker) mechanism(name []byte) string {
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	for _, known := range strings.Fields(w.server.env.SASL.Mechanisms()) {
		if strings.EqualFold(known, string(name)) {
			return known
		}
	}
	return ""
}

// saslRefused ends a conversation that a start did not begin. A step that fails
// leaves PLAIN where it was: it may be tried again.
func (s *session) saslRefused(step bool) {
	s.sasl.challenge = nil
	if !step {
		s.sasl.mechanism = ""
	}
}

// saslStart begins a conversation.
func (s *session) saslStart(mechanism string, data []byte) (saslResult, []byte) {
	s.saslRefused(false)
	switch {
	case s.sasl.done:
	case mechanism == mechanismPlain && len(data) == 0:
		s.sasl.mechanism = mechanism
		return saslContinue, nil
	case mechanism == mechanismPlain && s.worker.saslPlain(data):
		s.sasl.mechanism = mechanism
		return saslAccepted, nil
	case mechanism == mechanismCRAM && len(data) == 0:
		s.sasl.mechanism = mechanism
		s.sasl.challenge = s.worker.server.env.SASL.Challenge()
		return saslContinue, s.sasl.challenge
	}
	return saslFailed, nil
}

// saslStep goes on with one. It is the mechanism of the start, whatever this
// request says.
func (s *session) saslStep(data []byte) saslResult {
	accepted := false
	switch {
	case s.sasl.done:
	case s.sasl.mechanism == mechanismPlain:
		accepted = s.worker.saslPlain(data)
	case s.sasl.challenge != nil:
		accepted = s.worker.server.env.SASL.Response(s.sasl.challenge, data)
		s.sasl.challenge = nil
	}
	if accepted {
		return saslAccepted
	}
	return saslFailed
}

// saslPlain checks what PLAIN sends: identity NUL user NUL password.
func (w *worker) saslPlain(data []byte) bool {
	identity, rest, ok := bytes.Cut(data, []byte{0})
	user, password, more := bytes.Cut(rest, []byte{0})
	if !ok || !more || bytes.IndexByte(password, 0) >= 0 {
		return false
	}
	return w.server.env.SASL.Plain(identity, user, password)
}

// closeAuth forgets what a conversation held.
func (s *session) closeAuth() { s.token, s.sasl = nil, nil }
