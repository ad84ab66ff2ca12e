package checker

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// found is a VALUE line, read.
type found struct {
	key    string
	flags  uint64
	length int
	token  uint64
}

// parseValue reads "VALUE key flags bytes [cas]", nil for "END".
func parseValue(line []byte, withToken bool) (*found, error) {
	if string(line) == "END" {
		return nil, nil
	}
	fields := bytes.Split(line, []byte(" "))
	want := 4
	if withToken {
		want = 5
	}
	if len(fields) != want || string(fields[0]) != "VALUE" {
		return nil, fmt.Errorf("want VALUE with %d fields or END, got %s", want, show(line))
	}
	f := &found{key: string(fields[1])}
	var errs [3]error
	f.flags, errs[0] = strconv.ParseUint(string(fields[2]), 10, 32)
	f.length, errs[1] = strconv.Atoi(string(fields[3]))
	if withToken {
		f.token, errs[2] = strconv.ParseUint(string(fields[4]), 10, 64)
	}
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", show(line), err)
		}
	}
	return f, nil
}

// retrieve asks for the entries and judges what comes: those that are there, in
// the order of the request. Seen is told of each that was found.
func (c *client) retrieve(text string, entries []*entry, withToken bool, seen func(e *entry, at span)) {
	c.out = append(append(c.out, text...), '\r', '\n')
	r := request{text: text, key: entries[0].key}
	if len(entries) == 1 {
		r.entry = entries[0]
	}
	r.answer = func(at span) (string, error) {
		var reply strings.Builder
		for next := 0; ; {
			line, err := c.line()
			if err != nil {
				return reply.String(), err
			}
			reply.Write(line)
			f, err := parseValue(line, withToken)
			if err != nil {
				return reply.String(), err
			}
			for ; next < len(entries) && (f == nil || entries[next].key != f.key); next++ {
				if err := c.miss(entries[next], at); err != nil {
					return reply.String(), fmt.Errorf("%s: %w", entries[next].key, err)
				}
			}
			if f == nil {
				return reply.String(), nil
			}
			if next == len(entries) {
				return reply.String(), fmt.Errorf("value of a key that was not asked for, or not in this order")
			}
			if err := c.receive(entries[next], f, withToken, at); err != nil {
				return reply.String(), fmt.Errorf("%s: %w", f.key, err)
			}
			if seen != nil {
				seen(entries[next], at)
			}
			reply.WriteByte(' ')
			next++
		}
	}
	c.batch = append(c.batch, r)
}

// receive reads the value that a VALUE line announced and judges it.
func (c *client) receive(e *entry, f *found, withToken bool, at span) error {
	value, err := c.data(f.length)
	if err != nil {
		return err
	}
	if err := c.hit(e, at); err != nil {
		return err
	}
	if withToken {
		if err := e.seeToken(f.token); err != nil {
			return err
		}
	}
	return c.value(e, f.flags, value)
}

func (c *client) get(e *entry)  { c.retrieve("get "+e.key, []*entry{e}, false, nil) }
func (c *client) gets(e *entry) { c.retrieve("gets "+e.key, []*entry{e}, true, nil) }

// manyMax is how many keys one get asks for at most. Not all are there, and
// some were never stored.
const manyMax = 40

func (c *client) multiget(*entry) {
	var entries []*entry
	text := "get"
	for range 2 + c.random.IntN(manyMax-1) {
		e := c.pick()
		entries = append(entries, e)
		text += " " + e.key
	}
	c.retrieve(text, entries, false, nil)
}

func (c *client) getAndTouch(e *entry) {
	exptime, verb := c.exptime(), "gat"
	withToken := c.random.IntN(2) == 0
	if withToken {
		verb = "gats"
	}
	c.retrieve(fmt.Sprintf("%s %d %s", verb, exptime, e.key), []*entry{e}, withToken, func(e *entry, at span) {
		e.expire(exptime, c.now(at), &c.run.clock)
	})
}
