package wire

// Releaser gets pinned memory back once it is written or its connection died.
// Token is the value that was given to Out.Pin. Release may be called from the
// goroutine of any loop.
type Releaser interface {
	Release(token uint64)
}

// PinMin is the size from which a value is worth pinning instead of copying:
// below it, the copy costs less than the second iovec and the reference count.
const PinMin = 16 << 10

// Out is the output of a connection: a queue of own bytes (Buf) and of pinned
// memory between them. Codecs append to Buf directly:
//
//	out.Buf = append(out.Buf, "STORED\r\n"...)
//
// The zero value is ready for use, with no cap.
type Out struct {
	Buf []byte // own bytes; pinned memory stands between them, see pins

	// NowMS is the time of this wake-up: milliseconds since the Unix epoch at
	// process start plus monotonic time, so that it never runs backwards.
	NowMS int64

	// Cap is the output size in bytes from which a session returns Full.
	Cap int

	// Barrier is a number that the layer below knows by the same name and that
	// grows, such as the epoch up to which a log is durable. Until it has come to
	// this one, nothing of what waits here is written, even if that is nothing, and
	// the session is called with no input, nor resumed. A session sets it in
	// Feed, Filled or Resume, and only to something higher, since replies before
	// may need the present one:
	//
	//	out.Barrier = max(out.Barrier, epoch)
	//
	// 0: nothing is waited for. Replies of datagrams never wait.
	Barrier uint64

	pins   []pin
	pinned int // bytes in pins
	head   int // bytes of Buf that are written already
}

type pin struct {
	at    int // position in Buf before which the memory goes
	bytes []byte
	owner Releaser // nil: nothing to release with this piece
	token uint64
}

// Len is the number of bytes that wait to be written.
func (o *Out) Len() int { return len(o.Buf) - o.head + o.pinned }

// Full reports whether the output has reached its cap.
func (o *Out) Full() bool { return o.Cap > 0 && o.Len() >= o.Cap }

// Pin queues b, which stays where it is until owner.Release(token). A value in
// several pieces is pinned piece by piece, with the owner on the last one only
// (owner nil on the others).
func (o *Out) Pin(b []byte, owner Releaser, token uint64) {
	o.pins = append(o.pins, pin{len(o.Buf), b, owner, token})
	o.pinned += len(b)
}

// Mark is a position in the output to which Rewind can go back.
type Mark struct{ buf, pins int }

// Mark returns the present end of the output.
func (o *Out) Mark() Mark { return Mark{len(o.Buf), len(o.pins)} }

// Rewind takes back all that was queued since m, but not Barrier. Nothing of it
// may have been written: a mark is good until the session returns to netio.
func (o *Out) Rewind(m Mark) {
	for _, p := range o.pins[m.pins:] {
		o.release(p)
	}
	clear(o.pins[m.pins:])
	o.pins = o.pins[:m.pins]
	o.Buf = o.Buf[:m.buf]
}

// AppendVectors appends the pieces that wait, in order, at most limit of them,
// for a vectored write.
func (o *Out) AppendVectors(dst [][]byte, limit int) [][]byte {
	at := o.head
	for i := range o.pins {
		if len(dst) >= limit {
			return dst
		}
		p := &o.pins[i]
		if p.at > at {
			dst = append(dst, o.Buf[at:p.at])
			at = p.at
		}
		if len(p.bytes) > 0 && len(dst) < limit {
			dst = append(dst, p.bytes)
		}
	}
	if at < len(o.Buf) && len(dst) < limit {
		dst = append(dst, o.Buf[at:])
	}
	return dst
}

// Plain returns the waiting bytes when no pinned memory is among them.
func (o *Out) Plain() (b []byte, ok bool) {
	if len(o.pins) > 0 {
		return nil, false
	}
	return o.Buf[o.head:], true
}

// Advance says that n more bytes have been written, and releases the pinned
// memory that is wholly among them. When nothing waits any more, Barrier is 0.
func (o *Out) Advance(n int) {
	done := 0
	for i := range o.pins {
		p := &o.pins[i]
		own := min(n, p.at-o.head)
		o.head += own
		n -= own
		if o.head < p.at || n < len(p.bytes) {
			p.bytes = p.bytes[n:]
			o.pinned -= n
			n = 0
			break
		}
		n -= len(p.bytes)
		o.release(*p)
		*p = pin{}
		done++
	}
	if done > 0 {
		left := copy(o.pins, o.pins[done:])
		clear(o.pins[left:])
		o.pins = o.pins[:left]
	}
	o.head += n
	if len(o.pins) == 0 && o.head == len(o.Buf) {
		o.Buf, o.head, o.Barrier = o.Buf[:0], 0, 0
	}
}

// MoveTo appends what waits to dst and empties o; dst has the higher Barrier
// then. It is used when a write was partial, or must wait: the loop's Out is free
// again and the connection keeps the rest.
func (o *Out) MoveTo(dst *Out) {
	shift := len(dst.Buf) - o.head
	dst.Buf = append(dst.Buf, o.Buf[o.head:]...)
	for _, p := range o.pins {
		p.at += shift
		dst.pins = append(dst.pins, p)
	}
	dst.pinned += o.pinned
	dst.Barrier = max(dst.Barrier, o.Barrier)
	o.empty()
}

// Drop forgets all that waits and releases what is pinned.
func (o *Out) Drop() {
	for _, p := range o.pins {
		o.release(p)
	}
	o.empty()
}

func (o *Out) empty() {
	clear(o.pins)
	o.pins, o.pinned = o.pins[:0], 0
	o.Buf, o.head, o.Barrier = o.Buf[:0], 0, 0
}

func (o *Out) release(p pin) {
	o.pinned -= len(p.bytes)
	if p.owner != nil {
		p.owner.Release(p.token)
	}
}
