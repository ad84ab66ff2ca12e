package credentials

import (
	"bytes"
	"crypto/subtle"
	"io"
	"os"
	"sync/atomic"
	"syscall"
)

// What memcached reads of an authentication file.
const (
	tokensMax = 8   // MAX_ENTRIES: what follows is ignored
	recordMax = 255 // MAX_ENTRY_LEN less the NUL: what fgets reads of a line at once
)

// Tokens are the users of the text protocol (-Y).
type Tokens struct {
	path     string
	digester *digester
	users    atomic.Pointer[[]digest]
}

// OpenTokens reads an authentication file. Its error is in memcached's words.
func OpenTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path, digester: newDigester()}
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Reload reads the file again. When that fails, those stay who were known.
func (t *Tokens) Reload() error {
	text, err := readTokens(t.path)
	if err != nil {
		return &tokensError{t.path, err}
	}
	entries, err := parseTokens(text)
	if err != nil {
		return &tokensError{t.path, err}
	}
	users := make([]digest, len(entries))
	for i, e := range entries {
		users[i] = t.digester.of(kindToken, e.user, e.password)
	}
	t.users.Store(&users)
	return nil
}

// Users is the number of users that are known.
func (t *Tokens) Users() int { return len(*t.users.Load()) }

// Check reports whether a user has this password. It looks at every user,
// whatever it found.
func (t *Tokens) Check(user, password []byte) bool {
	given, users, found := t.digester.of(kindToken, user, password), *t.users.Load(), 0
	for i := range users {
		found |= subtle.ConstantTimeCompare(given[:], users[i][:])
	}
	return found != 0
}

// readTokens reads as much of the file as can matter. What is no regular file
// has no size to memcached, and so nothing in it.
func readTokens(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, syscall.EISDIR
	case !info.Mode().IsRegular():
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(f, tokensMax*(recordMax+1)))
}

// entry is one line of an authentication file.
type entry struct{ user, password []byte }

// parseTokens takes an authentication file apart as memcached does: a user ends
// at the first colon, a password at the end of the line or at a \r, and a line
// without a colon spoils the file, an empty one too. A line that fgets does not
// read in one piece, or a NUL, is the last one.
func parseTokens(text []byte) ([]entry, error) {
	var entries []entry
	for first := true; first || len(text) > 0; first = false {
		var line []byte
		line, text = record(text)
		user, password, ok := bytes.Cut(line, []byte{':'})
		if !ok || bytes.IndexByte(user, 0) >= 0 {
			return nil, ErrMalformed
		}
		end := bytes.IndexAny(password, "\r\n\x00")
		if end < 0 || password[end] == 0 {
			text = nil
		}
		if end >= 0 {
			password = password[:end]
		}
		entries = append(entries, entry{user, password})
		if len(entries) == tokensMax {
			break
		}
	}
	return entries, nil
}

// record cuts off what fgets reads: a line with its \n, or recordMax bytes.
func record(text []byte) (line, rest []byte) {
	n := min(len(text), recordMax)
	if end := bytes.IndexByte(text[:n], '\n'); end >= 0 {
		n = end + 1
	}
	return text[:n], text[n:]
}
