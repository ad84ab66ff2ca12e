package checker

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// order adds a command and how its reply is judged.
func (o *operator) order(text string, answer func(at span) (string, error)) {
	o.out = append(append(o.out, text...), '\r', '\n')
	o.batch = append(o.batch, request{text: text, answer: answer})
}

// orderLine is an order with one line of reply, one of those allowed.
func (o *operator) orderLine(text string, done func(), allowed ...string) {
	o.order(text, func(span) (string, error) {
		b, err := o.line()
		reply := string(b)
		if err == nil {
			err = wantOneOf(reply, allowed...)
		}
		if done != nil && err == nil {
			done()
		}
		return reply, err
	})
}

func (o *operator) flush() {
	o.run.flushes.begin(o.run.now())
	o.orderLine("flush_all", func() {
		o.run.flushes.end(o.run.now())
		o.report.Flushes++
	}, "OK")
}

// limit moves the limit of memory, down to a half and up to half as much again.
func (o *operator) limit() {
	mb := max(8, o.run.config.MemoryMB*(50+o.random.IntN(101))/100)
	o.orderLine(fmt.Sprintf("cache_memlimit %d", mb), func() { o.report.Limits++ }, "OK")
}

func (o *operator) crawl() {
	o.order("lru_crawler crawl all", func(span) (string, error) {
		b, err := o.line()
		reply := string(b)
		switch {
		case reply == "OK":
			o.report.Crawls++
		case err == nil:
			o.refused("crawl", reply)
		}
		return reply, err
	})
}

// refused notes that the server would not crawl or dump, for another reason than
// that it was just doing so.
func (o *operator) refused(what, reply string) {
	switch reply {
	case "BUSY currently processing crawler request", "ERROR locked try again later", "NOTSTARTED no items to crawl":
	default:
		o.report.Refusal = what + ": " + reply
	}
}

// statistics are what monitoring reads all the time.
var statistics = []string{"stats", "stats items", "stats slabs", "stats settings", "stats conns"}

func (o *operator) stats() {
	name := statistics[o.random.IntN(len(statistics))]
	o.order(name, func(span) (string, error) {
		for n := 0; ; n++ {
			line, err := o.line()
			if err != nil || string(line) == "END" {
				return string(line), err
			}
			if n == 0 && string(line) == "ERROR" {
				o.refused(name, "ERROR")
				return "ERROR", nil
			}
			if !bytes.HasPrefix(line, []byte("STAT ")) {
				return string(line), fmt.Errorf("want STAT")
			}
		}
	})
}

// dump reads the names of all items.
func (o *operator) dump() {
	o.order("lru_crawler metadump all", func(at span) (string, error) {
		for n := 0; ; n++ {
			line, err := o.anyLine() // memcached ends these lines without a return
			if err != nil {
				return "", fmt.Errorf("after %d lines: %w", n, err)
			}
			switch text := string(line); {
			case n == 0 && text == "OK": // of 1.6.45; 1.6.18 begins with the first key
				continue
			case text == "END":
				o.report.Dumps++
				return fmt.Sprintf("%d lines", n), nil
			case n == 0 && !strings.HasPrefix(text, "key="):
				o.refused("dump", text)
				return text, nil
			}
			o.report.Dumped++
			if err := checkDumped(string(line)); err != nil {
				return string(line), err
			}
		}
	})
}

// dumpedFields are those of a line, in their order, each with a check.
var dumpedFields = []struct {
	name  string
	valid func(string) bool
}{
	{"key", ours},
	{"exp", func(s string) bool {
		return s == "-1" || between(s, time.Now().Unix()-30, time.Now().Unix()+40*24*3600)
	}},
	{"la", func(s string) bool { return between(s, time.Now().Unix()-24*3600, time.Now().Unix()+5) }},
	{"cas", func(s string) bool { _, err := strconv.ParseUint(s, 10, 64); return err == nil }},
	{"fetch", func(s string) bool { return s == "yes" || s == "no" }},
	{"cls", func(s string) bool { return between(s, 1, 63) }},
	{"size", func(s string) bool { return between(s, 20, 1<<20+1<<10) }},
}

func between(s string, low, high int64) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n >= low && n <= high
}

// ours says whether somebody here could have stored this key.
func ours(key string) bool {
	name, err := url.QueryUnescape(key)
	if err != nil {
		return false
	}
	owner, _, ok := strings.Cut(name, ":")
	return ok && (owner == "shared" || strings.HasPrefix(owner, "c") && between(owner[1:], 0, clientsMax))
}

// checkDumped checks a line of a metadump.
func checkDumped(line string) error {
	fields := strings.Fields(line)
	if len(fields) < len(dumpedFields) {
		return fmt.Errorf("%d fields", len(fields))
	}
	for i, f := range dumpedFields {
		name, value, ok := strings.Cut(fields[i], "=")
		if !ok || name != f.name || !f.valid(value) {
			return fmt.Errorf("field %d is %q, want a valid %s", i, fields[i], f.name)
		}
	}
	return nil
}
