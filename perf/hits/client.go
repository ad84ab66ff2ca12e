package hits

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/pandabeardb/panda/perf/trace"
)

const (
	keyPrefix = "object:hits:" // with the digits, keys of 20 bytes
	keyDigits = 8
	keySize   = len(keyPrefix) + keyDigits
	// valueMax: a value is a piece of pattern.
	valueMax = 64 << 10
	// replyLimit is when a server that does not answer is given up.
	replyLimit = 30 * time.Second
)

// noMemory refuses a set.
const noMemory = "SERVER_ERROR out of memory storing object\r\n"

var valueHeader = []byte("VALUE ")

// client reads through one cache. It is used from one goroutine.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	out     []byte // the request being built
	missed  []uint32
	size    func(key uint32) int
	pattern []byte
	total   Count // since dial, for the check against the server's counts

	// mayRefuse: memcached has no memory for a set when all of it belongs to other
	// classes, until its pages have moved. A cache misses the item then, as here.
	mayRefuse bool
}

// Count is a number of keys asked for, and how many were there.
type Count struct{ Gets, Hits int64 }

// Ratio is hits per get.
func (c Count) Ratio() float64 { return float64(c.Hits) / float64(max(c.Gets, 1)) }

func (c *Count) add(d Count) { c.Gets, c.Hits = c.Gets+d.Gets, c.Hits+d.Hits }

func dial(network, address string, size func(uint32) int) (*client, error) {
	conn, err := net.DialTimeout(network, address, replyLimit)
	if err != nil {
		return nil, err
	}
	return newClient(conn, size), nil
}

func newClient(conn net.Conn, size func(uint32) int) *client {
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 2*valueMax), size: size, pattern: make([]byte, 2*valueMax)}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range c.pattern {
		c.pattern[i] = byte(' ' + rng.IntN(95))
	}
	return c
}

func (c *client) close() { c.conn.Close() }

// batch asks for keys, after the last batch's misses are stored.
func (c *client) batch(keys []uint32) (Count, error) {
	if err := c.exchange(keys); err != nil {
		return Count{}, err
	}
	n, err := c.readValues(keys)
	c.total.add(n)
	return n, err
}

// settle stores the last batch's misses.
func (c *client) settle() error { return c.exchange(nil) }

// exchange sends the sets of what was missed and a get of keys, if any, and
// reads the replies to the sets.
func (c *client) exchange(keys []uint32) error {
	c.out = c.out[:0]
	for _, key := range c.missed {
		c.appendSet(key)
	}
	if len(keys) > 0 {
		c.out = append(c.out, "get"...)
		for _, key := range keys {
			c.out = appendKey(append(c.out, ' '), key)
		}
		c.out = append(c.out, '\r', '\n')
	}
	if err := c.conn.SetDeadline(time.Now().Add(replyLimit)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	for range c.missed {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if string(line) != "STORED\r\n" && !(c.mayRefuse && string(line) == noMemory) {
			return fmt.Errorf("%w: to a set: %q", ErrReply, line)
		}
	}
	c.missed = c.missed[:0]
	return nil
}

func (c *client) appendSet(key uint32) {
	value := c.value(key)
	c.out = appendKey(append(c.out, "set "...), key)
	c.out = append(c.out, " 0 0 "...)
	c.out = strconv.AppendInt(c.out, int64(len(value)), 10)
	c.out = append(append(append(c.out, '\r', '\n'), value...), '\r', '\n')
}

func appendKey(dst []byte, key uint32) []byte {
	dst = append(dst, keyPrefix+"00000000"...)
	for i := len(dst) - 1; key > 0; i-- {
		dst[i] = '0' + byte(key%10)
		key /= 10
	}
	return dst
}

// value is what is stored under a key: always the same, and told from others.
func (c *client) value(key uint32) []byte {
	at := int(trace.Hash(^key) % valueMax)
	return c.pattern[at : at+c.size(key)]
}

// readValues reads the reply to a get of keys, which comes in their order.
func (c *client) readValues(keys []uint32) (n Count, err error) {
	n.Gets = int64(len(keys))
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return n, err
		}
		if string(line) == "END\r\n" {
			c.missed = appendNew(c.missed, keys)
			return n, nil
		}
		name, size, ok := parseHeader(line)
		if !ok {
			return n, fmt.Errorf("%w: to a get: %q", ErrReply, line)
		}
		var scratch [keySize]byte
		for len(keys) > 0 && !bytes.Equal(name, appendKey(scratch[:0], keys[0])) {
			c.missed = appendNew(c.missed, keys[:1])
			keys = keys[1:]
		}
		if len(keys) == 0 {
			return n, fmt.Errorf("%w: %q was not asked for", ErrReply, name)
		}
		if err := c.readValue(keys[0], size); err != nil {
			return n, err
		}
		n.Hits++
		keys = keys[1:]
	}
}

// appendNew adds the keys that are not in missed yet: batches are small.
func appendNew(missed, keys []uint32) []uint32 {
next:
	for _, key := range keys {
		for _, m := range missed {
			if m == key {
				continue next
			}
		}
		missed = append(missed, key)
	}
	return missed
}

// parseHeader parses "VALUE key flags size\r\n".
func parseHeader(line []byte) (name []byte, size int, ok bool) {
	if !bytes.HasPrefix(line, valueHeader) || !bytes.HasSuffix(line, []byte("\r\n")) {
		return nil, 0, false
	}
	name, rest, ok1 := bytes.Cut(line[len(valueHeader):len(line)-2], []byte(" "))
	flags, length, ok2 := bytes.Cut(rest, []byte(" "))
	size, err := strconv.Atoi(string(length))
	return name, size, ok1 && ok2 && string(flags) == "0" && err == nil
}

func (c *client) readValue(key uint32, size int) error {
	want := c.value(key)
	if size != len(want) {
		return fmt.Errorf("%w: key %d has %d bytes, want %d", ErrReply, key, size, len(want))
	}
	got, err := c.in.Peek(size + 2)
	if err != nil {
		return err
	}
	if !bytes.Equal(got[:size], want) || string(got[size:]) != "\r\n" {
		return fmt.Errorf("%w: key %d has another value", ErrReply, key)
	}
	_, err = c.in.Discard(size + 2)
	return err
}

// stats reads the server's own counts.
func (c *client) stats() (map[string]int64, error) {
	if _, err := io.WriteString(c.conn, "stats\r\n"); err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		f := bytes.Fields(line)
		switch {
		case string(line) == "END\r\n":
			return all, nil
		case len(f) < 2 || string(f[0]) != "STAT":
			return nil, fmt.Errorf("%w: to stats: %q", ErrReply, line)
		case len(f) == 3:
			if n, err := strconv.ParseInt(string(f[2]), 10, 64); err == nil {
				all[string(f[1])] = n
			}
		}
	}
}

// check compares the server's counts with ours and returns the number of items.
func (c *client) check() (items int64, err error) {
	all, err := c.stats()
	if err != nil {
		return 0, err
	}
	if gets, hits := all["cmd_get"], all["get_hits"]; gets != c.total.Gets || hits != c.total.Hits {
		return 0, fmt.Errorf("%w: the server counts %d gets and %d hits, we %+v", ErrReply, gets, hits, c.total)
	}
	return all["curr_items"], nil
}
