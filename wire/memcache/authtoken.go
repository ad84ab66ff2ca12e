package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// A stranger of the text protocol (-Y) may say one thing, a set of whatever key,
// flags and exptime, whose data is its name and password:
//
//	set <key> <flags> <exptime> <length>\r\n
//	<name> <password>\r\n
//
// Everything else is refused a line at a time, and so are the lines of its data.
const (
	tokenMax        = 16 << 10 // MAX_AUTH_REQ_LEN; the old dialect, which has no limit, looks no further
	tokenLineMin    = 6        // MIN_AUTH_REQ_LEN: the new dialect hangs up on a shorter line
	tokenWaitOld    = 2        // bytes before which the old dialect does not look for a line
	tokenWaitNew    = 3        // the same, of the new dialect
	tokenWords      = 5        // of the line: set, key, flags, exptime, length
	tokenWork       = 4        // units of a turn: a keyed digest
	lineEnd         = "\r\n"
	replyStranger   = "CLIENT_ERROR unauthenticated\r\n"
	replyTokenSize  = "CLIENT_ERROR auth token too long\r\n"
	replyTokenEnd   = "CLIENT_ERROR bad command line termination\r\n"
	replyTokenWords = "CLIENT_ERROR bad authentication token format\r\n"
	replyTokenWrong = "CLIENT_ERROR authentication failure\r\n"
)

// tokenData is the data block of a set that says who a client is.
type tokenData struct {
	left int     // bytes to come, the line's end among them
	size int     // bytes in all
	held []byte  // what came, at most tokenMax and the line's end
	last [2]byte // the last two that came
}

// take adds what came.
func (d *tokenData) take(b []byte) {
	d.left -= len(b)
	d.held = append(d.held, b[:min(len(b), tokenMax+len(lineEnd)-len(d.held))]...)
	switch len(b) {
	case 0:
	case 1:
		d.last = [2]byte{d.last[1], b[0]}
	default:
		d.last = [2]byte(b[len(b)-2:])
	}
}

// body is the block without its line's end; ok is false when it has none.
func (d *tokenData) body() (b []byte, ok bool) {
	if d.size < len(lineEnd) || string(d.last[:]) != lineEnd {
		return nil, false
	}
	return d.held[:min(len(d.held), d.size-len(lineEnd))], true
}

// tokenLine takes a stranger's line.
func (s *session) tokenLine(in []byte) (n int, p progress) {
	w := s.worker
	wait := tokenWaitNew
	if w.dialect == ascii.Old {
		wait = tokenWaitOld
	}
	if len(in) < wait {
		return 0, starved
	}
	end := bytes.IndexByte(in[s.scanned:], '\n')
	switch {
	case end >= 0:
		end += s.scanned
		s.scanned = 0
	case len(in) > ascii.MaxLine:
		return len(in), closing
	default:
		s.scanned = len(in)
		return 0, starved
	}
	if w.dialect == ascii.Old {
		p = s.oldTokenLine(in[:end])
	} else {
		p = s.newTokenLine(in[:end])
	}
	return end + 1, p
}

// newTokenLine takes a line without its \n. What is cut from its end is what
// the original cuts: one byte at least, be it a \r or not.
func (s *session) newTokenLine(line []byte) progress {
	w := s.worker
	if len(line) < tokenLineMin {
		return closing
	}
	words := line[:len(line)-1]
	if line[len(line)-2] == '\r' {
		words = line[:len(line)-2]
	}
	w.request.Parse(words)
	size, ok := uint32(0), false
	if w.request.Len() >= tokenWords && bytes.HasPrefix(line, []byte("set")) {
		size, ok = ascii.Uint32(w.request.Token(tokenWords - 1))
	}
	switch {
	case !ok:
		return w.say(replyStranger)
	case size > tokenMax:
		return w.say(replyTokenSize)
	}
	return s.awaitToken(int(size) + len(lineEnd))
}

// oldTokenLine takes a line without its \n, as a C string.
func (s *session) oldTokenLine(line []byte) progress {
	w := s.worker
	if end := bytes.IndexByte(line, 0); end >= 0 {
		line = line[:end]
	}
	w.request.Parse(line)
	size, ok := uint32(0), false
	if w.request.Len() >= tokenWords && string(w.request.Token(0)) == "set" {
		size, ok = ascii.Old.Strtoul(w.request.Token(tokenWords - 1))
	}
	if !ok {
		return w.say(replyStranger)
	}
	need := int(int32(size + uint32(len(lineEnd)))) // 32 bits, with a sign: the original's
	if need < 0 {
		return closing // the original crashes
	}
	return s.awaitToken(need)
}

// awaitToken waits for a data block of so many bytes.
func (s *session) awaitToken(size int) progress {
	s.token = &tokenData{left: size, size: size}
	if size == 0 {
		return s.tokenDone()
	}
	s.state = stateTokenData
	return working
}

// tokenBlock takes bytes of the data block.
func (s *session) tokenBlock(in []byte) (n int, p progress) {
	n = min(s.token.left, len(in))
	s.token.take(in[:n])
	if s.token.left > 0 {
		return n, starved
	}
	return n, s.tokenDone()
}

// tokenDone answers a whole data block.
func (s *session) tokenDone() progress {
	w := s.worker
	body, ended := s.token.body()
	s.token, s.state = nil, stateToken
	if !ended {
		return w.say(replyTokenEnd)
	}
	name, password, ok := bytes.Cut(body, []byte{' '})
	if w.dialect == ascii.Old {
		name, password, ok = oldTokenWords(body)
	}
	if !ok {
		return w.say(replyTokenWords)
	}
	w.work -= tokenWork
	if !w.server.env.Token(name, password) {
		s.countAuth(false)
		return w.say(replyTokenWrong)
	}
	s.countAuth(true)
	s.authenticated, s.state = true, stateLine
	return w.say(replyStored)
}

// oldTokenWords are the first two words of a C string.
func oldTokenWords(body []byte) (name, password []byte, ok bool) {
	if end := bytes.IndexByte(body, 0); end >= 0 {
		body = body[:end]
	}
	name, body = ascii.Key(body)
	password, _ = ascii.Key(body)
	return name, password, len(password) > 0
}
