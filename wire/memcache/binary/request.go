package binary

import (
	"encoding/binary"
	"errors"
)

// Sizes and marks of the protocol.
const (
	HeaderLen = 24
	MaxKey    = 250

	// RequestMagic is a request's first byte, by which a connection is known to
	// speak this protocol. PROTOCOL_BINARY_REQ
	RequestMagic = 0x80
	// ReplyMagic is a reply's. PROTOCOL_BINARY_RES
	ReplyMagic = 0x81
)

// ErrMagic: what came is no request, and nothing tells where one begins.
var ErrMagic = errors.New("binary: not the first byte of a request")

// ErrLongKey: the key is longer than MaxKey. Only the header was read.
var ErrLongKey = errors.New("binary: key too long")

// Request is a request up to its value.
type Request struct {
	Reply            // what its reply repeats
	CAS       uint64 // 0: any
	BodyLen   uint32 // of extras, key and value
	KeyLen    uint16
	ExtrasLen uint8
	Extras    []byte
	Key       []byte
}

// Parse reads the request that in begins with. n is where its value begins; 0
// without an error: more bytes are needed. With an error the header is read, and
// nothing else.
func (r *Request) Parse(in []byte) (n int, err error) {
	if len(in) < HeaderLen {
		return 0, nil
	}
	h := in[:HeaderLen]
	if h[0] != RequestMagic {
		return 0, ErrMagic
	}
	r.Opcode = Opcode(h[1])
	r.KeyLen = binary.BigEndian.Uint16(h[2:])
	r.ExtrasLen = h[4]
	r.BodyLen = binary.BigEndian.Uint32(h[8:])
	r.Opaque = binary.BigEndian.Uint32(h[12:])
	r.CAS = binary.BigEndian.Uint64(h[16:])
	if r.KeyLen > MaxKey {
		return 0, ErrLongKey
	}
	key := HeaderLen + int(r.ExtrasLen)
	n = key + int(r.KeyLen)
	if len(in) < n {
		return 0, nil
	}
	r.Extras = in[HeaderLen:key]
	r.Key = in[key:n]
	return n, nil
}

// Peek returns the key of the request that in begins with and where the next one
// would begin; n is 0 when in does not say. It believes the lengths.
func Peek(in []byte) (key []byte, n int) {
	if len(in) < HeaderLen || in[0] != RequestMagic {
		return nil, 0
	}
	from := HeaderLen + int(in[4])
	to := from + int(binary.BigEndian.Uint16(in[2:]))
	if to > len(in) {
		return nil, 0
	}
	return in[from:to], HeaderLen + int(binary.BigEndian.Uint32(in[8:]))
}

// Consistent reports whether extras and key fit into the body.
func (r *Request) Consistent() bool { return r.headLen() <= int64(r.BodyLen) }

func (r *Request) headLen() int64 { return int64(r.ExtrasLen) + int64(r.KeyLen) }

// ValueLen is how long the value is. As in memcached, whose int it is there, it is
// negative where a body is said to be longer than 2 GiB.
func (r *Request) ValueLen() int { return int(int32(int64(r.BodyLen) - r.headLen())) }

// Flags and Expiry are the extras of a store command; Flags stand first.
func (r *Request) Flags() uint32  { return binary.BigEndian.Uint32(r.Extras) }
func (r *Request) Expiry() uint32 { return binary.BigEndian.Uint32(r.Extras[4:]) }

// NewExpiry is the only extra of touch, gat and flush.
func (r *Request) NewExpiry() uint32 { return binary.BigEndian.Uint32(r.Extras) }

// Delta, Initial and SeedExpiry are the extras of incr and decr.
func (r *Request) Delta() uint64      { return binary.BigEndian.Uint64(r.Extras) }
func (r *Request) Initial() uint64    { return binary.BigEndian.Uint64(r.Extras[8:]) }
func (r *Request) SeedExpiry() uint32 { return binary.BigEndian.Uint32(r.Extras[16:]) }

// NoSeed is the SeedExpiry of an incr or decr that stores nothing where no number is.
const NoSeed = 1<<32 - 1
