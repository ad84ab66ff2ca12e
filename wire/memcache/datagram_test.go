package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
	codec "github.com/pandabeardb/panda/wire/memcache/binary"
)

// want sends a request as datagram 1, and wants these replies, as they are behind
// their heads.
func (c *correspondent) want(request string, replies ...string) {
	c.r.t.Helper()
	got := unframed(c.r.t, 1, c.ask(framed(1, request)))
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", replies) {
		c.r.t.Errorf("%.100q\n  got  %.300q\n  want %.300q", request, got, replies)
	}
}

// TestLargeReply: a value of several chunks comes in datagrams that are full, in order.
func TestLargeReply(t *testing.T) {
	r := newRig(t, Config{})
	c := r.correspond()
	var value strings.Builder
	for i := 0; value.Len() < 700_000; i++ {
		fmt.Fprintf(&value, "%d ", i)
	}
	text := value.String()
	store := fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", len(text), text)
	r.dial().want(store, "STORED\r\n")
	reply := fmt.Sprintf("VALUE k 0 %d\r\n%s\r\nEND\r\n", len(text), text)
	frames := c.ask(framed(1, "get k\r\n"))
	if want := (len(reply) + framePayload - 1) / framePayload; len(frames) != want {
		t.Errorf("%d datagrams, want %d", len(frames), want)
	}
	if got := strings.Join(unframed(t, 1, frames), ""); got != reply {
		t.Error("it is another value")
	}
}

// TestTextBehindBinary: a value that comes by one protocol behind one that came by the
// other. (ms was answered by the binary protocol, and its value's end as a command.)
func TestTextBehindBinary(t *testing.T) {
	c := newRig(t, Config{}).correspond()
	for range 2 {
		c.ask(framed(1, packetOf(codec.Set, storeExtras, "k", "value")))
		c.want("ms k 2\r\nhi\r\nmg k v\r\n", "HD\r\n", "VA 2\r\nhi\r\n")
		c.ask(framed(1, packetOf(codec.Append, noExtras, "k", "!")))
		c.want("append k 0 0 1\r\n?\r\nget k\r\n", "STORED\r\n", "VALUE k 0 4\r\nhi!?\r\nEND\r\n")
		c.want("ms k 2 q\r\nho\r\n")
		if got := unframed(t, 1, c.ask(framed(1, packetOf(codec.Append, noExtras, "k", "!")))); len(got) != 1 || packetLen(got[0]) != len(got[0]) {
			t.Errorf("append by the binary protocol: %q", got)
		}
	}
}

// TestReplyIsCutOff: a reply that is dropped half way leaves nothing to the next
// datagram, nor does one that the next overtakes.
func TestReplyIsCutOff(t *testing.T) {
	r := newRig(t, Config{})
	c := r.correspond()
	r.dial().want("set k 0 0 50000\r\n"+strings.Repeat("a", 50000)+"\r\nset s 0 0 1\r\nb\r\n", "STORED\r\nSTORED\r\n")
	var b [wire.DatagramMax]byte
	for _, end := range []func(){c.datagrams.Drop, func() {}} {
		c.datagrams.Datagram(framed(1, "get k s\r\nget k\r\n"), c.from)
		for range 3 {
			if n, next := c.datagrams.Reply(b[:], r.nowMS); n != wire.DatagramMax || next != wire.Full {
				t.Fatalf("%d bytes, then %d", n, next)
			}
		}
		end()
		c.want("get s\r\n", "VALUE s 0 1\r\nb\r\nEND\r\n")
	}
	c.datagrams.Close()
	r.dial().want("set k 0 0 50000\r\n"+strings.Repeat("c", 50000)+"\r\n", "STORED\r\n")
}

// TestLongListYields: a reply that takes long to make lets the loop's others have
// their turn, and comes whole.
func TestLongListYields(t *testing.T) {
	const prefixes = 5000
	r := newRig(t, Config{StatsDetail: true})
	c := r.correspond()
	p := r.dial()
	for i := range prefixes {
		p.want(fmt.Sprintf("set prefix%d:k 0 0 1 noreply\r\nx\r\n", i), "")
	}
	replies := unframed(t, 1, c.ask(framed(1, "stats detail dump\r\nversion\r\n")))
	if len(replies) != 2 || strings.Count(replies[0], "PREFIX ") != prefixes || replies[1] != "VERSION 1.6.45\r\n" {
		t.Errorf("%d replies, the first %.300q", len(replies), replies)
	}
	if c.yields == 0 {
		t.Error("it was made in one turn")
	}
}

// TestDatagramsAllocateNothing, whatever they ask often.
func TestDatagramsAllocateNothing(t *testing.T) {
	alloctest.SkipUnderRace(t)
	r := newRig(t, Config{})
	c := r.correspond()
	large := strings.Repeat("v", 40_000)
	r.dial().want("set k 5 0 100\r\n"+strings.Repeat("v", 100)+"\r\nset n 0 0 1\r\n1\r\nset big 0 0 40000\r\n"+large+"\r\n", "STORED\r\nSTORED\r\nSTORED\r\n")
	var b [wire.DatagramMax]byte
	for name, request := range map[string]string{
		"get":          "get k\r\n",
		"get miss":     "get nope\r\n",
		"get several":  "get k nope k\r\nget k\r\n",
		"get large":    "get big\r\n",
		"set":          "set k 5 0 100\r\n" + strings.Repeat("v", 100) + "\r\n",
		"set noreply":  "set k 5 0 100 noreply\r\n" + strings.Repeat("v", 100) + "\r\n",
		"incr":         "incr n 1\r\n",
		"mg":           "mg k v t\r\n",
		"incomplete":   "set k 5 0 100\r\nvvv",
		"binary get":   packetOf(codec.Get, noExtras, "k", ""),
		"binary set":   packetOf(codec.Set, storeExtras, "k", strings.Repeat("v", 100)),
		"binary quiet": packetOf(codec.GetQ, noExtras, "nope", "") + packetOf(codec.GetKQ, noExtras, "k", "") + packetOf(codec.Noop, noExtras, "", ""),
		"nonsense":     "foo\r\n",
	} {
		datagram := framed(1, request)
		n := testing.AllocsPerRun(100, func() {
			c.datagrams.Datagram(datagram, c.from)
			for next := wire.Full; next != wire.More; {
				_, next = c.datagrams.Reply(b[:], r.nowMS)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestStatsOfDatagrams: who asks by datagram is shown as memcached shows it.
func TestStatsOfDatagrams(t *testing.T) {
	r := newRig(t, Config{})
	c := r.correspond()
	r.nowMS += 5000
	waiting := "STAT 9:UDP UDP\r\nSTAT 9:addr udp:127.0.0.1:11211\r\nSTAT 9:state conn_read\r\nSTAT 9:secs_since_last_cmd 5\r\n"
	if got := r.dial().send("stats conns\r\n"); !strings.Contains(got, waiting) {
		t.Errorf("got %q, want %q in it", got, waiting)
	}
	asking := "STAT 9:UDP UDP\r\nSTAT 9:addr udp:127.0.0.1:4711\r\nSTAT 9:listen_addr udp:127.0.0.1:11211\r\nSTAT 9:state conn_parse_cmd\r\nSTAT 9:secs_since_last_cmd 0\r\n"
	if got := strings.Join(unframed(t, 1, c.ask(framed(1, "stats conns\r\n"))), ""); !strings.Contains(got, asking) {
		t.Errorf("got %q, want %q in it", got, asking)
	}
}
