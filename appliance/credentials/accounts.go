package credentials

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxFile bounds a SASL file: what is read on a loop. It is room for ten
	// thousand users.
	maxFile = 1 << 20

	// accountsMax bounds what one file makes to remember.
	accountsMax = 1 << 16

	// settledAfter is how old a file must be for its time to tell whether it is
	// still the same: file systems keep time in steps of up to 2 s.
	settledAfter = 2 * time.Second
)

// accounts are what one file says. It is never changed.
type accounts struct {
	accepted map[digest]struct{} // user and password
	secrets  map[digest][]byte   // password by user, for CRAM-MD5
}

func newAccounts() *accounts {
	return &accounts{accepted: map[digest]struct{}{}, secrets: map[digest][]byte{}}
}

// has reports whether one of these was accepted. It looks for all of them.
func (a *accounts) has(candidates ...digest) bool {
	found := false
	for _, c := range candidates {
		_, ok := a.accepted[c]
		found = found || ok
	}
	return found
}

// secret is the password of the first of these users that there is.
func (a *accounts) secret(users ...digest) (password []byte, ok bool) {
	for _, u := range users {
		if p, found := a.secrets[u]; found && !ok {
			password, ok = p, true
		}
	}
	return password, ok
}

// source is a file of accounts that may change at any time.
type source struct {
	path  string
	parse func(text []byte) (*accounts, error)
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex // held by who reads the file
	said   string     // the last problem that was logged
	loaded atomic.Pointer[loaded]
}

// loaded is what was read, and what the file looked like then.
type loaded struct {
	accounts *accounts
	sum      [sha256.Size]byte // of the text
	info     fs.FileInfo       // nil: it was not there
	err      error             // why the text was not understood
	settled  bool              // its time tells whether it changed since
}

// current is what the file says now.
func (s *source) current() *accounts {
	info, _ := os.Stat(s.path)
	if l := s.loaded.Load(); l.fits(info) {
		return l.accounts
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loaded.Load(); l.fits(info) {
		return l.accounts // another loop was first
	}
	return s.read()
}

// reload reads the file, whether it has changed or not.
func (s *source) reload() *accounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read()
}

// fits reports whether the file is still what it was.
func (l *loaded) fits(info fs.FileInfo) bool {
	switch {
	case l == nil:
		return false
	case info == nil || l.info == nil:
		return info == nil && l.info == nil
	}
	return l.settled && os.SameFile(info, l.info) && info.Size() == l.info.Size() && info.ModTime().Equal(l.info.ModTime())
}

// read reads the file. What cannot be understood leaves known who was known;
// what cannot be read knows nobody.
func (s *source) read() *accounts {
	next := &loaded{accounts: newAccounts()}
	text, info, err := readBounded(s.path)
	if err == nil {
		next.info, next.settled = info, s.now().Sub(info.ModTime()) > settledAfter
		err = s.understand(next, text)
	}
	s.tell(err)
	s.loaded.Store(next)
	return next.accounts
}

// understand gives next the accounts of a text.
func (s *source) understand(next *loaded, text []byte) error {
	next.sum = sha256.Sum256(text)
	old := s.loaded.Load()
	if old != nil && old.info != nil {
		next.accounts = old.accounts
		if old.sum == next.sum {
			return old.err
		}
	}
	a, err := s.parse(text)
	if next.err = err; err == nil {
		next.accounts = a
	}
	return err
}

// tell logs a problem when it is a new one.
func (s *source) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != s.said {
		s.log.Warn("the passwords for SASL cannot be read", "file", s.path, "error", text)
	}
	s.said = text
}

// readBounded reads a regular file of at most maxFile bytes.
func readBounded(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is no regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errTooLarge
	}
	return text, info, err
}
