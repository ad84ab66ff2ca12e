package memcache

import (
	"encoding/binary"
	"regexp"
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
}

// FuzzBinarySession feeds anything to a binary connection in one piece, and again
// cut into pieces of two sizes, bodies as netio would read them: it never panics,
// what it answers is well formed, and it is the same.
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
