package checker

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// flagsOf reads the flags of a meta reply: letter to token. The line begins with
// a code, and VA has a length, too.
func flagsOf(line []byte) (code string, length int, flags map[byte]string, err error) {
	fields := bytes.Split(line, []byte(" "))
	code, fields = string(fields[0]), fields[1:]
	if len(code) != 2 {
		return code, 0, nil, nil // an error: what follows is prose
	}
	if code == "VA" {
		if len(fields) == 0 {
			return code, 0, nil, fmt.Errorf("no length: %s", show(line))
		}
		if length, err = strconv.Atoi(string(fields[0])); err != nil {
			return code, 0, nil, fmt.Errorf("length: %s", show(line))
		}
		fields = fields[1:]
	}
	flags = map[byte]string{}
	for _, f := range fields {
		if len(f) == 0 {
			continue
		}
		if _, twice := flags[f[0]]; twice {
			return code, length, nil, fmt.Errorf("flag %c twice: %s", f[0], show(line))
		}
		flags[f[0]] = string(f[1:])
	}
	return code, length, flags, nil
}

// line compares a reply's flag with what it must be.
func wantFlag(flags map[byte]string, flag byte, want string) error {
	if got, ok := flags[flag]; !ok || got != want {
		return fmt.Errorf("flag %c is %q, want %q", flag, got, want)
	}
	return nil
}

// metaSet sets, adds or replaces.
func (c *client) metaSet(e *entry) {
	ch := c.drawn(e, c.size())
	if c.random.IntN(8) == 0 {
		ch = c.drawnNumber()
	}
	mode := "SSSSSERS"[c.random.IntN(8)]
	opaque := strconv.FormatUint(e.version, 36)
	line := fmt.Sprintf("ms %s %d F%d T%d M%c O%s k", e.key, ch.length(), ch.flags, ch.exptime, mode, opaque)
	c.out = append(append(c.out, line...), '\r', '\n')
	c.appendBody(e, &ch)
	c.ask(e, line+" "+ch.String(), func(at span) (string, error) {
		reply, err := c.line()
		if err != nil {
			return "", err
		}
		return string(reply), c.metaStored(e, &ch, mode, opaque, string(reply), at)
	})
}

func (c *client) metaStored(e *entry, ch *change, mode byte, opaque, reply string, at span) error {
	if reply == noMemoryRead {
		c.counts.Refused++
		return nil
	}
	if reply == noMemory {
		c.counts.Refused++
		e.doubtful = true // the original takes the old value along, whatever the mode
		if mode == 'S' {
			e.remove()
		}
		return nil
	}
	code, _, flags, err := flagsOf([]byte(reply))
	if err != nil {
		return err
	}
	if err := wantFlag(flags, 'O', opaque); err != nil {
		return err
	}
	if err := wantFlag(flags, 'k', e.key); err != nil {
		return err
	}
	switch {
	case code == "HD" && mode == 'E':
		err = c.miss(e, at)
	case code == "HD" && mode == 'R':
		err = c.hit(e, at)
	case code == "NS" && mode == 'E':
		return c.hit(e, at)
	case code == "NS" && mode == 'R':
		return c.miss(e, at)
	case code != "HD":
		return fmt.Errorf("want HD, or NS for a condition")
	}
	if err == nil {
		e.store(*ch, c.now(at), &c.run.clock)
	}
	return err
}

// metaGet asks for all that can be asked about a value; sometimes it touches, too.
func (c *client) metaGet(e *entry) {
	line := "mg " + e.key + " s v f c k t"
	exptime, touches := c.exptime(), c.random.IntN(4) == 0
	if touches {
		line += " T" + strconv.Itoa(exptime)
	}
	c.out = append(append(c.out, line...), '\r', '\n')
	c.ask(e, line, func(at span) (string, error) {
		reply, err := c.line()
		if err != nil {
			return "", err
		}
		text := string(reply)
		code, length, flags, err := flagsOf(reply)
		switch {
		case err != nil:
			return text, err
		case code == "EN":
			return text, c.miss(e, at)
		case code != "VA":
			return text, fmt.Errorf("want VA or EN")
		}
		if err := c.metaReceive(e, length, flags, at, !touches); err != nil {
			return text, err
		}
		if touches {
			e.expire(exptime, c.now(at), &c.run.clock)
		}
		return text, nil
	})
}

// metaReceive judges the value and the flags s, f, c, k and (timed) t of a reply.
func (c *client) metaReceive(e *entry, length int, flags map[byte]string, at span, timed bool) error {
	if err := wantFlag(flags, 's', strconv.Itoa(length)); err != nil {
		return err
	}
	if err := wantFlag(flags, 'k', e.key); err != nil {
		return err
	}
	number, err := strconv.ParseUint(flags['f'], 10, 32)
	if err != nil {
		return fmt.Errorf("flag f is %q", flags['f'])
	}
	token, err := strconv.ParseUint(flags['c'], 10, 64)
	if err != nil {
		return fmt.Errorf("flag c is %q", flags['c'])
	}
	if err := c.receive(e, &found{key: e.key, flags: number, length: length, token: token}, true, at); err != nil {
		return err
	}
	if !timed {
		return nil
	}
	return e.timeLeft(flags['t'], c.now(at))
}

// timeLeft checks the time to live that the server says is left, in seconds.
func (e *entry) timeLeft(text string, at span) error {
	left, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("flag t is %q", text)
	}
	if e.expiresBy == 0 {
		if left != -1 {
			return fmt.Errorf("flag t is %d of what never expires", left)
		}
		return nil
	}
	low, high := e.expiresFrom-at.got-time.Second, e.expiresBy-at.sent+time.Second
	if d := time.Duration(left) * time.Second; d < low || d > high {
		return fmt.Errorf("flag t is %d, want %v..%v", left, low, high)
	}
	return nil
}

// metaGetQuietly asks for several keys, hears only of those that are there, and
// knows them by their opaque tokens.
func (c *client) metaGetQuietly(*entry) {
	var entries []*entry
	var line strings.Builder
	for i := range 2 + c.random.IntN(manyMax-1) {
		e := c.pick()
		entries = append(entries, e)
		fmt.Fprintf(&line, "mg %s s v f c k q O%d\r\n", e.key, i)
	}
	line.WriteString("mn\r\n")
	c.out = append(c.out, line.String()...)
	r := request{text: strings.ReplaceAll(line.String(), "\r\n", "; "), key: entries[0].key}
	r.answer = func(at span) (string, error) {
		var reply strings.Builder
		for next := 0; ; next++ {
			line, err := c.line()
			if err != nil {
				return reply.String(), err
			}
			reply.Write(append(line, ' '))
			code, length, flags, err := flagsOf(line)
			i := len(entries)
			if err == nil && code == "VA" {
				i, err = strconv.Atoi(flags['O'])
			}
			if err != nil || code != "VA" && code != "MN" || i < next || i > len(entries) {
				return reply.String(), fmt.Errorf("want VA in order, or MN: %v", err)
			}
			for ; next < i; next++ {
				if err := c.miss(entries[next], at); err != nil {
					return reply.String(), fmt.Errorf("%s: %w", entries[next].key, err)
				}
			}
			if code == "MN" {
				return reply.String(), nil
			}
			if err := c.metaReceive(entries[i], length, flags, at, false); err != nil {
				return reply.String(), fmt.Errorf("%s: %w", entries[i].key, err)
			}
		}
	}
	c.batch = append(c.batch, r)
}

// metaDelete deletes, sometimes only what has a certain token.
func (c *client) metaDelete(e *entry) {
	line, token, current := "md "+e.key, uint64(0), false
	if e.tokenSeen > 0 && !c.queued(e) && c.random.IntN(2) == 0 {
		token, current = e.tokenSeen, e.token != 0
		line += " C" + strconv.FormatUint(token, 10)
	}
	c.out = append(append(c.out, line...), '\r', '\n')
	c.ask(e, line, func(at span) (string, error) {
		b, err := c.line()
		reply := string(b)
		if err == nil && reply == "EX" && token != 0 && !current {
			return reply, c.hit(e, at)
		}
		if err == nil && reply == "HD" && token != 0 && !current {
			err = fmt.Errorf("the token is old")
		}
		if err != nil {
			return reply, err
		}
		return reply, c.removed(e, reply, "HD", "NF", at)
	})
}

// metaArithmetic counts, sometimes beginning where nothing is.
func (c *client) metaArithmetic(e *entry) {
	mode, delta := "I", c.random.Uint64()>>c.random.IntN(64)
	if c.random.IntN(2) == 0 {
		mode = "D"
	}
	line := fmt.Sprintf("ma %s M%s D%d v", e.key, mode, delta)
	begin := change{numeric: true, number: 1<<62 | c.random.Uint64()>>2} // no result of counting
	begins := c.random.IntN(3) == 0
	if begins {
		line += fmt.Sprintf(" N%d J%d", begin.exptime, begin.number)
	}
	c.out = append(append(c.out, line...), '\r', '\n')
	c.ask(e, line, func(at span) (string, error) {
		b, err := c.line()
		reply := string(b)
		if err != nil {
			return reply, err
		}
		code, length, _, err := flagsOf(b)
		switch {
		case err != nil:
			return reply, err
		case code == "NF" && !begins:
			return reply, c.miss(e, at)
		case reply == "CLIENT_ERROR cannot increment or decrement non-numeric value" && c.notNumeric(e):
			return reply, c.hit(e, at)
		case code == "SERVER_ERROR":
			c.counts.Refused++
			return reply, wantOneOf(reply, noMemoryCount, noMemoryBegin)
		case code != "VA":
			return reply, fmt.Errorf("want VA or NF")
		}
		value, err := c.data(length)
		if err != nil {
			return reply, err
		}
		number := string(value)
		reply += " " + number
		if begins && number == strconv.FormatUint(begin.number, 10) && e.mayMiss(c.now(at), &c.run.flushes, c.run.config.Evicts) {
			e.store(begin, c.now(at), &c.run.clock)
			return reply, nil
		}
		return reply, c.counted(e, mode == "I", delta, number, at)
	})
}

func wantOneOf(reply string, texts ...string) error {
	for _, t := range texts {
		if reply == t {
			return nil
		}
	}
	return fmt.Errorf("want one of %q", texts)
}
