package credentials

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
)

// What of a client's answer is looked at. All are SASL's.
const (
	nameMax     = 256     // bytes of a user with its realm
	passwordMax = 8 << 10 // of a password
	responseMax = 1 << 10 // of the answer to a challenge
	signature   = 2 * 16  // digits of an MD5
	spaces      = " \t\n\v\f\r"
)

// SASL is who may come in by the binary protocol.
type SASL struct {
	hostname   string // the realm of who names none
	mechanisms string
	digester   *digester
	passwords  *source // MEMCACHED_SASL_PWDB; nil: none
	database   *source // sasldb; nil: none
}

// OpenSASL finds out, as memcached does, where passwords are: in the environment
// and in the configuration of Cyrus SASL. The log hears of files that cannot be
// read: they may appear later.
func OpenSASL(getenv func(string) string, log *slog.Logger) (*SASL, error) {
	hostname, _ := os.Hostname()
	s := &SASL{hostname: hostname, digester: newDigester()}
	if path := getenv("MEMCACHED_SASL_PWDB"); path != "" {
		s.passwords = s.source(path, parsePasswords, log)
	}
	path, found := findConfig(getenv)
	if !found {
		if s.passwords == nil {
			return nil, ErrNoConfig
		}
		s.mechanisms = mechanismPlain
		return s, nil
	}
	c, err := readConfig(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.mechanisms == nil {
		c.mechanisms = []string{mechanismCRAM, mechanismPlain}
	}
	s.mechanisms = strings.Join(c.mechanisms, " ")
	s.database = s.source(c.database, parseDatabase, log)
	return s, nil
}

func (s *SASL) source(path string, parse func(*digester, []byte) (*accounts, error), log *slog.Logger) *source {
	return &source{
		path:  path,
		parse: func(text []byte) (*accounts, error) { return parse(s.digester, text) },
		log:   log,
		now:   time.Now,
	}
}

// Reload reads all files again, changed or not.
func (s *SASL) Reload() {
	for _, source := range []*source{s.passwords, s.database} {
		if source != nil {
			source.reload()
		}
	}
}

// Mechanisms are what a client can choose from.
func (s *SASL) Mechanisms() string { return s.mechanisms }

// user is a name as SASL sees it: without space around, with a realm.
type user struct {
	name, realm []byte
	given       bool // the realm was the client's
}

func (u user) full() []byte { return bytes.Join([][]byte{u.name, u.realm}, []byte{'@'}) }

// canonical makes a user of a name; ok is false when it is none.
func (s *SASL) canonical(text []byte) (u user, ok bool) {
	text = bytes.Trim(text, spaces)
	at := bytes.LastIndexByte(text, '@')
	switch {
	case len(text) == 0 || len(text) > nameMax:
		return user{}, false
	case at < 0:
		return user{name: text, realm: []byte(s.hostname)}, true
	}
	return user{name: text[:at], realm: text[at+1:], given: true}, true
}

// Plain checks what PLAIN sends. Nobody can act for somebody else.
func (s *SASL) Plain(identity, userText, password []byte) bool {
	u, ok := s.canonical(userText)
	if !ok || len(password) > passwordMax {
		return false
	}
	if len(identity) > 0 {
		who, known := s.canonical(identity)
		ok = known && bytes.Equal(who.full(), u.full())
	}
	found := s.inPasswords(u, password)
	if s.inDatabase(u, password) {
		found = true
	}
	return found && ok
}

// inPasswords asks MEMCACHED_SASL_PWDB. Cyrus SASL has memcached look for the
// user with a realm, though people have written lines without one, and older
// libraries took them.
func (s *SASL) inPasswords(u user, password []byte) bool {
	if s.passwords == nil || len(u.full())+len(password) > passwordsMax {
		return false
	}
	line := func(name []byte) digest {
		return s.digester.of(kindLine, bytes.Join([][]byte{name, password}, []byte{':'}))
	}
	return s.passwords.current().has(line(u.full()), line(u.short()))
}

// short is the user without the realm that the client left out.
func (u user) short() []byte {
	if u.given {
		return u.full()
	}
	return u.name
}

func (s *SASL) inDatabase(u user, password []byte) bool {
	if s.database == nil {
		return false
	}
	return s.database.current().has(s.digester.of(kindDatabase, u.name, u.realm, password))
}

// Challenge makes what a client of CRAM-MD5 is to sign.
func (s *SASL) Challenge() []byte {
	var number [8]byte
	rand.Read(number[:])
	return fmt.Appendf(nil, "<%d.%d@%s>", binary.LittleEndian.Uint64(number[:]), time.Now().UnixNano(), s.hostname)
}

// Response checks the answer to a challenge: the user, a space, and the keyed MD5
// of the challenge in small hexadecimal digits, the key being the password. What
// follows it is ignored.
func (s *SASL) Response(challenge, response []byte) bool {
	at := bytes.LastIndexByte(response, ' ')
	if at < 0 || len(response) > responseMax || len(response)-at-1 < signature {
		return false
	}
	u, ok := s.canonical(response[:at])
	if !ok {
		return false
	}
	password, known := s.secret(u)
	mac := hmac.New(md5.New, password)
	mac.Write(challenge)
	var want [signature]byte
	hex.Encode(want[:], mac.Sum(nil))
	return subtle.ConstantTimeCompare(want[:], response[at+1:at+1+signature]) == 1 && known
}

// secret is a user's password.
func (s *SASL) secret(u user) (password []byte, known bool) {
	full, short := s.digester.of(kindUser, u.full()), s.digester.of(kindUser, u.short())
	for _, source := range []*source{s.passwords, s.database} {
		if source == nil {
			continue
		}
		if p, ok := source.current().secret(full, short); ok && !known {
			password, known = p, true
		}
	}
	return password, known
}
