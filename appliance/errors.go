package appliance

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// Errors of New. Each is wrapped with what it concerns.
var (
	ErrResolve = errors.New("getaddrinfo()")
	ErrListen  = errors.New("failed to listen")
	ErrAdmin   = errors.New("admin port")
	ErrTLS     = errors.New("TLS")
)

// listenError is an ErrListen as memcached prints it: a line of what failed,
// unless the address was only taken, and a sentence with the reason behind.
type listenError struct {
	where string // "on TCP port 11211"
	cause error
}

func (e *listenError) Error() string {
	said, reason := "", e.cause.Error()
	var number syscall.Errno
	switch {
	case errors.Is(e.cause, ErrResolve): // no system call failed, says memcached
		said, reason = ErrResolve.Error()+": "+resolveText(e.cause)+"\n", "Success"
	case errors.As(e.cause, &number):
		reason = errnoText(number)
		if number != syscall.EADDRINUSE {
			said = "bind(): " + reason + "\n"
		}
	}
	return said + ErrListen.Error() + " " + e.where + ": " + reason
}

// Unwrap makes it an ErrListen, and its cause.
func (e *listenError) Unwrap() []error { return []error{ErrListen, e.cause} }

// resolveText is the C library's words for a name that was not found.
func resolveText(err error) string {
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return "Name or service not known"
	case errors.As(err, &failed) && failed.Temporary():
		return "Temporary failure in name resolution"
	}
	return err.Error()
}

// reasonText is why something failed, as memcached says it: without what and where.
func reasonText(err error) string {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return errnoText(number)
	}
	return err.Error()
}

// errnoText is the C library's words, which begin with a capital.
func errnoText(number syscall.Errno) string {
	text := number.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// certificateError is what is wrong with the files of TLS, as memcached prints it.
type certificateError struct {
	what   string // "loading the key"
	file   string
	reason string // OpenSSL's
}

func (e *certificateError) Error() string {
	switch {
	case e.reason == reasonOtherKind:
		return "Error " + e.what + ": " + e.reason
	case e.file == "":
		return "Error " + e.what + ": (null) : " + e.reason
	}
	return "Error " + e.what + ": " + e.file + " : " + e.reason
}

// Unwrap makes it an ErrTLS.
func (e *certificateError) Unwrap() error { return ErrTLS }

// cipherError is a list of ciphers of which there is none.
type cipherError struct{ list string }

func (e *cipherError) Error() string { return "Error setting the provided cipher(s): " + e.list }

// Unwrap makes it an ErrTLS.
func (e *cipherError) Unwrap() error { return ErrTLS }
