package netio

import (
	"io"

	"github.com/pandabeardb/panda/wire"
)

// Limits of TLS. Each has its reason.
const (
	recordMax       = 16 << 10            // plaintext of a record, by the standard
	recordHeader    = 5                   // bytes: type, version, length
	recordSealedMax = recordMax + 2<<10   // what any version of TLS adds; a longer record is refused on its header
	tlsReadMax      = 64 << 10            // taken from a socket at once: a read of a large body is then mostly decrypting
	tlsSealMax      = 4 * recordMax       // encrypted ahead of one write: four records pay for its system call
	tlsOwedMax      = 4 << 10             // answers to key updates that wait, before more is read
	tlsScanMax      = 4 << 10             // connections looked at for idle buffers on one tick: about 20 µs
	tlsInSize       = tlsReadMax + 20<<10 // a read, behind the beginning of a record
)

// TLS is the Host of a Core whose connections are encrypted: what the Core
// reads and writes is plaintext, what goes through the host below it are
// records. crypto/tls makes and opens them, over a socket in memory that says
// "later" when it has no whole record (tlsconn.go).
//
// It keeps the Host's contract: a read returns less than it could only when
// the socket has no more, and a write has not written what the socket has not
// taken. The last is why written bytes are reported behind the records they
// are in: the Core keeps bytes, and so the connection, until all is out.
type TLS struct {
	Core   *Core
	Errors Counter // connections that ended because of a bad record

	raw   Host
	table []*TLSConn // by file descriptor
	one   [1][]byte

	// Lent to the connection that reads or writes.
	in      []byte // records as they came
	seal    []byte // records on their way, when one write takes several
	stage   []byte // plaintext of one record that lies in several pieces
	want    int    // plaintext that the read at hand could take
	drained bool   // the socket had no more
	gather  bool   // records go to seal
	scan    int    // where in Core.conns the next tick looks
}

// NewTLS returns a Core without connections, and the TLS between it and raw.
func NewTLS(raw Host, c CoreConfig) *TLS {
	t := &TLS{
		raw:   raw,
		in:    make([]byte, tlsInSize),
		seal:  make([]byte, 0, tlsSealMax+tlsSealMax/recordMax*(recordSealedMax-recordMax)),
		stage: make([]byte, recordMax),
	}
	t.Core = NewCore(t, c)
	return t
}

// Add takes over a connection whose handshake is done, as Core.Add does.
func (t *TLS) Add(fd int, s wire.Session, kick bool, c *TLSConn) *Conn {
	for len(t.table) <= fd {
		t.table = append(t.table, nil)
	}
	c.host, c.fd, c.shake, c.flags = t, fd, nil, tlsUsed
	c.core = t.Core.Add(fd, s, kick)
	t.table[fd] = c
	return c.core
}

// conn is the connection of a descriptor; nil if there is none.
func (t *TLS) conn(fd int) *TLSConn {
	if uint(fd) < uint(len(t.table)) {
		return t.table[fd]
	}
	return nil
}

// Event is Core.Event, for one of its connections.
func (t *TLS) Event(fd int, e Events) {
	c := t.conn(fd)
	if c == nil {
		return
	}
	if e&Writable != 0 && c.waits() > 0 {
		e = t.room(c, e)
	}
	t.Core.Event(c.core, e)
}

// room writes records that wait, and says what the Core is to know of it.
func (t *TLS) room(c *TLSConn, e Events) Events {
	if !t.flush(c) && c.ending == endBroken {
		e |= Readable | Hangup
	}
	return e
}

// Tick is Core.Tick, and takes buffers from connections that do not use them.
func (t *TLS) Tick() {
	t.Core.Tick()
	for range min(len(t.Core.conns), tlsScanMax) {
		if t.scan >= len(t.Core.conns) {
			t.scan = 0
		}
		c := t.table[t.Core.conns[t.scan].fd]
		switch {
		case c.flags&tlsUsed != 0:
			c.flags ^= tlsUsed | tlsIdle
		case c.flags&tlsIdle != 0:
			c.flags ^= tlsIdle
			c.shrink()
		}
		t.scan++
	}
}

// Read implements Host.
func (t *TLS) Read(fd int, p []byte) int {
	t.one[0] = p
	return t.ReadVectors(fd, t.one[:])
}

// ReadVectors implements Host.
func (t *TLS) ReadVectors(fd int, v [][]byte) int {
	c := t.table[fd]
	switch {
	case c.ending == endStream:
		return 0
	case c.ending == endBroken:
		return Broken
	case c.owed > tlsOwedMax:
		c.flags |= tlsHeld
		return Again
	}
	t.drained, t.want = false, 0
	for _, p := range v {
		t.want += len(p)
	}
	c.flags = c.flags&^tlsIdle | tlsUsed
	waited := c.waits()
	n, err := t.readInto(c, v)
	c.owed += c.waits() - waited
	if err != nil {
		return t.readEnd(c, n, err)
	}
	t.keep(c)
	return n
}

// readInto fills v until there is nothing more to fill it with.
func (t *TLS) readInto(c *TLSConn, v [][]byte) (total int, err error) {
	for _, p := range v {
		for len(p) > 0 {
			if err := c.lay(); err != nil {
				return total, err
			}
			n, err := c.conn.Read(p)
			total += n
			if err != nil {
				return total, err
			}
			if p = p[n:]; len(p) > 0 && t.drained && c.whole() == 0 {
				return total, nil // asking crypto/tls would cost an error
			}
		}
	}
	return total, nil
}

// readEnd is a read that ended with an error, behind n bytes.
func (t *TLS) readEnd(c *TLSConn, n int, err error) int {
	if err == errLater {
		t.keep(c)
		if n == 0 {
			return Again
		}
		return n
	}
	switch {
	case err == io.EOF: // with a good-bye or without: many clients say none
		c.ending = endStream
	case err == errSocket:
		c.ending = endBroken
	default:
		c.ending = endBroken
		t.Errors.Add(1)
	}
	c.in = nil
	t.keep(c)
	switch {
	case n > 0:
		c.core.flags |= hangup // read on to the end
		return n
	case c.ending == endStream:
		return 0
	}
	return Broken
}

// fill reads from c's socket behind what waits of a record.
func (t *TLS) fill(c *TLSConn) error {
	if t.drained {
		return errLater
	}
	base := copy(t.in, c.in)
	if c.own != nil {
		t.Core.buffers.put(c.own)
		c.own = nil
	}
	c.in = t.in[:base]
	size := min(t.want+t.want/32+512, tlsReadMax)
	n := t.raw.Read(c.fd, t.in[base:base+size])
	switch {
	case n == Again:
		t.drained = true
		return errLater
	case n == 0 && base == 0:
		return io.EOF
	case n <= 0:
		return errSocket
	}
	t.drained = n < size
	c.in = t.in[:base+n]
	return nil
}

// keep stores what the loop's buffer has of c's next records with c.
func (t *TLS) keep(c *TLSConn) {
	switch {
	case len(c.in) == 0:
		if c.own != nil {
			t.Core.buffers.put(c.own)
			c.own = nil
		}
		c.in = nil
	case c.own == nil:
		c.own = t.Core.buffers.get(len(c.in))
		c.in = c.own[:copy(c.own, c.in)]
	}
}

// Write implements Host. A reply that fits into one record, as most do, needs
// none of WriteVectors' care.
func (t *TLS) Write(fd int, p []byte) int {
	c := t.table[fd]
	if len(p) > recordMax || c.waits() > 0 || c.ahead > 0 || c.ending == endBroken {
		t.one[0] = p
		return t.WriteVectors(fd, t.one[:])
	}
	c.flags = c.flags&^tlsIdle | tlsUsed
	if _, err := c.conn.Write(p); err != nil {
		c.ending = endBroken
		return Broken
	}
	if c.waits() == 0 {
		return len(p)
	}
	c.ahead = len(p)
	if n := c.report(); n > 0 {
		return n
	}
	return Again
}

// WriteVectors implements Host.
func (t *TLS) WriteVectors(fd int, v [][]byte) int {
	c := t.table[fd]
	if c.ending == endBroken {
		return Broken
	}
	c.flags = c.flags&^tlsIdle | tlsUsed
	total := 0
	if c.waits() > 0 || c.ahead > 0 {
		t.flush(c)
		total = c.report()
	}
	from := cursor{v: v}
	from.skip(total)
	for c.waits() == 0 && c.ending != endBroken && !from.end() {
		n, err := t.sealSome(c, &from)
		if err != nil {
			c.ending = endBroken
			break
		}
		c.ahead = n
		total += c.report()
	}
	switch {
	case c.ending == endBroken:
		return Broken
	case total == 0 && !from.end():
		return Again
	}
	return total
}

// sealSome makes at most tlsSealMax bytes into records, as few as can be, and
// gives them to the socket in one write.
func (t *TLS) sealSome(c *TLSConn, from *cursor) (n int, err error) {
	t.gather = from.len(recordMax+1) > recordMax
	for n < tlsSealMax && err == nil && !from.end() {
		p := from.first()
		switch {
		case len(p) < recordMax && !from.last():
			p = from.join(t.stage)
		case !from.last():
			p = p[:min(len(p)&^(recordMax-1), tlsSealMax-n)]
		default:
			p = p[:min(len(p), tlsSealMax-n)]
		}
		_, err = c.conn.Write(p)
		from.skip(len(p))
		n += len(p)
	}
	if t.gather {
		t.gather = false
		t.send(c, t.seal)
		t.seal = t.seal[:0]
	}
	return n, err
}

// send gives records to c's socket, behind those that wait.
func (t *TLS) send(c *TLSConn, b []byte) {
	if c.waits() == 0 && len(b) > 0 {
		switch n := t.raw.Write(c.fd, b); {
		case n == Broken:
			c.ending = endBroken
			return
		case n > 0:
			b = b[n:]
		}
	}
	if len(b) > 0 {
		c.append(b)
		t.wantWrite(c)
	}
}

// flush writes records that wait. It reports whether all are out.
func (t *TLS) flush(c *TLSConn) bool {
	if n := c.waits(); n > 0 {
		wrote := t.raw.Write(c.fd, c.out[c.sent:])
		if wrote == Broken {
			c.ending = endBroken
			return false
		}
		if wrote > 0 {
			c.sent += wrote
		}
		if wrote < n {
			return false
		}
		t.Core.buffers.put(c.out[:cap(c.out)])
		c.out, c.sent, c.owed = nil, 0, 0
		if c.flags&tlsShut != 0 {
			t.raw.CloseWrite(c.fd)
		}
		t.wantWrite(c)
		t.release(c)
	}
	return true
}

// release has c read again if it was held.
func (t *TLS) release(c *TLSConn) {
	if c.flags&tlsHeld != 0 {
		c.flags &^= tlsHeld
		c.core.flags |= readable
		t.Core.queue(c.core)
	}
}

// wantWrite asks for an event when c can be written, if something waits for it.
func (t *TLS) wantWrite(c *TLSConn) {
	want := c.flags&tlsCoreWaits != 0 || c.waits() > 0
	if want != (c.flags&tlsWatched != 0) {
		c.flags ^= tlsWatched
		t.raw.WantWrite(c.fd, want)
	}
}

// WantWrite implements Host.
func (t *TLS) WantWrite(fd int, on bool) {
	c := t.table[fd]
	c.flags &^= tlsCoreWaits
	if on {
		c.flags |= tlsCoreWaits
	}
	t.wantWrite(c)
}

// CloseWrite implements Host: it says good-bye before the stream ends.
func (t *TLS) CloseWrite(fd int) {
	c := t.table[fd]
	c.goodbye()
	if c.waits() > 0 {
		c.flags |= tlsShut
		return
	}
	t.raw.CloseWrite(fd)
}

// Close implements Host.
func (t *TLS) Close(fd int) {
	c := t.table[fd]
	c.goodbye()
	t.table[fd] = nil
	c.in = nil
	t.keep(c)
	if c.out != nil {
		t.Core.buffers.put(c.out[:cap(c.out)])
		c.out = nil
	}
	t.raw.Close(fd)
}

// Ready implements Host.
func (t *TLS) Ready() { t.raw.Ready() }
