package load

import "encoding/binary"

// The parts of the binary protocol that a load needs (memcached's
// doc/protocol-binary.txt): a header of 24 bytes, then extras, key and value.
const (
	headerLen    = 24
	magicRequest = 0x80
	magicReply   = 0x81

	opGet      = 0x00
	opSet      = 0x01
	opNoop     = 0x0a
	opGetKeyQ  = 0x0d
	opSetQ     = 0x11
	setExtras  = 8 // flags, expiry
	getExtras  = 4 // flags, of a reply
	opaqueAt   = 12
	statusMiss = 1
	statusBusy = 0x80 // from here on, and 3: the server could not, which is no wrong reply
)

// binaryTemplate is a request of the binary protocol.
func binaryTemplate(opcode byte, prefix string, extras int, value []byte) template {
	keyLen := len(prefix) + digits
	b := make([]byte, headerLen+extras, headerLen+extras+keyLen+len(value))
	b[0], b[1], b[4] = magicRequest, opcode, byte(extras)
	binary.BigEndian.PutUint16(b[2:], uint16(keyLen))
	binary.BigEndian.PutUint32(b[8:], uint32(extras+keyLen+len(value)))
	t := template{opaque: opaqueAt}
	b = append(b, prefix...)
	t.keys = []int{len(b)}
	b = append(b, "00000000"...)
	if len(value) >= digits+2 {
		t.value = len(b)
	}
	t.bytes = append(b, value...)
	return t
}

// useBinary makes the templates of the binary protocol. A pipeline is quiet:
// nothing answers but hits, and a noop behind it.
func (t *templates) useBinary(c *Config) {
	get, set := byte(opGet), byte(opSet)
	if t.quiet = c.Depth > 1; t.quiet {
		get, set = opGetKeyQ, opSetQ
	}
	t.binary, t.value = true, t.value[:c.ValueSize]
	t.head = c.KeyPrefix
	t.get = binaryTemplate(get, c.KeyPrefix, 0, nil)
	t.set = binaryTemplate(set, c.KeyPrefix, setExtras, t.value)
}

// noop ends a quiet batch.
func (s *stream) noop(now int64) {
	at := len(s.out)
	var b [headerLen]byte
	b[0], b[1] = magicRequest, opNoop
	s.out = append(s.out, b[:]...)
	binary.BigEndian.PutUint32(s.out[at+opaqueAt:], uint32(s.tail))
	s.waiting[s.tail&uint(len(s.waiting)-1)] = request{due: now, noop: true}
	s.tail++
}

// binaryReply checks the reply that b begins with, but for its value, and
// returns its length; 0: b is too short.
func (s *stream) binaryReply(b []byte, now int64) (n int, err error) {
	if len(b) < headerLen {
		return 0, nil
	}
	keyLen, extras := int(binary.BigEndian.Uint16(b[2:])), int(b[4])
	status, total := binary.BigEndian.Uint16(b[6:]), int(binary.BigEndian.Uint32(b[8:]))
	hit := status == 0 && (b[1] == opGet || b[1] == opGetKeyQ)
	n = headerLen + total
	if hit {
		n = headerLen + extras + keyLen
	}
	if b[0] != magicReply || total < extras+keyLen || n > lineMax {
		return 0, wrongReply("the header of a reply", b)
	}
	if len(b) < n {
		return 0, nil
	}
	if err := s.settle(binary.BigEndian.Uint32(b[opaqueAt:]), now, b); err != nil {
		return 0, err
	}
	if hit {
		return n, s.hit(b[:n], total-extras-keyLen)
	}
	return n, s.status(b, status, now)
}

// settle closes the quiet requests before the one that is answered: a get that
// stays silent missed, a set that does stored.
func (s *stream) settle(opaque uint32, now int64, b []byte) error {
	for s.head != s.tail && uint32(s.head) != opaque {
		switch r := s.waiting[s.head&uint(len(s.waiting)-1)]; {
		case !s.t.quiet || r.noop:
			return wrongReply("the reply to another request", b)
		case r.store:
			s.counts.Stores++
		default:
			s.counts.Misses++
		}
		s.done(now)
	}
	if s.head == s.tail {
		return wrongReply("nothing", b)
	}
	return nil
}

// hit checks the head of a value's reply.
func (s *stream) hit(b []byte, valueLen int) error {
	s.key = s.asked[s.answered&uint(len(s.asked)-1)]
	var want [digits]byte
	putDigits(want[:], s.key)
	key := b[headerLen+getExtras:]
	named := !s.t.quiet && len(key) == 0 ||
		s.t.quiet && len(key) == len(s.t.head)+digits && string(key[:len(s.t.head)]) == s.t.head && string(key[len(s.t.head):]) == string(want[:])
	if s.waiting[s.head&uint(len(s.waiting)-1)].store || !named || valueLen != len(s.t.value) {
		return wrongReply("the value of key "+string(want[:]), b)
	}
	s.counts.Hits++
	s.body = valueLen
	return nil
}

// status closes a request whose reply is a status.
func (s *stream) status(b []byte, status uint16, now int64) error {
	r := s.waiting[s.head&uint(len(s.waiting)-1)]
	switch {
	case r.noop && b[1] == opNoop && status == 0:
	case r.store && (b[1] == opSet || b[1] == opSetQ) && status == 0:
		s.counts.Stores++
	case !r.store && !r.noop && status == statusMiss:
		s.counts.Misses++
	case status >= statusBusy || status == 3:
		s.counts.Errors++
	default:
		return wrongReply("a reply to the request", b)
	}
	s.done(now)
	return nil
}
