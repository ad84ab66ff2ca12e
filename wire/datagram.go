package wire

import "net/netip"

// DatagramMax is how long a datagram of a reply may be: memcached's
// UDP_MAX_PAYLOAD_SIZE, which an Ethernet packet holds whole, with 72 bytes to
// spare for what tunnels put around it.
const DatagramMax = 1400

// Datagrams answers requests that come in one datagram each, at one socket of
// one loop. It keeps nothing of a request for the next one. Like a Session it
// does no I/O, starts no goroutine and never blocks; its calls come from the
// loop's goroutine and allocate nothing.
type Datagrams interface {
	// Datagram begins with a request; what was left of the one before is
	// forgotten. in is borrowed until Reply has answered More, or Drop is called.
	Datagram(in []byte, from netip.AddrPort)

	// Reply makes the next datagram of the reply in dst, which has DatagramMax
	// bytes, and returns its length, 0 for none. Its Next means: Full, call again
	// at once; Yield, call again after the loop's other sockets had their turn;
	// More, this was the last. What was pinned for it is released by then.
	Reply(dst []byte, nowMS int64) (n int, next Next)

	// Drop forgets what is left of the request and of its reply.
	Drop()

	// Close is the last call.
	Close()
}

// DatagramCounts are totals of Transport. What is dropped is dropped silently: an
// answer could go to somebody who never asked.
type DatagramCounts struct {
	Read    int64 // from whoever may ask
	Written int64
	Refused int64 // dropped unread, since their source may not ask
	Capped  int64 // requests of which some or all was dropped, since their source had its share
	Unsent  int64 // datagrams of replies that the system did not take
}
