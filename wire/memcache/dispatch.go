package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

const (
	shortestNewLine  = 4 // bytes with the line's end; what is shorter is no command to the new dialect
	httpVersion      = "HTTP/"
	oldUnknownErrors = "gsacidt" // a word with one of these first is never taken for HTTP by the old dialect
)

// command runs a line. n is its length with its end.
func (w *worker) command(s *session, line []byte, n int) progress {
	w.noreply = false
	w.lineLen, w.lineCap = n, cap(line)
	if w.dialect == ascii.Old {
		return w.oldCommand(s, line)
	}
	if n < shortestNewLine {
		return w.say(replyFormat)
	}
	r := w.named(line)
	if r == nil || r.flags&admin != 0 {
		return w.newUnknown(s, line)
	}
	if w.behind(r.flags) {
		return w.comeAgain(s, w.lineLen)
	}
	if r.flags&lines != 0 {
		w.request.Hold(line)
		return r.run(w, s)
	}
	w.request.Parse(line)
	if w.request.Len() < int(r.newMin) {
		return w.say(replyFormat)
	}
	return r.run(w, s)
}

// newUnknown looks for the commands that the new dialect looks for last: there
// spaces may come first, and noreply silences whatever is answered.
func (w *worker) newUnknown(s *session, line []byte) progress {
	req := &w.request
	req.Parse(line)
	w.noteNoreply()
	if r := w.known(req.Token(0)); r != nil && r.flags&admin != 0 {
		if w.behind(r.flags) {
			return w.comeAgain(s, w.lineLen)
		}
		return r.run(w, s)
	}
	if req.Len() > 1 && bytes.HasPrefix(req.Last(), []byte(httpVersion)) {
		return closing
	}
	return w.reply(replyError)
}

// oldCommand runs a line as a C string: it ends at a NUL, and spaces may come
// first.
func (w *worker) oldCommand(s *session, line []byte) progress {
	if end := bytes.IndexByte(line, 0); end >= 0 {
		line = line[:end]
	}
	for len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	r := w.named(line)
	switch {
	case r == nil:
		return w.oldUnknown(line)
	case w.behind(r.flags):
		return w.comeAgain(s, w.lineLen)
	case r.flags&lines != 0:
		w.request.Hold(line)
		return r.run(w, s)
	}
	w.request.Parse(line)
	tokens := w.request.Len()
	if tokens < int(r.oldMin) || r.oldMax > 0 && tokens > int(r.oldMax) {
		return w.say(replyError)
	}
	return r.run(w, s)
}

func (w *worker) oldUnknown(line []byte) progress {
	name := ascii.Word(line)
	meta := len(name) == 2 && name[0] == 'm'
	if len(name) >= 2 && !meta && bytes.IndexByte([]byte(oldUnknownErrors), name[0]) < 0 {
		w.request.Parse(line)
		if bytes.HasPrefix(w.request.Last(), []byte(httpVersion)) {
			return closing
		}
	}
	return w.say(replyError)
}
