package memcache

import "github.com/pandabeardb/panda/wire/memcache/binary"

// textAuthenticated is the body of the reply to a client that was let in.
const textAuthenticated = "Authenticated"

func packetMechanisms(w *worker, s *session, _ *binary.Command) progress {
	if !w.server.saslEnabled() {
		return w.answer(binary.UnknownCommand)
	}
	return w.explain(binary.Success, w.saslMechanisms(s))
}

// packetAuthenticate begins opcodes 21 and 22, whose value is collected as it comes.
// As in memcached, one that would not fit into a chunk has no room.
func packetAuthenticate(w *worker, s *session, _ *binary.Command) progress {
	q := &w.asked
	n := q.ValueLen()
	status := binary.Success
	switch {
	case !w.server.saslEnabled():
		status = binary.UnknownCommand
	case len(q.Key) > mechanismMax:
		status = binary.Invalid
	case n < 0 || w.server.itemTotal(len(q.Key), 0, n) > min(w.server.config.Settings.SlabChunkMax, w.server.config.ItemSizeMax):
		status = binary.OutOfMemory
	}
	if status != binary.Success {
		w.answer(status)
		return s.swallow(n)
	}
	k := &s.packet
	k.Reply, k.mechanism, k.data = q.Reply, len(q.Key), append(k.data[:0], q.Key...)
	if s.skip = n; n == 0 {
		return s.authenticate()
	}
	s.state = stateSASL
	return working
}

// saslData collects a value, as much of it as anybody looks at.
func (s *session) saslData(in []byte) (n int, p progress) {
	k := &s.packet
	n = min(s.skip, len(in))
	s.skip -= n
	k.data = append(k.data, in[:min(n, k.mechanism+saslDataMax+1-len(k.data))]...)
	if s.skip > 0 {
		return n, starved
	}
	s.state = s.between
	return n, s.authenticate()
}

// authenticate answers opcodes 21 and 22.
func (s *session) authenticate() progress {
	w, k := s.worker, &s.packet
	mechanism, data := k.data[:k.mechanism], k.data[k.mechanism:]
	result, challenge := w.saslAuthenticate(s, k.Opcode == binary.SASLStep, mechanism, data)
	k.data = nil
	switch result {
	case saslAccepted:
		w.out.Buf = k.AppendText(w.out.Buf, binary.Success, textAuthenticated)
	case saslContinue:
		w.out.Buf = append(k.AppendHeader(w.out.Buf, binary.AuthContinue, 0, 0, len(challenge), 0), challenge...)
	default:
		s.answer(binary.AuthFailed)
	}
	return finished
}
