package netiotest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pandabeardb/panda/netio"
)

// TLSClient is a Client that speaks TLS: what it sends and receives is
// plaintext, what the sockets carry are records. The methods of its Client
// move records, and split them wherever they are told to.
type TLSClient struct {
	*Client

	conn  *tls.Conn
	shake *pipe  // during the handshake
	in    []byte // records received, not yet opened
	out   []byte // records sealed, not yet taken
	ended error  // what the stream of the loop ended with
}

// DialTLS opens a connection and shakes hands. Options.TLS must be set. The
// server's half needs a goroutine, which has ended when DialTLS returns.
func (l *Loop) DialTLS(config *tls.Config) *TLSClient {
	l.t.Helper()
	near, far := newPipe()
	server := netio.NewTLSConn(far, l.options.TLS)
	done := make(chan error, 1)
	go func() {
		err := server.Handshake()
		far.close()
		done <- err
	}()
	c := &TLSClient{shake: near}
	c.conn = tls.Client((*tlsEnd)(c), config)
	err := c.conn.Handshake()
	if err != nil {
		near.close()
	}
	if err = errors.Join(err, <-done); err != nil {
		l.t.Fatalf("handshake: %v", err)
	}
	c.in, c.shake = near.in.Bytes(), nil // tickets
	c.Client = l.dial(server)
	return c
}

// Seal makes records of plaintext, which nobody has sent.
func (c *TLSClient) Seal(b string) string {
	c.loop.t.Helper()
	if _, err := c.conn.Write([]byte(b)); err != nil {
		c.loop.t.Fatal(err)
	}
	return c.take()
}

func (c *TLSClient) take() string {
	records := string(c.out)
	c.out = c.out[:0]
	return records
}

// Open takes plaintext out of records that were received.
func (c *TLSClient) Open(records string) string {
	c.in = append(c.in, records...)
	var plain bytes.Buffer
	p := make([]byte, 4<<10)
	for c.ended == nil {
		n, err := c.conn.Read(p)
		plain.Write(p[:n])
		if later, ok := err.(net.Error); ok && later.Timeout() {
			break
		}
		c.ended = err
	}
	return plain.String()
}

// Send sends plaintext, and lets the loop run.
func (c *TLSClient) Send(b string) {
	c.loop.t.Helper()
	c.Client.Send(c.Seal(b))
}

// SendSplit sends plaintext whose records are split, as Client.SendSplit does.
func (c *TLSClient) SendSplit(b string, sizes ...int) {
	c.loop.t.Helper()
	c.Client.SendSplit(c.Seal(b), sizes...)
}

// Recv receives all that the loop has written.
func (c *TLSClient) Recv() string {
	c.loop.t.Helper()
	return c.Open(c.Client.Recv())
}

// Request is Send, then Recv.
func (c *TLSClient) Request(b string) string {
	c.loop.t.Helper()
	c.Send(b)
	return c.Recv()
}

// Goodbye sends close_notify: the client's stream ends, its socket's does not.
func (c *TLSClient) Goodbye() {
	c.loop.t.Helper()
	if err := c.conn.CloseWrite(); err != nil {
		c.loop.t.Fatal(err)
	}
	c.Client.Send(c.take())
}

// End is what the loop's stream ended with, as far as it was received:
// io.EOF is a good-bye.
func (c *TLSClient) End() error { return c.ended }

// tlsEnd is what crypto/tls takes for the socket of a TLSClient.
type tlsEnd TLSClient

// Read implements net.Conn.
func (e *tlsEnd) Read(b []byte) (int, error) {
	if e.shake != nil {
		return e.shake.Read(b)
	}
	if len(e.in) == 0 {
		return 0, laterError{}
	}
	n := copy(b, e.in)
	e.in = e.in[n:]
	return n, nil
}

// Write implements net.Conn.
func (e *tlsEnd) Write(b []byte) (int, error) {
	if e.shake != nil {
		return e.shake.Write(b)
	}
	e.out = append(e.out, b...)
	return len(b), nil
}

// Close and what follows implement net.Conn.
func (e *tlsEnd) Close() error                     { return nil }
func (e *tlsEnd) LocalAddr() net.Addr              { return nil }
func (e *tlsEnd) RemoteAddr() net.Addr             { return nil }
func (e *tlsEnd) SetDeadline(time.Time) error      { return nil }
func (e *tlsEnd) SetReadDeadline(time.Time) error  { return nil }
func (e *tlsEnd) SetWriteDeadline(time.Time) error { return nil }

// laterError: nothing more is received.
type laterError struct{}

func (laterError) Error() string   { return "netiotest: later" }
func (laterError) Timeout() bool   { return true }
func (laterError) Temporary() bool { return true }

// pipe is one end of a connection for a handshake, which takes what is written
// before the other end asks for it.
type pipe struct {
	mu    *sync.Mutex // of both ends
	more  *sync.Cond
	in    *bytes.Buffer
	other *pipe
	ended bool // no more will be written
}

func newPipe() (near, far *pipe) {
	mu := new(sync.Mutex)
	near = &pipe{mu: mu, more: sync.NewCond(mu), in: new(bytes.Buffer)}
	far = &pipe{mu: mu, more: sync.NewCond(mu), in: new(bytes.Buffer), other: near}
	near.other = far
	return near, far
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.in.Len() == 0 {
		if p.ended {
			return 0, io.ErrUnexpectedEOF
		}
		p.more.Wait()
	}
	return p.in.Read(b)
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.other.more.Signal()
	return p.other.in.Write(b)
}

// close ends what this end writes.
func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.other.ended = true
	p.other.more.Signal()
}
