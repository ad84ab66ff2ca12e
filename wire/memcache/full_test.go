package memcache

import (
	"fmt"
	"strings"
	"testing"
)

// fullRig is a server that may not evict (-M), with an item k and no memory
// left for another of any size.
func fullRig(t *testing.T, before string) (*rig, *peer) {
	t.Helper()
	r := newRigOf(t, Config{}, 2<<20, false)
	p := r.dial()
	p.send(before)
	for _, n := range []int{20_000, 3000, 400, 50, 1} {
		body := strings.Repeat("x", n)
		for i := 0; p.send(fmt.Sprintf("set full:%d:%d 0 0 %d\r\n%s\r\n", n, i, n, body)) == "STORED\r\n"; i++ {
			if i > 100_000 {
				t.Fatal("the store is never full")
			}
		}
	}
	return r, p
}

// TestFullAndNothingEvicted: what changes an item needs no memory.
func TestFullAndNothingEvicted(t *testing.T) {
	const value = "VALUE k 0 1\r\n5\r\nEND\r\n"
	for _, n := range []int{1, 20_000} {
		_, p := fullRig(t, fmt.Sprintf("set k 0 0 1\r\n5\r\nset n 0 0 %d\r\n%s\r\n", n, "5"+strings.Repeat(" ", n-1)))
		p.want("touch k 100\r\nmg k t\r\n", "TOUCHED\r\nHD t100\r\n")
		p.want("gat 0 k\r\nmg k t\r\n", value+"HD t-1\r\n")
		p.want("mg k T70 v\r\nmg k t\r\n", "VA 1\r\n5\r\nHD t70\r\n")
		p.want("md k I T30 E9\r\nmg k c t\r\n", "HD\r\nHD c9 t30 X W\r\n")
		p.want("ma k E12 T50 c v\r\ndecr k 1\r\n", "VA 1 c12\r\n6\r\n5\r\n")
		p.want("delete k\r\nget k\r\n", "DELETED\r\nEND\r\n")
		p.want("touch n 100\r\nmd n I T30 E9\r\nmg n c t\r\n", "TOUCHED\r\nHD\r\nHD c9 t30 X W\r\n")
	}
}

// TestFullAndStruck: md x takes the value, whatever happens to the item.
func TestFullAndStruck(t *testing.T) {
	for _, n := range []int{1, 300, 20_000} {
		for _, flags := range []string{"x", "x I", "x E5", "x T30 F7"} {
			_, p := fullRig(t, fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", n, strings.Repeat("v", n)))
			p.want("md k "+flags+"\r\n", "HD\r\n")
			if got := p.send("get k\r\n"); got != "END\r\n" && !strings.HasSuffix(got, " 0\r\n\r\nEND\r\n") {
				t.Errorf("%d bytes, %s: %.60q", n, flags, got)
			}
			want := "NF\r\nEX\r\n"
			if p.send("mg k\r\n") == "EN\r\n" {
				want = "NF\r\nNF\r\n"
			}
			p.want("md nope x\r\nmd k C1 x\r\n", want)
		}
	}
}

// TestFullOfDead: what expired or was flushed makes room.
func TestFullOfDead(t *testing.T) {
	for _, n := range []int{1, 400, 20_000} {
		body := strings.Repeat("y", n) + "\r\n"
		r, p := fullRig(t, "")
		p.want("flush_all\r\n", "OK\r\n")
		p.want(fmt.Sprintf("set new 0 0 %d\r\n%s", n, body), "STORED\r\n")
		p.want("flush_all\r\nadd new 0 0 1\r\n1\r\n", "OK\r\nSTORED\r\n")
		for i := 0; p.send(fmt.Sprintf("set e%d 0 10 %d\r\n%s", i, n, body)) == "STORED\r\n"; i++ {
			if i > 100_000 {
				t.Fatal("the store is never full")
			}
		}
		r.nowMS += 10_000
		r.server.Tick(0, r.nowMS)
		p.want(fmt.Sprintf("set late 0 0 %d\r\n%s", n, body), "STORED\r\n")
	}
}
