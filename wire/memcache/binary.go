package memcache

import (
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// The binary protocol: another encoding of the same commands. A request's way is
//
//	Feed -> run -> request -> serve -> row of packetTable -> what the text command calls
//
// and, when it has a value, on by body or Filled to finishPacket.

// bodyMax is the longest body that the new dialect takes for one.
// ITEM_SIZE_MAX_UPPER_LIMIT
const bodyMax = 1 << 30

// packet is what a session keeps of a binary request that goes on.
type packet struct {
	binary.Reply
	quiet     bool
	status    binary.Status // stateLongKey: the reply
	mechanism int           // stateSASL: length of the mechanism's name, which data begins with
	data      []byte        // stateSASL
}

// speak decides what protocol the session speaks.
func (s *session) speak(p Protocol) {
	switch p {
	case ProtocolAuto:
		s.state = stateFirst
	case ProtocolASCII:
		s.between, s.state = stateLine, stateLine
	default:
		s.between, s.state = statePacket, statePacket
	}
}

// first looks at a connection's first byte.
func (s *session) first(in []byte) (n int, p progress) {
	if in[0] == binary.RequestMagic {
		s.speak(ProtocolBinary)
	} else {
		s.speak(ProtocolASCII)
	}
	return 0, working
}

// foresee looks at the requests that in begins with, and returns how many bytes it
// has looked at.
func (s *session) foresee(in []byte) int {
	if s.between == statePacket {
		return s.worker.foreseePackets(in)
	}
	return s.worker.foreseeLines(in)
}

// request runs the binary request that in begins with.
func (s *session) request(in []byte) (n int, p progress) {
	w := s.worker
	n, err := w.asked.Parse(in)
	switch {
	case err != nil:
		return s.badRequest(err)
	case n == 0:
		return 0, starved
	}
	w.unread = 0
	p = w.serve(s)
	return n - w.unread, p
}

// badRequest decides about a request that cannot be read. As in memcached, the
// whole of a key that is too long must have come before anything is answered.
func (s *session) badRequest(err error) (n int, p progress) {
	if err != binary.ErrLongKey {
		return 0, closing
	}
	w := s.worker
	q := &w.asked
	s.packet.Reply = q.Reply
	if s.packet.status = w.refusal(s); s.packet.status == binary.Success {
		s.packet.status = binary.Invalid
	}
	s.skip = binary.HeaderLen + int(q.ExtrasLen) + int(q.KeyLen)
	s.state = stateLongKey
	return 0, working
}

// longKey drops a key that is too long, and hangs up.
func (s *session) longKey(in []byte) (n int, p progress) {
	n = min(s.skip, len(in))
	if s.skip -= n; s.skip > 0 {
		return n, starved
	}
	s.answer(s.packet.status)
	return n, closing
}

// serve runs the request in w.asked. What memcached refuses by closing is looked
// for in its order.
func (w *worker) serve(s *session) progress {
	if status := w.refusal(s); status != binary.Success {
		w.answer(status)
		return closing
	}
	row := &packets[w.asked.Opcode]
	if row.run == nil {
		w.answer(binary.UnknownCommand)
		return s.swallow(int(int32(w.asked.BodyLen))) // though extras and key are read by then
	}
	if !row.command.Fits(&w.asked) {
		w.answer(binary.Invalid)
		return closing
	}
	if w.behind(row.flags) {
		return w.comeAgain(s, binary.HeaderLen+int(w.asked.ExtrasLen)+int(w.asked.KeyLen))
	}
	return row.run(w, s, row.command)
}

// refusal is the status of a request that is not even looked at; Success: it is.
func (w *worker) refusal(s *session) binary.Status {
	q := &w.asked
	switch {
	case !q.Consistent():
		return binary.UnknownCommand
	case q.BodyLen > bodyMax && w.dialect == ascii.New:
		return binary.Invalid
	case !s.authenticated && !packets[q.Opcode].stranger:
		return binary.AuthFailed
	}
	return binary.Success
}

// answer answers with a status and its text, which quiet requests are told, too.
func (w *worker) answer(status binary.Status) progress {
	return w.explain(status, status.Text())
}

func (w *worker) explain(status binary.Status, text string) progress {
	w.out.Buf = w.asked.AppendText(w.out.Buf, status, text)
	return finished
}

// succeed answers a request that has nothing to tell but its success.
func (w *worker) succeed(c *binary.Command) progress {
	if !c.Quiet {
		w.out.Buf = w.asked.AppendHeader(w.out.Buf, binary.Success, 0, 0, 0, 0)
	}
	return finished
}

// answer is worker.answer for a request that went on.
func (s *session) answer(status binary.Status) progress {
	out := s.worker.out
	out.Buf = s.packet.AppendText(out.Buf, status, status.Text())
	return finished
}

// swallow leaves n bytes unread, if that is a number of bytes.
func (s *session) swallow(n int) progress {
	if n <= 0 {
		return finished
	}
	s.skip, s.state = n, stateSkip
	return working
}

// filled is Filled behind a value's last byte.
func (s *session) filled(out *wire.Out) wire.Next {
	w := s.worker
	w.trace.fd = s.fd
	w.beginTurn(s, out)
	s.finishPacket()
	s.note(out.NowMS)
	w.endTurn()
	if out.Full() {
		return wire.Full
	}
	return wire.More
}
