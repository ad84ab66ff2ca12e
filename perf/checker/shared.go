package checker

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

// shared is a key that all clients write. Each writer numbers its versions; of
// each, no reader may see an older one than anybody had seen, or its writer had
// been told was stored, before the reader asked.
type shared struct {
	key     string
	issued  []atomic.Uint64 // by writer
	settled []atomic.Uint64 // by writer: stored or seen

	mu     sync.Mutex
	tokens map[uint64]tokenUse
}

// tokenUse is what is known of a CAS token of a shared key.
type tokenUse struct {
	segment segment
	won     bool // a cas with it has succeeded
}

// tokensMax bounds the memory of tokens; then it begins anew.
const tokensMax = 1 << 14

func newShared(i, writers int) *shared {
	return &shared{
		key:    fmt.Sprintf("shared:%d", i),
		issued: make([]atomic.Uint64, writers), settled: make([]atomic.Uint64, writers),
		tokens: map[uint64]tokenUse{},
	}
}

func (s *shared) settle(writer int, version uint64) {
	for {
		old := s.settled[writer].Load()
		if old >= version || s.settled[writer].CompareAndSwap(old, version) {
			return
		}
	}
}

func (s *shared) snapshot() []uint64 {
	all := make([]uint64, len(s.settled))
	for i := range all {
		all[i] = s.settled[i].Load()
	}
	return all
}

// saw notes that a token came with a segment: it names one value for ever.
func (s *shared) saw(token uint64, g segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	use, known := s.tokens[token]
	if known && use.segment != g {
		return fmt.Errorf("CAS token %d of %v had been that of %v", token, g, use.segment)
	}
	if !known {
		if len(s.tokens) >= tokensMax {
			clear(s.tokens)
		}
		s.tokens[token] = tokenUse{segment: g}
	}
	return nil
}

// won notes that a cas with the token succeeded, which it may once.
func (s *shared) won(token uint64, g segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	use := s.tokens[token]
	if use.won {
		return fmt.Errorf("a second cas with token %d succeeded", token)
	}
	s.tokens[token] = tokenUse{segment: g, won: true}
	return nil
}

func (c *client) pickShared() *shared { return c.run.shared[c.random.IntN(len(c.run.shared))] }

// sharedMin leaves room for the head of a segment, which readers need.
const sharedMin = 120

// issue makes the client's next segment for a shared key.
func (c *client) issue(s *shared) segment {
	return segment{writer: c.id, version: s.issued[c.id].Add(1), length: sharedMin + c.size()%(valueMax-sharedMin)}
}

// askShared adds a request about a shared key that ends in a line.
func (c *client) askShared(s *shared, text string, judge func(reply string) error) {
	c.batch = append(c.batch, request{text: text, key: s.key, answer: func(span) (string, error) {
		b, err := c.line()
		if err != nil {
			return "", err
		}
		if reply := string(b); reply == noMemory || reply == noMemoryRead {
			c.counts.Refused++
			return reply, nil
		}
		return string(b), judge(string(b))
	}})
}

func (c *client) sharedSet(*entry) {
	s := c.pickShared()
	g := c.issue(s)
	text := fmt.Sprintf("set %s %d 0 %d", s.key, g.version, g.length)
	c.out = append(append(c.out, text...), '\r', '\n')
	c.out = append(g.append(c.out, s.key), '\r', '\n')
	c.askShared(s, text, func(reply string) error {
		if reply == stored {
			s.settle(c.id, g.version)
		}
		return wantOneOf(reply, stored)
	})
}

// sharedSwap reads a shared key with its token, and swaps it by that.
func (c *client) sharedSwap(*entry) {
	s := c.pickShared()
	s.mu.Lock()
	var token uint64
	var old segment
	for t, use := range s.tokens { // any: old ones must fail
		token, old = t, use.segment
		if t > token {
			break
		}
	}
	s.mu.Unlock()
	if token == 0 {
		c.sharedRead(s, true)
		return
	}
	g := c.issue(s)
	text := fmt.Sprintf("cas %s %d 0 %d %d", s.key, g.version, g.length, token)
	c.out = append(append(c.out, text...), '\r', '\n')
	c.out = append(g.append(c.out, s.key), '\r', '\n')
	c.askShared(s, text, func(reply string) error {
		if reply == stored {
			s.settle(c.id, g.version)
			return s.won(token, old)
		}
		return wantOneOf(reply, exists, notFound)
	})
}

func (c *client) sharedGet(*entry) { c.sharedRead(c.pickShared(), c.random.IntN(2) == 0) }

func (c *client) sharedRead(s *shared, withToken bool) {
	text, before := "get "+s.key, s.snapshot()
	if withToken {
		text = "gets " + s.key
	}
	c.out = append(append(c.out, text...), '\r', '\n')
	c.batch = append(c.batch, request{text: text, key: s.key, answer: func(at span) (string, error) {
		line, err := c.line()
		if err != nil {
			return "", err
		}
		reply := string(line)
		f, err := parseValue(line, withToken)
		if f == nil || err != nil {
			return reply, err
		}
		if f.key != s.key {
			return reply, fmt.Errorf("value of another key")
		}
		if err := c.sharedReceive(s, f, withToken, before); err != nil {
			return reply, err
		}
		if line, err = c.line(); err == nil && string(line) != "END" {
			err = fmt.Errorf("want END, got %s", show(line))
		}
		return reply, err
	}})
}

func (c *client) sharedReceive(s *shared, f *found, withToken bool, before []uint64) error {
	value, err := c.data(f.length)
	if err != nil {
		return err
	}
	var g segment
	if g, c.want, err = parseSegment(value, c.want, s.key); err != nil {
		return err
	}
	c.counts.Values++
	c.counts.Hits++
	c.counts.Bytes += int64(len(value))
	switch {
	case g.writer < 0 || g.writer >= len(before) || g.version > s.issued[g.writer].Load():
		return fmt.Errorf("nobody wrote %v", g)
	case g.version < before[g.writer]:
		return fmt.Errorf("%v is older than version %d of that writer, which was stored before", g, before[g.writer])
	case strconv.FormatUint(f.flags, 10) != strconv.FormatUint(g.version&0xffffffff, 10):
		return fmt.Errorf("flags %d with %v", f.flags, g)
	}
	s.settle(g.writer, g.version)
	if withToken {
		return s.saw(f.token, g)
	}
	return nil
}
