package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// conn is a stream and its socket.
type conn struct {
	*stream
	file   *os.File
	fd     int
	carry  []byte  // the start of a line that the last read ended in
	secure *secure // nil: plain text
	udp    bool
	frame  []byte // udp: the request on its way
}

// frameLen is the length of the header of a datagram: request id, number of
// this datagram, how many there are, nothing.
const frameLen = 8

// open makes a conn of a connected socket.
func (w *worker) open(nc net.Conn, s *stream) (*conn, error) {
	c := &conn{stream: s, udp: w.c.Network == "udp"}
	var err error
	if w.c.TLS != nil {
		if c.secure, err = handshake(nc, w.c.TLS); err != nil {
			return nil, fmt.Errorf("load: handshake: %w", err)
		}
	}
	if c.file, err = nc.(interface{ File() (*os.File, error) }).File(); err != nil {
		return nil, err
	}
	c.fd = int(c.file.Fd())
	if err := unix.SetNonblock(c.fd, true); err != nil {
		c.file.Close()
		return nil, err
	}
	return c, nil
}

// waits reports whether something is to be written.
func (c *conn) waits() bool {
	return len(c.unsent()) > 0 || c.secure != nil && c.secure.sent < len(c.secure.out)
}

// flush writes what the socket takes; the rest goes when it is writable again.
func (c *conn) flush() error {
	switch {
	case c.udp:
		return c.flushDatagram()
	case c.secure == nil:
		n, err := writeAll(c.fd, c.unsent())
		c.sent += n
		return err
	}
	if b := c.unsent(); len(b) > 0 {
		n, err := c.secure.conn.Write(b)
		c.sent += n
		if err != nil {
			return fmt.Errorf("load: encrypt: %w", err)
		}
	}
	n, err := writeAll(c.fd, c.secure.out[c.secure.sent:])
	c.secure.sent += n
	return err
}

// flushDatagram sends the one request of a datagram.
func (c *conn) flushDatagram() error {
	b := c.unsent()
	if len(b) == 0 {
		return nil
	}
	var head [frameLen]byte
	binary.BigEndian.PutUint16(head[:], uint16(c.tail))
	head[5] = 1
	c.frame = append(append(c.frame[:0], head[:]...), b...)
	n, err := writeAll(c.fd, c.frame)
	if n > 0 {
		c.sent += len(b)
	}
	return err
}

func writeAll(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		m, err := unix.Write(fd, b[n:])
		switch err {
		case nil:
			n += m
		case unix.EINTR:
		case unix.EAGAIN:
			return n, nil
		default:
			return n, fmt.Errorf("load: write: %w", err)
		}
	}
	return n, nil
}

// receive reads what the socket has into p: 0 if that is nothing yet, io.EOF's
// place is ErrClosed. more: there may be more at once.
func (c *conn) receive(p []byte) (n int, more bool, err error) {
	n, err = unix.Read(c.fd, p)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("load: read: %w", err)
	case n == 0:
		return 0, false, ErrClosed
	case c.udp:
		return c.unframe(p[:n])
	}
	return n, n == len(p), nil
}

// unframe takes a datagram's header off.
func (c *conn) unframe(p []byte) (n int, more bool, err error) {
	if len(p) < frameLen || binary.BigEndian.Uint16(p) != uint16(c.tail) {
		return 0, false, wrongReply("a datagram of the request", p)
	}
	return copy(p, p[frameLen:]), true, nil
}

// receiveSecure reads records, and what is in them into p.
func (c *conn) receiveSecure(scratch, p []byte) (n int, more bool, err error) {
	s := c.secure
	for {
		n, err = s.conn.Read(p)
		if n > 0 {
			return n, true, nil
		}
		if !errors.As(err, &errLater{}) {
			return 0, false, fmt.Errorf("%w: %w", ErrClosed, err)
		}
		m, _, err := c.receive(scratch)
		if m == 0 || err != nil {
			return 0, false, err
		}
		s.in = append(s.in, scratch[:m]...)
	}
}
