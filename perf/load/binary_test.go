package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

// packet is a reply of the binary protocol.
func packet(opcode byte, status uint16, opaque uint32, extras, key, value string) string {
	b := make([]byte, headerLen)
	b[0], b[1], b[4] = magicReply, opcode, byte(len(extras))
	binary.BigEndian.PutUint16(b[2:], uint16(len(key)))
	binary.BigEndian.PutUint16(b[6:], status)
	binary.BigEndian.PutUint32(b[8:], uint32(len(extras)+len(key)+len(value)))
	binary.BigEndian.PutUint32(b[opaqueAt:], opaque)
	return string(b) + extras + key + value
}

const noFlags = "\x00\x00\x00\x00"

func hitOf(opaque uint32, key int, named bool) string {
	name, opcode := "", byte(opGet)
	if named {
		name, opcode = fmt.Sprintf("key:%08d", key), opGetKeyQ
	}
	return packet(opcode, 0, opaque, noFlags, name, fmt.Sprintf("%08dij", key))
}

func TestBinaryReplies(t *testing.T) {
	get, set := Config{Binary: true, ValueSize: 10}, Config{Binary: true, ValueSize: 10, SetShare: 1}
	quiet := func(c Config) Config { c.Depth = 3; return c }
	noop := packet(opNoop, 0, 3, "", "", "")
	for _, c := range []replyCase{
		{"hit", get, hitOf(0, 0, false), Result{Requests: 1, Hits: 1}},
		{"miss", get, packet(opGet, 1, 0, "", "", "Not found"), Result{Requests: 1, Misses: 1}},
		{"stored", set, packet(opSet, 0, 0, "", "", ""), Result{Requests: 1, Stores: 1}},
		{"no memory", set, packet(opSet, 0x82, 0, "", "", "Out of memory"), Result{Requests: 1, Errors: 1}},
		{"quiet hits", quiet(get), hitOf(0, 0, true) + hitOf(2, 2, true) + noop, Result{Requests: 3, Hits: 2, Misses: 1}},
		{"quiet misses", quiet(get), noop, Result{Requests: 3, Misses: 3}},
		{"quiet sets", quiet(set), packet(opSetQ, 0x82, 1, "", "", "Out of memory") + noop, Result{Requests: 3, Stores: 2, Errors: 1}},
	} {
		for cut := range len(c.reply) {
			s := newTestStream(t, c.load)
			s.batch(max(c.load.Depth, 1), 0)
			n, err := s.replies([]byte(c.reply[:cut]), 5)
			if err == nil {
				_, err = s.replies([]byte(c.reply[n:]), 5)
			}
			s.counts.Latency = nil
			if err != nil || s.counts != c.want || s.outstanding() != 0 {
				t.Fatalf("%s, cut at %d: %+v, %d outstanding, %v", c.name, cut, s.counts, s.outstanding(), err)
			}
		}
	}
}

func TestBinaryWrongReplies(t *testing.T) {
	get := Config{Binary: true, ValueSize: 10}
	quiet := Config{Binary: true, ValueSize: 10, Depth: 3}
	for _, c := range []struct {
		name, reply string
		load        Config
	}{
		{"text", "END\r\nEND\r\nEND\r\nEND\r\nEND\r\n", get},
		{"another opaque", hitOf(7, 0, false), get},
		{"another key's value", hitOf(0, 1, false), get},
		{"another key", hitOf(0, 1, true), quiet},
		{"a short value", packet(opGet, 0, 0, noFlags, "", "0000000"), get},
		{"a set's reply", packet(opSet, 0, 0, "", "", ""), get},
		{"twice", packet(opGet, 1, 0, "", "", "") + packet(opGet, 1, 0, "", "", ""), get},
		{"a noop too early", packet(opNoop, 0, 2, "", "", ""), quiet},
		{"a hit behind the noop", packet(opNoop, 0, 3, "", "", "") + hitOf(2, 2, true), quiet},
		{"lengths that do not add up", packet(opGet, 0, 0, noFlags, "", "")[:8] + "\x00\x00\x00\x01" + packet(opGet, 0, 0, noFlags, "", "")[12:], get},
	} {
		s := newTestStream(t, c.load)
		s.batch(max(c.load.Depth, 1), 0)
		if _, err := s.replies([]byte(c.reply), 5); !errors.Is(err, ErrReply) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestBinaryAllocatesNothing(t *testing.T) {
	s := newTestStream(t, Config{Binary: true, ValueSize: 10, Depth: 3})
	reply := []byte(hitOf(0, 0, true) + packet(opNoop, 0, 0, "", "", ""))
	alloctest.Zero(t, "a quiet batch", func() {
		first, key := uint32(s.tail), uint32(s.asking)
		s.batch(3, 0)
		binary.BigEndian.PutUint32(reply[opaqueAt:], first)
		putDigits(reply[headerLen+getExtras+len("key:"):], key%1000)
		putDigits(reply[headerLen+getExtras+len("key:")+digits:], key%1000)
		binary.BigEndian.PutUint32(reply[len(reply)-headerLen+opaqueAt:], first+3)
		if _, err := s.replies(reply, 5); err != nil {
			t.Fatal(err)
		}
	})
}
