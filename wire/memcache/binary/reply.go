package binary

import "encoding/binary"

// Status is how a request ended.
type Status uint16

// The statuses that memcached sends.
const (
	Success         Status = 0x00
	NotFound        Status = 0x01 // KEY_ENOENT
	Exists          Status = 0x02 // KEY_EEXISTS
	TooLarge        Status = 0x03 // E2BIG
	Invalid         Status = 0x04 // EINVAL
	NotStored       Status = 0x05 // NOT_STORED
	NotNumeric      Status = 0x06 // DELTA_BADVAL
	AuthFailed      Status = 0x20 // AUTH_ERROR
	AuthContinue    Status = 0x21 // AUTH_CONTINUE
	UnknownCommand  Status = 0x81 // UNKNOWN_COMMAND
	OutOfMemory     Status = 0x82 // ENOMEM
	statusTextsSize        = OutOfMemory + 1
)

var statusTexts = [statusTextsSize]string{
	NotFound:       "Not found",
	Exists:         "Data exists for key.",
	TooLarge:       "Too large.",
	Invalid:        "Invalid arguments",
	NotStored:      "Not stored.",
	NotNumeric:     "Non-numeric server-side value for incr or decr",
	AuthFailed:     "Auth failure.",
	UnknownCommand: "Unknown command",
	OutOfMemory:    "Out of memory",
}

// Text is the body of a reply with the status.
func (s Status) Text() string { return statusTexts[s] }

// Reply is what of a request its reply repeats.
type Reply struct {
	Opaque uint32
	Opcode Opcode
}

// AppendHeader appends the header of a reply whose body has so many bytes, of
// which extras and key are some.
func (r Reply) AppendHeader(dst []byte, status Status, extras, key, body int, cas uint64) []byte {
	var h [HeaderLen]byte
	h[0] = ReplyMagic
	h[1] = byte(r.Opcode)
	binary.BigEndian.PutUint16(h[2:], uint16(key))
	h[4] = byte(extras)
	binary.BigEndian.PutUint16(h[6:], uint16(status))
	binary.BigEndian.PutUint32(h[8:], uint32(body))
	binary.BigEndian.PutUint32(h[12:], r.Opaque)
	binary.BigEndian.PutUint64(h[16:], cas)
	return append(dst, h[:]...)
}

// AppendText appends a reply whose body is a text.
func (r Reply) AppendText(dst []byte, status Status, text string) []byte {
	return append(r.AppendHeader(dst, status, 0, 0, len(text), 0), text...)
}

// FlagsLen is the length of the extras of a value's reply.
const FlagsLen = 4

// AppendItemHeader appends what stands before a value of n bytes: the header, the
// client's flags, and the key unless it is empty.
func (r Reply) AppendItemHeader(dst []byte, flags uint32, key []byte, n int, cas uint64) []byte {
	dst = r.AppendHeader(dst, Success, FlagsLen, len(key), FlagsLen+len(key)+n, cas)
	dst = binary.BigEndian.AppendUint32(dst, flags)
	return append(dst, key...)
}

// AppendNumber appends the reply of incr and decr.
func (r Reply) AppendNumber(dst []byte, v, cas uint64) []byte {
	const numberLen = 8
	return binary.BigEndian.AppendUint64(r.AppendHeader(dst, Success, 0, 0, numberLen, cas), v)
}

// AppendStat appends a reply of Stat: one of a list, which one without a name ends.
func AppendStat[N, V ~string | ~[]byte](r Reply, dst []byte, name N, value V) []byte {
	dst = r.AppendHeader(dst, Success, 0, len(name), len(name)+len(value), 0)
	return append(append(dst, name...), value...)
}

// PatchBody sets the length of the body in the header that b begins with, of a
// reply that was appended before its length was known.
func PatchBody(b []byte, body int) { binary.BigEndian.PutUint32(b[8:], uint32(body)) }
