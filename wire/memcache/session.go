package memcache

import (
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// state is what a session does with the next bytes.
type state uint8

const (
	stateLine      state = iota // a command line
	stateBody                   // the data of a store command, into its item
	stateSkip                   // the data of a store command that failed
	stateKeys                   // the keys of a get whose line is not used up
	stateDiscard                // the rest of a line whose reply is known
	stateDump                   // the end of a line whose reply is a long list
	stateWalk                   // the same, of what a look at all items tells
	stateWatch                  // drop them: the session watches
	stateToken                  // a line of a client that has not said who it is, see authtoken.go
	stateTokenData              // the data block in which it says so
	stateFirst                  // the first byte, which says what protocol the client speaks
	statePacket                 // a request of the binary protocol
	stateLongKey                // the same, whose key is longer than any
	stateSASL                   // the data of opcodes 21 and 22
)

// progress is how a piece of work ended.
type progress uint8

const (
	working  progress = iota // the request goes on with the bytes that follow
	finished                 // a request was answered
	starved                  // nothing can be done without more bytes
	full                     // the output is full, in the middle of a request
	spent                    // the turn is over, in the middle of a request
	closing                  // the conversation is over
	watching                 // the session watches from here on
	awaiting                 // the request goes on when a value has come from the tier
)

// session is one client's conversation.
type session struct {
	worker  *worker
	state   state
	between state     // between two requests: stateLine or statePacket
	scanned int       // stateLine: bytes of an incomplete line that hold no newline
	skip    int       // stateSkip: bytes to go
	keys    keys      // stateKeys
	verdict string    // stateDiscard: the reply when the line ends
	dumped  int       // stateDump: lines of the reply that are made
	walk    *itemWalk // stateWalk
	store   store     // stateBody
	packet  packet    // of the binary request that goes on

	authenticated bool       // always, when nobody is asked who they are
	token         *tokenData // stateTokenData
	sasl          *saslState // nil before opcode 21 or 22

	fd      int32       // the socket's number, as lines of the trace show it
	ending  wire.Reason // why it answered Close, when the client asked for it
	watcher *watcher    // stateWatch
	conn    *connection // what others see
	status  uint64      // that conn shows
	fetches *fetches    // nil: nothing was ever fetched
}

// Feed implements wire.Session.
func (s *session) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	w := s.worker
	if s.awaits() {
		return 0, wire.Wait
	}
	w.trace.fd = s.fd
	w.beginTurn(s, out)
	if x := s.fetches; x != nil {
		w.again, x.again = x.again, false
	}
	n, next := s.run(in)
	if s.fetches != nil && (next == wire.More || next == wire.Close || next == wire.Cut) {
		s.dropFetches()
	}
	s.note(out.NowMS)
	w.endTurn()
	return n, next
}

// run does requests until the input, the output or the turn ends.
func (s *session) run(in []byte) (used int, next wire.Next) {
	w := s.worker
	foreseen := 0
	for used < len(in) {
		if used >= foreseen && s.state == s.between {
			foreseen = used + s.foresee(in[used:])
		}
		n, p := s.step(in[used:])
		used += n
		switch p {
		case working:
		case finished:
			if w.out.Full() {
				return used, wire.Full
			}
			if w.turnOver() {
				return used, w.yield(used < len(in))
			}
		case starved:
			return used, wire.More
		case full:
			return used, wire.Full
		case spent:
			return used, w.yield(true)
		case closing:
			return used, s.goodbye()
		case watching:
			return len(in), wire.Park
		case awaiting:
			return used, wire.Wait
		}
	}
	return used, wire.More
}

// step does one piece of work on in, and returns how much of in it took.
func (s *session) step(in []byte) (n int, p progress) {
	switch s.state {
	case stateLine:
		return s.line(in)
	case statePacket:
		return s.request(in)
	case stateBody:
		return s.body(in)
	case stateSkip:
		n = min(s.skip, len(in))
		if s.skip -= n; s.skip > 0 {
			return n, working
		}
		s.state = s.between
		return n, finished
	case stateKeys:
		return s.moreKeys(in)
	case stateDump:
		return s.dump()
	case stateWalk:
		return s.walkOn()
	case stateWatch:
		return len(in), watching
	case stateToken:
		return s.tokenLine(in)
	case stateTokenData:
		return s.tokenBlock(in)
	case stateFirst:
		return s.first(in)
	case stateLongKey:
		return s.longKey(in)
	case stateSASL:
		return s.saslData(in)
	default:
		return s.discard(in)
	}
}

// line runs the command line that in begins with.
func (s *session) line(in []byte) (n int, p progress) {
	w := s.worker
	if s.scanned > 0 {
		if _, n = ascii.Line(in[s.scanned:]); n == 0 {
			return s.incomplete(in)
		}
		s.scanned = 0
	}
	line, n := w.line(in)
	if n == 0 {
		return s.incomplete(in)
	}
	w.unread = 0
	p = w.command(s, line, n)
	return n - w.unread, p
}

// incomplete decides about a line without an end. As in memcached, more than
// MaxLine bytes of it are hopeless unless it is a get, whose keys are taken as
// they come.
func (s *session) incomplete(in []byte) (n int, p progress) {
	if len(in) <= ascii.MaxLine {
		s.scanned = len(in)
		return 0, starved
	}
	s.scanned = 0
	return s.longGet(in)
}

// discard drops the rest of a line, and answers at its end.
func (s *session) discard(in []byte) (n int, p progress) {
	if _, n = ascii.Line(in); n == 0 {
		return len(in), starved
	}
	s.worker.say(s.verdict)
	s.verdict = ""
	s.state = stateLine
	return n, finished
}

// Body implements wire.Session.
func (s *session) Body(dst [][]byte) [][]byte {
	if s.state != stateBody {
		return dst
	}
	return s.store.room(dst)
}

// Filled implements wire.Session. The \r\n behind a value of the text protocol
// always comes by Feed, so that only the last byte of a binary one finishes its
// request.
func (s *session) Filled(n int, out *wire.Out) wire.Next {
	st := &s.store
	st.got += n
	if !st.packet || st.got < st.len {
		return wire.More
	}
	return s.filled(out)
}

// Close implements wire.Session.
func (s *session) Close(why wire.Reason) {
	if s.state == stateBody {
		s.worker.handle.Discard(s.store.item)
		s.store = store{}
	}
	s.dropFetches()
	s.closeAuth()
	s.endWalk()
	s.state = stateDiscard
	s.traceClosed(why)
	s.leave()
}
