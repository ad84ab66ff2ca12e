package netiotest

import "github.com/pandabeardb/panda/netio"

// host is a Loop as the Core's Host.
type host Loop

func (h *host) client(fd int) *Client {
	c := h.clients[fd-fdFirst]
	if c.closed {
		h.t.Errorf("fd %d is used after it was closed", fd)
	}
	return c
}

// Read implements netio.Host.
func (h *host) Read(fd int, p []byte) int { return h.ReadVectors(fd, [][]byte{p}) }

// ReadVectors implements netio.Host.
func (h *host) ReadVectors(fd int, v [][]byte) int {
	c := h.client(fd)
	c.reads++
	switch {
	case c.reset:
		return netio.Broken
	case len(c.in) == 0 && c.ended:
		return 0
	case len(c.in) == 0:
		return netio.Again
	}
	in := c.in
	if limit := h.options.ReadMax; limit > 0 && len(in) > limit {
		in = in[:limit]
	}
	n, want := 0, 0
	for _, p := range v {
		n += copy(p, in[n:])
		want += len(p)
	}
	c.in = c.in[n:]
	if len(c.in) > 0 && n < want {
		(*Loop)(h).raise(c, netio.Readable)
	}
	return n
}

// Write implements netio.Host.
func (h *host) Write(fd int, p []byte) int {
	c := h.client(fd)
	c.writes++
	return h.take(c, p, h.writeMax())
}

func (h *host) writeMax() int {
	if h.options.WriteMax > 0 {
		return h.options.WriteMax
	}
	return int(^uint(0) >> 1)
}

// take is the socket taking p, or a part of it, at most limit bytes.
func (h *host) take(c *Client, p []byte, limit int) int {
	if c.session.bars() && h.options.TLS == nil { // TLS has records of its own to write
		h.t.Errorf("fd %d is written to before the barrier came to %d", c.fd, c.session.barrier)
	}
	if c.writeEnded {
		h.t.Errorf("fd %d is written to after CloseWrite", c.fd)
	}
	n := min(len(p), c.free(), limit)
	switch {
	case c.reset:
		return netio.Broken
	case n == 0:
		return netio.Again
	}
	c.out = append(c.out, p[:n]...)
	return n
}

// WriteVectors implements netio.Host.
func (h *host) WriteVectors(fd int, v [][]byte) int {
	c := h.client(fd)
	c.writes++
	total, limit := 0, h.writeMax()
	for _, p := range v {
		n := h.take(c, p, limit-total)
		if n < 0 && total == 0 {
			return n
		}
		total += max(n, 0)
		if n < len(p) {
			break
		}
	}
	return total
}

// WantWrite implements netio.Host.
func (h *host) WantWrite(fd int, on bool) {
	c := h.client(fd)
	c.wantWrite = on
	c.room()
}

// CloseWrite implements netio.Host.
func (h *host) CloseWrite(fd int) { h.client(fd).writeEnded = true }

// Close implements netio.Host.
func (h *host) Close(fd int) {
	c := h.client(fd)
	c.closed = true
	if len(c.in) > 0 {
		c.reset = true
		c.out = nil
	}
}

// Ready implements netio.Host.
func (h *host) Ready() {
	h.signals++
	(*Loop)(h).raise(nil, 0)
}
