package compat

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A transcript is a file of inputs and what a memcached replied, in order, on
// a server that has just started with -A -t 2; each input has a connection of
// its own:
//
//	@ later 0.2: …         the next input is not sent: not ours to answer yet
//	> set a 0 0 1\r\n1\r\n
//	< STORED\r\n
//	= open                 the connection then: open, closed, or waiting for more
//	! an empty line …      why we answer otherwise,
//	~ ERROR\r\n            and what
//
// Bytes are written as in a Go string; {{x*251}} stands for 251 times x, and in
// an input {{cas3}} for the third CAS token that the server has shown.
type exchange struct {
	note  string // the comment lines before it
	later string // why it is not sent
	input string // as written in the file
	reply string // masked, as it came
	state string
	why   string // of a deviation
	ours  string // its reply
}

// sentinel follows an input whose connection stays open.
const sentinel, sentinelReply = "mn\r\n", "MN\r\n"

// transcriptFlags are those of a transcript's server.
var transcriptFlags = []string{"-A", "-t", "2"}

func TestTranscript1618(t *testing.T) { transcript(t, v1618) }
func TestTranscript1645(t *testing.T) { transcript(t, v1645) }

func transcript(t *testing.T, v version) {
	t.Parallel()
	name := "testdata/transcript-" + string(v) + ".txt"
	exchanges := readTranscript(t, name)
	if *rewrite {
		record(t, oracle(t, v), exchanges)
		writeTranscript(t, name, exchanges)
		return
	}
	const fewest = 140 // the pairs that were measured first, without those of later releases
	p := subject(t, v)
	s, apart := start(t, p, transcriptFlags...), start(t, p, transcriptFlags...)
	var m, maskedApart masker
	all := os.Getenv("PANDA_COMPAT_ALL") != ""
	sent := 0
	for _, e := range exchanges {
		if e.later != "" {
			if all && !same(replay(t, apart, &maskedApart, e), e.reply) {
				t.Logf("> %s\nis not answered as it will be (%s)", e.input, e.later)
			}
			continue
		}
		sent++
		want := e.reply
		if e.why != "" && !p.original {
			want = e.ours
		}
		got := replay(t, s, &m, e)
		// Waiting for a data block, the original may hold the replies before it back.
		if !same(got, want) && !(e.state == "waiting" && sameStart(want, got)) {
			t.Errorf("%s\n> %s\n%s replied\n%swanted\n%s", name, e.input, v, escapeLines("< ", got), escapeLines("< ", want))
		}
	}
	if sent < fewest {
		t.Errorf("%d inputs, wanted at least %d", sent, fewest)
	}
}

// replay sends an input and returns the masked reply, having checked that the
// connection is then in the state that it should be in.
func replay(t *testing.T, s *server, m *masker, e *exchange) string {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	c.SetDeadline(time.Now().Add(replyLimit))
	input := expand(t, m, e.input)
	if e.state == "open" {
		input += sentinel
	}
	go func() { // ends with the connection, at the latest by its deadline
		io.WriteString(c, input)
		if e.state != "closed" {
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	reply, err := io.ReadAll(c)
	if err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("> %s\nthe connection was not closed, with %.200q read", e.input, reply)
	}
	text, open := string(reply), true
	if e.state == "open" {
		text, open = strings.CutSuffix(text, sentinelReply)
	}
	if !open {
		t.Errorf("> %s\nthe connection was not open after it", e.input)
	}
	return m.mask([]byte(text))
}

// record asks the original for all states and replies. It does so twice: the
// states need waiting for silence; the replies, seconds in them, then come as
// fast as in a test. What is not sent in a test has a server of its own.
func record(t *testing.T, p program, exchanges []*exchange) {
	t.Helper()
	slow, fast, apart := start(t, p, transcriptFlags...), start(t, p, transcriptFlags...), start(t, p, transcriptFlags...)
	var m, masked, maskedApart masker
	for _, e := range exchanges {
		e.state = state(t, slow, &m, e.input)
	}
	for _, e := range exchanges {
		if e.later != "" {
			e.reply = replay(t, apart, &maskedApart, e)
		} else {
			e.reply = replay(t, fast, &masked, e)
		}
	}
}

// quiet is how long a server that is recorded must be silent before it counts
// as waiting for more. Tests do not wait for silence, only -rewrite does.
const quiet = 2 * time.Second

// state sends an input and finds the state of the connection then.
func state(t *testing.T, s *server, m *masker, input string) string {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	text, ended := []byte(expand(t, m, input)), false
	var reply []byte
	if !bytes.HasSuffix(text, []byte("\n")) { // more would end its line
		c.Write(text)
		reply, ended = readUntil(c, nil, textEnd, quiet, nil)
		text = nil
	}
	if !ended {
		c.Write(append(text, textEnd.request...))
		written := make(chan struct{})
		close(written)
		reply, ended = readUntil(c, reply, textEnd, quiet, written)
	}
	m.mask(bytes.TrimSuffix(reply, textEnd.reply))
	switch {
	case ended:
		return "closed"
	case bytes.HasSuffix(reply, textEnd.reply):
		return "open"
	}
	return "waiting"
}

func readTranscript(t *testing.T, name string) (exchanges []*exchange) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	e := &exchange{}
	last := func() *exchange { return exchanges[len(exchanges)-1] }
	for n := 1; lines.Scan(); n++ {
		sign, text, _ := strings.Cut(lines.Text(), " ")
		switch sign {
		case ">":
			e.input = text
			exchanges = append(exchanges, e)
			e = &exchange{}
		case "@":
			e.later = text
		case "<":
			last().reply += unescape(t, text)
		case "=":
			last().state = text
		case "!":
			last().why = text
		case "~":
			last().ours += unescape(t, text)
		case "", "#":
			e.note += lines.Text() + "\n"
		default:
			t.Fatalf("%s:%d: %q", name, n, lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return exchanges
}

func writeTranscript(t *testing.T, name string, exchanges []*exchange) {
	t.Helper()
	var out strings.Builder
	for _, e := range exchanges {
		out.WriteString(e.note)
		if e.later != "" {
			fmt.Fprintf(&out, "@ %s\n", e.later)
		}
		fmt.Fprintf(&out, "> %s\n%s= %s\n", e.input, escapeLines("< ", e.reply), e.state)
		if e.why != "" {
			fmt.Fprintf(&out, "! %s\n%s", e.why, escapeLines("~ ", e.ours))
		}
	}
	if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

var repetition = regexp.MustCompile(`\{\{(.+?)\*(\d+)\}\}`)

// unescape turns the text of a transcript's line into bytes.
func unescape(t testing.TB, text string) string {
	t.Helper()
	text = repetition.ReplaceAllStringFunc(text, func(s string) string {
		m := repetition.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n)
	})
	unquoted, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		t.Fatalf("%.100s: %v", text, err)
	}
	return unquoted
}

var casPlace = regexp.MustCompile(`\{\{cas(\d+)\}\}`)

// expand is unescape for inputs: it puts in the CAS tokens of this server.
func expand(t testing.TB, m *masker, text string) string {
	t.Helper()
	return unescape(t, casPlace.ReplaceAllStringFunc(text, func(s string) string {
		n, _ := strconv.Atoi(casPlace.FindStringSubmatch(s)[1])
		if n < 1 || n > len(m.tokens) {
			return "1" // not shown (yet); a token no server gives twice
		}
		return m.tokens[n-1]
	}))
}

// escapeLines writes bytes as lines of a transcript, each behind sign.
func escapeLines(sign, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		quoted := strconv.QuoteToASCII(line)
		out.WriteString(sign + repeatRuns(quoted[1:len(quoted)-1]) + "\n")
	}
	return out.String()
}

// repeatRuns shortens long runs of one letter.
func repeatRuns(text string) string {
	const least = 32
	var out strings.Builder
	for i := 0; i < len(text); {
		n := 1
		for i+n < len(text) && text[i+n] == text[i] {
			n++
		}
		if n >= least && text[i] != '\\' {
			fmt.Fprintf(&out, "{{%c*%d}}", text[i], n)
		} else {
			out.WriteString(text[i : i+n])
		}
		i += n
	}
	return out.String()
}

func TestEscape(t *testing.T) {
	text := "VALUE " + strings.Repeat("k", 250) + "\r\n\x00\"\\\xff\r\n"
	var back strings.Builder
	for line := range strings.Lines(escapeLines("", text)) {
		back.WriteString(unescape(t, strings.TrimSuffix(line, "\n")))
	}
	if back.String() != text {
		t.Errorf("%q came back as %q", text, back.String())
	}
}
