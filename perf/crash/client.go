package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// client is a connection, and the keys that only it writes.
type client struct {
	*course
	id      int
	random  *rand.Rand
	entries []*entry
	history history

	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	batch   []request
	body    []byte // of a reply
	scratch []byte // what it should be
	asked   int64
}

// request is one whose reply is to come.
type request struct {
	text   string
	tells  int // the number of the change that the reply tells of; < 0: of another client's
	answer func() error
}

const (
	// stall is how long a reply may take, on a machine that does other work as well.
	stall = 30 * time.Second
	// outMax bounds the bytes of a batch.
	outMax = 1 << 20
)

func newClient(c *course, id int) *client {
	l := &client{course: c, id: id, random: rand.New(rand.NewPCG(c.Seed, uint64(id)+1))}
	for i := range c.keys {
		e := &entry{key: fmt.Sprintf("c%d:%d:%s", id, i, strings.Repeat("x", i%37)), class: classOf(i)}
		e.restart(&state{}, 0)
		l.entries = append(l.entries, e)
	}
	return l
}

// classOf gives a few keys to each class but the first.
func classOf(i int) class {
	switch i % 16 {
	case 3, 7:
		return number
	case 11:
		return mortal
	case 15:
		if i%64 == 15 {
			return large
		}
	}
	return plain
}

func (l *client) dial() (err error) {
	l.close()
	if l.conn, err = net.DialTimeout(l.server.Network, l.server.Address, stall); err != nil {
		return err
	}
	l.in = bufio.NewReaderSize(l.conn, 64<<10)
	return nil
}

func (l *client) close() {
	if l.conn != nil {
		l.conn.Close()
	}
}

// talk sends requests until the server is killed.
func (l *client) talk() error {
	for {
		if err := l.turn(); err != nil {
			if l.dying.Load() && !isWrong(err) {
				return nil
			}
			return fmt.Errorf("client %d: %w", l.id, err)
		}
	}
}

// turn sends a batch, and hears the replies. No flush_all runs meanwhile.
func (l *client) turn() error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	l.out, l.batch = l.out[:0], l.batch[:0]
	for range 1 + l.random.IntN(l.depth) {
		l.compose()
		if len(l.out) > outMax {
			break
		}
	}
	return l.speak()
}

// speak sends what was composed. A large batch is written while the replies are read,
// since the server may not read on before we do.
func (l *client) speak() error {
	l.history.send(l.now())
	if err := l.conn.SetDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	written := make(chan error, 1)
	if len(l.out) < 16<<10 {
		_, err := l.conn.Write(l.out)
		written <- err
	} else {
		go func() {
			_, err := l.conn.Write(l.out)
			written <- err
		}()
	}
	for i := range l.batch {
		if err := l.hear(&l.batch[i]); err != nil {
			l.conn.Close() // ends the writer, too
			<-written
			return err
		}
	}
	return <-written
}

func (l *client) hear(r *request) error {
	if err := r.answer(); err != nil {
		return fmt.Errorf("%s: %w", r.text, err)
	}
	l.asked++
	if r.tells >= 0 {
		l.history.answers = append(l.history.answers, answer{r.tells, l.now()})
	}
	return nil
}

// ask adds a request about an entry. Its reply tells of the entry's last change.
func (l *client) ask(e *entry, text string, answer func() error) {
	l.batch = append(l.batch, request{text, e.changed, answer})
}

// line reads a line without its end.
func (l *client) line() ([]byte, error) {
	b, err := l.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		return nil, fmt.Errorf("%w: %q", ErrReply, b)
	}
	return b[:len(b)-2], nil
}

// expect is an answer of one line, whose text is known.
func (l *client) expect(want string) func() error {
	return func() error {
		b, err := l.line()
		if err == nil && string(b) != want {
			err = fmt.Errorf("%w: %q, want %q", ErrReply, b, want)
		}
		return err
	}
}

// data reads a value of n bytes and its end.
func (l *client) data(n int) ([]byte, error) {
	if n < 0 || n > valueMax+partsMax*partMax {
		return nil, fmt.Errorf("%w: a value of %d bytes", ErrReply, n)
	}
	if cap(l.body) < n+2 {
		l.body = make([]byte, n+2, n+n/4+2)
	}
	b := l.body[:n+2]
	if _, err := io.ReadFull(l.in, b); err != nil {
		return nil, err
	}
	if b[n] != '\r' || b[n+1] != '\n' {
		return nil, fmt.Errorf("%w: a value ends in %q", ErrReply, b[n:])
	}
	return b[:n], nil
}

// classic reads the reply to a get of one key: found without an expiry.
func (l *client) classic(key string) (f found, err error) {
	b, err := l.line()
	if err != nil || string(b) == "END" {
		return f, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 4 || fields[0] != "VALUE" || fields[1] != key {
		return f, fmt.Errorf("%w: %q", ErrReply, b)
	}
	n, err := strconv.Atoi(fields[3])
	if err == nil {
		f.flags, err = strconv.ParseUint(fields[2], 10, 32)
	}
	if len(fields) > 4 && err == nil {
		f.token, err = strconv.ParseUint(fields[4], 10, 64)
	}
	if err != nil {
		return f, fmt.Errorf("%w: %q: %w", ErrReply, b, err)
	}
	f.present = true
	if f.value, err = l.data(n); err != nil {
		return f, err
	}
	return f, l.expect("END")()
}

// meta reads the reply to `mg key f t c v`.
func (l *client) meta() (f found, err error) {
	b, err := l.line()
	if err != nil || string(b) == "EN" {
		return f, err
	}
	text := string(b)
	var n, ttl int
	if _, err := fmt.Sscanf(text, "VA %d f%d t%d c%d", &n, &f.flags, &ttl, &f.token); err != nil {
		return f, fmt.Errorf("%w: %q: %w", ErrReply, text, err)
	}
	if ttl >= 0 {
		f.expires = l.now() + time.Duration(ttl)*time.Second
	}
	f.present = true
	f.value, err = l.data(n)
	return f, err
}

// seen checks a value that was read while the server ran.
func (l *client) seen(e *entry, s *state, f *found, expiry bool) error {
	if !expiry && f.present && s.present {
		f.expires = (s.expiresFrom + s.expiresBy) / 2
	}
	if !s.is(f, e.key, &l.scratch) {
		return fmt.Errorf("%w: %v, want %v", ErrReply, f, s)
	}
	return e.seeToken(s, f.token)
}

// seeToken checks the token of a state, 0: none was read.
func (e *entry) seeToken(s *state, token uint64) error {
	switch {
	case token == 0:
		return nil
	case s.token != 0 && token != s.token:
		return fmt.Errorf("%w: CAS token %d, was %d, and nothing changed", ErrReply, token, s.token)
	case s.token == 0 && token <= s.tokenAbove:
		return fmt.Errorf("%w: CAS token %d of a new state, had been %d", ErrReply, token, s.tokenAbove)
	}
	s.token = token
	e.tokenMax = max(e.tokenMax, token)
	return nil
}
