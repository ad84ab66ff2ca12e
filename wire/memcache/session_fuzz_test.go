package memcache

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

var fuzzSeeds = []string{
	"lru_crawler metadump all\r\nset a 1 100 1\r\n1\r\nmn\r\nlru_crawler metadump 1\r\nmn\r\nlru_crawler mgdump hash\r\nmn\r\n",
	"lru_crawler crawl all\r\nlru_crawler crawl 1,2\r\nlru_crawler disable\r\nlru_crawler enable\r\nlru_crawler tocrawl 5\r\nlru_crawler crawl x\r\n",
	"lru tune 10 25 0.1 2\r\nlru mode flat\r\nlru temp_ttl 60\r\nset a 0 9 1\r\n1\r\nslabs reassign -1 2\r\nslabs automove 0\r\nslabs automove ratio 0x1p3\r\nextstore max_frag nan\r\nstats settings\r\n",
	"set a 5 100 5\r\nhello\r\nget a b\r\ngets a\r\n",
	"set n 0 0 2 noreply\r\n99\r\nincr n 1\r\ndecr n 5\r\nget n\r\n",
	"add a 0 0 1\r\nx\r\nreplace a 0 0 1\r\ny\r\nappend a 0 0 1\r\nz\r\nprepend a 0 0 1\r\nw\r\ncas a 0 0 1 7\r\nv\r\n",
	"mg k s v N30 t\r\nms k 2 T90 c k O1\r\nhi\r\nmd k I T30\r\nmg k v t\r\nms k 1 I C1\r\nx\r\nmd k x q\r\nmn\r\n",
	"ma n N0 J13 v\r\nma n MD D5 v t\r\nma n q\r\nme n\r\nms Zm9v 3 b k\r\nbar\r\nmg Zm9v b k v\r\n",
	"touch a 10\r\ngat 10 a\r\ngats 0 a b\r\ndelete a\r\ndelete a 0 noreply\r\nflush_all 10\r\nflush_all noreply\r\n",
	"stats\r\nstats settings\r\nstats detail on\r\nstats detail dump\r\nstats reset\r\nversion\r\nverbosity 1\r\ncache_memlimit 64\r\n",
	"debugtime 10\r\ndebugtime p\r\ndebugtime r\r\nmisbehave\r\nwatch\r\nlru tune 50 50 1 1\r\nslabs reassign 1 1\r\nlru_crawler sleep 2000000\r\n",
	"set a x 0 3\r\nabc\r\nset a 0 0 3\r\nabcd\r\nget\r\nfoo\r\n\r\n a\x00b\r\nGET / HTTP/1.1\r\n",
	"set big 0 0 20000\r\n" + strings.Repeat("0123456789", 2000) + "\r\nget big big\r\nappend big 0 0 1\r\nx\r\n",
	"get " + strings.Repeat("k ", 1100) + "\r\nget a " + strings.Repeat("k", 251) + "\r\n",
}

// replyStarts is how every line of a reply that is no data begins.
var replyStarts = strings.Fields("STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK RESET END ERROR CLIENT_ERROR SERVER_ERROR " +
	"VALUE VERSION STAT PREFIX HD VA EN NS NF EX MN ME Error ERROR: SERVER_ERROR: MEMLIMIT_TOO_SMALL MEMLIMIT_ADJUST_FAILED SAME BADCLASS NOSPARE NOTSTARTED BUSY CONFIG mg")

// wellFormed checks that a reply is lines that memcached could have sent, with
// the data that VALUE and VA announce.
func wellFormed(t *testing.T, reply string) {
	t.Helper()
	for rest := reply; rest != ""; {
		if strings.HasPrefix(rest, "key=") { // of a metadump, which has its own end of lines
			_, rest, _ = strings.Cut(rest, "\n")
			continue
		}
		line, after, ok := strings.Cut(rest, "\r\n")
		if !ok {
			t.Fatalf("no end of line in %.200q", rest)
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			t.Fatalf("an empty line before %.200q", after)
		}
		n := -1
		switch {
		case words[0] == "VALUE":
			n = number(t, strings.Split(line, " ")[3])
		case words[0] == "VA":
			n = number(t, words[1])
		case !isReply(words[0]):
			t.Fatalf("a reply of %.200q", line)
		}
		rest = after
		if n >= 0 {
			if len(rest) < n+2 || rest[n:n+2] != "\r\n" {
				t.Fatalf("no %d bytes of data behind %.200q", n, line)
			}
			rest = rest[n+2:]
		}
	}
}

func number(t *testing.T, s string) (n int) {
	t.Helper()
	for _, c := range s {
		if c < '0' || c > '9' {
			t.Fatalf("%q is no number", s)
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// isReply: numbers are what incr and decr answer.
func isReply(word string) bool {
	for _, start := range replyStarts {
		if word == start {
			return true
		}
	}
	return strings.Trim(word, "0123456789") == ""
}

// FuzzSession feeds anything in one piece, and again cut into pieces of two
// sizes: it never panics, what it answers is well formed, and it is the same.
func FuzzSession(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed), uint16(7), uint16(100), false)
		f.Add([]byte(seed), uint16(1), uint16(1), true)
	}
	rigs := fuzzRigs(f)
	f.Fuzz(func(t *testing.T, in []byte, first, second uint16, old bool) {
		if volatile(in) {
			return
		}
		compat := Compat1645
		if old {
			compat = Compat1618
		}
		r := rigs[compat]
		whole := r.play(t, in, len(in), len(in))
		wellFormed(t, strings.TrimSuffix(whole, "<EOF>"))
		cut := r.play(t, in, int(first), int(second))
		if whole != cut && !notBehind.Match(in) {
			t.Fatalf("in one:    %.1000q\nin pieces: %.1000q", whole, cut)
		}
	})
}

// notBehind finds what refuses to follow another request in one piece.
var notBehind = regexp.MustCompile(`watch|lru_crawler +m`)

// fuzzRigs are a server of either kind, by Compat.
func fuzzRigs(f *testing.F) (rigs [2]*rig) {
	for _, compat := range []Compat{Compat1645, Compat1618} {
		rigs[compat] = newRigOf(f, Config{Compat: compat, RelaxedPrivileges: true}, 8<<20, true)
	}
	return rigs
}

// volatile input makes replies depend on more than what was sent: lines without
// an end close the connection or do not, depending on what has come; memory
// limits change what fits.
func volatile(in []byte) bool {
	for _, line := range bytes.Split(in, []byte("\n")) {
		if len(line) > 2000 {
			return true
		}
	}
	return bytes.Contains(in, []byte("cache_memlimit"))
}

// play feeds in to an empty store, in alternating pieces, and returns the
// replies with tokens renumbered.
func (r *rig) play(t *testing.T, in []byte, first, second int) string {
	r.t = t
	r.restart()
	p := r.dial()
	defer p.close()
	var reply strings.Builder
	for size, next := max(first, 1), max(second, 1); len(in) > 0 && !p.closed; size, next = next, size {
		n := min(size, len(in))
		reply.WriteString(p.send(string(in[:n])))
		in = in[n:]
	}
	return casTokens{}.mask(statValue.ReplaceAllString(reply.String(), "$1"))
}

// statValue: what statistics say depends on what was done before.
var statValue = regexp.MustCompile(`(STAT \S+) [^\r]*`)

// restart empties the store and forgets what commands have set.
func (r *rig) restart() {
	s := r.server
	r.store.FlushAll()
	s.reset()
	s.flushSecond.Store(noFlush)
	s.oldestMS.Store(0)
	s.verbosity.Store(0)
	s.prefixes.enabled.Store(false)
	s.debugging.Store(false)
	s.clock.paused, s.clock.shiftMS, s.clock.frozenMS = false, 0, 0
	s.knobs.open(s.config.Settings)
	r.store.SetCrawler(s.config.Settings.LRUCrawler)
	r.tickUntilCrawled()
}

// FuzzDispatcher runs single command lines of either dialect: whatever the
// line, the session answers it or waits for data, and is in step afterwards.
func FuzzDispatcher(f *testing.F) {
	for _, seed := range fuzzSeeds {
		for _, line := range strings.SplitAfter(seed, "\n") {
			if len(line) < 200 {
				f.Add([]byte(line), false)
			}
		}
	}
	for i := range table {
		f.Add([]byte(table[i].name+" a 1 2 3 4\r\n"), true)
	}
	rigs := fuzzRigs(f)
	f.Fuzz(func(t *testing.T, line []byte, old bool) {
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		compat := Compat1645
		if old {
			compat = Compat1618
		}
		r := rigs[compat]
		r.t = t
		r.restart()
		s := r.server.Open(0, wire.Peer{}).(*session)
		defer s.Close(wire.ByPeer)
		out := &wire.Out{NowMS: startMS}
		n, next := s.Feed(append(line, '\n'), out)
		switch {
		case next == wire.Close, next == wire.Park:
			return
		case next != wire.More || n != len(line)+1:
			t.Fatalf("%d of %d bytes, next %d", n, len(line)+1, next)
		}
		switch s.state {
		case stateBody:
			for _, room := range s.Body(make([][]byte, 0, 1)) {
				clear(room)
				s.Filled(len(room), out)
			}
		case stateSkip, stateLine:
		default:
			t.Fatalf("state %d behind a whole line", s.state)
		}
	})
}
