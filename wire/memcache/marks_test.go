package memcache

import (
	"fmt"
	"strings"
	"testing"
)

// marksSizes are a value in its item's own chunk and one in pieces: what
// becomes of an item's marks does not depend on that.
var marksSizes = []int{8, 20_000}

// marked stores a number of n bytes whose item was read, made stale, won and
// whose key came encoded.
func marked(t *testing.T, n int) *peer {
	t.Helper()
	p := newRig(t, Config{}).dial()
	p.want(fmt.Sprintf("ms aw== %d b T100 F5\r\n%s\r\n", n, "5"+strings.Repeat(" ", n-1)), "HD\r\n")
	p.want("mg aw== b h\r\nmd aw== b I\r\nmg aw== b\r\n", "HD h0\r\nHD\r\nHD X W\r\n")
	p.want("mg aw== b k f t h u\r\n", "HD kaw== b f5 t100 h1 Z X\r\n")
	return p
}

// TestMarksStay: a number that does not grow longer is changed in place, in
// memcached, and so keeps its marks. touch never changes them.
func TestMarksStay(t *testing.T) {
	for _, n := range marksSizes {
		for _, c := range []struct{ command, reply, ttl string }{
			{"incr k 1", "6", "100"},
			{"decr k 1", "4", "100"},
			{"incr k 10", "15", "100"},
			{"ma k T50", "HD", "50"},
			{"ma k MD E77 q", "", "100"},
			{"touch k 50", "TOUCHED", "50"},
		} {
			p := marked(t, n)
			if c.reply != "" {
				c.reply += "\r\n"
			}
			p.want(c.command+"\r\n", c.reply)
			p.want("mg aw== b k f t h u\r\n", "HD kaw== b f5 t"+c.ttl+" h1 Z X\r\n")
			if got := p.send("me k\r\n"); !strings.HasPrefix(got, "ME aw== ") {
				t.Errorf("%d bytes, %s: %q", n, c.command, got)
			}
		}
	}
}

// TestMarksUnread: a number that nobody has read is unread after it was
// changed.
func TestMarksUnread(t *testing.T) {
	for _, n := range marksSizes {
		p := newRig(t, Config{}).dial()
		p.want(fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", n, "5"+strings.Repeat(" ", n-1)), "STORED\r\n")
		p.want("incr k 1\r\nma k\r\nmg k h\r\n", "6\r\nHD\r\nHD h0\r\n")
	}
}

// TestUseOfNumber: a change of a number is an access, of any size.
func TestUseOfNumber(t *testing.T) {
	for _, n := range marksSizes {
		r := newRig(t, Config{})
		p := r.dial()
		p.want(fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", n, "5"+strings.Repeat(" ", n-1)), "STORED\r\n")
		r.nowMS += 70_000
		p.want("mg k l u\r\nincr k 1\r\nmg k l h u\r\n", "HD l70\r\n6\r\nHD l0 h0\r\n")
	}
}

// TestMarksGo: an item that another takes the place of takes its marks with it.
func TestMarksGo(t *testing.T) {
	for _, n := range marksSizes {
		for _, c := range []struct{ command, reply, after string }{
			{"append k 0 0 1\r\n1", "STORED", "HD f5 t100 h0"},
			{"prepend k 0 0 1\r\n1", "STORED", "HD f5 t100 h0"},
			{"set k 0 0 1\r\n1", "STORED", "HD f0 t-1 h0"},
			{"replace k 0 0 1\r\n1", "STORED", "HD f0 t-1 h0"},
			{"ms k 1\r\n1", "HD", "HD f0 t-1 h0"},
			{"md k x", "HD", "HD f0 t-1 h0"},
			{"md k x I", "HD", "HD f0 t-1 h0 X W"},
		} {
			p := marked(t, n)
			p.want(c.command+"\r\n", c.reply+"\r\n")
			p.want("mg k f t h\r\n", c.after+"\r\n")
			if got := p.send("me k\r\n"); !strings.HasPrefix(got, "ME k ") {
				t.Errorf("%d bytes, %s: %q", n, c.command, got)
			}
		}
	}
	p := newRig(t, Config{}).dial() // a number that grows longer is a new item too
	p.want("ms aw== 1 b T100 F5\r\n9\r\nmg aw== b\r\nmd aw== b I\r\nmg aw== b\r\n", "HD\r\nHD\r\nHD\r\nHD X W\r\n")
	p.want("incr k 1\r\nmg k f t h\r\n", "10\r\nHD f5 t100 h0\r\n")
}
