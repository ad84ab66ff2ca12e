package compat

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// A packet is a request of the binary protocol. Its header says how long the
// parts are, unless it lies.
type packet struct {
	opcode             byte
	extras, key, value string // with places for keys' prefix in the key
	token              string // the CAS: a number, or a place for one
	opaque             uint32
	lie                func(header []byte) // changes the header; nil: nothing
}

const headerSize = 24 // of a request, and of a reply

// Offsets in the header.
const (
	atKeyLength = 2  // 2 bytes
	atExtras    = 4  // 1
	atStatus    = 6  // 2, of a reply
	atBody      = 8  // 4
	atOpaque    = 12 // 4
	atCAS       = 16 // 8
)

func (p packet) bytes(prefix string, tokens []string) []byte {
	key := strings.ReplaceAll(p.key, keyPrefix, prefix)
	h := make([]byte, headerSize)
	h[0], h[1], h[atExtras] = 0x80, p.opcode, byte(len(p.extras))
	binary.BigEndian.PutUint16(h[atKeyLength:], uint16(len(key)))
	binary.BigEndian.PutUint32(h[atBody:], uint32(len(p.extras)+len(key)+len(p.value)))
	binary.BigEndian.PutUint32(h[atOpaque:], p.opaque)
	if n, err := strconv.ParseUint(withTokens(p.token, tokens), 10, 64); err == nil {
		binary.BigEndian.PutUint64(h[atCAS:], n)
	}
	if p.lie != nil {
		p.lie(h)
	}
	return []byte(string(h) + p.extras + key + p.value)
}

// readBuffer is the original's, in which a header, extras and key must be at
// once. // READ_BUFFER_SIZE
const readBuffer = 16384

// hasEndlessKey reports whether a packet of the burst announces more than that.
func (b burst) hasEndlessKey() bool {
	return b.hasHeader(func(_ byte, key, extras, _ int) bool { return headerSize+key+extras > readBuffer })
}

// hasLongStat reports whether a packet of the burst is a stat with more than a
// key.
func (b burst) hasLongStat() bool {
	return b.hasHeader(func(opcode byte, key, _, body int) bool { return opcode == opStat && body > key })
}

// hasHeader looks for a header.
func (b burst) hasHeader(is func(opcode byte, key, extras, body int) bool) bool {
	return slices.ContainsFunc(b.commands, func(c command) bool {
		h := c.bytes("", nil)
		return b.binary && len(h) >= headerSize && is(h[1], int(binary.BigEndian.Uint16(h[atKeyLength:])),
			int(h[atExtras]), int(binary.BigEndian.Uint32(h[atBody:])))
	})
}

const (
	opGet, opSet, opAdd, opReplace, opDelete = 0x00, 0x01, 0x02, 0x03, 0x04
	opIncr, opDecr, opQuit, opFlush          = 0x05, 0x06, 0x07, 0x08
	opGetQ, opNoop, opVersion, opGetK        = 0x09, 0x0a, 0x0b, 0x0c
	opGetKQ, opAppend, opPrepend, opStat     = 0x0d, 0x0e, 0x0f, 0x10
	opSetQ, opAddQ, opReplaceQ, opDeleteQ    = 0x11, 0x12, 0x13, 0x14
	opIncrQ, opDecrQ, opQuitQ, opFlushQ      = 0x15, 0x16, 0x17, 0x18
	opAppendQ, opPrependQ, opTouch, opGAT    = 0x19, 0x1a, 0x1c, 0x1d
	opGATQ, opListMechs, opAuth, opAuthStep  = 0x1e, 0x20, 0x21, 0x22
	opGATK, opGATKQ                          = 0x23, 0x24
)

// binaryBurst is a pipeline of packets, often of quiet ones.
func (g generator) binaryBurst() burst {
	b := burst{binary: true}
	quiet := g.often(40)
	read := false
	for range 1 + g.IntN(12) {
		p := g.packet(quiet)
		switch p.opcode {
		case opGet, opGetQ, opGetK, opGetKQ, opTouch, opGAT, opGATQ, opGATK, opGATKQ:
			read = true
		case opIncr, opIncrQ, opDecr, opDecrQ:
			if read {
				continue // whether it changes the item in place depends on the replies that hold it still
			}
		}
		if g.often(5) {
			g.damage(&p)
		}
		b.commands = append(b.commands, p)
	}
	return g.cutting(b)
}

// op picks one of some opcodes, the first half loud, the others their quiet
// sisters.
func (g generator) op(quiet bool, opcodes ...byte) byte {
	loud := len(opcodes) / 2
	if quiet && g.often(80) || g.often(15) {
		return opcodes[loud+g.IntN(len(opcodes)-loud)]
	}
	return opcodes[g.IntN(loud)]
}

func (g generator) packet(quiet bool) packet {
	p := packet{opaque: g.Uint32()}
	switch n := g.IntN(100); {
	case n < 26:
		p.opcode = g.op(quiet, opSet, opSet, opAdd, opReplace, opSetQ, opSetQ, opAddQ, opReplaceQ)
		p.extras = g.binaryFlags() + g.expiry()
		p.key, p.value, p.token = g.binaryKey(), g.value(), g.binaryToken(30)
	case n < 46:
		p.opcode = g.op(quiet, opGet, opGetK, opGetQ, opGetKQ)
		p.key = g.binaryKey()
	case n < 58:
		p.opcode = g.op(quiet, opIncr, opDecr, opIncrQ, opDecrQ)
		p.extras = g.uint64(0, 1, 5, 10, 1<<63, 1<<64-1) + g.uint64(0, 0, 7, 100, 1<<64-1) + g.expiry()
		p.key, p.token = g.binaryKey(), g.binaryToken(5)
	case n < 66:
		p.opcode = g.op(quiet, opAppend, opPrepend, opAppendQ, opPrependQ)
		p.key, p.value, p.token = g.binaryKey(), g.value(), g.binaryToken(20)
	case n < 73:
		p.opcode = g.op(quiet, opDelete, opDeleteQ)
		p.key, p.token = g.binaryKey(), g.binaryToken(20)
	case n < 84:
		p.opcode = g.op(quiet, opTouch, opGAT, opGATK, opGATQ, opGATKQ, opGATKQ)
		p.extras, p.key = g.expiry(), g.binaryKey()
	case n < 90:
		p.opcode = opNoop
	default:
		g.seldom(&p, quiet)
	}
	return p
}

// seldom are the packets that have nothing to do with items.
func (g generator) seldom(p *packet, quiet bool) {
	switch g.IntN(8) {
	case 0:
		p.opcode = opVersion
	case 1:
		p.opcode = g.op(quiet, opFlush, opFlushQ)
		p.extras = g.of("", "\x00\x00\x00\x00")
	case 2:
		p.opcode = g.op(quiet, opQuit, opQuitQ)
	case 3, 4: // the counters are nothing that two servers have alike
		p.opcode = opStat
		p.key = g.of("settings", "foo", "detail", "detail foo", "detail off", "detail  off", "detail on", "detailed", "Settings", "settingsx",
			strings.Repeat("s", 250), "\x00", "reset", "detail dump")
		if p.key == "settings" && g.often(10) {
			p.value = "value"
		}
	case 5:
		p.opcode = [...]byte{opListMechs, opAuth, opAuthStep}[g.IntN(3)]
		if p.opcode != opListMechs {
			p.key, p.value = g.of("PLAIN", "x", ""), g.of("\x00user\x00word", "")
		}
	default:
		p.opcode = [...]byte{0x1b, 0x1f, 0x25, 0x30, 0x31, 0x3c, 0x3d, 0x40, 0x41, 0x7f, 0x80, 0xff}[g.IntN(12)]
		if g.often(30) { // the original passes over more than the body then
			p.key = g.binaryKey()
		}
	}
}

// binaryKey is text's, but that a key may have any byte.
func (g generator) binaryKey() string {
	switch n := g.IntN(200); {
	case n < 190:
		return g.key()
	case n < 194:
		return keyPrefix + g.of("a b", "\x00", "\r\n", "\x80\n", " ")
	case n < 198:
		return strings.Repeat("K", 248+g.IntN(6))
	case n == 198:
		return strings.Repeat("K", 251+g.IntN(1500))
	default:
		return strings.Repeat("K", 20_000+g.IntN(40_000))
	}
}

// value is text's body, but that its end needs no sign.
func (g generator) value() string {
	_, data := g.body()
	return strings.TrimSuffix(data, "\r\n")
}

func (g generator) binaryFlags() string {
	return g.uint32(0, 0, 1, 5, 65535, 305419896, 1<<32-1)
}

// expiry never comes while the test looks on.
func (g generator) expiry() string {
	return g.uint32(0, 0, 0, 1000, 50000, 1<<32-1, 2592000, 2592001, 2000000000, 1<<31)
}

func (g generator) uint32(good ...uint32) string {
	return string(binary.BigEndian.AppendUint32(nil, good[g.IntN(len(good))]))
}

func (g generator) uint64(good ...uint64) string {
	return string(binary.BigEndian.AppendUint64(nil, good[g.IntN(len(good))]))
}

// binaryToken is a CAS token in some of 100.
func (g generator) binaryToken(percent int) string {
	if !g.often(percent) {
		return "0"
	}
	return g.token()
}

// damage makes a packet one that should not be.
func (g generator) damage(p *packet) {
	a, b := g.IntN(256), g.Uint32()
	switch g.IntN(11) {
	case 0:
		p.lie = func(h []byte) { h[0] = byte(a) }
	case 1:
		p.lie = func(h []byte) { h[1] = byte(a) }
	case 2: // looked at by nobody: the data type, the vbucket
		p.lie = func(h []byte) { h[5], h[6], h[7] = byte(a), byte(b), byte(b>>8) }
	case 3:
		p.lie = func(h []byte) { h[atExtras] = byte(a) }
	case 4:
		p.lie = func(h []byte) { h[atExtras] += byte(1 + a%3 - 4*(a&4)>>2) }
	case 5:
		p.lie = func(h []byte) { h[atKeyLength+1] += byte(1 + a%3 - 4*(a&4)>>2) }
	case 6:
		p.lie = func(h []byte) { h[atBody+3] += byte(1 + a%3 - 4*(a&4)>>2) }
	case 7:
		length := [...]uint32{0, 1, 7, 8, 24, 1000, 1_048_576, 1 << 30, 1<<30 + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, b}[a%13]
		p.lie = func(h []byte) { binary.BigEndian.PutUint32(h[atBody:], length) }
	case 8:
		p.extras += g.of("\x00", "\x00\x00\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("e", 200))
	case 9:
		p.extras = p.extras[:len(p.extras)/2]
		p.value += g.of("", "v")
	default:
		p.key = g.of("", p.key)
		p.value += g.of("", "v", "\x80", strings.Repeat("\x80", 30))
	}
}

// A begun packet is one whose client went away within it.
type begun struct {
	packet
	share float64 // of it that was sent
}

func (p begun) bytes(prefix string, tokens []string) []byte {
	all := p.packet.bytes(prefix, tokens)
	return all[:int(p.share*float64(len(all)))]
}
