package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

// mixed is a conversation with every way in which a request can be read: one
// line, line and data, data that is skipped, lists, errors, quiet commands.
var mixed = strings.Join([]string{
	"set a 5 0 5\r\nhello\r\n",
	"set b 0 0 0\r\n\r\n",
	"get a b c\r\n",
	"  get a\r\n",
	"gets a\n",
	"set bad x 0 3\r\nabc\r\n",
	"set c 0 0 3\r\nabcX\r\n",
	"set d 0 0 3 noreply\r\n\r\n\r\r\n",
	"get d\r\n",
	"append a 0 0 6\r\n world\r\n",
	"prepend a 0 0 1\r\n>\r\n",
	"get a\r\n",
	"set n 0 0 2\r\n99\r\nincr n 1\r\ndecr n 98 noreply\r\nget n\r\n",
	"ms Zm9v 3 b k c O123 T90\r\nbar\r\n",
	"mg Zm9v b k v t O9\r\n",
	"mg foo v q\r\nmg nope v q k\r\nmn\r\n",
	"ms e 2 MZ\r\nhi\r\n",
	"ms e 2 q\r\nhi\r\nmd e q\r\nmd e\r\n",
	"ma cnt N0 J13 v\r\nma cnt D5 v t\r\n",
	"touch a 100\r\ngat 50 a b\r\ndelete b\r\ndelete b 0 noreply\r\n",
	"foo\r\n\r\n a\x00b\r\n",
	"get " + strings.Repeat("k", 251) + " a\r\n",
	"get a " + strings.Repeat("k", 251) + "\r\n",
	"mg noit s v N30 t\r\nmg noit s v N30\r\n",
	"flush_all\r\nget a\r\nversion\r\n",
	"set large 0 0 1048576\r\n", // too large: what follows is skipped, and does not end
}, "")

// large is a value that lies in pieces of its own, stored and read.
var large = "set big 0 0 20000\r\n" + strings.Repeat("0123456789abcdef", 1250) + "\r\nget big\r\n"

// TestEverySplit feeds the conversation in two pieces, cut at every byte, and
// wants the replies that it gives in one.
func TestEverySplit(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		whole := converse(r, mixed, len(mixed))
		for cut := range len(mixed) {
			if got := converse(r, mixed, cut); got != whole {
				t.Fatalf("compat %d, cut at %d (%.30q)\n got  %.2000q\n want %.2000q", compat, cut, mixed[cut:], got, whole)
			}
		}
	}
}

// converse feeds the script to an empty store, in two pieces.
func converse(r *rig, script string, cut int) string {
	r.store.FlushAll()
	p := r.dial()
	defer p.close()
	tokens := casTokens{}
	return tokens.mask(p.send(script[:cut]) + p.send(script[cut:]))
}

// TestByteByByte feeds the conversation one byte at a time.
func TestByteByByte(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		script := large + mixed
		whole := converse(r, script, len(script))
		r.store.FlushAll()
		p := r.dial()
		var got strings.Builder
		for i := range len(script) {
			got.WriteString(p.send(script[i : i+1]))
		}
		tokens := casTokens{}
		if s := tokens.mask(got.String()); s != whole {
			t.Errorf("compat %d\n got  %.3000q\n want %.3000q", compat, s, whole)
		}
	}
}

// TestFilledInPlace lets values come by Body and Filled, in pieces of every
// kind, as netio reads them from the socket.
func TestFilledInPlace(t *testing.T) {
	for _, n := range []int{0, 1, 100, 5000, 16 << 10, 100_000, 1_000_000} {
		for _, piece := range []int{1 << 30, 4096, 997} {
			r := newRig(t, Config{})
			p := r.dial()
			value := strings.Repeat("0123456789", n/10+1)[:n]
			p.want(fmt.Sprintf("set k 7 0 %d\r\n", n), "")
			for left := value; left != ""; {
				rooms := p.session.Body(make([][]byte, 0, 3))
				if len(rooms) == 0 {
					t.Fatalf("no room with %d bytes to come", len(left))
				}
				filled := 0
				for _, room := range rooms {
					c := copy(room[:min(len(room), piece-filled)], left)
					left = left[c:]
					filled += c
				}
				if next := p.session.Filled(filled, &p.out); next != wire.More {
					t.Fatalf("next %d", next)
				}
			}
			if rooms := p.session.Body(make([][]byte, 0, 3)); len(rooms) > 0 {
				t.Errorf("%d rooms behind the value", len(rooms))
			}
			p.want("\r\nget k\r\n", fmt.Sprintf("STORED\r\nVALUE k 7 %d\r\n%s\r\nEND\r\n", n, value))
		}
	}
}

// TestClosedInTheMiddle: what a connection reserved is given back.
func TestClosedInTheMiddle(t *testing.T) {
	r := newRig(t, Config{})
	before := r.store.Stats().UsedBytes
	for range 200 {
		p := r.dial()
		p.want("set k 0 0 1000000\r\n"+strings.Repeat("x", 5000), "")
		p.close()
	}
	if after := r.store.Stats().UsedBytes; after > before+2<<20 {
		t.Errorf("%d bytes in use, before: %d", after, before)
	}
	r.dial().want("get k\r\n", "END\r\n")
}
