package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

// TestExplicitTurn: -R is obeyed to the request, and counted.
func TestExplicitTurn(t *testing.T) {
	r := newRig(t, Config{RequestsPerTurn: 2})
	s := r.server.Open(0, wire.Peer{})
	out := &wire.Out{NowMS: startMS}
	in := []byte(strings.Repeat("set a 0 0 1\r\nx\r\n", 5))
	var turns []string
	for len(in) > 0 {
		n, next := s.Feed(in, out)
		turns = append(turns, fmt.Sprint(strings.Count(string(in[:n]), "set"), next))
		in = in[n:]
	}
	if got := fmt.Sprint(turns); got != fmt.Sprintf("[2 %d 2 %d 1 %d]", wire.Yield, wire.Yield, wire.More) {
		t.Errorf("turns %v", got)
	}
	if got := r.stat("conn_yields"); got != "2" {
		t.Errorf("conn_yields %s", got)
	}
}

// TestTurnOfOne is what memcached's t/issue_61.t looks at.
func TestTurnOfOne(t *testing.T) {
	r := newRig(t, Config{RequestsPerTurn: 1})
	r.dial().want(strings.Repeat("set foobar 0 0 5\r\nBubba\r\n", 6), strings.Repeat("STORED\r\n", 6))
	if got := r.server.total(connYields); got < 5 {
		t.Errorf("%d yields", got)
	}
}

// TestDefaultTurn: a turn without -R is bounded by keys, on however many lines,
// and by bytes.
func TestDefaultTurn(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("set a 0 0 1\r\nx\r\nset b 0 0 10000\r\n"+strings.Repeat("y", 10000)+"\r\n", "STORED\r\nSTORED\r\n")
	for _, c := range []struct {
		name, in string
		most     int // consumed by one turn
	}{
		{"gets", strings.Repeat("get a\r\n", 5000), 7 * turnWork},
		{"one multiget", "get" + strings.Repeat(" a", 5000) + "\r\n", 3 + 2*turnWork},
		{"bytes", strings.Repeat("get b\r\n", 500), 7 * (turnBytes/10000 + 1)},
		{"bytes of a multiget", "get" + strings.Repeat(" b", 500) + "\r\n", 3 + 2*(turnBytes/10000+1)},
	} {
		s := r.server.Open(0, wire.Peer{})
		out := &wire.Out{NowMS: startMS}
		n, next := s.Feed([]byte(c.in), out)
		if next != wire.Yield || n > c.most || n < c.most/2 {
			t.Errorf("%s: %d of %d bytes, next %d; want at most %d and a yield", c.name, n, len(c.in), next, c.most)
		}
	}
	// Whatever the turns, the reply is the same.
	p.want("get"+strings.Repeat(" a", 5000)+"\r\nversion\r\n", strings.Repeat("VALUE a 0 1\r\nx\r\n", 5000)+"END\r\nVERSION 1.6.45\r\n")
}

// TestTurnCountsWork: what a request copies or walks over counts, with -R too,
// so that no pipeline keeps a loop for longer than a turn and one request.
func TestTurnCountsWork(t *testing.T) {
	const many = 2000
	for _, perTurn := range []int{0, many} {
		r := newRig(t, Config{RequestsPerTurn: perTurn})
		p := r.dial()
		for _, c := range []struct {
			setup, request string
			most           int // requests of one turn
		}{
			{"set a 0 0 900000\r\n" + strings.Repeat("a", 900_000) + "\r\n", "append a 0 0 1 noreply\r\nx\r\n", 1},
			{"set b 0 0 900000\r\n" + strings.Repeat("b", 900_000) + "\r\n", "prepend b 0 0 1\r\nx\r\n", 1},
			{"set c 0 0 20000\r\n" + strings.Repeat("c", 20_000) + "\r\n", "append c 0 0 1\r\nx\r\n", turnWork / (20_000 >> workShift)},
			{"set n 0 0 500000\r\n5" + strings.Repeat(" ", 499_999) + "\r\n", "incr n 1 noreply\r\n", 2},
			{"set m 0 0 500000\r\n5" + strings.Repeat(" ", 499_999) + "\r\n", "ma m q\r\n", 2},
			{"", "set d 0 0 60000 noreply\r\n" + strings.Repeat("d", 60_000) + "\r\n", turnWork/(60_000>>workShift) + 1},
			{"", "flush_all noreply\r\n", 1},
			{"", "stats\r\n", 1},
			{"", "stats reset\r\n", 1},
			{"", "stats items\r\n", 1},
			{"", "stats cachedump 1 1\r\n", 1},
			{"", "stats settings\r\n", turnWork / settingsWork},
			{"", "mn\r\n", turnWork},
		} {
			p.send(c.setup)
			s := r.server.Open(0, wire.Peer{})
			n, next := s.Feed([]byte(strings.Repeat(c.request, many)), &wire.Out{NowMS: startMS})
			if got := n / len(c.request); got > c.most || got == 0 || next != wire.Yield {
				t.Errorf("-R %d: %d of %.30q in a turn, next %d; want at most %d and a yield", perTurn, got, c.request, next, c.most)
			}
		}
	}
}

// TestWorkIsNoRequest: with -R only a full number of requests is a yield.
func TestWorkIsNoRequest(t *testing.T) {
	r := newRig(t, Config{RequestsPerTurn: 5})
	r.dial().want("flush_all\r\n", "OK\r\n")
	if got := r.server.total(connYields); got != 0 {
		t.Errorf("%d yields", got)
	}
}

// TestFull: a session stops at the cap, in the middle of a list too, and goes
// on where it was.
func TestFull(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	v := strings.Repeat("v", 5000)
	p.want("set a 0 0 5000\r\n"+v+"\r\n", "STORED\r\n")
	value := "VALUE a 0 5000\r\n" + v + "\r\n"
	p.out.Cap = 12_000
	in := []byte("get a a a a a a a a\r\nversion\r\nget a a a a\r\n")
	got, fulls := "", 0
	for len(in) > 0 {
		n, next := p.session.Feed(in, &p.out)
		if p.out.Len() > p.out.Cap+len(value) {
			t.Fatalf("%d bytes wait", p.out.Len())
		}
		if next == wire.Full {
			fulls++
		} else if next != wire.More {
			t.Fatalf("next %d", next)
		}
		in = in[n:]
		got += p.drain()
	}
	if want := strings.Repeat(value, 8) + "END\r\nVERSION 1.6.45\r\n" + strings.Repeat(value, 4) + "END\r\n"; got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	if fulls < 3 {
		t.Errorf("full %d times", fulls)
	}
}

// TestLongKeyAfterFull: it is known before anything of the list may be written.
func TestLongKeyAfterFull(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("set a 0 0 5000\r\n"+strings.Repeat("v", 5000)+"\r\n", "STORED\r\n")
	p.out.Cap = 12_000
	p.want("version\r\nget a a a a a "+strings.Repeat("k", 251)+" a\r\n", "VERSION 1.6.45\r\n"+replyFormat)
}

// TestUnboundedGet: the keys of a get are taken as they come, so that a line of
// any length costs no more than its keys.
func TestUnboundedGet(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		p := r.dial()
		p.want("set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n", "STORED\r\nSTORED\r\n")
		token := "" // gets shows it
		if _, err := fmt.Sscanf(p.send("gets a\r\n"), "VALUE a 0 1 %s", &token); err != nil {
			t.Fatal(err)
		}
		got := p.send("get")
		for range 1000 {
			got += p.send(" a  c")
			got += p.send(" b")
			if len(p.unread) > 4096 {
				t.Fatalf("%d bytes wait", len(p.unread))
			}
		}
		got += p.send(" a\r\n")
		want := strings.Repeat("VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\ny\r\n", 1000) + "VALUE a 0 1\r\nx\r\nEND\r\n"
		if got != want {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
		long := strings.Repeat(" nope", 600)
		p.want("gets"+long, "")
		p.want(" a\r\n", "VALUE a 0 1 "+token+"\r\nx\r\nEND\r\n")
		p.want("get"+long+" "+strings.Repeat("k", 300), "")
		p.want("kkk a\r\nversion\r\n", replyFormat+"VERSION "+compat.Version()+"\r\n")
		if compat == Compat1618 {
			p.want("  get"+long+" a\x00b c", "VALUE a 0 1\r\nx\r\n")
			p.want(" b\r\n", "END\r\n")
			p.want("get"+strings.Repeat(" ", 3000), "")
			p.want("\r\n", replyError)
		} else {
			p.want("  get"+long, "")
			p.want(" a\r\n", replyError)
			p.want("get"+strings.Repeat(" ", 3000), "")
			p.want("\r\n", replyFormat)
		}
	}
}

// TestReusedInput: two connections of a loop share its input buffer, so a key
// of the one may lie where a key of the other was foreseen but never asked for.
func TestReusedInput(t *testing.T) {
	r := newRig(t, Config{})
	p, q := r.dial(), r.dial()
	p.want("set aaa 0 0 1\r\na\r\nset bbb 0 0 1\r\nb\r\nset ccc 0 0 1\r\nc\r\n", "STORED\r\nSTORED\r\nSTORED\r\n")
	q.want("get"+strings.Repeat(" nope", 500), "")
	q.unread = nil
	p.out.Cap = 1 // stop after every key
	buffer := make([]byte, 100)
	feed := func(p *peer, in string) string {
		p.session.Feed(buffer[:copy(buffer, in)], &p.out)
		return p.drain()
	}
	feed(p, "get aaa bbb ccc aaa\r\n")
	feed(p, " bbb ccc aaa\r\n")
	if got := feed(q, "     bbb\r\n"); got != "VALUE bbb 0 1\r\nb\r\nEND\r\n" {
		t.Errorf("%q", got)
	}
}
