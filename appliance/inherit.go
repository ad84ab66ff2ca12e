package appliance

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/netio"
)

const (
	// systemdFirst is the first descriptor of socket activation (SD_LISTEN_FDS_START).
	systemdFirst = 3

	// socketsMax bounds what the environment may claim to be given.
	socketsMax = 1024

	// Names that a socket unit's FileDescriptorName may have.
	nameAdmin = "admin" // the operator's port
	namePlain = "notls"
	nameTLS   = "btls"
	nameMTLS  = "mtls"
)

// A givenSocket is a socket that the process was started with, by systemd or by
// its predecessor.
type givenSocket struct {
	fd      int
	foreign bool   // systemd's: it bound the address, and keeps it
	name    string // FileDescriptorName of a foreign one
	network string // "tcp4", "tcp6", "unix", "udp4", "udp6"
	address string
	claimed bool
}

// described is a socket in envSockets: "7", or "7=name" for a foreign one, whose
// name may hold whatever can be printed: it is escaped, as in an URL.
func (g *givenSocket) described(fd int) string {
	if g.foreign {
		return fmt.Sprintf("%d=%s", fd, url.PathEscape(g.name))
	}
	return strconv.Itoa(fd)
}

// inheritance is the sockets that the process was started with.
type inheritance []*givenSocket

// readInheritance reads what systemd's protocol (sd_listen_fds) and our own
// say in the environment.
func readInheritance(env func(string) string, pid int) (in inheritance, err error) {
	if env("LISTEN_PID") == strconv.Itoa(pid) {
		n, err := strconv.Atoi(env("LISTEN_FDS"))
		if err != nil || n < 0 || n > socketsMax {
			return nil, fmt.Errorf("LISTEN_FDS=%q is no number of sockets", env("LISTEN_FDS"))
		}
		names := strings.Split(env("LISTEN_FDNAMES"), ":")
		for i := range n {
			g := &givenSocket{fd: systemdFirst + i, foreign: true}
			if i < len(names) {
				g.name = names[i]
			}
			in = append(in, g)
		}
	}
	if text := env(envSockets); text != "" {
		for item := range strings.SplitSeq(text, ",") {
			number, name, foreign := strings.Cut(item, "=")
			fd, err := strconv.Atoi(number)
			if err == nil {
				name, err = url.PathUnescape(name)
			}
			if err != nil || fd <= 2 || len(in) >= socketsMax {
				return nil, fmt.Errorf("%s=%q is no list of descriptors", envSockets, text)
			}
			in = append(in, &givenSocket{fd: fd, foreign: foreign, name: name})
		}
	}
	for _, g := range in {
		if err := g.identify(); err != nil {
			return nil, fmt.Errorf("descriptor %d, which was passed as a socket: %w", g.fd, err)
		}
	}
	return in, nil
}

var errNoSocket = errors.New("it is neither a listening stream socket nor a bound datagram socket of TCP, UDP or unix")

// identify asks the kernel what the socket is.
func (g *givenSocket) identify() error {
	kind, err := unix.GetsockoptInt(g.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	unix.CloseOnExec(g.fd)
	name, err := unix.Getsockname(g.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	transport := map[int]string{unix.SOCK_STREAM: "tcp", unix.SOCK_DGRAM: "udp"}[kind]
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		g.network, g.address = transport+"4", net.JoinHostPort(net.IP(a.Addr[:]).String(), strconv.Itoa(a.Port))
	case *unix.SockaddrInet6:
		g.network, g.address = transport+"6", net.JoinHostPort(net.IP(a.Addr[:]).String(), strconv.Itoa(a.Port))
	case *unix.SockaddrUnix:
		g.network, g.address = "unix", a.Name
	default:
		return errNoSocket
	}
	if transport == "" || g.network == "unix" && transport != "tcp" {
		return errNoSocket
	}
	return nil
}

// claim is the socket that is bound to an address already; nil: none is. Port 0
// is any port of its host.
func (in inheritance) claim(network, address string) *givenSocket {
	host, port, _ := net.SplitHostPort(address)
	for _, g := range in {
		if g.claimed || g.foreign || g.network != network {
			continue
		}
		have, _, _ := net.SplitHostPort(g.address)
		if g.address == address || network != "unix" && port == "0" && have == host {
			g.claimed = true
			return g
		}
	}
	return nil
}

// claimNamed is a foreign socket by its name; nil: there is none.
func (in inheritance) claimNamed(name string) *givenSocket {
	for _, g := range in {
		if !g.claimed && g.foreign && g.name == name {
			g.claimed = true
			return g
		}
	}
	return nil
}

// foreign lists systemd's sockets whose network begins with one of the given,
// but the operator's port.
func (in inheritance) foreign(networks ...string) (list []*givenSocket) {
	for _, g := range in {
		for _, network := range networks {
			if g.foreign && g.name != nameAdmin && strings.HasPrefix(g.network, network) {
				list = append(list, g)
			}
		}
	}
	return list
}

// closeRest gives back what nobody claimed.
func (in inheritance) closeRest(log *slog.Logger) {
	for _, g := range in {
		if !g.claimed {
			g.claimed = true
			log.Warn("a socket that was passed to this process is not served", "network", g.network, "address", g.address, "name", g.name)
			syscall.Close(g.fd)
		}
	}
}

// listenGiven serves the sockets of socket activation, if there are any: they
// stand in the place of the addresses of the configuration, which are not bound.
func (n *Node) listenGiven() (activated bool, err error) {
	for _, g := range n.given.foreign("tcp", "unix") {
		security := n.security(g)
		addr, err := n.listenOrAdopt(g, netio.Listener{Foreign: true, TLS: n.tls.base(security), Open: n.openAs(n.config.Memcache.Protocol)})
		if err != nil {
			return true, &listenError{"on the socket " + g.address, err}
		}
		n.bound(addr, security, true)
		activated = true
	}
	if !activated {
		return false, nil
	}
	n.nameSelf([]config.Listener{{}})
	return true, nil
}

// security is how a foreign socket's connections are protected: as its name
// says, else as the listener with its address, else as ssl_verify_mode says, or
// more strictly, when a listener of its port wants certificates: a name may lead
// to any address. Plain text is for the very address that it was wanted for.
func (n *Node) security(g *givenSocket) config.Security {
	switch {
	case n.config.TLS == nil || g.network == "unix" || g.name == namePlain:
		return config.PlainText
	case g.name == nameTLS:
		return config.ServerTLS
	case g.name == nameMTLS:
		return config.MutualTLS
	}
	security := config.PolicyTLS
	at, err := netip.ParseAddrPort(g.address)
	if err != nil {
		return security
	}
	for _, l := range n.config.Listeners {
		switch {
		case l.Port != int(at.Port()):
		case hostIs(l.Host, at.Addr().Unmap()):
			return l.Security
		case l.Security == config.MutualTLS:
			security = config.MutualTLS
		}
	}
	return security
}

// hostIs reports whether a listener's host is an address, as resolve has it, but
// for names: "" is all addresses of a family.
func hostIs(host string, ip netip.Addr) bool {
	switch host {
	case "":
		return ip.IsUnspecified()
	case "localhost":
		return ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback()
	}
	named, err := netip.ParseAddr(host)
	return err == nil && named.Unmap() == ip
}

// listenOrAdopt serves a socket that is bound already, or binds one.
func (n *Node) listenOrAdopt(g *givenSocket, l netio.Listener) (net.Addr, error) {
	if g == nil {
		return n.net.Listen(l)
	}
	g.claimed = true
	return n.net.Adopt(g.fd, l)
}

// bindAdmin binds the operator's port, unless it is bound already, and remembers
// its socket for the next process.
func (n *Node) bindAdmin(g *givenSocket, network, address string) (l net.Listener, err error) {
	if g == nil {
		g = n.given.claim("tcp4", address)
	}
	if g == nil {
		g = n.given.claim("tcp6", address)
	}
	if g == nil {
		l, err = net.Listen(network, address)
	} else {
		file := os.NewFile(uintptr(g.fd), "admin")
		l, err = net.FileListener(file)
		file.Close()
	}
	if err != nil {
		return nil, err
	}
	n.adminSocket = &givenSocket{foreign: g != nil && g.foreign, name: nameAdmin}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n.adminSocket.fd = int(fd) })
	}
	return l, err
}

// handover lists the sockets that this process serves, as the next one is to be
// given them. They stay open until it says so.
func (n *Node) handover() (list []*givenSocket) {
	for _, l := range append(n.net.Listeners(), n.net.DatagramSockets()...) {
		s := &givenSocket{fd: l.FD}
		for _, g := range n.given {
			if g.fd == l.FD {
				s.foreign, s.name = g.foreign, g.name
			}
		}
		list = append(list, s)
	}
	if n.adminSocket != nil {
		list = append(list, n.adminSocket)
	}
	return list
}
