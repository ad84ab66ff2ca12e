package credentials

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// digest is what names and passwords are compared by.
type digest [sha256.Size]byte

// kind keeps digests of different things apart.
type kind byte

const (
	kindToken    kind = iota // of -Y: user, password
	kindLine                 // of MEMCACHED_SASL_PWDB: user:password
	kindDatabase             // of a sasldb: user, realm, password
	kindUser                 // of both: whose password it is
)

// digester makes digests. Nobody outside of the process can, so that nobody can
// choose what two digests have in common.
type digester struct{ key [sha256.Size]byte }

func newDigester() *digester {
	d := new(digester)
	rand.Read(d.key[:]) // never fails: the runtime ends the process instead
	return d
}

// of is the digest of some parts, each with its length.
func (d *digester) of(k kind, parts ...[]byte) (sum digest) {
	h := hmac.New(sha256.New, d.key[:])
	h.Write([]byte{byte(k)})
	for _, part := range parts {
		var size [4]byte
		binary.LittleEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}
