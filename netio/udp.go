package netio

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/wire"
)

// One socket serves an address, whatever the number of loops, each with a
// descriptor of its own, as with memcached's threads: a loop that is free takes
// what has come, and two servers at one port are an error, as with TCP.
const (
	sendBufferMax    = 256 << 20 // asked for: the system gives what it allows, as to memcached
	receiveBufferMax = 4 << 20   // likewise: what comes while a loop is busy for some ms
	bufferMin        = 64 << 10  // less is not asked for
)

// DatagramListener is an address to receive datagrams at.
type DatagramListener struct {
	Network string // "udp4", "udp6"
	Address string
	Shown   string // the host that statistics show; "": Address's
	// Open starts a session for a loop, before the loop runs.
	Open func(loop int, peer wire.Peer) wire.Datagrams
}

type datagramListener struct {
	fds   []int // one for each loop
	local netip.AddrPort
	shown string // local, with the host that statistics show
	open  func(loop int, peer wire.Peer) wire.Datagrams
}

// DatagramClients says which networks may send datagrams besides this host.
// Call it before Start.
func (s *Server) DatagramClients(networks []netip.Prefix) { s.datagramClients = networks }

// ListenDatagrams binds an address, before Start. It returns the address with
// the port that the system chose, if it was to choose one.
func (s *Server) ListenDatagrams(l DatagramListener) (net.Addr, error) {
	if s.started {
		return nil, errStarted
	}
	fd, _, err := socket.UDPSocket(l.Network, l.Address, false, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", l.Network, l.Address, err)
	}
	addr, err := s.serveDatagrams(fd, l)
	if err != nil {
		closeFD(fd)
		return nil, fmt.Errorf("listen %s %s: %w", l.Network, l.Address, err)
	}
	return addr, nil
}

// AdoptDatagrams serves a bound socket that the process was started with, before
// Start, in the place of a ListenDatagrams. It takes fd over, unless it fails.
func (s *Server) AdoptDatagrams(fd int, l DatagramListener) (net.Addr, error) {
	if s.started {
		return nil, errStarted
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err == nil && kind != unix.SOCK_DGRAM {
		err = errNoDatagrams
	}
	if err == nil {
		unix.CloseOnExec(fd)
		err = unix.SetNonblock(fd, true)
	}
	var addr net.Addr
	if err == nil {
		addr, err = s.serveDatagrams(fd, l)
	}
	if err != nil {
		return nil, fmt.Errorf("adopt descriptor %d: %w", fd, err)
	}
	return addr, nil
}

// serveDatagrams adds a bound socket to those that Start starts. When it fails, fd
// is still the caller's.
func (s *Server) serveDatagrams(fd int, l DatagramListener) (net.Addr, error) {
	if err := prepareDatagrams(fd); err != nil {
		return nil, err
	}
	ln := &datagramListener{fds: []int{fd}, open: l.Open}
	var err error
	if ln.local, err = localOf(fd); err != nil {
		return nil, err
	}
	ln.shown = ln.local.String()
	if l.Shown != "" {
		ln.shown = net.JoinHostPort(l.Shown, strconv.Itoa(int(ln.local.Port())))
	}
	for len(ln.fds) < len(s.loops) {
		other, err := duplicate(fd)
		if err != nil {
			ln.fds = ln.fds[1:]
			ln.close()
			return nil, err
		}
		ln.fds = append(ln.fds, other)
	}
	s.datagramListeners = append(s.datagramListeners, ln)
	return net.UDPAddrFromAddrPort(ln.local), nil
}

// DatagramSockets are the sockets that receive datagrams, each with a descriptor.
// The loops' sessions show them to clients.
func (s *Server) DatagramSockets() (list []wire.Peer) {
	for _, ln := range s.datagramListeners {
		list = append(list, wire.Peer{FD: ln.fds[0], Network: "udp", Local: ln.local.String()})
	}
	return list
}

// prepareDatagrams sets a socket's options. It takes back what gnet allows: a
// reply to a whole network.
func prepareDatagrams(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	enlarge(fd, unix.SO_SNDBUF, sendBufferMax)
	enlarge(fd, unix.SO_RCVBUF, receiveBufferMax)
	return nil
}

// enlarge asks for a buffer of a size, and for less where that is an error. The
// system's default is no reason not to serve.
func enlarge(fd, option, size int) {
	for ; size >= bufferMin; size /= 2 {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, size) == nil {
			return
		}
	}
}

// duplicate returns another descriptor of a socket.
func duplicate(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	other, err := unix.Dup(fd)
	if err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	unix.CloseOnExec(other)
	return other, nil
}

func localOf(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	local := addrPortOf(sa)
	if !local.IsValid() {
		return local, errNoDatagrams
	}
	return local, nil
}

// addrPortOf is an IP address of the system's.
func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

func (ln *datagramListener) close() {
	for _, fd := range ln.fds {
		closeFD(fd)
	}
	ln.fds = nil
}

// startDatagrams gives each loop its descriptors.
func (s *Server) startDatagrams() error {
	if len(s.datagramListeners) == 0 {
		return nil
	}
	from := newSources(s.datagramClients)
	for _, l := range s.loops {
		l.datagrams, l.sysDatagrams = newDatagramCore(l, s.clock, from, &l.core.Counts), new(sysDatagrams)
		for _, ln := range s.datagramListeners {
			fd := ln.fds[l.id]
			peer := wire.Peer{FD: fd, Network: "udp", Local: ln.shown}
			l.datagramSockets = append(l.datagramSockets, &datagramSocket{fd: fd, port: ln.local.Port(), session: ln.open(l.id, peer)})
			if err := l.poller.watchListener(fd); err != nil {
				return err
			}
		}
	}
	return nil
}

// datagramEvent is an event of a socket that receives datagrams. It reports
// whether fd is one.
func (l *loop) datagramEvent(fd int, e Events) bool {
	for _, s := range l.datagramSockets {
		if s.fd == fd {
			l.datagrams.event(s, e)
			if l.latency.on {
				l.latency.turned()
			}
			return true
		}
	}
	return false
}

// stopDatagrams ends them.
func (l *loop) stopDatagrams() {
	if l.datagrams == nil {
		return
	}
	l.datagrams.stop()
	for _, s := range l.datagramSockets {
		l.poller.unwatch(s.fd)
		s.session.Close()
	}
	l.datagramSockets = nil
}

// wantSend implements datagramHost.
func (l *loop) wantSend(fd int, on bool) {
	if err := l.poller.wantSend(fd, on); err != nil {
		panic("FATAL: poller: " + err.Error())
	}
}

// again implements datagramHost.
func (l *loop) again() { l.poller.ready() }

// addTo adds a loop's counts.
func (c *datagramCounts) addTo(t *wire.DatagramCounts) {
	t.Read += c.read.Load()
	t.Written += c.written.Load()
	t.Refused += c.refused.Load()
	t.Capped += c.capped.Load()
	t.Unsent += c.unsent.Load()
}
