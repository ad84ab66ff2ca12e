package memcache

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
	codec "github.com/pandabeardb/panda/wire/memcache/binary"
)

// correspondent sends datagrams to a rig's server, as netio would drive it.
type correspondent struct {
	r         *rig
	datagrams *datagrams
	from      netip.AddrPort
	yields    int
}

func (r *rig) correspond() *correspondent {
	peer := wire.Peer{FD: 9, Network: "udp", Local: "127.0.0.1:11211"}
	return &correspondent{r: r, datagrams: r.server.OpenDatagrams(0, peer).(*datagrams), from: netip.MustParseAddrPort("127.0.0.1:4711")}
}

// ask sends one datagram as it is, and returns the ones of its replies.
func (c *correspondent) ask(datagram []byte) (frames [][]byte) {
	c.datagrams.Datagram(datagram, c.from)
	var b [wire.DatagramMax]byte
	for {
		n, next := c.datagrams.Reply(b[:], c.r.nowMS)
		if n > 0 {
			frames = append(frames, bytes.Clone(b[:n]))
		}
		switch next {
		case wire.More:
			return frames
		case wire.Yield:
			c.yields++
		}
	}
}

// framed puts the head of a request before it.
func framed(id uint16, request string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, id), "\x00\x00\x00\x01\x00\x00"+request...)
}

// unframed checks the frames of replies, and returns the replies.
func unframed(t testing.TB, id uint16, frames [][]byte) (replies []string) {
	t.Helper()
	for len(frames) > 0 {
		reply := ""
		for sequence, total := 0, 1; sequence < total; sequence++ {
			if len(frames) == 0 {
				t.Fatalf("reply %d ends at datagram %d of %d", len(replies), sequence, total)
			}
			f := frames[0]
			frames = frames[1:]
			head := f[:frameHead]
			if sequence == 0 {
				total = int(binary.BigEndian.Uint16(head[4:]))
			}
			want := binary.BigEndian.AppendUint16(nil, id)
			want = append(binary.BigEndian.AppendUint16(want, uint16(sequence)), byte(total>>8), byte(total), 0, 0)
			if !bytes.Equal(head, want) {
				t.Fatalf("the head of datagram %d of reply %d is % x, not % x", sequence, len(replies), head, want)
			}
			if n := len(f) - frameHead; n == 0 && total != 0 || sequence < total-1 && n != framePayload {
				t.Fatalf("datagram %d of %d of reply %d has %d bytes", sequence, total, len(replies), n)
			}
			reply += string(f[frameHead:])
		}
		replies = append(replies, reply)
	}
	return replies
}

const (
	fuzzDatagramMax = 8 << 10 // bytes of a datagram: longer ones find nothing more, and take long
	fuzzFramesMax   = 1 << 14 // datagrams of a reply to it: 4,000 keys of a value of 4 KB
)

// FuzzDatagram sends three datagrams to one socket, and the requests in them to a
// connection each: every frame is right, each datagram is answered as by a
// connection of its own, so that nothing of the ones before is left, and what
// the last one holds of a request without an end has no answer.
func FuzzDatagram(f *testing.F) {
	seeds := append(append([]string(nil), fuzzSeeds...), binarySeeds...)
	for i, seed := range seeds {
		if len(seed) < fuzzDatagramMax {
			f.Add([]byte(seed), []byte(seeds[(i+1)%len(seeds)]), []byte("get a b a\r\n"), i%2 == 0)
		}
	}
	f.Add([]byte("set a 0 0 4000\r\n"+strings.Repeat("a", 4000)+"\r\n"), []byte("set a 0 0 4000\r\nab"), []byte("get a\r\n"), true)
	f.Add([]byte(packetOf(codec.Set, storeExtras, "a", "hello")), []byte("ms a 2\r\nhi\r\n"), []byte(packetOf(codec.Append, noExtras, "a", "!")), false)
	f.Add([]byte("get a"), []byte("get a b "), []byte(packetOf(codec.Set, storeExtras, "a", "hello")[:30]), false)
	f.Add([]byte("gat 0 a b\r\nquit\r\nmn\r\n"), []byte("set a 0 0 9999999\r\nx"), []byte("stats\r\nstats settings\r\nversion\r\n"), false)
	rigs := fuzzRigs(f)
	f.Fuzz(func(t *testing.T, first, second, third []byte, old bool) {
		compat := Compat1645
		if old {
			compat = Compat1618
		}
		requests := [][]byte{first, second, third}
		for _, q := range requests {
			if len(q) > fuzzDatagramMax || volatile(q) || notBehind.Match(q) || ofTheStore.Match(q) {
				return
			}
		}
		r := rigs[compat]
		byDatagram, byConnection := r.playDatagrams(t, requests), r.playConnections(t, requests)
		for i, want := range byConnection {
			switch got := byDatagram[i]; {
			case got == want.reply, !want.whole && strings.HasPrefix(want.reply, got):
			default:
				same := commonPrefix(got, want.reply)
				t.Fatalf("datagram %d, %q: behind %d bytes\nby datagram:   %.500q\nby connection: %.500q (whole: %v)",
					i, requests[i], same, got[same:], want.reply[same:], want.whole)
			}
		}
	})
}

// ofTheStore finds statistics that name what the store has left of earlier requests,
// or who asks.
var ofTheStore = regexp.MustCompile(`conns|items|slabs|sizes`)

// commonPrefix is how many bytes two texts begin with in common.
func commonPrefix(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// playDatagrams sends requests to an empty store, and returns the replies.
func (r *rig) playDatagrams(t *testing.T, requests [][]byte) (replies []string) {
	r.t = t
	r.restart()
	c := r.correspond()
	for i, q := range requests {
		id := uint16(i * 257)
		frames := c.ask(framed(id, string(q)))
		if len(frames) > fuzzFramesMax {
			t.Fatalf("%d datagrams answer %d bytes", len(frames), len(q))
		}
		replies = append(replies, maskReply(q, strings.Join(unframed(t, id, frames), "")))
		if s := &c.datagrams.session; c.datagrams.out.Len() > 0 || !s.store.item.IsNil() || s.walk != nil {
			t.Fatalf("datagram %d, %q, leaves something: state %d, %d bytes of output", i, q, s.state, c.datagrams.out.Len())
		}
	}
	c.datagrams.Close()
	return replies
}

// answered is what a connection said, and whether it has nothing left of what it was sent.
type answered struct {
	reply string
	whole bool
}

// playConnections is playDatagrams with a connection for each.
func (r *rig) playConnections(t *testing.T, requests [][]byte) (replies []answered) {
	r.t = t
	r.restart()
	for _, q := range requests {
		protocol := ProtocolASCII
		if len(q) > 0 && q[0] == codec.RequestMagic {
			protocol = ProtocolBinary
		}
		p := &peer{r: r, session: r.server.OpenAs(protocol, 0, wire.Peer{FD: 7, Network: "tcp"})}
		reply := strings.TrimSuffix(p.send(string(q)), "<EOF>")
		s := p.session.(*session)
		replies = append(replies, answered{maskReply(q, reply), p.closed || s.state == s.between && len(p.unread) == 0})
		p.close()
	}
	return replies
}

// maskReply takes out what differs from run to run.
func maskReply(request []byte, reply string) string {
	if len(request) > 0 && request[0] == codec.RequestMagic {
		return maskPackets(reply)
	}
	return casTokens{}.mask(statValue.ReplaceAllString(reply, "$1"))
}
