package appliance

import (
	"net"
	"net/netip"

	"github.com/pandabeardb/panda/appliance/config"
)

// reach is who can read and write everything when nobody must say who he is, the
// widest last.
type reach uint8

const (
	reachFiles        reach = iota // who may open a unix socket
	reachGivenLocal                // processes of this host, by systemd's sockets
	reachLocal                     // processes of this host
	reachCertificates              // other hosts, with a certificate
	reachGiven                     // all hosts, by systemd's sockets
	reachAll                       // all hosts
)

// bound takes down an address that is listened on: how it is protected, and
// whether systemd bound it.
func (n *Node) bound(addr net.Addr, s config.Security, foreign bool) {
	n.addrs = append(n.addrs, addr)
	n.reach = max(n.reach, n.reachOf(addr, s, foreign))
}

func (n *Node) reachOf(addr net.Addr, s config.Security, foreign bool) reach {
	at, err := netip.ParseAddrPort(addr.String())
	// Of other hosts' datagrams only those of UDPClients are taken.
	local := at.Addr().Unmap().IsLoopback() || addr.Network() == "udp" && len(n.config.UDPClients) == 0
	switch {
	case err != nil: // a path
		return reachFiles
	case local && foreign:
		return reachGivenLocal
	case local:
		return reachLocal
	case n.config.TLS.NeedsCertificate(s):
		return reachCertificates
	case foreign:
		return reachGiven
	}
	return reachAll
}

// logReach says how far a node without authentication can be reached, and where
// that is decided.
func (n *Node) logReach() {
	const (
		all   = "listening beyond loopback without authentication: everyone who reaches this port can read and write everything; "
		local = "listening on loopback only, "
	)
	switch n.reach {
	case reachAll:
		n.log.Warn(all + "-l 127.0.0.1 restricts it")
	case reachGiven:
		n.log.Warn(all + "ListenStream= and ListenDatagram= of the socket unit restrict it, not -l")
	case reachLocal:
		n.log.Info(local + "since there is no authentication; -l (--listen) opens it to other hosts")
	case reachGivenLocal:
		n.log.Info(local + "as the socket unit says; its ListenStream= and ListenDatagram= open it to other hosts, not -l")
	}
}
