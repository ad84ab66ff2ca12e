package checker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// request is one command, and how its reply is judged.
type request struct {
	text   string // for the conversation
	entry  *entry // nil: several, or a shared key
	key    string
	answer func(at span) (string, error) // reads the reply, says what it was
}

// spoken is a line of the conversation.
type spoken struct {
	key  string
	text string
}

// conversationMax is how much of it a client remembers: enough to see what came
// of a key, little enough to stay in a cache.
const conversationMax = 1 << 15

// client is one connection after another, and the keys that only it writes.
type client struct {
	run     *run
	id      int
	random  *rand.Rand
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	batch   []request
	body    []byte // of a reply
	want    []byte // what it should be
	entries []*entry
	spoken  []spoken // a ring
	at      int      // of the ring
	judged  *entry   // the last one that was
	counts  Counts
}

func newClient(r *run, id int) *client {
	c := &client{run: r, id: id, random: rand.New(rand.NewPCG(r.config.Seed, uint64(id)+1))}
	c.spoken = make([]spoken, conversationMax)
	c.entries = make([]*entry, r.config.Keys)
	for i := range c.entries {
		c.entries[i] = &entry{key: c.keyName(i)}
	}
	return c
}

// keyName makes keys of many lengths, each with its client's number.
func (c *client) keyName(i int) string {
	name := fmt.Sprintf("c%d:%d:", c.id, i)
	return name + strings.Repeat("x", i%37)
}

// dial connects, again if need be.
func (c *client) dial() (err error) {
	if c.conn != nil {
		c.conn.Close()
		c.counts.Reconnects++
	}
	if c.conn, err = net.DialTimeout(c.run.config.Network, c.run.config.Address, stall); err != nil {
		return err
	}
	c.in = bufio.NewReaderSize(c.conn, 64<<10)
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// loop talks until the time is over.
func (c *client) loop() error {
	for c.run.now() < c.run.until && !c.run.stopped.Load() {
		if err := c.turn(); err != nil {
			return err
		}
		if c.random.IntN(2000) == 0 {
			if err := c.interrupt(); err != nil {
				return err
			}
		}
	}
	return nil
}

// outMax bounds the bytes of a batch.
const outMax = 2 << 20

// turn sends a batch and judges its replies.
func (c *client) turn() error {
	c.out, c.batch = c.out[:0], c.batch[:0]
	for range 1 + c.random.IntN(c.run.config.Depth) {
		c.compose()
		if len(c.out) > outMax {
			break
		}
	}
	return c.speak()
}

// speak sends what was composed. A large batch is written while the replies are
// read, since the server may not read on before we do.
func (c *client) speak() error {
	sent := c.run.now()
	if err := c.conn.SetDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	written := make(chan error, 1)
	if len(c.out) < 16<<10 {
		_, err := c.conn.Write(c.out)
		written <- err
	} else {
		go func() {
			_, err := c.conn.Write(c.out)
			written <- err
		}()
	}
	for i := range c.batch {
		if err := c.hear(&c.batch[i], sent); err != nil {
			c.conn.Close() // ends the writer, too
			<-written
			return err
		}
	}
	return <-written
}

// hear reads and judges one reply.
func (c *client) hear(r *request, sent time.Duration) error {
	at := span{sent: sent, got: math.MaxInt64}
	reply, err := r.answer(at)
	now := c.run.now()
	c.counts.Requests++
	c.spoken[c.at%conversationMax] = spoken{r.key, fmt.Sprintf("%.6f-%.6f %s -> %s", sent.Seconds(), now.Seconds(), r.text, reply)}
	c.at++
	if err == nil {
		return nil
	}
	key := r.key
	if r.entry == nil && c.judged != nil {
		key = c.judged.key
	}
	return &Wrong{Client: c.id, Why: err.Error(), Request: r.text + " -> " + reply, Conversation: c.conversation(key)}
}

// conversation is what was said about the key, and what was said last.
func (c *client) conversation(key string) (lines []string) {
	const last, longest = 20, 600
	for i := max(0, c.at-conversationMax); i < c.at; i++ {
		s := c.spoken[i%conversationMax]
		about := key != "" && (s.key == key || strings.Contains(s.text, key+" "))
		if i == c.at-last {
			lines = append(lines, "-- and the last of this connection:")
		}
		if !about && i < c.at-last {
			continue
		}
		if len(s.text) > longest {
			s.text = s.text[:longest] + "..."
		}
		lines = append(lines, s.text)
	}
	return append([]string{"-- about " + key + ":"}, lines...)
}

// anyLine reads a line without its end, which may lack the return.
func (c *client) anyLine() ([]byte, error) {
	b, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("no reply: %w, after %s", err, show(b))
	}
	return bytes.TrimSuffix(b[:len(b)-1], []byte("\r")), nil
}

// line reads a line without its end.
func (c *client) line() ([]byte, error) {
	b, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("no reply: %w, after %s", err, show(b))
	}
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		return nil, fmt.Errorf("a line without return: %s", show(b))
	}
	return b[:len(b)-2], nil
}

// now completes a span when the reply has been read.
func (c *client) now(at span) span { return span{at.sent, c.run.now()} }

// data reads a value of n bytes and its end.
func (c *client) data(n int) ([]byte, error) {
	if n < 0 || n > valueMax+partsMax {
		return nil, fmt.Errorf("a value of %d bytes", n)
	}
	if cap(c.body) < n+2 {
		c.body = make([]byte, n+2, n+n/4+2)
	}
	b := c.body[:n+2]
	if _, err := io.ReadFull(c.in, b); err != nil {
		return nil, fmt.Errorf("a value of %d bytes: %w", n, err)
	}
	if b[n] != '\r' || b[n+1] != '\n' {
		return nil, fmt.Errorf("a value of %d bytes ends in %q", n, b[n:])
	}
	return b[:n], nil
}

// value compares a value that came with what the entry should be.
func (c *client) value(e *entry, flags uint64, value []byte) error {
	c.counts.Values++
	c.counts.Bytes += int64(len(value))
	if flags != uint64(e.flags) {
		return fmt.Errorf("flags %d, want %d", flags, e.flags)
	}
	if e.numeric {
		n, err := strconv.ParseUint(strings.TrimRight(string(value), " "), 10, 64)
		if err != nil || n != e.number {
			return fmt.Errorf("value %s, want the number %d", show(value), e.number)
		}
		return nil
	}
	c.want = c.want[:0]
	for _, s := range e.segments {
		c.want = s.append(c.want, e.key)
	}
	if i := difference(c.want, value); i >= 0 {
		return fmt.Errorf("value of %d bytes, want %d, differs from byte %d on: %s, want %s", len(value), len(c.want), i, show(value[min(i, len(value)):]), show(c.want[min(i, len(c.want)):]))
	}
	return nil
}

// hit and miss judge whether the entry may be there, and note that it is or not.
func (c *client) hit(e *entry, at span) error {
	at, c.judged = c.now(at), e
	c.counts.Hits++
	if !e.mayHit(at, &c.run.flushes) {
		return fmt.Errorf("found what must be gone: %s", e.state(at))
	}
	e.seen(at)
	return nil
}

func (c *client) miss(e *entry, at span) error {
	at, c.judged = c.now(at), e
	c.counts.Misses++
	if !e.mayMiss(at, &c.run.flushes, c.run.config.Evicts) {
		return fmt.Errorf("not found what must be there: %s", e.state(at))
	}
	e.remove()
	return nil
}

// state describes what is known of an entry.
func (e *entry) state(at span) string {
	return fmt.Sprintf("present %v, doubtful %v, stored %v..%v, expires %v..%v, asked %v..%v",
		e.present, e.doubtful, e.storedFrom, e.storedBy, e.expiresFrom, e.expiresBy, at.sent, at.got)
}
