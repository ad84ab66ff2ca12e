package netio

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"
)

// Errors of Adopt.
var (
	errNotListening = errors.New("netio: the descriptor is no listening stream socket")
	errFamily       = errors.New("netio: the socket is neither of TCP nor of unix")
)

// Adopt serves a listening socket that the process was started with, before
// Start, in the place of a Listen. It takes fd over, unless it fails. l's Open
// counts; its Address is read from the socket, and its Backlog was set by whoever bound it.
// The path of a unix socket is removed at the end unless l.Foreign says that it is
// somebody else's.
func (s *Server) Adopt(fd int, l Listener) (net.Addr, error) {
	if s.started {
		return nil, errStarted
	}
	ln, err := adopt(fd)
	if err != nil {
		return nil, fmt.Errorf("adopt descriptor %d: %w", fd, err)
	}
	ln.foreign = l.Foreign
	s.serve(ln, l)
	return ln.addr(), nil
}

// adopt makes a listener of a descriptor, as listenTCP and listenUnix leave it.
func adopt(fd int) (*listener, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); kind != unix.SOCK_STREAM || err != nil || listening == 0 {
		return nil, errNotListening
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	ln := &listener{fd: fd}
	switch a := socket.SockaddrToTCPOrUnixAddr(name).(type) {
	case *net.UnixAddr:
		ln.network, ln.local = "unix", a.Name
	case *net.TCPAddr:
		ln.network, ln.local = "tcp", a.String()
		ln.wildcard = a.IP == nil || a.IP.IsUnspecified()
		for _, option := range [...][2]int{{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE}} {
			if err := unix.SetsockoptInt(fd, option[0], option[1], 1); err != nil {
				return nil, os.NewSyscallError("setsockopt", err)
			}
		}
	default:
		return nil, errFamily
	}
	unix.CloseOnExec(fd)
	return ln, os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
}
