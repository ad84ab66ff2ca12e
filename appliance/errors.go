package appliance

import "errors"

// Errors of New. Each is wrapped with what it concerns.
var (
	ErrResolve = errors.New("getaddrinfo()")
	ErrListen  = errors.New("failed to listen")
)
