package netio

import (
	"net/netip"

	"github.com/pandabeardb/panda/internal/invariant"
	"github.com/pandabeardb/panda/wire"
)

// Limits of a datagramCore. Each has its reason.
const (
	datagramsMax  = 16       // received at once: one call for what came while the ones before were answered
	datagramBytes = 64 << 10 // one datagram: IP has none longer
	framesMax     = 64       // datagrams of replies that are made before they are sent: 90 KB
	datagramsTurn = 128      // received and made before the loop's connections have their turn: about 0.3 ms
	stallMSMax    = 1000     // replies that the system takes nothing of for so long are dropped
)

// datagram is one that was received.
type datagram struct {
	bytes  []byte // datagramBytes of them
	n      int    // how many were received
	source netip.AddrPort
	raw    rawSource // the same, as the system takes it back
}

// frame is a datagram of a reply.
type frame struct {
	bytes [wire.DatagramMax]byte
	n     int
	to    *datagram
}

// datagramHost is the world of a datagramCore: sockets, or a test's pretence of them.
type datagramHost interface {
	// receive fills d: how many of it, Again or Broken.
	receive(fd int, d []datagram) int
	// send sends frames in order: how many, Again or, when the first cannot be sent, Broken.
	send(fd int, f []frame) int
	// wantSend asks for, or no longer for, an event when fd can be written.
	wantSend(fd int, on bool)
	// again asks for a call of turn after the events that are at hand.
	again()
}

// datagramCounts are those of one loop.
type datagramCounts struct {
	read, written           Counter
	refused, capped, unsent Counter
}

// datagramSocket is a socket as one loop sees it: all loops have it, each
// with a descriptor of its own.
type datagramSocket struct {
	fd       int
	port     uint16
	session  wire.Datagrams
	readable bool // it may have more; it is in datagramCore.waiting
}

// datagramCore is the sockets of one loop that receive datagrams: all that is
// decided between an event and a session. Like a Core it does no system call
// itself, and all calls come from one goroutine.
//
// Replies are made a datagram at a time and sent in batches; no more is received
// before they are out, nor is more made than framesMax. What the system does
// not take is tried again when it can, as memcached does, so that a reply of more
// than the socket's buffer comes whole; until then the loop receives nothing. Nothing here
// waits for Config.Barrier: a session of datagrams has no wire.Out to ask for it.
type datagramCore struct {
	host    datagramHost
	clock   Clock
	sources *sources
	bytes   *Counts // of the loop's Core
	counts  datagramCounts

	waiting []*datagramSocket // have something to read, in the order of their turns

	socket   *datagramSocket // whose datagrams are in batch
	batch    []datagram
	received int // of batch
	next     int // in batch
	replying bool
	bucket   bucket // of the one that is answered

	frames []frame
	made   int // of frames
	sent   int // of made

	nowMS     int64
	left      int   // of datagramsTurn
	stalledMS int64 // since when a socket takes nothing; 0: it does
	queued    bool  // again was asked for
}

func newDatagramCore(h datagramHost, c Clock, s *sources, bytes *Counts) *datagramCore {
	d := &datagramCore{
		host: h, clock: c, sources: s, bytes: bytes,
		batch:  make([]datagram, datagramsMax),
		frames: make([]frame, framesMax),
	}
	memory := make([]byte, datagramsMax*datagramBytes) // of which the kernel touches what it fills
	for i := range d.batch {
		d.batch[i].bytes = memory[i*datagramBytes : (i+1)*datagramBytes : (i+1)*datagramBytes]
	}
	return d
}

// event says what happened to a socket.
func (d *datagramCore) event(s *datagramSocket, e Events) {
	if e&(Readable|Hangup) != 0 && !s.readable {
		s.readable = true
		d.waiting = append(d.waiting, s)
	}
	if d.stalledMS != 0 {
		if e&Writable == 0 || s != d.socket {
			return
		}
		d.resume()
	}
	if !d.queued {
		d.turn()
	}
}

// turn is what one wake-up gives to datagrams.
func (d *datagramCore) turn() {
	d.queued = false
	if d.stalledMS != 0 {
		return
	}
	d.nowMS = d.clock.NowMS()
	d.left = datagramsTurn
	for d.answer() && d.receive() {
	}
}

// answer answers what is in the batch. It reports false when the turn is over.
func (d *datagramCore) answer() bool {
	for d.replying || d.next < d.received {
		switch {
		case d.left <= 0:
			d.later()
			return false
		case !d.replying:
			d.begin(&d.batch[d.next])
		case !d.reply():
			return false
		}
	}
	return d.flush()
}

// begin gives a datagram to the session, if its source may ask.
func (d *datagramCore) begin(g *datagram) {
	d.next++
	d.left--
	d.bucket = d.sources.bucketOf(g.source.Addr())
	if d.bucket == refused || g.source.Port() == d.socket.port {
		d.counts.refused.Add(1)
		return
	}
	d.counts.read.Add(1)
	d.bytes.BytesRead.Add(int64(g.n))
	if d.sources.empty(d.bucket, d.nowMS) {
		d.counts.capped.Add(1)
		return
	}
	d.socket.session.Datagram(g.bytes[:g.n], g.source)
	d.replying = true
}

// reply makes the next datagram of a reply. It reports false when the turn is over.
func (d *datagramCore) reply() bool {
	if d.made == framesMax && !d.flush() {
		return false
	}
	f := &d.frames[d.made]
	n, next := d.socket.session.Reply(f.bytes[:], d.nowMS)
	invariant.That(n >= 0 && n <= wire.DatagramMax, "a reply is longer than a datagram")
	if n > 0 {
		if !d.sources.take(d.bucket, n, d.nowMS) {
			d.counts.capped.Add(1)
			d.socket.session.Drop()
			d.replying = false
			return true
		}
		f.n, f.to = n, &d.batch[d.next-1]
		d.made++
		d.left--
	}
	d.replying = next != wire.More
	if next == wire.Yield {
		if d.flush() {
			d.later()
		}
		return false
	}
	return true
}

// flush sends what was made. It reports false when the system does not take all of it now.
func (d *datagramCore) flush() bool {
	for d.sent < d.made {
		n := d.host.send(d.socket.fd, d.frames[d.sent:d.made])
		switch {
		case n > 0:
			bytes := 0
			for i := range d.frames[d.sent : d.sent+n] {
				bytes += d.frames[d.sent+i].n
			}
			d.bytes.BytesWritten.Add(int64(bytes))
			d.counts.written.Add(int64(n))
			d.sent += n
		case n == Again:
			d.stalledMS = max(d.nowMS, 1)
			d.host.wantSend(d.socket.fd, true)
			return false
		default:
			d.counts.unsent.Add(1)
			d.sent++
		}
	}
	d.made, d.sent = 0, 0
	return true
}

// receive fills the batch from the socket whose turn it is. It reports false when
// there is nothing, or the turn is over.
func (d *datagramCore) receive() bool {
	for len(d.waiting) > 0 {
		if d.left <= 0 {
			d.later()
			return false
		}
		s := d.waiting[0]
		n := d.host.receive(s.fd, d.batch)
		last := copy(d.waiting, d.waiting[1:])
		d.waiting[last] = s
		if n < len(d.batch) { // also after an error: an event tells of what follows it
			d.waiting[last], d.waiting = nil, d.waiting[:last]
			s.readable = false
		}
		if n > 0 {
			d.socket, d.received, d.next = s, n, 0
			return true
		}
	}
	return false
}

// later asks for another turn.
func (d *datagramCore) later() {
	if !d.queued {
		d.queued = true
		d.host.again()
	}
}

// resume ends a stall.
func (d *datagramCore) resume() {
	d.stalledMS = 0
	d.host.wantSend(d.socket.fd, false)
}

// tick drops what the system does not take.
func (d *datagramCore) tick() {
	if d.stalledMS == 0 || d.clock.NowMS()-d.stalledMS < stallMSMax {
		return
	}
	d.resume()
	d.drop()
	d.later()
}

// drop forgets the reply that is on its way.
func (d *datagramCore) drop() {
	d.counts.unsent.Add(int64(d.made - d.sent))
	d.made, d.sent = 0, 0
	if d.replying {
		d.socket.session.Drop()
		d.replying = false
	}
}

// stop ends all: what was made is sent if the system takes it.
func (d *datagramCore) stop() {
	if d.stalledMS == 0 && d.made > d.sent {
		d.flush()
	}
	d.drop()
	d.received, d.next, d.stalledMS, d.queued = 0, 0, 0, false
	clear(d.waiting)
	d.waiting = d.waiting[:0]
}
