package load

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// request is one that waits for its reply.
type request struct {
	due   int64 // nanoseconds, on the worker's clock
	store bool
	noop  bool // the end of a quiet batch
}

// stream is one connection's requests and expected replies. It does no I/O:
// the worker sends out and passes what it read to replies.
type stream struct {
	t     *templates
	keys  picker
	share uint64 // of sets, in 2^-32; 0 and 1<<32 are pure

	out  []byte // formatted requests
	sent int    // bytes of out that were written

	// waiting and asked are rings, as long as a power of two; heads and tails
	// only grow.
	waiting          []request
	head, tail       uint
	asked            []uint32
	asking, answered uint

	body  int // bytes of the data block that are to come
	key   uint32
	found int // keys of the get at the head that were answered or passed over

	left    int64 // requests that may still be made
	counts  Result
	latency *hdrhistogram.Histogram // the worker's; nil: not wanted
}

// pureSets is the share of a stream that only stores.
const pureSets = 1 << 32

func newStream(c *Config, t *templates, table []uint32, i int, latency *hdrhistogram.Histogram) *stream {
	outstanding := c.Depth
	if c.Rate > 0 {
		outstanding = OutstandingMax
	}
	if t.quiet {
		outstanding++ // the noop
	}
	keysPer := c.KeysPerGet
	return &stream{
		t: t, keys: newPicker(c, table, i), share: uint64(c.SetShare * pureSets),
		waiting: make([]request, powerOfTwo(outstanding)),
		asked:   make([]uint32, powerOfTwo(outstanding*keysPer)),
		latency: latency,
	}
}

func powerOfTwo(n int) int {
	p := 1
	for p < n {
		p <<= 1
	}
	return p
}

// outstanding is the number of requests without a reply.
func (s *stream) outstanding() int { return int(s.tail - s.head) }

// full reports that no further request can be remembered.
func (s *stream) full() bool { return s.outstanding() == len(s.waiting) }

// unsent returns the formatted bytes that were not written yet.
func (s *stream) unsent() []byte { return s.out[s.sent:] }

// batch formats n requests of a closed loop. All earlier ones have their
// replies. A stream of one kind of request rewrites only the digits of the
// batch before, so that large values are not copied again.
func (s *stream) batch(n int, now int64) {
	s.sent = 0
	t, pure := s.pure()
	if !pure {
		s.out = s.out[:0]
		for range n {
			s.request(now)
		}
		s.endBatch(now)
		return
	}
	length := n * len(t.bytes)
	s.out = s.out[:len(s.out)/len(t.bytes)*len(t.bytes)] // without a noop, which is shorter
	for len(s.out) < length {
		s.out = append(s.out, t.bytes...)
	}
	s.out = s.out[:length]
	for i := range n {
		s.fill(t, s.out[i*len(t.bytes):], now)
	}
	s.endBatch(now)
}

// endBatch has a quiet batch answered.
func (s *stream) endBatch(now int64) {
	if s.t.quiet {
		s.noop(now)
	}
}

// pure returns the only template of the stream, if it has only one.
func (s *stream) pure() (*template, bool) {
	if s.share == pureSets {
		return &s.t.set, true
	}
	return &s.t.get, s.share == 0
}

// request appends one request that was due at the given time.
func (s *stream) request(due int64) {
	if s.sent == len(s.out) {
		s.out, s.sent = s.out[:0], 0
	}
	t, pure := s.pure()
	if !pure && s.keys.rng.Uint64()>>32 < s.share {
		t = &s.t.set
	}
	at := len(s.out)
	s.out = append(s.out, t.bytes...)
	s.fill(t, s.out[at:], due)
}

// fill writes keys into a copy of t and remembers what the reply must be.
func (s *stream) fill(t *template, dst []byte, due int64) {
	mask := uint(len(s.asked) - 1)
	for i := range t.keys {
		k := s.keys.pick()
		t.put(dst, i, k)
		s.asked[s.asking&mask] = k
		s.asking++
	}
	if t.opaque > 0 {
		binary.BigEndian.PutUint32(dst[t.opaque:], uint32(s.tail))
	}
	s.waiting[s.tail&uint(len(s.waiting)-1)] = request{due: due, store: t == &s.t.set}
	s.tail++
	s.left--
}

// replies checks b, the bytes that follow the ones it consumed before, and
// returns how many it consumed. What remains is the start of a line: it is to
// be given again with more behind it.
func (s *stream) replies(b []byte, now int64) (n int, err error) {
	for n < len(b) {
		if s.body > 0 {
			m, err := s.block(b[n:])
			if err != nil {
				return n, err
			}
			if n += m; s.body == 0 && (s.t.bare || s.t.binary) {
				s.done(now)
			}
			continue
		}
		if s.t.binary {
			m, err := s.binaryReply(b[n:], now)
			if m == 0 || err != nil {
				return n, err
			}
			n += m
			continue
		}
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 {
			if len(b)-n > lineMax {
				return n, wrongReply("a line", b[n:])
			}
			break
		}
		if err := s.line(b[n:n+i+1], now); err != nil {
			return n, err
		}
		n += i + 1
	}
	return n, nil
}

// lineMax is longer than any line of a reply: a key has 250 bytes at most.
const lineMax = 512

// line checks one line of a reply.
func (s *stream) line(line []byte, now int64) error {
	switch {
	case s.head == s.tail:
		return wrongReply("nothing", line)
	case isError(line):
		s.counts.Errors++
		s.done(now)
		return nil
	case !s.waiting[s.head&uint(len(s.waiting)-1)].store:
		return s.valueLine(line, now)
	case string(line) != s.t.stored:
		return wrongReply(strconv.Quote(s.t.stored), line)
	}
	s.counts.Stores++
	s.done(now)
	return nil
}

// valueLine checks a line of a get's reply: the end, or the announcement of a
// value. Keys that the server passed over were missed.
func (s *stream) valueLine(line []byte, now int64) error {
	if string(line) == s.t.end {
		s.counts.Misses += int64(len(s.t.get.keys) - s.found)
		s.done(now)
		return nil
	}
	head, tail := len(s.t.head), len(line)-len(s.t.tail)
	named := !s.t.bare // the line names its key
	if named && tail != head+digits || !named && tail != head ||
		string(line[:head]) != s.t.head || string(line[tail:]) != s.t.tail {
		return wrongReply(strconv.Quote(s.t.head+"…"+s.t.tail), line)
	}
	var want [digits]byte
	for s.found < len(s.t.get.keys) {
		s.key = s.asked[(s.answered+uint(s.found))&uint(len(s.asked)-1)]
		s.found++
		putDigits(want[:], s.key)
		if !named || s.t.anyKey || string(line[head:tail]) == string(want[:]) {
			s.counts.Hits++
			s.body = len(s.t.value)
			return nil
		}
		s.counts.Misses++
	}
	return wrongReply("a key that was asked for", line)
}

// compareMax bounds what is compared of each piece of a data block: all of a
// small value, the beginning of every piece of a large one, since comparing
// 500 KB would cost as much as reading them.
const compareMax = 256

// block checks the part of a data block that b begins with.
func (s *stream) block(b []byte) (n int, err error) {
	at := len(s.t.value) - s.body
	n = min(s.body, len(b))
	want, got := s.t.value[at:], b[:min(n, compareMax)]
	if at < digits && len(s.t.value) >= digits+2 && !s.t.anyKey {
		var key [digits]byte
		putDigits(key[:], s.key)
		m := min(digits-at, len(got))
		if string(got[:m]) != string(key[at:at+m]) {
			return 0, wrongReply("the value of key "+string(key[:]), got)
		}
		want, got = want[m:], got[m:]
	}
	if !s.t.anyKey && string(got) != string(want[:len(got)]) {
		return 0, wrongReply("the value as stored", got)
	}
	if s.body -= n; s.body == 0 && b[n-1] != '\n' && !s.t.binary {
		return 0, wrongReply("a line end after the value", b[:n])
	}
	return n, nil
}

// done closes the request at the head.
func (s *stream) done(now int64) {
	r := s.waiting[s.head&uint(len(s.waiting)-1)]
	s.head++
	if r.noop {
		return
	}
	if r.store {
		s.answered++
	} else {
		s.answered += uint(len(s.t.get.keys))
	}
	s.found = 0
	s.counts.Requests++
	if s.latency != nil {
		// Only a value above latencyMax is refused, and StallLimit is below it.
		_ = s.latency.RecordValue(max(now-r.due, 0))
	}
}

func isError(line []byte) bool {
	switch line[0] {
	case 'E':
		return string(line) == "ERROR\r\n"
	case 'C':
		return bytes.HasPrefix(line, []byte("CLIENT_ERROR "))
	case 'S':
		return bytes.HasPrefix(line, []byte("SERVER_ERROR "))
	case '-': // RESP's
		return true
	}
	return false
}
