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
	tokenMax        = 16 << 10 // MAX_AUTH_REQ_LEN: the new dialect says so
	tokenHeld       = 16 << 10 // READ_BUFFER_SIZE: who sends so much of a longer line or data block is hung up on
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
	size int    // bytes, the line's end among them
	held []byte // those that came
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
	case end >= 0 && s.scanned+end < tokenHeld:
		end += s.scanned
		s.scanned = 0
	case len(in) > ascii.MaxLine:
		return len(in), w.hangUp()
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
		return w.hangUp()
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
		return w.answerStranger(replyStranger)
	case size > tokenMax:
		return w.answerStranger(replyTokenSize)
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
		return w.answerStranger(replyStranger)
	}
	need := int(int32(size + uint32(len(lineEnd)))) // 32 bits, with a sign: the original's
	if need < 0 {
		return w.hangUp() // the original crashes
	}
	return s.awaitToken(need)
}

// answerStranger answers, instead of what the turn has answered so far: memcached
// has one reply for all that a stranger sends at once, and it is the last one.
func (w *worker) answerStranger(text string) progress {
	w.unsay()
	return w.say(text)
}

// hangUp ends the conversation, and takes that one reply with it.
func (w *worker) hangUp() progress {
	w.unsay()
	return closing
}

// unsay takes back what was said in this turn. A stranger is told nothing that is
// pinned.
func (w *worker) unsay() {
	w.out.Buf = w.out.Buf[:len(w.out.Buf)-(w.out.Len()-w.start)]
}

// awaitToken waits for a data block of so many bytes.
func (s *session) awaitToken(size int) progress {
	s.token = &tokenData{size: size}
	if size == 0 {
		return s.tokenDone()
	}
	s.state = stateTokenData
	return working
}

// tokenBlock takes bytes of the data block.
func (s *session) tokenBlock(in []byte) (n int, p progress) {
	d := s.token
	n = min(d.size-len(d.held), tokenHeld-len(d.held), len(in))
	d.held = append(d.held, in[:n]...)
	switch {
	case len(d.held) == d.size:
		return n, s.tokenDone()
	case len(d.held) == tokenHeld:
		return n, closing
	}
	return n, starved
}

// tokenDone answers a whole data block.
func (s *session) tokenDone() progress {
	w := s.worker
	body, ended := bytes.CutSuffix(s.token.held, []byte(lineEnd))
	s.token, s.state = nil, stateToken
	if !ended {
		return w.answerStranger(replyTokenEnd)
	}
	name, password, ok := bytes.Cut(body, []byte{' '})
	if w.dialect == ascii.Old {
		name, password, ok = oldTokenWords(body)
	}
	if !ok {
		return w.answerStranger(replyTokenWords)
	}
	w.work -= tokenWork
	if !w.server.env.Token(name, password) {
		s.countAuth(false)
		return w.answerStranger(replyTokenWrong)
	}
	s.countAuth(true)
	s.authenticated, s.state = true, stateLine
	return w.answerStranger(replyStored)
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
