package memcache

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
	codec "github.com/pandabeardb/panda/wire/memcache/binary"
)

var binarySeeds = []string{
	packetOf(codec.Set, storeExtras, "a", "hello") + packetOf(codec.GetK, noExtras, "a", "") + packetOf(codec.GetQ, noExtras, "b", "") + packetOf(codec.Noop, noExtras, "", ""),
	packetOf(codec.SetQ, storeExtras, "a", "") + packetOf(codec.Add, storeExtras, "a", "x") + packetOf(codec.Replace, storeExtras, "a", "y") + packetOf(codec.Append, noExtras, "a", "z") + packetOf(codec.PrependQ, noExtras, "a", "w"),
	packetOf(codec.Increment, plusOne, "n", "") + packetOf(codec.DecrementQ, plusOne, "n", "") + packetOf(codec.GATKQ, touchExtras, "n", "") + packetOf(codec.Touch, touchExtras, "n", "") + packetOf(codec.Delete, noExtras, "n", ""),
	packetOf(codec.Stat, noExtras, "", "") + packetOf(codec.Stat, noExtras, "settings", "") + packetOf(codec.Stat, noExtras, "items", "") + packetOf(codec.Stat, noExtras, "sizes", "") + packetOf(codec.Stat, noExtras, "reset", ""),
	packetOf(codec.Stat, noExtras, "detail on", "") + packetOf(codec.Set, storeExtras, "p:a", "v") + packetOf(codec.Stat, noExtras, "detail dump", "") + packetOf(codec.Version, noExtras, "", ""),
	packetOf(codec.FlushQ, touchExtras, "", "") + packetOf(codec.Flush, noExtras, "", "") + packetOf(0x1b, noExtras, "", "abc") + packetOf(0x30, noExtras, "abc", "") + packetOf(codec.Quit, noExtras, "", ""),
	packetOf(codec.Set, storeExtras, "big", strings.Repeat("0123456789", 2000)) + packetOf(codec.GetKQ, noExtras, "big", "") + packetOf(codec.GetKQ, noExtras, strings.Repeat("k", 251), ""),
	packetOf(codec.SASLList, noExtras, "", "") + packetOf(codec.SASLAuth, noExtras, "PLAIN", "\x00u\x00p") + packetOf(codec.SASLStep, noExtras, "PLAIN", "x"),
	packetOf(codec.Get, "\x00", "a", "") + packetOf(codec.Noop, noExtras, "", ""),
	packetOf(codec.Noop, noExtras, "", "") + packetOf(codec.Set, storeExtras, "last", "no byte follows"),
	packetOf(codec.Set, storeExtras, strings.Repeat("k", 300), "") + packetOf(codec.Noop, noExtras, "", ""),
	packetOf(codec.Set, storeExtras, strings.Repeat("k", 300), "")[:24+8+299],
	packetOf(0x40, noExtras, "", "swallowed") + packetOf(codec.Touch, touchExtras, "a", "taken for a request"),
	packetOf(codec.Stat, noExtras, "sizes_enable", "") + packetOf(codec.Stat, noExtras, "sizes", "") + packetOf(codec.SASLList, "\x00", "", ""),
}

// FuzzBinarySession feeds anything to a binary connection in one piece, and again
// cut into pieces of two sizes, bodies as netio would read them: it never panics,
// what it answers is well formed and the same, and it answers what was asked, which
// a second reading of the input says.
func FuzzBinarySession(f *testing.F) {
	for _, seed := range binarySeeds {
		f.Add([]byte(seed), uint16(7), uint16(100), false)
		f.Add([]byte(seed), uint16(1), uint16(1), true)
	}
	rigs := fuzzRigs(f)
	f.Fuzz(func(t *testing.T, in []byte, first, second uint16, old bool) {
		compat := Compat1645
		if old {
			compat = Compat1618
		}
		r := rigs[compat]
		whole := r.playBinary(t, in, len(in), len(in))
		packetsWellFormed(t, whole)
		asked, closed := packetsAsked(in, old)
		answersAsked(t, whole, asked, closed)
		if cut := r.playBinary(t, in, int(first), int(second)); whole != cut {
			t.Fatalf("in one:    %.1000q\nin pieces: %.1000q", whole, cut)
		}
	})
}

// playBinary feeds in to an empty store, in alternating pieces, and returns the
// replies with tokens renumbered and without what statistics say.
func (r *rig) playBinary(t *testing.T, in []byte, first, second int) string {
	r.t = t
	r.restart()
	p := &peer{r: r, session: r.server.OpenAs(ProtocolBinary, 0, wire.Peer{FD: 7, Network: "tcp"})}
	defer p.close()
	var reply strings.Builder
	room := make([][]byte, 0, 3)
	for size, next := max(first, 1), max(second, 1); len(in) > 0 && !p.closed; size, next = next, size {
		n := min(size, len(in))
		if len(p.unread) == 0 {
			for _, part := range p.session.Body(room[:0]) {
				c := copy(part, in[:n])
				p.session.Filled(c, &p.out)
				in, n = in[c:], n-c
				if n == 0 {
					break
				}
			}
			reply.WriteString(p.drain())
		}
		reply.WriteString(p.send(string(in[:n])))
		in = in[n:]
	}
	return maskPackets(reply.String())
}

// volatileStat finds the figures of statistics.
var volatileStat = regexp.MustCompile(`^[0-9.]+$`)

// maskPackets renumbers tokens, and drops the values of statistics.
func maskPackets(reply string) string {
	tokens := map[uint64]uint64{}
	var b strings.Builder
	for rest := reply; len(rest) > 0; {
		n := packetLen(rest)
		if n == 0 {
			b.WriteString(rest)
			break
		}
		packet := []byte(rest[:n])
		rest = rest[n:]
		if cas := binary.BigEndian.Uint64(packet[16:]); cas != 0 {
			if tokens[cas] == 0 {
				tokens[cas] = uint64(len(tokens) + 1)
			}
			binary.BigEndian.PutUint64(packet[16:], tokens[cas])
		}
		key := codec.HeaderLen + int(binary.BigEndian.Uint16(packet[2:]))
		if packet[1] == byte(codec.Stat) && volatileStat.Match(packet[key:]) {
			binary.BigEndian.PutUint32(packet[8:], uint32(key-codec.HeaderLen))
			packet = packet[:key]
		}
		b.Write(packet)
	}
	return b.String()
}

// packetLen is how long the reply is that text begins with; 0: it is none.
func packetLen(text string) int {
	if len(text) < codec.HeaderLen || text[0] != codec.ReplyMagic {
		return 0
	}
	n := codec.HeaderLen + int(binary.BigEndian.Uint32([]byte(text[8:12])))
	head := int(binary.BigEndian.Uint16([]byte(text[2:4]))) + int(text[4])
	if n > len(text) || codec.HeaderLen+head > n {
		return 0
	}
	return n
}

// packetsWellFormed checks that replies are whole, of known statuses, and of
// opcodes as they were asked for.
func packetsWellFormed(t *testing.T, reply string) {
	t.Helper()
	rest := strings.TrimSuffix(reply, "<EOF>")
	for len(rest) > 0 {
		n := packetLen(rest)
		if n == 0 {
			t.Fatalf("no reply in %.200q", rest)
		}
		status := codec.Status(binary.BigEndian.Uint16([]byte(rest[6:8])))
		if status > codec.OutOfMemory {
			t.Fatalf("status %#x", status)
		}
		if text := status.Text(); status != codec.Success && text == "" {
			t.Fatalf("status %#x", status)
		}
		rest = rest[n:]
	}
}

// askedPacket is a request, as packetsAsked reads it.
type askedPacket struct {
	opcode byte
	opaque uint32
	silent bool // it may go unanswered
}

// packetsAsked reads input as proto_bin.c does, apart from the code under test: its
// requests as far as they have come, and whether the connection ends behind them.
func packetsAsked(in []byte, old bool) (list []askedPacket, closed bool) {
	for len(in) >= 24 {
		if in[0] != 0x80 {
			return list, true
		}
		opcode, extras, key := in[1], int(in[4]), int(in[2])<<8|int(in[3])
		body := int(binary.BigEndian.Uint32(in[8:]))
		if len(in) < 24+extras+key {
			return list, false
		}
		a := askedPacket{opcode: opcode, opaque: binary.BigEndian.Uint32(in[12:])}
		if opcode == 0x10 && slices.ContainsFunc(list, func(b askedPacket) bool { return b.opcode == opcode && b.opaque == a.opaque }) {
			a.silent = true // nothing tells its replies from the other's
		}
		in = in[24+extras+key:]
		shape, known := packetShapes[opcode]
		value := int(int32(body - extras - key))
		switch {
		case extras+key > body || body > 1<<30 && !old || key > 250:
			return append(list, a), true
		case !known:
			value = int(int32(body))
		case !shape.fits(extras, key, body):
			return append(list, a), true
		case shape.value == 'u':
			value = 0
		}
		a.silent = a.silent || shape.quiet
		if known && value > len(in) && shape.value == 's' {
			a.silent = true // it waits, or it was refused already
		}
		list = append(list, a)
		if opcode == 0x07 || opcode == 0x17 {
			return list, true
		}
		in = in[min(max(value, 0), len(in)):]
	}
	return list, false
}

// packetShape is what lengths an opcode's requests have.
type packetShape struct {
	extras int
	bare   bool // or none
	key    byte // y: always, n: never, e: either
	value  byte // n: never, s: stored, w: swallowed, u: taken for the next request
	quiet  bool
}

func (s *packetShape) fits(extras, key, body int) bool {
	return (extras == s.extras || extras == 0 && s.bare) && (s.key == 'e' || key > 0 == (s.key == 'y')) && (s.value != 'n' || body == extras+key)
}

var packetShapes = func() map[byte]packetShape {
	get, gat, store, join := packetShape{key: 'y', value: 'n'}, packetShape{extras: 4, key: 'y', value: 'u'}, packetShape{extras: 8, key: 'y', value: 's'}, packetShape{key: 'y', value: 's'}
	number, bare, sasl := packetShape{extras: 20, key: 'y', value: 'n'}, packetShape{key: 'n', value: 'n'}, packetShape{key: 'y', value: 'w'}
	flush := packetShape{extras: 4, bare: true, key: 'n', value: 'n'}
	m := map[byte]packetShape{
		0x00: get, 0x0c: get, 0x04: get, 0x1d: gat, 0x23: gat, 0x1c: gat, 0x01: store, 0x02: store, 0x03: store, 0x0e: join, 0x0f: join,
		0x05: number, 0x06: number, 0x08: flush, 0x07: bare, 0x0a: bare, 0x0b: bare, 0x20: bare, 0x10: {key: 'e', value: 'u'}, 0x21: sasl, 0x22: sasl,
	}
	for quiet, loud := range map[byte]byte{
		0x09: 0x00, 0x0d: 0x0c, 0x14: 0x04, 0x1e: 0x1d, 0x24: 0x23, 0x11: 0x01, 0x12: 0x02, 0x13: 0x03, 0x19: 0x0e, 0x1a: 0x0f, 0x15: 0x05, 0x16: 0x06, 0x17: 0x07, 0x18: 0x08,
	} {
		shape := m[loud]
		shape.quiet = true
		m[quiet] = shape
	}
	return m
}()

// answersAsked checks that replies are those to the requests, in their order, each
// once, but of statistics any number. Where opaques are alike a reply may be to one
// of several: all that can be are followed.
func answersAsked(t *testing.T, reply string, asked []askedPacket, closed bool) {
	t.Helper()
	rest, ended := strings.CutSuffix(reply, "<EOF>")
	if ended != closed {
		t.Fatalf("closed is %v, want %v: %+v", ended, closed, asked)
	}
	const askedMax = 300 // more would take seconds, and tell nothing new
	if len(asked) > askedMax {
		return
	}
	answered := make([]bool, len(asked)+1) // i: the last reply can have been to the request before i
	answered[0] = true
	for ; len(rest) > 0; rest = rest[packetLen(rest):] {
		answers := func(a *askedPacket) bool {
			return a.opcode == rest[1] && a.opaque == binary.BigEndian.Uint32([]byte(rest[12:16]))
		}
		next := make([]bool, len(asked)+1)
		for i, can := range answered {
			if !can {
				continue
			}
			next[i] = next[i] || i > 0 && asked[i-1].opcode == 0x10 && answers(&asked[i-1])
			for at := i; at < len(asked) && (at == i || asked[at-1].silent); at++ {
				next[at+1] = next[at+1] || answers(&asked[at])
			}
		}
		if answered = next; !slices.Contains(answered, true) {
			t.Fatalf("not the next reply: %.100q", rest)
		}
	}
	for i := len(asked); !answered[i]; i-- {
		if !asked[i-1].silent {
			t.Fatalf("%+v is not answered", asked[i-1])
		}
	}
}
