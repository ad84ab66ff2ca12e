package load

import (
	"crypto/tls"
	"net"
	"time"
)

// secure is the TLS of a connection. The handshake goes over the socket; from
// then on records lie in memory on their way to and from it, so that the
// worker's own reads and writes serve it.
type secure struct {
	conn   *tls.Conn
	socket net.Conn // of the handshake; nil afterwards
	in     []byte   // ciphertext that came
	read   int      // bytes of in that were taken
	out    []byte   // ciphertext to be written
	sent   int      // bytes of out that were written
}

// handshake starts TLS on a connected socket.
func handshake(nc net.Conn, c *tls.Config) (*secure, error) {
	s := &secure{socket: nc}
	s.conn = tls.Client(s, c)
	if err := nc.SetDeadline(time.Now().Add(StallLimit)); err != nil {
		return nil, err
	}
	err := s.conn.Handshake()
	s.socket = nil
	return s, err
}

// errLater says that no byte is there yet; crypto/tls goes on after a
// temporary error.
type errLater struct{}

func (errLater) Error() string   { return "load: later" }
func (errLater) Timeout() bool   { return true }
func (errLater) Temporary() bool { return true }

// Read implements net.Conn.
func (s *secure) Read(p []byte) (int, error) {
	if s.socket != nil {
		return s.socket.Read(p)
	}
	if s.read == len(s.in) {
		s.in, s.read = s.in[:0], 0
		return 0, errLater{}
	}
	n := copy(p, s.in[s.read:])
	s.read += n
	return n, nil
}

// Write implements net.Conn.
func (s *secure) Write(p []byte) (int, error) {
	if s.socket != nil {
		return s.socket.Write(p)
	}
	if s.sent == len(s.out) {
		s.out, s.sent = s.out[:0], 0
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

// Close and what follows implement net.Conn; the socket is the worker's.
func (s *secure) Close() error                     { return nil }
func (s *secure) LocalAddr() net.Addr              { return nil }
func (s *secure) RemoteAddr() net.Addr             { return nil }
func (s *secure) SetDeadline(time.Time) error      { return nil }
func (s *secure) SetReadDeadline(time.Time) error  { return nil }
func (s *secure) SetWriteDeadline(time.Time) error { return nil }
