package credentials

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// Errors of OpenTokens and Tokens.Reload.
var (
	ErrMalformed = errors.New("a malformed entry")
	ErrOpen      = errors.New("cannot be opened")
)

// Errors of OpenSASL.
var (
	ErrNoConfig    = errors.New("there is neither MEMCACHED_SASL_PWDB nor a SASL configuration (SASL_CONF_PATH, /etc/sasl2/memcached.conf)")
	ErrUnsupported = errors.New("not supported")
)

// Errors of a sasldb.
var (
	errNotDatabase = errors.New("it is no Berkeley DB hash file")
	errVersion     = errors.New("it is of a version of Berkeley DB that is not known")
	errProtected   = errors.New("it is encrypted, partitioned or has checksums")
	errDamaged     = errors.New("it is damaged")
	errTooLarge    = errors.New("it is too large")
	errTooMany     = errors.New("it has too many users")
)

// tokensError is what memcached prints when it cannot take an authentication file.
type tokensError struct {
	path  string
	cause error
}

func (e *tokensError) Error() string {
	if errors.Is(e.cause, ErrMalformed) {
		return "Authfile [" + e.path + "] has a malformed entry. Should be 'user:password'"
	}
	reason := errnoText(e.cause)
	return "Could not open authfile [" + e.path + "] for reading, error " + reason + ": " + reason
}

func (e *tokensError) Unwrap() error { return e.cause }

// errnoText is the C library's words for what a system call said, which begin
// with a capital.
func errnoText(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		var path *fs.PathError
		if errors.As(err, &path) {
			return path.Err.Error()
		}
		return err.Error()
	}
	text := number.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
