package config

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/pandabeardb/panda/wire/memcache"
)

// udpClientsMax bounds the networks that may use UDP: each datagram is held
// against all of them.
const udpClientsMax = 16

// finishAuth checks authentication against protocols and UDP: SASL is of the
// binary protocol, tokens are of the text protocol.
func (p *parser) finishAuth() *Exit {
	c := &p.c.Memcache
	if c.Settings.NumNAPIIDs > p.threads && p.threads > 0 {
		return fail(ExitUsage, "Number of napi_ids(%d) cannot be greater than number of threads(%d)", c.Settings.NumNAPIIDs, p.threads)
	}
	if p.c.SASL {
		if !p.protocolGiven {
			c.Protocol = memcache.ProtocolBinary
		}
		switch {
		case c.Protocol != memcache.ProtocolBinary:
			return fail(ExitUsage, "ERROR: You cannot allow the ASCII protocol while using SASL.")
		case p.udpPort != 0:
			return fail(ExitUsage, "ERROR: Cannot enable UDP while using binary SASL authentication.")
		}
	}
	if p.c.AuthFile != "" {
		if !p.protocolGiven {
			c.Protocol = memcache.ProtocolASCII
		}
		switch {
		case c.Protocol != memcache.ProtocolASCII:
			return fail(ExitUsage, "ERROR: You cannot allow the BINARY protocol while using ascii authentication tokens.")
		case p.udpPort != 0:
			return fail(ExitUsage, "Cannot use UDP with ascii authentication enabled (-U 0 to disable)")
		}
	}
	return nil
}

// finishUDP settles the port of -U, which is TCP's when no other is given.
func (p *parser) finishUDP() *Exit {
	if p.udpGiven && p.udpPort != 0 && !p.portGiven {
		p.port = p.udpPort
	}
	p.c.Memcache.Settings.UDPPort = p.udpPort
	if p.udpPort > portMax {
		return badUDPPort
	}
	var err error
	p.c.UDPClients, err = udpClients(p.udpClients)
	return clientsExit(err)
}

// finishServeUDP is finishUDP of `panda serve`: TCP has its own port.
func (p *parser) finishServeUDP() *Exit {
	p.c.Memcache.Settings.UDPPort = p.udpPort
	var err error
	p.c.UDPClients, err = udpClients(p.udpClients)
	p.c.UDP = p.udpListeners()
	return clientsExit(err)
}

var badUDPPort = fail(ExitOSError, "getaddrinfo(): Servname not supported for ai_socktype\nfailed to listen on UDP port: Success")

func clientsExit(err error) *Exit {
	if err == nil {
		return nil
	}
	return fail(ExitUsage, "panda_udp_clients: %v", err)
}

// setUDPClients is -o panda_udp_clients. The commas of -o are taken, so that
// there are pluses between networks.
func setUDPClients(p *parser, v string) *Exit {
	_, err := udpClients(v)
	p.udpClients = v
	return clientsExit(err)
}

// udpClients reads networks with pluses between. A bare address is itself.
func udpClients(text string) (list []netip.Prefix, err error) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == '+' }) {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			address, bad := netip.ParseAddr(word)
			if bad != nil {
				return nil, errors.New(word + " is no network; it wants 10.0.0.0/8 or fd00::/8")
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		list = append(list, prefix.Masked())
	}
	if len(list) > udpClientsMax {
		return nil, errors.New("there are more than 16 networks")
	}
	return list, nil
}

// udpListeners are the addresses of UDP: those of TCP, with -U's port. A port
// that an address names is TCP's and UDP's, as with memcached.
func (p *parser) udpListeners() (list []Listener) {
	if p.udpPort == 0 {
		return nil
	}
	udp := *p
	udp.port = p.udpPort
	udp.c.Listeners = nil
	if p.interfaces == "" {
		return []Listener{{Port: ephemeral(p.udpPort), Protocol: p.c.Memcache.Protocol}}
	}
	if udp.listeners() != nil {
		return nil // TCP's complaint is the same, and comes
	}
	return udp.c.Listeners
}

// listener reads one address of -l:
// {notls,btls,mtls}:proto[ascii]:tag[name]:host:port, of which all but the host
// may be missing. An IPv6 address with a port stands in brackets; one without
// may stand bare.
func (p *parser) listener(text string) (Listener, *Exit) {
	rest, security, exit := p.listenerSecurity(text)
	if exit != nil {
		return Listener{}, exit
	}
	rest, protocol, exit := p.listenerProtocol(rest)
	if exit != nil {
		return Listener{}, exit
	}
	if strings.HasPrefix(rest, "tag[") {
		tag, after, ok := strings.Cut(rest[len("tag["):], "]")
		if !ok {
			return Listener{}, p.badListener("Invalid tag in socket config: \"%s\"", rest[len("tag"):])
		}
		if len(tag) < 1 || len(tag) > 8 {
			return Listener{}, p.badListener("Listener tags must be between 1 and 8 characters: \"%s\"", tag)
		}
		rest = strings.TrimPrefix(after, ":")
	}
	l, exit := p.listenerAddress(rest)
	l.Security, l.Protocol = security, protocol
	return l, exit
}

// security is that of listeners which say nothing.
func (p *parser) security() Security {
	if p.tlsOn {
		return PolicyTLS
	}
	return PlainText
}

// listenerSecurity takes "notls:", "btls:" or "mtls:" off, which are there only
// with -Z.
func (p *parser) listenerSecurity(text string) (rest string, security Security, exit *Exit) {
	for i, name := range []string{"notls", "btls", "mtls"} {
		if rest, ok := strings.CutPrefix(text, name+":"); ok {
			if !p.tlsOn {
				return "", 0, p.badListener("'%s' option is valid only when SSL is enabled", name)
			}
			return rest, Security(i), nil
		}
	}
	return text, p.security(), nil
}

// listenerProtocol takes "proto[name]:" off.
func (p *parser) listenerProtocol(text string) (rest string, protocol memcache.Protocol, exit *Exit) {
	protocol = p.c.Memcache.Protocol
	if !strings.HasPrefix(text, "proto[") {
		return text, protocol, nil
	}
	name, after, ok := strings.Cut(text[len("proto["):], "]")
	if !ok {
		return "", 0, p.badListener("Invalid protocol spec: \"%s\"", text[len("proto"):])
	}
	switch name {
	case "ascii":
		protocol = memcache.ProtocolASCII
		if p.c.SASL {
			return "", 0, fail(ExitUsage, "ERROR: You cannot allow the ASCII protocol while using SASL.")
		}
	case "binary":
		protocol = memcache.ProtocolBinary
		if p.c.AuthFile != "" {
			return "", 0, p.badListener("Cannot use binary protocol when ascii authentication enabled")
		}
	case "negotiating":
		protocol = memcache.ProtocolAuto
		if p.c.SASL {
			return "", 0, fail(ExitUsage, "ERROR: You cannot allow the ASCII protocol while using SASL.")
		}
		if p.c.AuthFile != "" {
			p.warn("WARNING: negotiating ports are ascii only when ascii authentication enabled")
			protocol = memcache.ProtocolASCII
		}
	case "proxy":
		return "", 0, fail(ExitUsage, notSupported, "-l proto["+name+"]", "the "+name+" protocol")
	default:
		return "", 0, p.badListener("Invalid protocol spec: \"%s\"", name)
	}
	return strings.TrimPrefix(after, ":"), protocol, nil
}
