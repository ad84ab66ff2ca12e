package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/netio"
)

// listen binds every address of the configuration. What goes wrong is said in
// memcached's sentences.
func (n *Node) listen(ctx context.Context) error {
	activated, err := n.listenGiven()
	if err == nil && !activated {
		err = n.listenConfigured(ctx)
	}
	if err == nil {
		err = n.listenDatagrams(ctx)
	}
	return err
}

// listenConfigured binds the addresses of connections.
func (n *Node) listenConfigured(ctx context.Context) error {
	if u := n.config.Unix; u != nil {
		if err := n.bind("unix", u.Path, u.Mode, config.Listener{Protocol: n.config.Memcache.Protocol}); err != nil {
			return &listenError{"on UNIX socket: " + u.Path, err}
		}
	}
	where := fmt.Sprintf("on TCP port %d", n.config.Memcache.Settings.TCPPort)
	if list := n.config.Memcache.Settings.Inter; list != "" {
		where = "on one of interface(s) " + list
	}
	for _, l := range n.config.Listeners {
		if err := n.listenTCP(ctx, l); err != nil {
			return &listenError{where, err}
		}
	}
	n.nameSelf(n.config.Listeners)
	return nil
}

// listenTCP binds all addresses of one listener. As memcached, and under its
// name, it is content when at least one of them could be bound and the others
// are taken, but says so: who takes the free one of two families takes the
// clients of half the names. Our own name wants all or nothing.
func (n *Node) listenTCP(ctx context.Context, l config.Listener) error {
	hosts, err := resolve(ctx, l.Host)
	if err != nil {
		return err
	}
	return n.listenHosts(hosts, l.Port, "tcp", n.bindTCP(l))
}

// bindTCP binds one address of a listener.
func (n *Node) bindTCP(l config.Listener) func(network, host string, port int) error {
	return func(network, host string, port int) error {
		return n.bind(network, net.JoinHostPort(host, strconv.Itoa(port)), 0, l)
	}
}

// listenHosts binds the addresses of a listener's name, of TCP or UDP.
func (n *Node) listenHosts(hosts []string, port int, transport string, bind func(network, host string, port int) error) error {
	bound := 0
	var missed []error // bearable, as long as one is bound
	for _, host := range hosts {
		network := transport + "4"
		if strings.Contains(host, ":") {
			network = transport + "6"
		}
		err := bind(network, host, port)
		switch {
		case err == nil:
			bound++
			if port == 0 { // a free port once found serves both families
				port = int(netip.MustParseAddrPort(n.addrs[len(n.addrs)-1].String()).Port())
			}
		case len(hosts) > 1 && network == transport+"6" && noIPv6(err):
			missed = append(missed, err)
		case errors.Is(err, syscall.EADDRINUSE) && !n.config.BindAll:
			missed = append(missed, err)
		default:
			return err
		}
	}
	if bound == 0 && len(missed) > 0 {
		return missed[0]
	}
	for _, err := range missed {
		if noIPv6(err) {
			n.log.Info("no IPv6 on this host", "error", err)
		} else {
			n.log.Warn("an address is taken by another process, and not served", "error", err)
		}
	}
	return nil
}

// noIPv6 reports whether this host has no IPv6 at all.
func noIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// resolve turns a listener's host into addresses: all of both families for "",
// and loopback's two for localhost, whatever this host's files say of it.
func resolve(ctx context.Context, host string) ([]string, error) {
	if host == "" {
		return []string{"0.0.0.0", "::"}, nil
	}
	if host == "localhost" {
		return []string{"127.0.0.1", "::1"}, nil
	}
	if ip := net.ParseIP(host); ip != nil {
		return []string{host}, nil
	}
	hosts, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResolve, err)
	}
	return hosts, nil
}

// bind gives one address to the loops.
func (n *Node) bind(network, address string, mode os.FileMode, l config.Listener) error {
	addr, err := n.listenOrAdopt(n.given.claim(network, address), netio.Listener{
		Network: network,
		Address: address,
		Mode:    mode,
		Backlog: n.config.Backlog,
		TLS:     n.tls.base(l.Security),
		Open:    n.openAs(l.Protocol),
	})
	if err == nil {
		n.bound(addr, l.Security, false)
	}
	return err
}
