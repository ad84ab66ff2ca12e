package netio

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// TLSConn is one connection's TLS: a handshake, then records.
type TLSConn struct {
	conn  *tls.Conn
	shake io.ReadWriter // the socket, while the handshake is under way
	host  *TLS          // after it
	core  *Conn
	fd    int

	in  []byte // records that crypto/tls has not been given, in own or the loop's buffer
	own []byte // a buffer of the loop's pool, nil most of the time
	out []byte // records that wait for the socket, likewise

	sent  int // bytes of out that the socket has taken
	owed  int // bytes of out that no write of the Core's caused
	ahead int // plaintext in out that the Core was not told is written
	left  int // bytes of the record that crypto/tls is being given

	header [recordHeader]byte // of the record at hand, while the handshake is under way
	have   uint8              // bytes of it
	ending tlsEnding
	flags  tlsFlags
}

// tlsEnding is what reads return from now on.
type tlsEnding uint8

const (
	endNone tlsEnding = iota
	endStream
	endBroken
)

type tlsFlags uint8

const (
	tlsUsed      tlsFlags = 1 << iota // since the last look for idle buffers
	tlsIdle                           // not since, and its buffers have not been looked at
	tlsHeld                           // not read, since answers to key updates wait
	tlsShut                           // the stream ends behind out
	tlsCoreWaits                      // the Core wants to know when there is room
	tlsWatched                        // the host below was asked for it
	tlsGoodbye                        // close_notify was sent
)

// NewTLSConn returns a connection whose handshake goes over socket.
func NewTLSConn(socket io.ReadWriter, config *tls.Config) *TLSConn {
	c := &TLSConn{shake: socket}
	c.conn = tls.Server((*tlsSocket)(c), config)
	return c
}

// Handshake does the handshake, and waits for the peer meanwhile. It reads no
// byte behind it.
func (c *TLSConn) Handshake() error { return c.conn.Handshake() }

// Resumed reports whether the handshake resumed an earlier session.
func (c *TLSConn) Resumed() bool { return c.conn.ConnectionState().DidResume }

// waits is the number of bytes that wait for the socket.
func (c *TLSConn) waits() int { return len(c.out) - c.sent }

// report is how much plaintext the Core can be told is written: what is in
// records that the socket took. Records are longer than what is in them, so as
// long as one waits, the Core waits, too.
func (c *TLSConn) report() int {
	left := min(c.ahead, c.waits())
	n := c.ahead - left
	c.ahead = left
	return n
}

// append adds records to those that wait.
func (c *TLSConn) append(b []byte) {
	pool := &c.host.Core.buffers
	if need := c.waits() + len(b); need > cap(c.out)-c.sent {
		old := c.out
		c.out = pool.get(need)[:c.waits()]
		copy(c.out, old[c.sent:])
		c.sent = 0
		if old != nil {
			pool.put(old[:cap(old)])
		}
	}
	c.out = append(c.out, b...)
}

// goodbye sends close_notify, once, unless the connection is broken.
func (c *TLSConn) goodbye() {
	if c.flags&tlsGoodbye == 0 && c.ending != endBroken {
		c.flags |= tlsGoodbye
		_ = c.conn.CloseWrite() // the peer may be gone, which is as well
	}
}

// whole is the length of the record at the beginning of c.in, if all of it is
// there, or if its header says that it never will be allowed.
func (c *TLSConn) whole() int {
	if len(c.in) < recordHeader {
		return 0
	}
	n := int(binary.BigEndian.Uint16(c.in[3:]))
	switch {
	case n > recordSealedMax:
		return recordHeader // crypto/tls refuses it by that
	case len(c.in) < recordHeader+n:
		return 0
	}
	return recordHeader + n
}

// give gives crypto/tls bytes of one record, whole ones only: so that all
// plaintext there is has been asked for when no whole record is left.
func (c *TLSConn) give(b []byte) (int, error) {
	for c.left == 0 {
		if c.left = c.whole(); c.left > 0 {
			break
		}
		if err := c.host.fill(c); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.in[:c.left])
	c.in = c.in[n:]
	c.left -= n
	return n, nil
}

// shakeRead reads from the socket itself, to the end of a record at most: what
// is behind the handshake is the loop's to read. It does not wait for whole
// records, since garbage never becomes one.
func (c *TLSConn) shakeRead(b []byte) (n int, err error) {
	if c.left > 0 {
		n, err = c.shake.Read(b[:min(len(b), c.left)])
		c.left -= n
		return n, err
	}
	n, err = c.shake.Read(b[:min(len(b), recordHeader-int(c.have))])
	c.have += uint8(copy(c.header[c.have:], b[:n]))
	if c.have == recordHeader {
		c.have, c.left = 0, int(binary.BigEndian.Uint16(c.header[3:]))
	}
	return n, err
}

// tlsSocket is what crypto/tls takes for the socket of a TLSConn.
type tlsSocket TLSConn

// Read implements net.Conn.
func (s *tlsSocket) Read(b []byte) (int, error) {
	c := (*TLSConn)(s)
	if c.host == nil {
		return c.shakeRead(b)
	}
	return c.give(b)
}

// Write implements net.Conn. It takes everything, or the socket is broken.
func (s *tlsSocket) Write(b []byte) (int, error) {
	c := (*TLSConn)(s)
	t := c.host
	switch {
	case t == nil:
		return c.shake.Write(b)
	case t.gather:
		t.seal = append(t.seal, b...)
	default:
		t.send(c, b)
	}
	if c.ending == endBroken {
		return 0, errSocket
	}
	return len(b), nil
}

// Close implements net.Conn. Nobody calls it: the Core closes sockets.
func (s *tlsSocket) Close() error { return nil }

// LocalAddr implements net.Conn.
func (s *tlsSocket) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (s *tlsSocket) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn. A handshake's deadline is its socket's.
func (s *tlsSocket) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *tlsSocket) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *tlsSocket) SetWriteDeadline(time.Time) error { return nil }

// laterError is what a socket without bytes says to crypto/tls, which then
// goes on at the next call as if nothing had happened.
type laterError struct{}

func (laterError) Error() string   { return "netio: later" }
func (laterError) Timeout() bool   { return true }
func (laterError) Temporary() bool { return true }

// cursor is a place in pieces of memory.
type cursor struct {
	v  [][]byte
	at int // in v[0]
}

// end reports whether nothing is left.
func (c *cursor) end() bool {
	c.skip(0)
	return len(c.v) == 0
}

// first is the rest of the piece at hand; end was false.
func (c *cursor) first() []byte { return c.v[0][c.at:] }

// last reports whether first is all that is left, but for empty pieces.
func (c *cursor) last() bool {
	for _, p := range c.v[1:] {
		if len(p) > 0 {
			return false
		}
	}
	return true
}

// len is the number of bytes that are left, or limit if there are more.
func (c *cursor) len(limit int) int {
	n := -c.at
	for _, p := range c.v {
		if n += len(p); n >= limit {
			return limit
		}
	}
	return n
}

// skip goes on by n bytes, and past empty pieces.
func (c *cursor) skip(n int) {
	c.at += n
	for len(c.v) > 0 && c.at >= len(c.v[0]) {
		c.at -= len(c.v[0])
		c.v = c.v[1:]
	}
}

// join copies what is next to dst, as much as there is room. It does not go on.
func (c *cursor) join(dst []byte) []byte {
	n := copy(dst, c.v[0][c.at:])
	for _, p := range c.v[1:] {
		n += copy(dst[n:], p)
	}
	return dst[:n]
}
