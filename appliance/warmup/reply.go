package warmup

import (
	"bytes"
	"math"
	"strconv"
)

// replyMax bounds a reply's line: a key in base64, and flags. A text of error
// is shorter.
const replyMax = 2048

// A ReplyKind says what a meta command was answered.
type ReplyKind uint8

const (
	ReplyValue  ReplyKind = iota // VA: SizeBytes of value follow, and CRLF
	ReplyStored                  // HD
	ReplyKept                    // NS: the target has the key already
	ReplyMiss                    // EN, NF
	ReplyEnd                     // MN: everything before it is answered
	ReplyError                   // ERROR, CLIENT_ERROR, SERVER_ERROR: Text says what
)

// A Reply is the line that answers a meta command.
type Reply struct {
	Kind ReplyKind
	Text []byte // the line without its end

	// Of ReplyValue:
	SizeBytes int
	Flags     uint64 // the client's
	TTLS      int64  // -1: never expires
	Request   int    // which of a batch's requests it answers (O), -1: it does not say
	Binary    bool   // the key was set in base64
	Stale     bool   // marked as such, or somebody is on the way to renew it
}

// ParseReply reads the line at the head of src, which it borrows. With n == 0
// and no error it takes more bytes to know.
func ParseReply(src []byte) (r Reply, n int, err error) {
	end := bytes.IndexByte(src[:min(len(src), replyMax)], '\n')
	if end < 0 {
		if len(src) >= replyMax {
			return Reply{}, 0, ErrReply
		}
		return Reply{}, 0, nil
	}
	r.Text = bytes.TrimSuffix(src[:end], []byte{'\r'})
	code, rest, _ := bytes.Cut(r.Text, []byte{' '})
	switch string(code) {
	case "VA":
		if !r.parseValue(rest) {
			return Reply{}, 0, ErrReply
		}
	case "HD":
		r.Kind = ReplyStored
	case "NS":
		r.Kind = ReplyKept
	case "EN", "NF":
		r.Kind = ReplyMiss
	case "MN":
		r.Kind = ReplyEnd
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		r.Kind = ReplyError
	default:
		return Reply{}, 0, ErrReply
	}
	return r, end + 1, nil
}

// parseValue reads what follows VA: the size, and the flags.
func (r *Reply) parseValue(rest []byte) bool {
	r.TTLS, r.Request = -1, -1
	size, flags, _ := bytes.Cut(rest, []byte{' '})
	n, ok := number(size, math.MaxInt32)
	r.SizeBytes = int(n)
	for ok && len(flags) > 0 {
		var flag []byte
		flag, flags, _ = bytes.Cut(flags, []byte{' '})
		if len(flag) > 0 {
			ok = r.flag(flag[0], flag[1:])
		}
	}
	return ok
}

// flag takes one flag of a value. What we did not ask for is skipped.
func (r *Reply) flag(name byte, argument []byte) (ok bool) {
	switch name {
	case 'f':
		r.Flags, ok = number(argument, math.MaxUint64)
		return ok
	case 't':
		if string(argument) == "-1" {
			r.TTLS = -1
			return true
		}
		n, ok := number(argument, math.MaxUint32)
		r.TTLS = int64(n)
		return ok
	case 'O':
		n, ok := number(argument, math.MaxInt32)
		r.Request = int(n)
		return ok
	case 'b':
		r.Binary = true
	case 'W', 'X', 'Z':
		r.Stale = true
	}
	return true
}

// number reads decimal digits, and nothing else, up to limit.
func number(text []byte, limit uint64) (uint64, bool) {
	if len(text) == 0 || text[0] < '0' || text[0] > '9' {
		return 0, false // ParseUint takes a sign
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	return n, err == nil && n <= limit
}
