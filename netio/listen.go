package netio

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/wire"
)

const (
	backlogDefault = 1024 // memcached's
	unixPathMax    = 103  // bytes of a path that every system's sockaddr_un holds
)

// Listener is an address to accept connections at.
type Listener struct {
	Network string // "tcp", "tcp4", "tcp6", "unix"
	Address string
	Mode    os.FileMode // of a unix socket; 0: 0700
	Backlog int         // 0: 1024
	TLS     *tls.Config // nil: plain text
	Foreign bool        // of Adopt: somebody else keeps the socket and its path
	// Open starts a session, on the goroutine of the loop that will serve it.
	Open func(loop int, peer wire.Peer) wire.Session
}

type listener struct {
	fd       int
	network  string // "tcp", "unix"
	local    string
	wildcard bool // local says nothing of where a connection came in
	foreign  bool // somebody else keeps it: it is neither shut down nor removed
	tls      *tls.Config
	open     func(loop int, peer wire.Peer) wire.Session
}

// Listen binds an address, before Start. It returns the address with the port
// that the system chose, if it was to choose one.
func (s *Server) Listen(l Listener) (net.Addr, error) {
	if s.started {
		return nil, errStarted
	}
	if l.Backlog <= 0 {
		l.Backlog = backlogDefault
	}
	var ln *listener
	var err error
	switch l.Network {
	case "tcp", "tcp4", "tcp6":
		ln, err = listenTCP(l)
	case "unix":
		ln, err = listenUnix(l)
	default:
		err = errNetwork
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", l.Network, l.Address, err)
	}
	s.serve(ln, l)
	return ln.addr(), nil
}

// serve adds a listener to those that Start starts.
func (s *Server) serve(ln *listener, l Listener) {
	ln.open, ln.tls = l.Open, l.TLS
	if ln.tls != nil {
		s.openTLS()
	}
	s.listeners = append(s.listeners, ln)
}

func (ln *listener) addr() net.Addr {
	if ln.network == "unix" {
		return &net.UnixAddr{Name: ln.local, Net: "unix"}
	}
	sa, err := unix.Getsockname(ln.fd)
	if err != nil {
		return nil
	}
	return socket.SockaddrToTCPOrUnixAddr(sa)
}

// listenTCP sets what accepted sockets inherit, so that accepting costs no
// further call. There is no SO_REUSEPORT: two servers on one port is an error.
func listenTCP(l Listener) (*listener, error) {
	options := []socket.Option[int]{
		{SetSockOpt: socket.SetReuseAddr, Opt: 1},
		{SetSockOpt: socket.SetNoDelay, Opt: 1},
		{SetSockOpt: func(fd, on int) error {
			return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, on))
		}, Opt: 1},
	}
	fd, addr, err := socket.TCPSocket(l.Network, l.Address, true, options, nil)
	if err != nil {
		return nil, err
	}
	ln := &listener{fd: fd, network: "tcp"}
	if a, ok := addr.(*net.TCPAddr); ok {
		ln.wildcard = a.IP == nil || a.IP.IsUnspecified()
	}
	if err := unix.Listen(fd, l.Backlog); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("listen", err)
	}
	if a := ln.addr(); a != nil {
		ln.local = a.String()
	}
	return ln, nil
}

// listenUnix removes the socket that an earlier process left, as memcached
// does. Nobody can connect before listen, so the mode is set in time.
func listenUnix(l Listener) (*listener, error) {
	if len(l.Address) > unixPathMax {
		return nil, errUnixPath
	}
	if l.Mode == 0 {
		l.Mode = 0o700
	}
	if info, err := os.Lstat(l.Address); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(l.Address)
	}
	fd, err := unixSocket()
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: l.Address}); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	err = os.Chmod(l.Address, l.Mode&0o777)
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, l.Backlog))
	}
	if err != nil {
		_ = unix.Close(fd)
		_ = os.Remove(l.Address)
		return nil, err
	}
	return &listener{fd: fd, network: "unix", local: l.Address}, nil
}
