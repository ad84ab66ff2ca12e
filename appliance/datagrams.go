package appliance

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/netio"
)

// listenDatagrams binds the addresses of UDP, unless systemd has, and says which
// networks may use them.
func (n *Node) listenDatagrams(ctx context.Context) error {
	if len(n.config.UDP) == 0 {
		return nil
	}
	n.net.DatagramClients(n.config.UDPClients)
	where := "on UDP port " + strconv.Itoa(n.config.Memcache.Settings.UDPPort)
	if list := n.config.Memcache.Settings.Inter; list != "" {
		where = "on one of interface(s) " + list
	}
	if given := n.given.foreign("udp"); len(given) > 0 {
		for _, g := range given {
			if err := n.bindDatagrams(g, netio.DatagramListener{}); err != nil {
				return &listenError{where, err}
			}
		}
		return nil
	}
	for _, l := range n.config.UDP {
		if err := n.listenUDP(ctx, l); err != nil {
			return &listenError{where, err}
		}
	}
	return nil
}

// listenUDP binds all addresses of one listener, or this host's own in their
// place: what nobody else may use is not offered to anybody else either.
func (n *Node) listenUDP(ctx context.Context, l config.Listener) error {
	hosts, err := resolve(ctx, l.Host)
	if err != nil {
		return err
	}
	return n.listenHosts(hosts, l.Port, "udp", func(network, host string, port int) error {
		address := net.JoinHostPort(n.datagramHost(host), strconv.Itoa(port))
		if port != 0 && n.servesDatagrams(address) {
			return nil // two names of one address
		}
		return n.bindDatagrams(n.given.claim(network, address), netio.DatagramListener{Network: network, Address: address, Shown: host})
	})
}

// datagramHost is where a host of the configuration is bound: on loopback, unless
// other hosts may use it.
func (n *Node) datagramHost(host string) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil || ip.IsLoopback() || len(n.config.UDPClients) > 0:
		return host
	case ip.Is4():
		return "127.0.0.1"
	}
	return "::1"
}

// servesDatagrams reports whether an address is bound already.
func (n *Node) servesDatagrams(address string) bool {
	return slices.ContainsFunc(n.addrs, func(a net.Addr) bool { return a.Network() == "udp" && a.String() == address })
}

// bindDatagrams gives one address to the loops.
func (n *Node) bindDatagrams(g *givenSocket, l netio.DatagramListener) (err error) {
	l.Open = n.memcache.OpenDatagrams
	var addr net.Addr
	if g == nil {
		addr, err = n.net.ListenDatagrams(l)
	} else {
		g.claimed = true
		addr, err = n.net.AdoptDatagrams(g.fd, l)
	}
	if err == nil {
		n.bound(addr, config.PlainText, g != nil && g.foreign)
	}
	return err
}
