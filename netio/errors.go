package netio

import "errors"

// Errors of a Server.
var (
	errLoops       = errors.New("netio: at least one loop is needed")
	errStarted     = errors.New("netio: the server is started already")
	errStopped     = errors.New("netio: the server was stopped already")
	errNetwork     = errors.New("netio: unknown network")
	errHeldBack    = errors.New("netio: the connection limit is reached")
	errNoDatagrams = errors.New("netio: the descriptor is no datagram socket of UDP")
	errUnixPath    = errors.New("netio: the path of the unix socket is too long")

	errSocket       = errors.New("netio: the socket broke") // within TLS
	errLater  error = laterError{}
)
