package checker

import (
	"fmt"
	"math"
	"strconv"
)

const (
	stored    = "STORED"
	notStored = "NOT_STORED"
	exists    = "EXISTS"
	notFound  = "NOT_FOUND"
	noMemory  = "SERVER_ERROR out of memory storing object"
	// noMemoryRead is memcached's, of a large value whose pieces it does not find
	// while it reads; the old value stays.
	noMemoryRead = "SERVER_ERROR Out of memory during read"
	// What arithmetic answers when a longer number finds no memory, and ma when it
	// begins one.
	noMemoryCount = "SERVER_ERROR out of memory"
	noMemoryBegin = "SERVER_ERROR Out of memory allocating new item"
)

// appendStore appends a classic storage command with its body.
func (c *client) appendStore(verb string, e *entry, ch *change, token uint64, noreply bool) (text string) {
	line := fmt.Sprintf("%s %s %d %d %d", verb, e.key, ch.flags, ch.exptime, ch.length())
	if verb == "cas" {
		line += " " + strconv.FormatUint(token, 10)
	}
	if noreply {
		line += " noreply"
	}
	c.out = append(append(c.out, line...), '\r', '\n')
	c.appendBody(e, ch)
	return line + " " + ch.String()
}

func (c *client) set(e *entry)       { c.setTo(e, c.drawn(e, c.size())) }
func (c *client) setNumber(e *entry) { c.setTo(e, c.drawnNumber()) }

func (c *client) setTo(e *entry, ch change) {
	c.ask(e, c.appendStore("set", e, &ch, 0, false), func(at span) (string, error) {
		reply, err := c.line()
		if err != nil {
			return "", err
		}
		return string(reply), c.stored(e, &ch, string(reply), at)
	})
}

// stored judges the reply to a set, which always succeeds if there is memory.
// One that was refused takes the old value along.
func (c *client) stored(e *entry, ch *change, reply string, at span) error {
	switch reply {
	case stored:
		e.store(*ch, c.now(at), &c.run.clock)
		return nil
	case noMemory:
		c.counts.Refused++
		e.remove()
		return nil
	case noMemoryRead:
		c.counts.Refused++
		return nil
	}
	return fmt.Errorf("want %s", stored)
}

// setNoreply asks for a reply behind it (MN), so that it is over when that comes.
// Larger values than these memcached may refuse in two ways, one of which keeps
// the old value, and nobody would know.
func (c *client) setNoreply(e *entry) {
	ch := c.drawn(e, min(c.size(), largeValue))
	text := c.appendStore("set", e, &ch, 0, true)
	c.out = append(c.out, "mn\r\n"...)
	c.ask(e, text+" mn", func(at span) (string, error) {
		reply, err := c.line()
		if err == nil && string(reply) != "MN" {
			err = fmt.Errorf("want MN")
		}
		e.store(ch, c.now(at), &c.run.clock)
		e.doubtful = true // it may have been refused
		return string(reply), err
	})
}

func (c *client) deleteNoreply(e *entry) {
	text := "delete " + e.key + " noreply"
	c.out = append(append(c.out, text...), '\r', '\n')
	c.ask(e, text, func(span) (string, error) {
		e.remove()
		return "(no reply)", nil
	})
}

func (c *client) add(e *entry) {
	ch := c.drawn(e, c.size())
	c.ask(e, c.appendStore("add", e, &ch, 0, false), c.conditional(e, func(reply string, at span) error {
		switch reply {
		case stored:
			if err := c.miss(e, at); err != nil {
				return err
			}
			e.store(ch, c.now(at), &c.run.clock)
			return nil
		case notStored:
			return c.hit(e, at)
		}
		return fmt.Errorf("want %s or %s", stored, notStored)
	}))
}

func (c *client) replace(e *entry) {
	ch := c.drawn(e, c.size())
	c.ask(e, c.appendStore("replace", e, &ch, 0, false), c.conditional(e, func(reply string, at span) error {
		switch reply {
		case stored:
			if err := c.hit(e, at); err != nil {
				return err
			}
			e.store(ch, c.now(at), &c.run.clock)
			return nil
		case notStored:
			return c.miss(e, at)
		}
		return fmt.Errorf("want %s or %s", stored, notStored)
	}))
}

// conditional reads a line and judges it, but for the refusal for want of memory,
// which changes nothing.
func (c *client) conditional(e *entry, judge func(reply string, at span) error) func(span) (string, error) {
	return func(at span) (string, error) {
		b, err := c.line()
		if err != nil {
			return "", err
		}
		reply := string(b)
		if reply == noMemory || reply == noMemoryRead {
			c.counts.Refused++
			return reply, nil
		}
		return reply, judge(reply, at)
	}
}

func (c *client) appendText(e *entry)  { c.join(e, "append", false) }
func (c *client) prependText(e *entry) { c.join(e, "prepend", true) }

// join adds a part to a value, before or behind what is there.
func (c *client) join(e *entry, verb string, before bool) {
	n := c.logUniform(1, 5000)
	if e.numeric || len(e.segments) >= partsMax || e.length()+n > valueMax || c.queued(e) {
		return
	}
	e.version++
	part := change{segments: []segment{{writer: c.id, version: e.version, length: n}}}
	c.ask(e, c.appendStore(verb, e, &part, 0, false), c.conditional(e, func(reply string, at span) error {
		switch reply {
		case stored:
			if err := c.hit(e, at); err != nil {
				return err
			}
			e.join(part.segments[0], before)
			e.mutate(c.now(at))
			return nil
		case notStored:
			if !c.run.config.Evicts || c.run.config.Original || c.run.config.Flash {
				return nil // this is what a failed allocation answers, too: see the package's oddities
			}
			return c.miss(e, at)
		}
		return fmt.Errorf("want %s or %s", stored, notStored)
	}))
}

func (e *entry) join(s segment, before bool) {
	if before {
		e.segments = append([]segment{s}, e.segments...)
	} else {
		e.segments = append(e.segments, s)
	}
}

// queued says whether the batch asks something about e already, so that what is
// known of it now need not be so when the next request arrives.
func (c *client) queued(e *entry) bool {
	for i := range c.batch {
		if c.batch[i].entry == e {
			return true
		}
	}
	return false
}

func (c *client) compareAndSwap(e *entry) {
	if e.tokenSeen == 0 || c.queued(e) {
		return
	}
	ch, token := c.drawn(e, c.size()), e.tokenSeen
	if c.random.IntN(8) == 0 {
		token = e.tokenSeen - 1
	}
	// A token that was seen before a change that had no reply is old for certain.
	current := e.token != 0 && token == e.token
	c.ask(e, c.appendStore("cas", e, &ch, token, false), c.conditional(e, func(reply string, at span) error {
		switch {
		case reply == stored && current:
			if err := c.hit(e, at); err != nil {
				return err
			}
			e.store(ch, c.now(at), &c.run.clock)
			return nil
		case reply == exists && !current:
			return c.hit(e, at)
		case reply == notFound:
			return c.miss(e, at)
		}
		return fmt.Errorf("token is %v, newest was %d", current, e.tokenSeen)
	}))
}

func (c *client) delete(e *entry) {
	text := "delete " + e.key
	c.out = append(append(c.out, text...), '\r', '\n')
	c.ask(e, text, c.conditional(e, func(reply string, at span) error {
		return c.removed(e, reply, "DELETED", notFound, at)
	}))
}

func (c *client) removed(e *entry, reply, yes, no string, at span) error {
	switch reply {
	case yes:
		err := c.hit(e, at)
		e.remove()
		return err
	case no:
		return c.miss(e, at)
	}
	return fmt.Errorf("want %s or %s", yes, no)
}

func (c *client) touch(e *entry) {
	exptime := c.exptime()
	text := fmt.Sprintf("touch %s %d", e.key, exptime)
	c.out = append(append(c.out, text...), '\r', '\n')
	c.ask(e, text, c.conditional(e, func(reply string, at span) error {
		switch reply {
		case "TOUCHED":
			err := c.hit(e, at)
			e.expire(exptime, c.now(at), &c.run.clock)
			return err
		case notFound:
			return c.miss(e, at)
		}
		return fmt.Errorf("want TOUCHED or %s", notFound)
	}))
}

// arithmetic is incr and decr.
func (c *client) arithmetic(e *entry) {
	verb, delta := "incr", c.random.Uint64()>>c.random.IntN(64)
	if c.random.IntN(2) == 0 {
		verb = "decr"
	}
	text := fmt.Sprintf("%s %s %d", verb, e.key, delta)
	c.out = append(append(c.out, text...), '\r', '\n')
	c.ask(e, text, c.conditional(e, func(reply string, at span) error {
		switch reply {
		case notFound:
			return c.miss(e, at)
		case "CLIENT_ERROR cannot increment or decrement non-numeric value":
			if err := c.hit(e, at); err != nil || c.notNumeric(e) {
				return err
			}
			return fmt.Errorf("it is a number: %d", e.number)
		case noMemoryCount:
			c.counts.Refused++
			return nil
		}
		return c.counted(e, verb == "incr", delta, reply, at)
	}))
}

// notNumeric says whether arithmetic may refuse the value: see the package's oddities
func (c *client) notNumeric(e *entry) bool {
	return !e.numeric || c.run.config.Original && e.number > math.MaxInt64
}

// counted judges the number that arithmetic answered.
func (c *client) counted(e *entry, up bool, delta uint64, reply string, at span) error {
	if err := c.hit(e, at); err != nil {
		return err
	}
	want := e.number + delta
	if !up {
		want = e.number - min(delta, e.number)
	}
	if n, err := strconv.ParseUint(reply, 10, 64); err != nil || n != want || !e.numeric {
		return fmt.Errorf("want %d (a number: %v, was %d)", want, e.numeric, e.number)
	}
	e.number = want
	e.mutate(c.now(at))
	return nil
}
