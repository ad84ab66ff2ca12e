package memcache

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The transcripts in testdata are pairs of what was sent to a real memcached
// (1.6.18 and 1.6.45, started with -A, otherwise by default) on a connection
// of its own, and of what came back, one after the other on the same server.
// {k*250} stands for 250 k's. probe-* holds requests of every command and flag, edges-*
// what the sources of both versions make look doubtful.

// transcriptElsewhere holds the requests whose replies are compared elsewhere.
var transcriptElsewhere = map[string]string{
	`stats s\r\n`: "settings have a test of their own",
}

// transcriptOurs holds the requests that we answer in our own way on purpose,
// with what we answer, and why. What no transcript shows is in doc.go.
var transcriptOurs = map[string]struct{ reply, why string }{
	`get {k*251}\r\n`:                      {replyFormat, "1.6.45 ends this error with two line ends, which leaves clients out of step"},
	`get a {k*251}\r\nversion\r\n`:         {replyFormat + "VERSION 1.6.45\r\n", "as above"},
	`get {k*259} a\r\nversion\r\n`:         {replyFormat + "VERSION 1.6.45\r\n", "as above"},
	`get a {k*252} noreply\r\nversion\r\n`: {replyFormat + "VERSION 1.6.45\r\n", "as above"},
	`get a noreply {k*252}\r\nversion\r\n`: {replyFormat + "VERSION 1.6.45\r\n", "as above"},
	`set n 0 0 2\r\n10\r\ndecr n 1\r\nget n\r\ndecr n 100\r\nget n\r\nincr n 5\r\nget n\r\nincr n 100\r\nget n\r\n`: {
		"STORED\r\n9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n0\r\nVALUE n 0 2\r\n0 \r\nEND\r\n5\r\nVALUE n 0 2\r\n5 \r\nEND\r\n105\r\nVALUE n 0 3\r\n105\r\nEND\r\n",
		"in a pipeline 1.6.45's own replies make it move the item: the padding goes",
	},
	`set k 0 0 2147483645\r\n`: {replyTooLarge, "memcached holds this error back until all data has come"},
}

type pair struct{ in, reply string }

func readTranscript(t *testing.T, name string) (pairs []pair) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		in, reply, ok := strings.Cut(line, `" => "`)
		if !ok {
			t.Fatalf("not a pair: %s", line)
		}
		pairs = append(pairs, pair{in[1:], reply[:len(reply)-1]})
	}
	return pairs
}

var repeated = regexp.MustCompile(`\{([^{}*]+)\*([0-9]+)\}`)

func expand(t *testing.T, text string) string {
	t.Helper()
	text = repeated.ReplaceAllStringFunc(text, func(m string) string {
		part := repeated.FindStringSubmatch(m)
		n, _ := strconv.Atoi(part[2])
		return strings.Repeat(part[1], n)
	})
	s, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// casTokens renumbers the tokens in replies by their order of appearance, and
// forgets the seconds that passed.
type casTokens map[string]int

var (
	casInReply = regexp.MustCompile(`( c|cas=)([0-9]+)|(VALUE [^ ]+ [0-9]+ [0-9]+ )([0-9]+)`)
	idleTime   = regexp.MustCompile(` (l|la=)[0-9]+`)
	malloced   = regexp.MustCompile(`(total_malloced )[0-9]+`) // we have no pages of 1 MB
)

func (c casTokens) mask(reply string) string {
	reply = idleTime.ReplaceAllString(reply, " ${1}0")
	reply = malloced.ReplaceAllString(reply, "${1}0")
	return casInReply.ReplaceAllStringFunc(reply, func(m string) string {
		part := casInReply.FindStringSubmatch(m)
		head, token := part[1]+part[3], part[2]+part[4]
		if token == "0" {
			return m
		}
		if c[token] == 0 {
			c[token] = len(c) + 1
		}
		return fmt.Sprintf("%s#%d", head, c[token])
	})
}

func testTranscript(t *testing.T, name string, compat Compat) {
	r := newRig(t, Config{Compat: compat, ShutdownEnabled: true})
	r.server.env.Shutdown = func(bool) {}
	theirs, ours := casTokens{}, casTokens{}
	for _, p := range readTranscript(t, name) {
		in := expand(t, p.in)
		r.sweep()
		got := r.dial().send(in)
		if why := transcriptElsewhere[p.in]; why != "" {
			t.Logf("left out (%s): %s", why, p.in)
			continue
		}
		want, got := theirs.mask(expand(t, p.reply)), ours.mask(got)
		o, known := transcriptOurs[p.in]
		switch {
		case got == want:
		case known && got == o.reply:
			t.Logf("ours (%s): %s: %q", o.why, p.in, got)
		default:
			t.Errorf("%s\n  got  %q\n  want %q", p.in, got, want)
		}
	}
}

// sweep is what a server's ticks do in the time between two clients.
func (r *rig) sweep() {
	const enough = 8 // ticks of each loop to come by all that a test stores
	for i := range 2 * enough {
		r.server.Tick(i%2, r.nowMS)
	}
}

func TestProbe1618(t *testing.T) { testTranscript(t, "probe-1.6.18.txt", Compat1618) }
func TestProbe1645(t *testing.T) { testTranscript(t, "probe-1.6.45.txt", Compat1645) }
func TestEdges1618(t *testing.T) { testTranscript(t, "edges-1.6.18.txt", Compat1618) }
func TestEdges1645(t *testing.T) { testTranscript(t, "edges-1.6.45.txt", Compat1645) }
