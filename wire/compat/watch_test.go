package compat

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A watch transcript is a file of inputs and the lines that memcached, started
// with -t 1, gave a watcher for them:
//
//	= fetchers mutations   what is watched
//	> set a 0 0 1\r\n1\r\n sent on the one connection that lasts
//	+ quit\r\n             sent on a connection of its own, which then ends
//	< ts=T gid=N type=…    a line, masked: time, number, descriptor, port; an expiry that is over
//
// Where memcached prints what lies on its stack (class and descriptor of an item
// that is too large), that is masked too.
type watched struct {
	note  string // the comment lines before it
	sign  string
	input string // as written in the file
	lines []string
}

func TestWatch1618(t *testing.T) { watchTranscript(t, v1618) }
func TestWatch1645(t *testing.T) { watchTranscript(t, v1645) }

func watchTranscript(t *testing.T, v version) {
	t.Parallel()
	name := "testdata/watch-" + string(v) + ".txt"
	list := readWatched(t, name)
	const fewest = 40
	if len(list) < fewest {
		t.Fatalf("%s: %d inputs, wanted at least %d", name, len(list), fewest)
	}
	p := subject(t, v)
	if *rewrite {
		p = oracle(t, v)
	}
	w := openWatch(t, start(t, p, "-t", "1"), list[0].input)
	for _, e := range list[1:] {
		got := w.exchange(e)
		if !*rewrite && !slices.Equal(got, e.lines) {
			t.Errorf("%s\n%s %s\nwas told of as\n%s\nwanted\n%s", name, e.sign, e.input, strings.Join(got, "\n"), strings.Join(e.lines, "\n"))
		}
		e.lines = got
	}
	if *rewrite {
		writeWatched(t, name, list)
	}
}

// watch is a watcher and the client that it watches.
type watch struct {
	t       *testing.T
	server  *server
	client  *client
	watcher *client
	marks   int
}

func openWatch(t *testing.T, s *server, streams string) *watch {
	w := &watch{t: t, server: s, client: s.client(t), watcher: s.client(t)}
	w.client.send("mn\r\n")
	w.client.expect("MN\r\n")
	w.watcher.send("watch " + streams + "\r\n")
	w.watcher.expect("OK\r\n")
	for range 3 { // the original turns its switch a moment later, and is alone with us from here on
		w.exchange(&watched{sign: ">"})
	}
	return w
}

// exchange sends an input and returns what the watcher hears, masked, in the
// order of numbers: up to the line of a get that follows the input.
func (w *watch) exchange(e *watched) []string {
	w.t.Helper()
	text := unescape(w.t, e.input)
	if e.sign == "+" {
		w.alone(text)
		text = ""
	}
	for { // the very first may come before the watcher is known
		w.marks++
		mark := "mark-" + strconv.Itoa(w.marks)
		w.client.send(text + "get " + mark + "\r\nmn\r\n")
		text = ""
		w.client.skip("MN\r\n")
		if lines, ok := w.hear(" key=" + mark + " "); ok {
			return lines
		}
	}
}

// alone has a connection of its own.
func (w *watch) alone(text string) {
	w.t.Helper()
	c := w.server.dial(w.t)
	defer c.Close()
	c.SetDeadline(time.Now().Add(replyLimit))
	io.WriteString(c, text)
	c.(*net.TCPConn).CloseWrite()
	io.ReadAll(c)
}

// hear reads lines up to the one that contains mark; false: it did not come.
func (w *watch) hear(mark string) (masked []string, ok bool) {
	w.t.Helper()
	type line struct {
		number uint64
		text   string
	}
	var lines []line
	limit := replyLimit
	if w.marks <= 3 {
		limit = quiet
	}
	w.watcher.SetReadDeadline(time.Now().Add(limit))
	for {
		text, err := w.watcher.reader.ReadString('\n')
		if err != nil {
			if w.marks > 3 {
				w.t.Fatalf("%d lines, then %v, and not %q", len(lines), err, mark)
			}
			return nil, false
		}
		if strings.Contains(text, mark) {
			break
		}
		m := watchHead.FindStringSubmatch(text)
		if m == nil {
			w.t.Fatalf("a line of %q", text)
		}
		n, _ := strconv.ParseUint(m[1], 10, 64)
		lines = append(lines, line{n, text})
	}
	slices.SortFunc(lines, func(a, b line) int { return int(a.number) - int(b.number) })
	for _, l := range lines {
		masked = append(masked, maskWatched(l.text))
	}
	return masked, true
}

var (
	watchHead    = regexp.MustCompile(`^ts=\d{10}\.\d{1,6} gid=(\d+) type=`)
	watchStack   = regexp.MustCompile(`(status=too_large .* clsid=)\d+ cfd=-?\d+`)
	watchNumbers = regexp.MustCompile(`\b(cfd|rport)=\d+`)
	watchPast    = regexp.MustCompile(`\bttl=42949\d{5}`)
)

func maskWatched(line string) string {
	line = "ts=T gid=N type=" + watchHead.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
	line = watchStack.ReplaceAllString(line, "${1}S cfd=S")
	line = watchNumbers.ReplaceAllString(line, "$1=F")
	return watchPast.ReplaceAllString(line, "ttl=PAST")
}

// skip reads up to a line.
func (c *client) skip(line string) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(replyLimit))
	for {
		got, err := c.reader.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%v, wanted %q", err, line)
		}
		if got == line {
			return
		}
	}
}

func readWatched(t *testing.T, name string) (list []*watched) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	note := ""
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		sign, text, _ := strings.Cut(lines.Text(), " ")
		switch sign {
		case "=", ">", "+":
			list = append(list, &watched{note: note, sign: sign, input: text})
			note = ""
		case "<":
			list[len(list)-1].lines = append(list[len(list)-1].lines, unescape(t, text))
		case "", "#":
			note += lines.Text() + "\n"
		default:
			t.Fatalf("%s:%d: %q", name, n, lines.Text())
		}
	}
	return list
}

func writeWatched(t *testing.T, name string, list []*watched) {
	t.Helper()
	var out strings.Builder
	for _, e := range list {
		fmt.Fprintf(&out, "%s%s %s\n", e.note, e.sign, e.input)
		for _, l := range e.lines {
			out.WriteString(escapeLines("< ", l))
		}
	}
	if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
