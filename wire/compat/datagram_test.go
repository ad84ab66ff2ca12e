package compat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Datagrams are compared one by one: random ones, of one to six requests of text or of
// the binary protocol, are sent to the original and to us by UDP. What is left
// out is where the original's answers depend on more than what it was sent, or
// end what others may say: wire/memcache/testdata/datagrams-*.txt shows that.

const (
	datagramsSent  = 3000 // unless PANDA_COMPAT_DATAGRAMS says otherwise
	datagramsFresh = 200  // behind so many the stores are emptied

	// datagramBuffer is asked for, so that no reply is lost while the test does not
	// read: the longest has 90 datagrams.
	datagramBuffer = 4 << 20
)

func TestDatagrams1618(t *testing.T) { datagramDifferential(t, v1618) }
func TestDatagrams1645(t *testing.T) { datagramDifferential(t, v1645) }

func datagramDifferential(t *testing.T, v version) {
	original := startDatagrams(t, oracle(t, v))
	ours := startDatagrams(t, subject(t, v))
	seed := number(t, "PANDA_COMPAT_SEED", 1)
	g := datagramSource{rand.New(rand.NewPCG(seed, 3))}
	const failuresMax = 5
	failures := 0
	for i := range number(t, "PANDA_COMPAT_DATAGRAMS", datagramsSent) {
		if i%datagramsFresh == 0 {
			for _, request := range []string{"flush_all\r\n", "set big 0 0 3000\r\n" + strings.Repeat("B", 3000) + "\r\n"} {
				exchangeDatagram(t, original, append([]byte("\x00\x00\x00\x00\x00\x01\x00\x00"), request...))
				exchangeDatagram(t, ours, append([]byte("\x00\x00\x00\x00\x00\x01\x00\x00"), request...))
			}
		}
		datagram := g.datagram(uint16(i) & 0x7fff)
		want, got := exchangeDatagram(t, original, datagram), exchangeDatagram(t, ours, datagram)
		if slices.Equal(want, got) {
			continue
		}
		t.Errorf("datagram %d (PANDA_COMPAT_SEED=%d): %.300q\n  original %.100q\n  ours     %.100q", i, seed, datagram, want, got)
		if failures++; failures == failuresMax {
			t.Fatal("more would tell nothing new")
		}
	}
}

// startDatagrams starts a program with one thread, and returns a socket that is
// connected to it. Without its background threads, incr takes the same path every time.
func startDatagrams(t *testing.T, p program) net.Conn {
	t.Helper()
	port := freeDatagramPort(t)
	s := start(t, p, "-U", port, "-t", "1", "-o", "no_lru_maintainer,no_lru_crawler")
	c := s.client(t)
	c.send("mn\r\n")
	c.expect("MN\r\n") // then it receives datagrams, too
	conn, err := net.Dial("udp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.(*net.UDPConn).SetReadBuffer(datagramBuffer); err != nil {
		t.Fatal(err)
	}
	return conn
}

// datagramEnd is a request behind the one that is tried: its reply ends the others.
const datagramEnd, datagramEndHead = "\xff\xff\x00\x00\x00\x01\x00\x00version\r\n", "\xff\xff"

// exchangeDatagram sends a datagram, and returns the ones that answer it, without
// tokens.
func exchangeDatagram(t *testing.T, c net.Conn, datagram []byte) (replies []string) {
	t.Helper()
	for _, b := range [][]byte{datagram, []byte(datagramEnd)} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	buffer := make([]byte, 64<<10)
	for {
		c.SetReadDeadline(time.Now().Add(replyLimit))
		n, err := c.Read(buffer)
		if err != nil {
			t.Fatalf("behind %.300q: %v, with %d datagrams read", datagram, err, len(replies))
		}
		if strings.HasPrefix(string(buffer[:n]), datagramEndHead) {
			return replies
		}
		replies = append(replies, maskDatagram(bytes.Clone(buffer[:n])))
	}
}

var datagramToken = regexp.MustCompile(`(VALUE \S+ \d+ \d+ | c)\d+`)

// maskDatagram takes tokens out of a reply: they are as long as they happen to be,
// which is why none is asked for of a value that fills a datagram.
func maskDatagram(b []byte) string {
	const head, token = 8, 16
	if len(b) >= head+24 && b[head] == 0x81 {
		clear(b[head+token : head+24])
		return string(b)
	}
	return datagramToken.ReplaceAllString(string(b), "${1}#")
}

// datagramSource makes datagrams.
type datagramSource struct{ *rand.Rand }

func (g datagramSource) datagram(id uint16) []byte {
	head := binary.BigEndian.AppendUint16(nil, id)
	head = binary.BigEndian.AppendUint16(head, pick[uint16](g, 0, 0, 0, 1, 9))
	head = binary.BigEndian.AppendUint16(head, pick[uint16](g, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 257))
	head = binary.BigEndian.AppendUint16(head, pick[uint16](g, 0, 0, 5))
	request := g.text
	if g.IntN(2) == 0 {
		request = g.packet
	}
	for range pick(g, 1, 1, 1, 2, 3, 6) {
		head = append(head, request()...)
	}
	return head
}

// pick returns one of several.
func pick[T any](g datagramSource, values ...T) T { return values[g.IntN(len(values))] }

func (g datagramSource) key() string { return pick(g, g.storeKey(), g.storeKey(), "n", "never") }

// storeKey is a key of any value. n's is a number that grows: where one gets shorter,
// the original pads it, unless it answers with it in the same datagram.
func (g datagramSource) storeKey() string {
	return pick(g, "a", "b", "big", "miss", strings.Repeat("k", 250))
}

func (g datagramSource) keys(of func() string) (list string) {
	for range 1 + g.IntN(5) {
		list += " " + of()
	}
	return list
}

func (g datagramSource) value() string {
	n := pick(g, 0, 1, 2, 5, 100, 1300)
	if n > 200 {
		return strings.Repeat("v", n)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789ab"[g.IntN(12)]
	}
	return string(b)
}

// text is a request of the text protocol.
func (g datagramSource) text() string {
	key, value, quiet := g.key(), g.value(), pick(g, "", "", " noreply")
	size := strconv.Itoa(len(value))
	switch g.IntN(20) {
	case 0, 1:
		return "get" + g.keys(g.key) + "\r\n"
	case 2:
		return "gets" + g.keys(func() string { return pick(g, "g", "never") }) + "\r\n"
	case 3:
		return "gat 0" + g.keys(g.key) + "\r\n"
	case 4, 5, 6:
		return pick(g, "set", "add", "replace", "append", "prepend") + " " + g.storeKey() + " 3 0 " + size + quiet + "\r\n" + value + "\r\n"
	case 7:
		return "set " + pick(g, "n", "g") + " 0 0 2" + quiet + "\r\n42\r\n"
	case 8:
		return fmt.Sprintf("incr n %d%s\r\n", g.IntN(100), quiet)
	case 9:
		return "delete " + key + quiet + "\r\n"
	case 10:
		return "touch " + key + " 0" + quiet + "\r\n"
	case 11, 12:
		return "mg " + key + pick(g, " v", " v q", " t f s", " k v", " q", " v k Oxy", "") + "\r\n"
	case 13:
		return "ms " + g.storeKey() + " " + size + pick(g, "", " q", " c", " T0 F7") + "\r\n" + value + "\r\n"
	case 14:
		return "md " + key + pick(g, "", " q") + "\r\n"
	case 15:
		return "ma n" + pick(g, "", " v", " q", " v D7") + "\r\n"
	case 16:
		return pick(g, "mn", "version", "foo", "get", "", "verbosity 0"+quiet) + "\r\n"
	case 17:
		return "set " + key + " x 0 " + size + "\r\n" + value + "\r\n"
	case 18:
		return "set a 0 0 3\r\nabcd\r\n"
	default:
		return "version\r\n"
	}
}

// packet is a request of the binary protocol.
func (g datagramSource) packet() string {
	key := g.key()
	switch g.IntN(9) {
	case 0, 1:
		return g.packetOf(pick[byte](g, 0x00, 0x09, 0x0c, 0x0d), "", key, "")
	case 2:
		return g.packetOf(pick[byte](g, 0x01, 0x02, 0x03, 0x11, 0x12, 0x13), strings.Repeat("\x00", 8), g.storeKey(), g.value())
	case 3:
		return g.packetOf(pick[byte](g, 0x04, 0x14), "", key, "")
	case 4:
		by := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(g.IntN(10))), 5)
		return g.packetOf(pick[byte](g, 0x05, 0x15), string(by)+pick(g, "\x00\x00\x00\x00", "\xff\xff\xff\xff"), "n", "")
	case 5:
		return g.packetOf(pick[byte](g, 0x0e, 0x0f, 0x19, 0x1a), "", g.storeKey(), g.value())
	case 6:
		return g.packetOf(pick[byte](g, 0x1c, 0x1d, 0x1e, 0x23, 0x24), "\x00\x00\x00\x00", key, "")
	case 7:
		return g.packetOf(pick[byte](g, 0x0a, 0x0b, 0x1b, 0x30, 0x20), "", "", "")
	default:
		return g.packetOf(0x0a, "", "", "")
	}
}

func (g datagramSource) packetOf(opcode byte, extras, key, value string) string {
	head := make([]byte, 24)
	head[0], head[1], head[4] = 0x80, opcode, byte(len(extras))
	binary.BigEndian.PutUint16(head[2:], uint16(len(key)))
	binary.BigEndian.PutUint32(head[8:], uint32(len(extras)+len(key)+len(value)))
	binary.BigEndian.PutUint32(head[12:], g.Uint32N(4))
	return string(head) + extras + key + value
}
