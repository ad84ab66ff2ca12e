package netiotest

import (
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// Client is the other end of a connection, and the socket between.
type Client struct {
	loop    *Loop
	fd      int
	conn    *netio.Conn
	session *watched

	in         []byte // sent, not yet read by the loop
	ended      bool   // CloseWrite: behind in there is no more
	out        []byte // written by the loop, not yet received
	window     int    // bytes of out that the socket holds; < 0: any
	wantWrite  bool
	writeEnded bool // the loop said that no more comes
	closed     bool // the loop closed
	reset      bool

	reads, writes int
}

// Send sends bytes, and lets the loop run.
func (c *Client) Send(b string) {
	c.loop.t.Helper()
	if c.closed {
		c.reset = true
		return
	}
	c.in = append(c.in, b...)
	c.loop.raise(c, netio.Readable)
	c.loop.runAuto()
}

// SendSplit sends bytes in pieces of the sizes given, the sizes over again
// until all are sent, and lets the loop run after each piece.
func (c *Client) SendSplit(b string, sizes ...int) {
	c.loop.t.Helper()
	for i := 0; len(b) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(b))
		c.Send(b[:n])
		b = b[n:]
	}
}

// Recv receives what the loop has written, which makes room for more.
func (c *Client) Recv() string {
	c.loop.t.Helper()
	var all []byte
	for len(c.out) > 0 {
		all = append(all, c.out...)
		c.out = c.out[:0]
		c.room()
		c.loop.runAuto()
	}
	return string(all)
}

// RecvOnce receives what lies there now, and no more.
func (c *Client) RecvOnce() string {
	c.loop.t.Helper()
	got := string(c.out)
	c.out = c.out[:0]
	c.room()
	c.loop.runAuto()
	return got
}

// Request is Send, then Recv.
func (c *Client) Request(b string) string {
	c.loop.t.Helper()
	c.Send(b)
	return c.Recv()
}

// SetWindow sets how many bytes the socket holds for the client to receive;
// negative: any number.
func (c *Client) SetWindow(n int) {
	c.loop.t.Helper()
	c.window = n
	c.room()
	c.loop.runAuto()
}

// room tells the loop that the socket takes bytes, if it wants to know.
func (c *Client) room() {
	if c.wantWrite && !c.closed && c.free() > 0 {
		c.loop.raise(c, netio.Writable)
	}
}

func (c *Client) free() int {
	if c.window < 0 {
		return int(^uint(0) >> 1)
	}
	return max(c.window-len(c.out), 0)
}

// CloseWrite ends the client's stream; it goes on to receive.
func (c *Client) CloseWrite() {
	c.loop.t.Helper()
	c.ended = true
	c.loop.raise(c, netio.Readable|netio.Hangup)
	c.loop.runAuto()
}

// Reset breaks the connection.
func (c *Client) Reset() {
	c.loop.t.Helper()
	c.reset = true
	c.in, c.out = nil, nil
	c.loop.raise(c, netio.Readable|netio.Writable|netio.Hangup)
	c.loop.runAuto()
}

// Pretend raises an event that nothing has caused, as a descriptor's former
// owner can.
func (c *Client) Pretend(what netio.Events) {
	c.loop.t.Helper()
	c.loop.raise(c, what)
	c.loop.runAuto()
}

// FD is the descriptor that the session was told.
func (c *Client) FD() int { return c.fd }

// Session is what open returned.
func (c *Client) Session() wire.Session { return c.session.Session }

// Ended reports whether the client has seen the end of the stream: all that
// was written is received, and no more comes.
func (c *Client) Ended() bool { return len(c.out) == 0 && (c.writeEnded || c.closed) }

// Closed reports whether the loop has closed its end.
func (c *Client) Closed() bool { return c.closed }

// WasReset reports whether the connection broke, and so may have lost bytes.
func (c *Client) WasReset() bool { return c.reset }

// Unread is the number of bytes sent that the loop has not read.
func (c *Client) Unread() int { return len(c.in) }

// Waiting is the number of bytes that the loop has written and the client not
// received.
func (c *Client) Waiting() int { return len(c.out) }

// Reads and Writes count system calls.
func (c *Client) Reads() int { return c.reads }

// Writes counts the calls of write.
func (c *Client) Writes() int { return c.writes }
