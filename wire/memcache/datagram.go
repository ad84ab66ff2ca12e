package memcache

import (
	"bytes"
	"math"
	"net/netip"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// A datagram is a frame's head and one or more requests, of which the first
// byte says the protocol. Its replies are frames, too:
//
//	request id  2 bytes, the client's, which comes back
//	sequence    2 bytes, from 0, of this reply; ignored in a request
//	total       2 bytes, how many datagrams this reply has; 1 in a request
//	reserved    2 bytes, 0; ignored in a request
//	payload     at most 1,392 bytes
//
// What memcached does, tried with both versions, is done here: a datagram with
// nothing behind its head, or that says it is one of several, is dropped; each
// request of a datagram has a reply of its own, with its own sequence, and of a
// get each key but the last, whose reply has the END, too; a reply without a byte
// (a key that is not there, a quiet request that has nothing to say, quit) is a
// head with total 0 when it comes first, and nothing at all behind another one that
// leaves with it; what is incomplete at the datagram's end has no reply.
//
// On purpose not as there: the rest of a value that a datagram does not hold
// whole is not taken from the datagrams that follow, nor does quit end what later
// ones may say; watch, metadump and mgdump are refused, where there the
// socket is lost to them.
const (
	frameHead    = 8
	framePayload = wire.DatagramMax - frameHead // UDP_DATA_SIZE
	frameVectors = 8                            // pieces of a value looked at together
	replyKeepMax = 64 << 10                     // a larger buffer is not kept for the next reply
)

// datagrams are what comes in at one socket of one loop.
type datagrams struct {
	session session // of the datagram that is answered
	source  netip.AddrPort
	in      []byte   // what of it is not consumed
	out     wire.Out // the reply that is made, or sent
	packets bool     // its requests are of the binary protocol

	id       [2]byte
	sequence uint16
	total    uint16
	sending  bool // out is a whole reply
	first    bool // a reply without a byte is shown
	vectors  [frameVectors][]byte
}

// OpenDatagrams makes the session of a loop's socket.
func (s *Server) OpenDatagrams(loop int, peer wire.Peer) wire.Datagrams {
	w := s.workers[loop]
	d := &datagrams{session: session{worker: w, fd: int32(peer.FD), authenticated: true}}
	d.session.enter(peer, w.seenMS)
	d.session.conn.datagrams = d
	return d
}

// Datagram implements wire.Datagrams.
func (d *datagrams) Datagram(in []byte, from netip.AddrPort) {
	d.Drop()
	if len(in) <= frameHead || in[4] != 0 || in[5] != 1 {
		return
	}
	d.id = [2]byte(in)
	d.in, d.source = in[frameHead:], from
	d.first = true
	if d.packets = d.in[0] == binary.RequestMagic; d.packets {
		d.session.begin(ProtocolBinary)
	} else {
		d.session.begin(ProtocolASCII)
	}
}

// Reply implements wire.Datagrams.
func (d *datagrams) Reply(dst []byte, nowMS int64) (n int, next wire.Next) {
	if !d.sending {
		if next = d.answer(nowMS); next != wire.Full {
			return 0, next
		}
	}
	n = d.frame(dst)
	if d.out.Len() > 0 {
		return n, wire.Full
	}
	d.sending = false
	if cap(d.out.Buf) > replyKeepMax {
		d.out.Buf = nil
	}
	if len(d.in) > 0 {
		return n, wire.Full
	}
	return n, wire.More
}

// begin makes the session ready for a datagram. Nothing of the one before is kept:
// unlike a connection, a socket speaks both protocols by turns.
func (s *session) begin(p Protocol) {
	s.speak(p)
	s.store = store{}
	s.scanned, s.ending = 0, wire.BySession
}

// abandon gives back what the request that is on its way holds.
func (s *session) abandon() {
	if s.state == stateBody {
		s.worker.handle.Discard(s.store.item)
		s.store = store{}
	}
	s.endWalk()
	s.state = s.between
}

// answer runs requests until there is a reply to send, which is Full, or none to
// come, More. Yield means that a long list is on its way.
func (d *datagrams) answer(nowMS int64) wire.Next {
	s := &d.session
	w := s.worker
	d.out.NowMS = nowMS
	for len(d.in) > 0 {
		w.trace.fd = s.fd
		w.beginTurn(s, &d.out)
		p := d.request()
		s.note(nowMS)
		w.endTurn()
		switch {
		case p == spent && s.state != stateKeys:
			return wire.Yield
		case p == closing:
			d.in = nil
		case p == starved:
			d.Drop()
			return wire.More
		}
		if d.send(p) {
			return wire.Full
		}
	}
	d.Drop()
	return wire.More
}

// request runs one request, or one key of a list.
func (d *datagrams) request() progress {
	s := &d.session
	if s.state == stateLine && bytes.IndexByte(d.in, '\n') < 0 {
		return starved
	}
	for len(d.in) > 0 {
		if s.state == stateLine || s.state == stateKeys {
			s.worker.work = 1 // a list ends its turn behind each key
		}
		n, p := s.step(d.in)
		d.in = d.in[n:]
		if p != working {
			return p
		}
		if s.state != stateKeys {
			s.worker.work = turnWork
		}
	}
	return starved
}

// send makes what was answered a reply, and reports whether it has to be sent.
func (d *datagrams) send(p progress) bool {
	n := d.out.Len()
	switch {
	case n > 0:
	case !d.first, p == closing && d.session.ending != wire.ByPeer, p == finished && !d.packets:
		return false // what memcached skips, or does not show
	}
	d.sequence = 0
	d.total = uint16(min((n+framePayload-1)/framePayload, math.MaxUint16))
	d.sending = true
	d.first = p == finished && n > 0 && d.leaves()
	return true
}

// leaves reports whether memcached sends a reply at once, with those before it,
// and not with those that follow it: the binary protocol's noop, and errors that name
// no key; mn; and what 1.6.18 answers to a get.
func (d *datagrams) leaves() bool {
	b := d.out.Buf
	switch {
	case d.packets:
		const opcode, key, status, noop = 1, 2, 6, 0x0a
		failed := len(b) > status+1 && b[status]|b[status+1] != 0
		return failed && b[key]|b[key+1] == 0 || len(b) > opcode && b[opcode] == noop
	case bytes.HasPrefix(b, []byte("MN")):
		return true
	}
	return d.session.worker.dialect == ascii.Old && (bytes.HasPrefix(b, []byte("VALUE ")) || string(b) == replyEnd)
}

// frame makes the next datagram.
func (d *datagrams) frame(dst []byte) int {
	copy(dst, d.id[:])
	dst[2], dst[3] = byte(d.sequence>>8), byte(d.sequence)
	dst[4], dst[5] = byte(d.total>>8), byte(d.total)
	dst[6], dst[7] = 0, 0
	d.sequence++
	n := 0
	if b, plain := d.out.Plain(); plain {
		n = copy(dst[frameHead:wire.DatagramMax], b)
	} else {
		for _, v := range d.out.AppendVectors(d.vectors[:0], frameVectors) {
			n += copy(dst[frameHead+n:wire.DatagramMax], v)
		}
		clear(d.vectors[:])
	}
	d.out.Advance(n)
	return frameHead + n
}

// Drop implements wire.Datagrams.
func (d *datagrams) Drop() {
	d.in, d.sending = nil, false
	d.out.Drop()
	d.session.abandon()
}

// Close implements wire.Datagrams.
func (d *datagrams) Close() {
	d.Drop()
	d.session.leave()
}

// appendConn appends what `stats conns` shows of the socket: who asks, if that
// is its present request, or the address at which it waits.
func (d *datagrams) appendConn(l *connList, c *connection, own bool, since int64) {
	l.line("UDP", "", "UDP")
	local := c.peer.Local
	if own {
		source := d.source.String()
		l.line("addr", datagramNetworkOf(source), source)
		l.line("listen_addr", datagramNetworkOf(local), local)
		l.line("state", "", "conn_parse_cmd")
		l.since(0)
		return
	}
	l.line("addr", datagramNetworkOf(local), local)
	l.line("state", "", "conn_read")
	l.since(since)
}

func datagramNetworkOf(address string) string {
	if address != "" && address[0] == '[' {
		return "udp6:"
	}
	return "udp:"
}
