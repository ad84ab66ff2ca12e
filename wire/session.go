package wire

// Next is what a Session wants to happen after a call.
type Next uint8

const (
	// More: everything usable was consumed; come back with more bytes.
	More Next = iota
	// Yield: the turn is used up though complete requests may remain. The
	// session is fed the rest after the loop's other connections had theirs.
	Yield
	// Full: Out reached its cap, or the session waits for Out.Barrier before it
	// takes another byte. It is fed the rest when the output has drained, and its
	// socket is not read until then.
	Full
	// Close: write what is in Out, then close the connection.
	Close
	// Park: as More, and the session, which is a Parked, has something to say
	// that no input brings about: it is resumed as long as it answers Park.
	Park
	// Wait: as Park, in the middle of a request: the connection is not read, nor its end
	// seen, nor is it closed by a stop, until Resume answers something else.
	Wait
	// Cut: as Close, at once: what the client still sends is answered by a reset,
	// even if that overtakes what is in Out.
	Cut
)

// Reason says why a connection is over.
type Reason uint8

const (
	BySession Reason = iota // the session answered Close
	ByPeer                  // the peer closed its side
	ByError                 // the socket broke
	ByIdle                  // nothing came for too long
	ByStop                  // the server stops
)

// A Session is one client's conversation in one protocol. It does no I/O,
// starts no goroutine and never blocks, except for a shard's short lock.
type Session interface {
	// Feed gives the session the unconsumed bytes of its stream. It returns how
	// many it consumed; the rest, with more behind it, is given again. The
	// slice is borrowed until Feed returns. When it leaves an Out.Barrier that has
	// not been passed, all that its answer asks for waits until that is, but the
	// call of Close.
	Feed(in []byte, out *Out) (n int, next Next)

	// Body appends to dst the memory in which the next bytes of the stream
	// belong, unparsed, in order, as many pieces as dst has capacity for. netio
	// may read from the socket straight into it and say so with Filled; it may as
	// well pass the bytes to Feed.
	Body(dst [][]byte) [][]byte

	// Filled says that n bytes of what Body returned have been read. A last
	// Filled may finish a request, so replies can appear in out.
	Filled(n int, out *Out) Next

	// Close is the last call: the connection is over. What the session
	// reserved is given back.
	Close(why Reason)
}

// Parked is a Session that may answer Park: one that waits for something else
// than input. While it is parked, input is fed to it as always: it may consume
// it, or leave it and answer Park, so that it waits until the session is no
// longer parked.
type Parked interface {
	Session

	// Resume is called while the session is parked: on the loop's ticks, when
	// the layer below is woken (netio.Server.Wake), and when the output has
	// drained, but never while output or Out.Barrier waits. Its answer means: Park,
	// stay parked; Full, resume again when the output has drained; Yield, resume
	// again after the loop's other connections; More, no longer parked, what was not
	// consumed is fed; Close.
	Resume(out *Out) Next
}

// Transport is what the layer below counts, as a protocol's statistics need
// it. All values are totals since start, except the ones called current.
type Transport struct {
	CurrentConnections  int64
	BarredConnections   int64 // current: those that wait for Out.Barrier
	TotalConnections    int64
	RejectedConnections int64 // over the connection limit
	IdleKicks           int64 // closed by the idle timeout
	BytesRead           int64
	BytesWritten        int64
	AcceptingPaused     bool  // the connection limit holds the listeners back
	ListenDisabled      int64 // how often it did
	TLSHandshakeErrors  int64 // clients that sent something, and came to no end
	TLSRecordErrors     int64 // connections that ended because of a bad record
	TLSNewSessions      int64 // handshakes that did not resume one

	Datagrams DatagramCounts
}

// Peer says who is at the other end of a connection.
type Peer struct {
	FD      int    // the socket's number, as statistics and logs show it
	Network string // "tcp", "unix", "udp"
	Remote  string // "127.0.0.1:53124", "[::1]:53124"; "" for unix
	Local   string // the address it came in at: "127.0.0.1:11211", or the socket's path
}
