package config

import (
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/pandabeardb/panda/wire/memcache"
)

// finish checks what no single flag can know, in memcached's order, and
// completes the Config.
func (p *parser) finish() *Exit {
	for _, check := range []func() *Exit{p.finishItemSize, p.finishSlabSizes, p.finishLRU, p.finishAuth, p.finishUDP, p.finishPersistOptions, p.finishTLS, p.finishListeners, p.finishFlash, p.finishClients} {
		if exit := check(); exit != nil {
			return exit
		}
	}
	p.finishSettings()
	return nil
}

// finishSettings tells `stats settings` what flags and settings said.
func (p *parser) finishSettings() {
	s := &p.c.Memcache.Settings
	s.Inter = p.interfaces
	s.TCPPort = p.port
	s.DomainSocket = p.unixPath
	s.Umask = uint32(p.unixMode)
	s.TCPBacklog = p.c.Backlog
	s.NumThreads = p.threads
	s.NumThreadsPerUDP = p.threads
	if strings.Contains(p.interfaces, ",") {
		s.NumThreadsPerUDP = 1
	}
	s.BindingProtocol = p.c.Memcache.Protocol.String()
	s.AuthEnabledSASL, s.AuthEnabledASCII = p.c.SASL, p.c.AuthFile
	s.MemoryFile = p.c.MemoryFile
}

// finishItemSize checks -I against -m and slab_chunk_max.
func (p *parser) finishItemSize() *Exit {
	s := &p.c.Memcache.Settings
	size := p.c.Memcache.ItemSizeMax
	switch {
	case size < itemSizeMin:
		return fail(ExitUsage, "Item max size cannot be less than 1024 bytes.")
	case int64(size) > s.MaxBytes/2:
		return fail(ExitUsage, "Cannot set item size limit higher than 1/2 of memory max.")
	case size > itemSizeMax:
		return fail(ExitUsage, "Cannot set item size limit higher than a gigabyte.")
	}
	if exit := p.finishChunkMax(); exit != nil {
		return exit
	}
	switch chunk := s.SlabChunkMax; {
	case chunk > size:
		return fail(ExitUsage, "slab_chunk_max (bytes: %d) cannot be larger than -I (item_size_max %d)", chunk, size)
	case size%chunk != 0:
		return fail(ExitUsage, "-I (item_size_max: %d) must be evenly divisible by slab_chunk_max (bytes: %d)", size, chunk)
	case slabPage%chunk != 0:
		return fail(ExitUsage, "slab_chunk_max (bytes: %d) must divide evenly into %d (slab_page_size)", chunk, slabPage)
	}
	return nil
}

// finishChunkMax gives slab_chunk_max its unit, which changed between versions.
func (p *parser) finishChunkMax() *Exit {
	s := &p.c.Memcache.Settings
	switch {
	case p.chunkGiven && p.c.Memcache.Compat == memcache.Compat1618:
		s.SlabChunkMax = p.chunkMax
	case p.chunkGiven && p.chunkMax > slabPage>>10:
		return fail(ExitFailure, "slab_chunk_max must be specified in kilobytes.")
	case p.chunkGiven:
		s.SlabChunkMax = p.chunkMax << 10
	case p.c.Memcache.ItemSizeMax > itemSizePlain:
		s.SlabChunkMax = slabPage / 2
	}
	return nil
}

// finishSlabSizes checks a list "100-200-400", which has no effect here.
func (p *parser) finishSlabSizes() *Exit {
	if !p.slabSizesGiven {
		return nil
	}
	if p.slabSizes == "" {
		return &Exit{Code: ExitUsage} // without a word, as memcached
	}
	var last int64
	sizes := strings.FieldsFunc(p.slabSizes, func(r rune) bool { return r == '-' })
	for i, text := range sizes {
		n, ok := safeStrtoul(text)
		if !ok {
			n = 0
		}
		size, s := int64(n), &p.c.Memcache.Settings
		switch {
		case !ok || size < int64(s.ChunkSize) || size > int64(s.SlabChunkMax):
			return fail(ExitUsage, "slab size %d is out of valid range", size)
		case last >= size:
			return fail(ExitUsage, "slab size %d cannot be lower than or equal to a previous class size", size)
		case size <= last+slabClassStep:
			return fail(ExitUsage, "slab size %d must be at least %d bytes larger than previous class", size, slabClassStep)
		case i+1 >= slabClassesMax:
			return fail(ExitUsage, "too many slab classes specified")
		}
		last = size
	}
	return nil
}

func (p *parser) finishLRU() *Exit {
	s := &p.c.Memcache.Settings
	if s.HotLRUPct+s.WarmLRUPct > 80 {
		return fail(ExitUsage, "hot_lru_pct + warm_lru_pct cannot be more than 80%% combined")
	}
	if s.TempLRU && p.lruOff {
		return fail(ExitUsage, "temporary_ttl requires lru_maintainer to be enabled")
	}
	s.LRUMaintainerThread = !p.lruOff
	s.LRUCrawler = !p.crawlerOff
	return nil
}

// finishListeners turns -s, -l and -p into addresses.
func (p *parser) finishListeners() *Exit {
	if p.port > portMax {
		return fail(ExitUsage, "ERROR: Invalid port number %d.", p.port)
	}
	if p.unixPath != "" {
		p.c.Unix = &UnixSocket{Path: p.unixPath, Mode: os.FileMode(p.unixMode & 0o777)}
		return nil
	}
	p.c.UDP = p.udpListeners()
	if p.port == 0 {
		return nil
	}
	if p.interfaces == "" {
		if p.port < -1 {
			return badService("on TCP port " + strconv.Itoa(p.port))
		}
		p.c.Listeners = []Listener{{Port: ephemeral(p.port), Security: p.security(), Protocol: p.c.Memcache.Protocol}}
		return nil
	}
	return p.listeners()
}

// listeners takes the addresses apart.
func (p *parser) listeners() *Exit {
	for _, text := range strings.FieldsFunc(p.interfaces, func(r rune) bool { return r == ',' || r == ';' }) {
		l, exit := p.listener(text)
		if exit != nil {
			return exit
		}
		p.c.Listeners = append(p.c.Listeners, l)
	}
	return nil
}

// badService is what getaddrinfo makes of a port below 0, of which memcached
// knows only -1.
func badService(where string) *Exit {
	return fail(ExitOSError, "getaddrinfo(): Servname not supported for ai_socktype\nfailed to listen %s: Success", where)
}

// ephemeral maps memcached's -1 to the operating system's 0.
func ephemeral(port int) int { return max(port, 0) }

// listenerAddress reads host, host:port, [v6], [v6]:port, a bare v6, or "*".
func (p *parser) listenerAddress(text string) (Listener, *Exit) {
	host, port := text, ""
	if strings.HasPrefix(text, "[") {
		inner, after, ok := strings.Cut(text[1:], "]")
		if !ok {
			return Listener{}, p.badListener("Invalid IPV6 address: \"%s\"", text)
		}
		host, port = inner, strings.TrimPrefix(after, ":")
	} else if strings.Count(text, ":") == 1 {
		host, port, _ = strings.Cut(text, ":")
	}
	n := p.port
	if port != "" {
		var ok bool
		if n, ok = safeStrtol(port); !ok || n > portMax {
			return Listener{}, p.badListener("Invalid port number: \"%s\"", port)
		}
	}
	if n < -1 {
		return Listener{}, badService("on one of interface(s) " + p.interfaces)
	}
	l := Listener{Host: host, Port: ephemeral(n), Security: p.security(), Protocol: p.c.Memcache.Protocol}
	if l.Host == "*" {
		l.Host = ""
	}
	return l, nil
}

// badListener is how memcached ends when it cannot make sense of -l.
func (p *parser) badListener(format string, args ...any) *Exit {
	exit := fail(ExitOSError, format, args...)
	exit.Stderr += "failed to listen on one of interface(s) " + p.interfaces + ": Success\n"
	return exit
}

// finishClients works out how many clients -c allows: memcached counts its
// listeners, five descriptors a thread and one more as connections, and people
// have set -c by what they got.
func (p *parser) finishClients() *Exit {
	p.c.Clients = p.c.Memcache.Settings.MaxConns - 1 - reservedFDs*p.threads - p.sockets()
	if p.c.Clients <= 0 {
		return fail(ExitFailure, "Maxconns setting is too low, use -c to increase.")
	}
	return nil
}

// sockets is the number of listening sockets: all addresses are two families.
func (p *parser) sockets() int {
	n := 0
	if p.c.Unix != nil {
		n++
	}
	for _, l := range p.c.Listeners {
		n++
		if l.Host == "" {
			n++
		}
	}
	return n
}

// loopbackAddress checks the address of the admin port.
func loopbackAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil && Listener{Host: host}.loopback()
}

func (p *parser) warn(text string) { p.c.Warnings = append(p.c.Warnings, text) }
