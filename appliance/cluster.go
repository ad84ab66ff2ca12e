package appliance

import (
	"fmt"
	"net"

	"github.com/pandabeardb/panda/appliance/config"
)

// clusterNodes answers `config get cluster`, by which clients find the nodes:
// this one, until there is a cluster. Without a TCP address nobody could be
// sent to, so there is no answer (nil).
func (n *Node) clusterNodes() func() string {
	if len(n.config.Listeners) == 0 {
		return nil
	}
	return func() string { return n.cluster }
}

// nameSelf finds out, once the addresses are bound, how clients reach this
// node: "host|ip|port", the host being the name that -l gave, or the address.
func (n *Node) nameSelf(listeners []config.Listener) {
	for _, addr := range n.addrs {
		tcp, ok := addr.(*net.TCPAddr)
		if !ok {
			continue
		}
		ip := tcp.IP
		if ip.IsUnspecified() {
			ip = reachableIP()
		}
		host := ip.String()
		if named := listeners[0].Host; named != "" {
			host = named
		}
		n.cluster = fmt.Sprintf("%s|%s|%d", host, ip, tcp.Port)
		return
	}
}

// reachableIP is the address that other hosts most likely know this one by.
func reachableIP() net.IP {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP
		}
	}
	return net.IPv4(127, 0, 0, 1)
}
