package crash

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

const (
	// valueMax keeps an item below 1 MiB with all that counts.
	valueMax = 900_000
	// partMax is the longest part that append and prepend add, partsMax how many of
	// them there are.
	partMax, partsMax = 3000, 6
	// flashLeast is the shortest value that goes to flash. append and prepend refuse what
	// is there, as memcached's do, and nobody knows when it is.
	flashLeast = 512
	// mortalMax is how many seconds a mortal lives at most.
	mortalMax = 2
)

// command is a kind of request and how often it is made.
type command struct {
	weight  int
	compose func(l *client, e *entry)
}

var commands = []command{
	{20, (*client).set}, {6, (*client).setNoreply}, {10, (*client).metaSet},
	{4, (*client).add}, {4, (*client).replace},
	{6, (*client).append}, {4, (*client).prepend},
	{8, (*client).compareAndSwap},
	{12, (*client).arithmetic}, {4, (*client).metaArithmetic},
	{6, (*client).delete}, {2, (*client).deleteNoreply}, {3, (*client).metaDelete},
	{6, (*client).touch}, {4, (*client).getAndTouch},
	{8, (*client).gets}, {6, (*client).metaGet}, {10, (*client).getOthers},
}

var commandWeights = func() (sum int) {
	for _, c := range commands {
		sum += c.weight
	}
	return sum
}()

// compose adds a request to the batch. A large value is rare: it is as much work as
// thousands of small ones.
func (l *client) compose() {
	n := l.random.IntN(commandWeights)
	for _, k := range commands {
		if n -= k.weight; n >= 0 {
			continue
		}
		e := l.pick()
		switch {
		case e.class == large && l.random.IntN(20) > 0:
		case e.class == mortal:
			l.setMortal(e)
		default:
			k.compose(l, e)
		}
		return
	}
}

// pick chooses a key: a tenth of them gets half of the requests.
func (l *client) pick() *entry {
	n := len(l.entries)
	if l.random.IntN(2) == 0 {
		n = max(1, n/10)
	}
	return l.entries[l.random.IntN(n)]
}

// next is the number of a request that changes something.
func (l *client) next() int {
	l.history.last++
	return l.history.last
}

// drawn is a new state of an entry, stored by the next request.
func (l *client) drawn(e *entry) (s *state, exptime int) {
	s = &state{present: true}
	if l.random.IntN(3) == 0 {
		s.flags = l.random.Uint32()
	}
	exptime = l.expire(s)
	switch e.class {
	case number:
		s.numeric, s.number = true, l.random.Uint64()>>(8+l.random.IntN(56))
	case large:
		s.parts = []part{{l.history.last + 1, l.logUniform(20_000, valueMax)}}
	default:
		high := 500
		if l.random.IntN(10) == 0 {
			high = 20_000
		}
		s.parts = []part{{l.history.last + 1, l.logUniform(10, high)}}
	}
	return s, exptime
}

// expire draws a time to live. They are far from each other, so that the last one is known.
func (l *client) expire(s *state) (exptime int) {
	s.expiresFrom, s.expiresBy = 0, 0
	if l.random.IntN(2) == 0 {
		return 0
	}
	exptime = 1000 * (1 + l.random.IntN(50))
	s.live(exptime, l.now())
	return exptime
}

// live has a state expire so many seconds from now, or from when the request arrives.
func (s *state) live(exptime int, now time.Duration) {
	s.expiresFrom = now + time.Duration(exptime)*time.Second
	s.expiresBy = s.expiresFrom + stall
}

func (l *client) logUniform(low, high int) int {
	span := math.Log(float64(high) / float64(low))
	return min(high, int(float64(low)*math.Exp(l.random.Float64()*span)))
}

// line adds a request's line to what is sent.
func (l *client) write(format string, args ...any) (text string) {
	text = fmt.Sprintf(format, args...)
	l.out = append(append(l.out, text...), '\r', '\n')
	return text
}

// writeBody adds a value to what is sent.
func (l *client) writeBody(e *entry, s *state) {
	l.out = append(s.appendValue(l.out, e.key), '\r', '\n')
}

func (s *state) bodyLength() int {
	if s.numeric {
		return len(strconv.FormatUint(s.number, 10))
	}
	return s.length()
}

// storeIf stores a new state when it may, and returns what is answered.
func (l *client) storeIf(verb string, e *entry, may bool) {
	s, exptime := l.drawn(e)
	text := l.write("%s %s %d %d %d", verb, e.key, s.flags, exptime, s.bodyLength())
	l.writeBody(e, s)
	reply := "NOT_STORED"
	if may {
		e.become(l.next(), s)
		reply = "STORED"
	}
	l.ask(e, text, l.expect(reply))
}

func (l *client) set(e *entry)     { l.storeIf("set", e, true) }
func (l *client) add(e *entry)     { l.storeIf("add", e, !e.current.present) }
func (l *client) replace(e *entry) { l.storeIf("replace", e, e.current.present) }

func (l *client) setNoreply(e *entry) {
	s, exptime := l.drawn(e)
	l.write("set %s %d %d %d noreply", e.key, s.flags, exptime, s.bodyLength())
	l.writeBody(e, s)
	e.become(l.next(), s)
}

// setMortal stores what expires in a second or two.
func (l *client) setMortal(e *entry) {
	s := &state{present: true, parts: []part{{l.history.last + 1, l.logUniform(10, 500)}}}
	exptime := 1 + l.random.IntN(mortalMax)
	s.live(exptime, l.now())
	text := l.write("set %s 0 %d %d", e.key, exptime, s.length())
	l.writeBody(e, s)
	e.become(l.next(), s)
	stored := l.expect("STORED")
	l.ask(e, text, func() error {
		err := stored()
		if err == nil {
			s.expiresBy = l.now() + time.Duration(exptime)*time.Second
		}
		return err
	})
}

// metaSet asks for the new token, too.
func (l *client) metaSet(e *entry) {
	s, exptime := l.drawn(e)
	text := l.write("ms %s %d F%d T%d c", e.key, s.bodyLength(), s.flags, exptime)
	l.writeBody(e, s)
	e.become(l.next(), s)
	l.ask(e, text, func() error {
		b, err := l.line()
		if err != nil {
			return err
		}
		var token uint64
		if _, err := fmt.Sscanf(string(b), "HD c%d", &token); err != nil {
			return fmt.Errorf("%w: %q", ErrReply, b)
		}
		return e.seeToken(s, token)
	})
}

func (l *client) append(e *entry)  { l.join("append", e, false) }
func (l *client) prepend(e *entry) { l.join("prepend", e, true) }

// join adds a part to a value, before or behind what is there.
func (l *client) join(verb string, e *entry, before bool) {
	if e.class == number || len(e.current.parts) > partsMax || l.Flash && e.current.length() >= flashLeast {
		return
	}
	p := part{l.history.last + 1, l.logUniform(10, partMax)}
	text := l.write("%s %s 0 0 %d", verb, e.key, p.length)
	l.out = append(p.append(l.out, e.key), '\r', '\n')
	reply := "NOT_STORED"
	if e.current.present {
		s := *e.current
		s.token = 0
		if before {
			s.parts = append([]part{p}, s.parts...)
		} else {
			s.parts = append(append([]part(nil), s.parts...), p)
		}
		e.become(l.next(), &s)
		reply = "STORED"
	}
	l.ask(e, text, l.expect(reply))
}

// compareAndSwap swaps by the token that was seen, or by one that is wrong.
func (l *client) compareAndSwap(e *entry) {
	token := e.current.token
	if token == 0 && e.current.present {
		l.gets(e)
		return
	}
	right := e.current.present && l.random.IntN(4) > 0
	if !right {
		token += 1 << 40
	}
	s, exptime := l.drawn(e)
	text := l.write("cas %s %d %d %d %d", e.key, s.flags, exptime, s.bodyLength(), token)
	l.writeBody(e, s)
	reply := "NOT_FOUND"
	switch {
	case right:
		e.become(l.next(), s)
		reply = "STORED"
	case e.current.present:
		reply = "EXISTS"
	}
	l.ask(e, text, l.expect(reply))
}

// calculate is the number behind an incr or a decr.
func calculate(was, delta uint64, up bool) uint64 {
	if up {
		return was + delta
	}
	return was - min(was, delta)
}

func (l *client) arithmetic(e *entry) {
	if e.class != number {
		return
	}
	verb, delta := "incr", l.random.Uint64N(1000)
	if l.random.IntN(2) == 0 {
		verb = "decr"
	}
	text := l.write("%s %s %d", verb, e.key, delta)
	if !e.current.present {
		l.ask(e, text, l.expect("NOT_FOUND"))
		return
	}
	n := l.calculated(e, delta, verb == "incr")
	l.ask(e, text, l.expect(strconv.FormatUint(n, 10)))
}

// calculated notes a new number.
func (l *client) calculated(e *entry, delta uint64, up bool) uint64 {
	s := *e.current
	s.token, s.number = 0, calculate(s.number, delta, up)
	e.become(l.next(), &s)
	return s.number
}

// metaArithmetic begins with 77 where there is no number.
func (l *client) metaArithmetic(e *entry) {
	if e.class != number {
		return
	}
	delta := l.random.Uint64N(1000)
	text := l.write("ma %s D%d N0 J77 v", e.key, delta)
	n := uint64(77)
	if e.current.present {
		n = l.calculated(e, delta, true)
	} else {
		e.become(l.next(), &state{present: true, numeric: true, number: n})
	}
	l.ask(e, text, func() error {
		b, err := l.line()
		var length int
		if err != nil {
			return err
		}
		if _, err := fmt.Sscanf(string(b), "VA %d", &length); err != nil {
			return fmt.Errorf("%w: %q", ErrReply, b)
		}
		value, err := l.data(length)
		if err == nil && string(value) != strconv.FormatUint(n, 10) {
			err = fmt.Errorf("%w: %q, want %d", ErrReply, value, n)
		}
		return err
	})
}

func (l *client) delete(e *entry)        { l.remove(e, "delete "+e.key, "DELETED", "NOT_FOUND") }
func (l *client) metaDelete(e *entry)    { l.remove(e, "md "+e.key, "HD", "NF") }
func (l *client) deleteNoreply(e *entry) { l.remove(e, "delete "+e.key+" noreply", "", "") }

func (l *client) remove(e *entry, request, yes, no string) {
	l.write("%s", request)
	reply := no
	if e.current.present {
		e.become(l.next(), &state{})
		reply = yes
	}
	if reply != "" {
		l.ask(e, request, l.expect(reply))
	}
}

// touched gives an entry a new time to live.
func (l *client) touched(e *entry) (exptime int) {
	s := *e.current
	s.token = 0
	exptime = l.expire(&s)
	if e.current.present {
		token := e.current.token
		e.become(l.next(), &s)
		// The token stays, or is a new one: both are right until it is seen.
		s.token, s.tokenAbove = 0, min(s.tokenAbove, max(token, 1)-1)
	}
	return exptime
}

func (l *client) touch(e *entry) {
	exptime := l.touched(e)
	text := l.write("touch %s %d", e.key, exptime)
	reply := "NOT_FOUND"
	if e.current.present {
		reply = "TOUCHED"
	}
	l.ask(e, text, l.expect(reply))
}

func (l *client) getAndTouch(e *entry) {
	exptime := l.touched(e)
	l.read(e, l.write("gat %d %s", exptime, e.key), false)
}

func (l *client) gets(e *entry) { l.read(e, l.write("gets %s", e.key), false) }

func (l *client) metaGet(e *entry) { l.read(e, l.write("mg %s f t c v", e.key), true) }

// read asks for a value, whose text was written already.
func (l *client) read(e *entry, text string, meta bool) {
	s := e.current
	l.ask(e, text, func() error {
		read := func() (found, error) { return l.classic(e.key) }
		if meta {
			read = l.meta
		}
		f, err := read()
		if err != nil {
			return err
		}
		return l.seen(e, s, &f, meta)
	})
}

// getOthers reads a key of another client: its value tells of that one's changes.
func (l *client) getOthers(*entry) {
	other := l.clients[l.random.IntN(len(l.clients))]
	e := other.entries[l.random.IntN(max(1, len(other.entries)/10))]
	if e.class == number || other == l {
		return
	}
	text := l.write("get %s", e.key)
	l.batch = append(l.batch, request{text, -1, func() error {
		f, err := l.classic(e.key)
		if err != nil {
			return err
		}
		if n := numberOf(f.value); n > 0 {
			l.history.told = append(l.history.told, told{other.id, n, l.now()})
		}
		return nil
	}})
}

func isWrong(err error) bool { return errors.Is(err, ErrReply) }
