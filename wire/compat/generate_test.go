package compat

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// A script is what one sequence of the differential test sends: bursts, each
// on a connection of its own, one after the other.
type script []burst

// A burst is a pipeline of commands, and how it is cut into writes.
type burst struct {
	commands []command
	cuts     uint64 // seed of the cuts; 0: one write
	binary   bool   // all packets; otherwise all lines
}

// A command is a request with places: \x1e for the prefix that keeps a sequence's
// keys apart from all others', and \x1fN; for the Nth last CAS token that the
// server has shown in this sequence.
type command interface {
	bytes(prefix string, tokens []string) []byte
}

const keyPrefix = "\x1e"

var tokenPlace = regexp.MustCompile("\x1f(\\d+);")

// A line is a command of the text protocol, with its data block.
type line string

func (l line) bytes(prefix string, tokens []string) []byte {
	return []byte(withTokens(strings.ReplaceAll(string(l), keyPrefix, prefix), tokens))
}

// withTokens puts CAS tokens at their places.
func withTokens(text string, tokens []string) string {
	return tokenPlace.ReplaceAllStringFunc(text, func(place string) string {
		n, _ := strconv.Atoi(strings.Trim(place, "\x1f;"))
		if n >= len(tokens) {
			return "1"
		}
		return tokens[len(tokens)-1-n]
	})
}

// bytes is what a burst sends to a server that showed tokens.
func (b burst) bytes(prefix string, tokens []string) []byte {
	var out bytes.Buffer
	for _, c := range b.commands {
		out.Write(c.bytes(prefix, tokens))
	}
	return out.Bytes()
}

// A generator makes the script of a seed.
type generator struct {
	*rand.Rand
	version version
}

func generate(seed uint64, v version) script {
	g := generator{rand.New(rand.NewPCG(seed, 1)), v}
	var s script
	for range 1 + g.IntN(6) {
		if g.often(40) {
			s = append(s, g.binaryBurst())
		} else {
			s = append(s, g.textBurst())
		}
	}
	return s
}

var (
	arithmetic = regexp.MustCompile(`^ *(incr|decr|ma)\b`)
	holding    = map[version]*regexp.Regexp{ // what holds an item until its reply is sent
		v1618: regexp.MustCompile(`^ *mg\b`),
		v1645: regexp.MustCompile(`^ *(gets?|gats?|mg)\b`),
	}
)

func (g generator) textBurst() burst {
	switch g.IntN(50) { // alone and uncut: what depends on what was read with it, or makes the original forget replies
	case 0, 1:
		return texts(g.longLine())
	case 2:
		return texts(g.of("get ", "gets ", "gat 0 ")+g.of("", keyPrefix+"a ")+strings.Repeat("K", 251+g.IntN(20))+g.eol(), g.text())
	case 3:
		return texts(g.of("mg - q", "mg - v", "version", "delete "+keyPrefix+"a noreply") + "\r\nlru_crawler " +
			g.of("metadump all", "metadump hash", "metadump 1", "metadump x", "mgdump all", "mgdump hash") + "\r\n")
	case 4:
		return texts(g.of("GET / HTTP/1.1", "foo HTTP/1.0", "get HTTP/", "a HTTP/1.1 b")+g.eol(), g.text())
	}
	var b burst
	read := false
	for range 1 + g.IntN(12) {
		text := g.command()
		if read && arithmetic.MatchString(text) {
			continue // whether it changes the item in place depends on the replies that hold it still
		}
		read = read || holding[g.version].MatchString(text)
		b.commands = append(b.commands, line(text))
	}
	return g.cutting(b)
}

// texts is a burst of text in one write.
func texts(all ...string) (b burst) {
	for _, text := range all {
		b.commands = append(b.commands, line(text))
	}
	return b
}

// cutting says how a burst is written, and whether the client goes away in the
// middle of its last request.
func (g generator) cutting(b burst) burst {
	if g.IntN(2) == 0 {
		b.cuts = 1 + g.Uint64N(1<<40)
	}
	if g.IntN(12) == 0 {
		last := len(b.commands) - 1
		switch c := b.commands[last].(type) {
		case line: // without the places filled in: two servers' tokens are not of one length
			b.commands[last] = c[:g.IntN(max(len(c), 1))]
		case packet:
			b.commands[last] = begun{c, g.Float64()}
		}
	}
	return b
}

// of picks one of some texts.
func (g generator) of(texts ...string) string { return texts[g.IntN(len(texts))] }

// often is true n times in 100.
func (g generator) often(n int) bool { return g.IntN(100) < n }

// undamaged is what stays whole: what is left of it may be stats, which nobody
// answers alike, a walk over all items, which takes the original its time, or a
// reassignment of pages that only one of two servers has.
var undamaged = regexp.MustCompile(`^(stats|lru_crawler|slabs)`)

func (g generator) command() string {
	text := g.text()
	if g.often(4) && !undamaged.MatchString(text) {
		text = g.mutate(text)
	}
	return text
}

func (g generator) text() string {
	switch n := g.IntN(100); {
	case n < 24:
		return g.store()
	case n < 36:
		return g.retrieve()
	case n < 50:
		return g.change()
	case n < 66:
		return g.metaGet()
	case n < 78:
		return g.metaSet()
	case n < 90:
		return g.metaChange()
	case n < 95:
		return g.admin()
	default:
		return g.garbage()
	}
}

// key is one of a few, so that commands meet; rarely a bad or a long one.
func (g generator) key() string {
	switch n := g.IntN(100); {
	case n < 90:
		return keyPrefix + g.of("a", "b", "c", "n", "m")
	case n < 93:
		return keyPrefix + strings.Repeat("k", 150+g.IntN(110)) // around 250 with the prefix
	case n < 94:
		return strings.Repeat("K", 251+g.IntN(5))
	case n < 96:
		return keyPrefix + g.of("\x01", "\xff\xfe", "\t", "é", "%20", "\"")
	case n < 97:
		return ""
	default:
		return keyPrefix + "x"
	}
}

// number is mostly a good one.
func (g generator) number(good ...string) string {
	if g.often(93) {
		return g.of(good...)
	}
	return g.of("-1", "x", "1x", "0x10", "+1", "007", "1.5", "", "4294967295", "4294967296", "2147483647", "2147483648",
		"18446744073709551615", "18446744073709551616", "99999999999999999999999", "-99999999999999999999", "--1", "1e3")
}

// ttl never runs out while the test looks on.
func (g generator) ttl() string {
	text := g.number("0", "0", "1000", "50000", "-1", "2592000", "2592001", "2000000000")
	if text == "+1" || text == "007" {
		text += "000"
	}
	return text
}

func (g generator) flags() string { return g.number("0", "0", "1", "5", "65535", "4294967295") }

func (g generator) token() string {
	if g.often(80) {
		return fmt.Sprintf("\x1f%d;", g.IntN(4))
	}
	return g.number("0", "1", "99999999", "18446744073709551615")
}

func (g generator) eol() string {
	if g.often(96) {
		return "\r\n"
	}
	return g.of("\n", "\r\r\n", " \r\n", "  \n")
}

// noReply is often there, and sometimes not quite.
func (g generator) noReply() string {
	switch n := g.IntN(100); {
	case n < 80:
		return ""
	case n < 95:
		return " noreply"
	default:
		return g.of(" noreply ", " noreplY", " noreply x", " x", " 0", " 0 noreply")
	}
}

// body is a data block and its announced length.
func (g generator) body() (length, data string) {
	if g.often(35) {
		data = g.number("0", "1", "9", "10", "99", "100", "18446744073709551615", "007", " 5", "5 ")
		if g.often(8) {
			// Long enough to lie in pieces, and still a number. It has line ends in
			// case that it is taken for commands.
			data += strings.Repeat(strings.Repeat(" ", 498)+"\r\n", 33+g.IntN(40))
		}
	} else {
		n := g.IntN(20)
		switch r := g.IntN(200); {
		case r < 16:
			n = g.IntN(3000)
		case r < 19:
			n = g.IntN(40000)
		case r == 24:
			n = 1048100 + g.IntN(600) // the largest item lies here
		case r == 25:
			n = 500000 + g.IntN(60000)
		}
		data = g.filler(n)
	}
	length = fmt.Sprint(len(data))
	switch r := g.IntN(200); {
	case r < 4:
		length = fmt.Sprint(len(data) + 1 + g.IntN(3))
	case r < 8:
		length = fmt.Sprint(max(0, len(data)-1-g.IntN(3)))
	case r < 10:
		length = g.number("-1", "2147483647", "2147483646", "2147483645", "99999999", "1048577")
	case r < 12:
		length = g.of("x", "1x", "", "-0", "+1", "007", "99999999999999999999")
	}
	return length, data + g.of("\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "xx\r\n")
}

// filler is n bytes, with line ends among them.
func (g generator) filler(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789 \r\n"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[g.IntN(len(letters))]
	}
	return string(b)
}

func (g generator) store() string {
	name := g.of("set", "set", "set", "set", "add", "replace", "append", "prepend", "cas", "cas")
	length, data := g.body()
	line := name + " " + g.key() + " " + g.flags() + " " + g.ttl() + " " + length
	if name == "cas" {
		line += " " + g.token()
	}
	return line + g.noReply() + g.eol() + data
}

func (g generator) retrieve() string {
	line := g.of("get", "get", "gets", "gets", "gat", "gats")
	if line[1] == 'a' {
		line += " " + g.ttl()
	}
	keys := 1 + g.IntN(4)
	if g.often(3) {
		keys = 30
	}
	for range keys {
		key := g.key()
		if len(key) > 200 { // too long perhaps: the original then forgets earlier replies (see burst)
			key = keyPrefix + "a"
		}
		line += " " + key
	}
	return line + g.eol()
}

func (g generator) change() string {
	switch g.IntN(4) {
	case 0:
		return "delete " + g.key() + g.noReply() + g.eol()
	case 1:
		return "touch " + g.key() + " " + g.ttl() + g.noReply() + g.eol()
	default:
		return g.of("incr ", "decr ") + g.key() + " " + g.number("0", "1", "5", "10", "100", "18446744073709551615") + g.noReply() + g.eol()
	}
}

// metaFlags picks some flags, each at most once unless it happens.
func (g generator) metaFlags(likely string) string {
	var out strings.Builder
	for range g.IntN(6) {
		flag := likely[g.IntN(len(likely))]
		if g.often(2) {
			flag = "bcCEFIkOqsTMNPLvthlfuxDJRS!V-0"[g.IntN(30)]
		}
		out.WriteString(" " + string(flag) + g.metaArgument(flag))
	}
	return out.String()
}

func (g generator) metaArgument(flag byte) string {
	switch flag {
	case 'O':
		if g.often(5) {
			return strings.Repeat("o", 29+g.IntN(5))
		}
		return g.of("1", "abc", "", "opaque")
	case 'T', 'N':
		return g.ttl()
	case 'R':
		return g.number("10", "30", "40000")
	case 'C':
		return g.token()
	case 'E':
		return g.number("100", "77777", "88888")
	case 'F':
		return g.flags()
	case 'D', 'J':
		return g.number("0", "1", "7", "100", "18446744073709551615")
	case 'M':
		return g.of("S", "E", "A", "P", "R", "I", "D", "i", "d", "s", "e", "a", "p", "r", "+", "-", "", "X", "SET")
	case 'S':
		return g.number("1", "2")
	case 'P', 'L':
		return g.of("", "1", "x")
	}
	if g.often(1) {
		return "x"
	}
	return ""
}

func (g generator) metaGet() string {
	return "mg " + g.key() + g.metaFlags("vvvvtlhfcskkOqqNRTub") + g.eol()
}

func (g generator) metaSet() string {
	length, data := g.body()
	return "ms " + g.key() + " " + length + g.metaFlags("ccCFFIkOqTTMMb") + g.eol() + data
}

func (g generator) metaChange() string {
	switch g.IntN(10) {
	case 0, 1, 2:
		return "md " + g.key() + g.metaFlags("CIIkOqTTbx") + g.eol()
	case 3:
		return "mn" + g.eol()
	default:
		return "ma " + g.key() + g.metaFlags("vvNNJDDMMcTqkOtCb") + g.eol()
	}
}

func (g generator) admin() string {
	return g.of("version", "verbosity 1", "verbosity", "verbosity 0 noreply", "flush_all", "flush_all 0", "flush_all noreply",
		"flush_all -1", "flush_all x", "stats foo", "stats detail", "stats detail foo", "stats detail off", "quit", "quit noreply",
		"shutdown", "misbehave", "mn", "version x", "me "+g.key(), "me "+keyPrefix+"a",
		g.lru(), g.lru(), g.slabs(), g.slabs(), g.crawler(), g.crawler(), g.extstore()) + g.eol()
}

func (g generator) fraction() string {
	return g.number("0.1", "0.8", "2", "1e-3", ".5", "5.", "0x1p-2", "inf", "nan", "-0.5", "0", "0.1e", "1e999", "0.12345678901234567890123456789", "+.5")
}

// lru sets what no reply depends on: what is evicted is not looked at here.
func (g generator) lru() string {
	return "lru" + g.of("", " x", " tune "+g.number("10", "20", "40", "80")+" "+g.number("25", "40", "41")+" "+g.fraction()+" "+g.fraction(),
		" tune 10 25 0.1", " mode "+g.of("flat", "segmented", "f", "x", ""), " mod flat", " temp_ttl "+g.number("60", "0", "-1"), " temp_ttl") + g.noReply()
}

func (g generator) slabs() string {
	return "slabs" + g.of("", " x", " reassign 1 1", " reassign -1 -1", " reassign "+g.number("1", "99")+" 99", " reassign 99", " reassign x y", " r 2 2",
		" automove "+g.number("0", "1", "2", "3"), " automove ratio "+g.fraction(), " automove freeratio "+g.fraction(),
		" automove window "+g.number("2", "3", "30", "1800", "1801"), " automove", " automove ratio") + g.noReply()
}

// crawler starts nothing, for the original does one thing at a time, and does not
// enable a crawler, see differential.
func (g generator) crawler() string {
	return "lru_crawler" + g.of("", " x", " disable", " d", " disable x", " sleep "+g.of("0", "10", "1000001", "x", "-1"), " tocrawl "+g.number("0", "1", "1000"),
		" tocrawl", " sleep 0 0", " crawl 0", " crawl 64", " crawl x", " crawl 1,x", " crawl ,", " crawl", " crawl 1 2",
		" metadump", " metadump all all", " mgdump all 1", " m all x")
}

func (g generator) extstore() string {
	return "extstore" + g.of("", " x", " x 1", " item_size", " "+g.of("item_size", "item_age", "low_ttl", "recache_rate", "compact_under", "drop_under",
		"max_sleep", "drop_unread", "item_s", "max")+" "+g.number("0", "1", "512"), " max_frag "+g.fraction(), " free_memchunks "+g.number("1", "63", "64")+" "+g.number("1"),
		" free_memchunks 1") + g.noReply()
}

func (g generator) garbage() string {
	switch g.IntN(7) {
	case 0:
		return g.eol()
	case 1:
		return g.of("GET a", "ge", "getx a", "foo bar noreply", " ", "m", "mx a", "mgx", "set", "get", "gets", "gat", "gat 0", "cas", "incr", "touch", "delete", "ms", "mg", "md", "ma", "me") + g.eol()
	case 2:
		b := make([]byte, g.IntN(60))
		for i := range b {
			b[i] = byte(g.IntN(256))
		}
		return "x" + strings.ReplaceAll(strings.ReplaceAll(string(b), keyPrefix, "x"), "\x1f", "x") + g.eol()
	case 3:
		return "get " + keyPrefix + "a\x00" + g.of("", "b", " b") + g.eol()
	case 4:
		return strings.Repeat(g.of("z", "get ", "set 1 "), 1+g.IntN(300)) + g.eol()
	default:
		return "set " + keyPrefix + "a 0 0 " + g.of("2147483647", "99999999999", "-5", "10000000") + g.eol()
	}
}

// longLine is a line around or above 2,048 bytes, whole.
func (g generator) longLine() string {
	n := 2000 + g.IntN(100)
	if g.often(50) {
		n = 2000 + g.IntN(6000)
	}
	return g.of("", "get ", "gets ", "mg ", "set ", "   get ", "gat 0 ") + strings.Repeat("z", n) + g.of("", "\r\n", "\r\n", "\nmn\r\n")
}

// mutate damages a command a little.
func (g generator) mutate(text string) string {
	if len(text) == 0 {
		return text
	}
	i := g.IntN(min(len(text), 80))
	switch g.IntN(4) {
	case 0:
		return text[:i] + text[i+1:]
	case 1:
		return text[:i] + g.of(" ", "  ", "\r", "\n", "\x00", "-", "9", "\t", "\x81") + text[i:]
	case 2:
		return text[:i] + text[i:min(len(text), i+3)] + text[i:]
	default:
		return text[:i] + g.of(" ", "0", "a", "\xff", "\n") + text[i+1:]
	}
}
