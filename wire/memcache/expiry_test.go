package memcache

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestExpiry(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	const hour = 3600_000
	for _, c := range []struct {
		exptime string
		afterMS int64 // how long it is there, at least
		goneMS  int64 // by when it is gone; 0: never
	}{
		{"0", 1000 * hour, 0},
		{"-1", -1, 0},
		{"1", 999, 1000},
		{"100", 99_999, 100_000},
		{"2592000", 2592000*1000 - 1, 2592000 * 1000},  // 30 days: the last relative one
		{"2592001", -1, 0},                             // absolute, in 1970
		{fmt.Sprint(startMS/1000 + 10), 9_999, 10_000}, // absolute, in the future
		{fmt.Sprint(startMS / 1000), -1, 0},            // absolute, now
		{fmt.Sprint(startMS/1000 - 10), -1, 0},         // absolute, past
		{"4294967296", 1000 * hour, 0},                 // truncated to 0
	} {
		r.nowMS = startMS
		p.want("set k 0 "+c.exptime+" 1\r\nx\r\n", "STORED\r\n")
		if c.afterMS < 0 {
			p.want("get k\r\n", "END\r\n")
			continue
		}
		r.nowMS = startMS + c.afterMS
		p.want("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n")
		if c.goneMS > 0 {
			r.nowMS = startMS + c.goneMS
			p.want("get k\r\n", "END\r\n")
		}
	}
}

// TestTTLShown: t is what a clock that ticks once a second shows.
func TestTTLShown(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("set k 0 2592000 1\r\nx\r\nmg k t\r\n", "STORED\r\nHD t2592000\r\n")
	r.nowMS += 1
	p.want("mg k t\r\n", "HD t2592000\r\n")
	r.nowMS += 998
	p.want("mg k t\r\n", "HD t2592000\r\n")
	r.nowMS += 1
	p.want("mg k t\r\n", "HD t2591999\r\n")
	p.want("mg k t T90 \r\nmg k T0 t\r\n", "HD t2591999\r\nHD t-1\r\n")
}

func TestTouchAndGat(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("touch k 10\r\n", "NOT_FOUND\r\n")
	p.want("gat 10 k\r\n", "END\r\n")
	p.want("set k 3 0 1\r\nx\r\ntouch k 10\r\n", "STORED\r\nTOUCHED\r\n")
	p.want("mg k t\r\n", "HD t10\r\n")
	r.nowMS += 9_000
	p.want("gat 20 k j\r\n", "VALUE k 3 1\r\nx\r\nEND\r\n")
	p.want("mg k t\r\n", "HD t20\r\n")
	r.nowMS += 20_000
	p.want("get k\r\n", "END\r\n")
	p.want("set k 3 0 1\r\nx\r\n", "STORED\r\n")
	token := p.send("gets k\r\n")
	p.want("gats 0 k\r\n", token) // the token stays
	p.want("touch k -1\r\nget k\r\n", "TOUCHED\r\nEND\r\n")
}

// TestIdleTime: l is the time since the last access, h whether there was one.
func TestIdleTime(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("set k 0 0 1\r\nx\r\n", "STORED\r\n")
	r.nowMS += 5_000
	p.want("mg k h l u\r\n", "HD h0 l5\r\n")
	p.want("mg k h l\r\n", "HD h0 l5\r\n")
	r.nowMS += 2_000
	p.want("mg k h l\r\n", "HD h1 l2\r\n")
	p.want("me k\r\n", "ME k exp=-1 la=0 cas="+tokenOf(t, p, "k")+" fetch=yes cls=1 size=61\r\n")
}

// TestFarExpiry: me shows seconds in 32 bits with a sign, and the binary protocol
// can ask for more.
func TestFarExpiry(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		r.dial().send("\x80\x11\x00\x01\x08\x00\x00\x00\x00\x00\x00\x0a" + strings.Repeat("\x00", 12) + "\x00\x00\x00\x00\xff\xff\xff\xff" + "kx")
		p := r.dial()
		exp := int32(uint32(math.MaxUint32 - r.nowMS/1000))
		if compat == Compat1618 {
			exp = -exp
		}
		p.want("me k\r\n", fmt.Sprintf("ME k exp=%d la=0 cas=%s fetch=no cls=1 size=61\r\n", exp, tokenOf(t, p, "k")))
	}
}

func tokenOf(t *testing.T, p *peer, key string) string {
	t.Helper()
	var token string
	if _, err := fmt.Sscanf(p.send("mg "+key+" c u\r\n"), "HD c%s", &token); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestFlushAll(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		p := r.dial()
		p.want("set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\n")
		p.want("set a 0 0 1\r\n2\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n")
		p.want("flush_all 10\r\nset b 0 0 1\r\n3\r\nget a b\r\n", "OK\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nVALUE b 0 1\r\n3\r\nEND\r\n")
		r.nowMS += 8_999
		p.want("get a\r\n", "VALUE a 0 1\r\n2\r\nEND\r\n")
		r.nowMS += 1
		p.want("get a b\r\n", "END\r\n")
		p.want("set c 0 0 1\r\n4\r\nget c\r\nadd c 0 0 1\r\n4\r\n", "STORED\r\nEND\r\nSTORED\r\n") // in the same second
		r.nowMS += 1_000
		p.want("get a b c\r\n", "END\r\n")
		p.want("set c 0 0 1\r\n4\r\nget c\r\n", "STORED\r\nVALUE c 0 1\r\n4\r\nEND\r\n")
		// A new one replaces a pending one.
		p.want("flush_all 5\r\nflush_all 100\r\n", "OK\r\nOK\r\n")
		r.nowMS += 6_000
		r.server.Tick(1, r.nowMS)
		p.want("get c\r\n", "VALUE c 0 1\r\n4\r\nEND\r\n")
		p.want(fmt.Sprintf("flush_all %d\r\n", r.nowMS/1000+3), "OK\r\n")
		r.nowMS += 3_000
		r.server.Tick(1, r.nowMS)
		p.want("get c\r\n", "END\r\n")
		p.want("set d 0 0 1\r\n5\r\nflush_all -1\r\nget d\r\n", "STORED\r\nOK\r\nEND\r\n")
	}
}

// TestFlushAllNextSecond: a delay of 1 covers the second that has begun.
func TestFlushAllNextSecond(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat})
		p := r.dial()
		r.nowMS += 400
		p.want("set a 0 0 1\r\n1\r\nflush_all 1\r\nget a\r\nset a 0 0 1\r\n1\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\nSTORED\r\nEND\r\n")
		p.want("set b 0 0 1\r\n1\r\n", "STORED\r\n")
		r.nowMS += 599
		p.want("add a 0 0 1\r\n1\r\nincr a 1\r\ntouch a 1\r\nmg a\r\nmd a\r\n", "STORED\r\nNOT_FOUND\r\nNOT_FOUND\r\nEN\r\nNF\r\n")
		r.nowMS++
		p.want("get b\r\nset a 0 0 1\r\n1\r\nget a\r\n", "END\r\nSTORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
	}
}

// TestFlushAllBeforeStart: a moment before the server started flushes nothing,
// and takes the place of a flush that is pending.
func TestFlushAllBeforeStart(t *testing.T) {
	for _, config := range []Config{{}, {Compat: Compat1618}, {Compat: Compat1618, CASDisabled: true}} {
		r := newRig(t, config)
		p := r.dial()
		p.want("set a 0 0 1\r\n1\r\nflush_all 3\r\nflush_all 3000000\r\nget a\r\n", "STORED\r\nOK\r\nOK\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
		p.want(fmt.Sprintf("flush_all %d\r\n", startMS/1000-startSlackMS/1000), "OK\r\n")
		r.nowMS += 5000
		p.want("get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n")
		p.want(fmt.Sprintf("flush_all %d\r\nget a\r\n", startMS/1000), "OK\r\nEND\r\n")
	}
}

// TestFlushAllWithoutCAS: without tokens the old memcached's flush covers the
// whole second in which it comes.
func TestFlushAllWithoutCAS(t *testing.T) {
	r := newRig(t, Config{Compat: Compat1618, CASDisabled: true})
	p := r.dial()
	r.nowMS = startMS + 300
	p.want("flush_all 0\r\n", "OK\r\n")
	p.want("set a 0 0 1\r\n1\r\n", "STORED\r\n")
	p.want("get a\r\n", "END\r\n")
	r.nowMS = startMS + 1000
	p.want("set a 0 0 1\r\n1\r\n", "STORED\r\n")
	p.want("get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n")
	r.nowMS += 5000
	p.want("gets a\r\n", "VALUE a 0 1 0\r\n1\r\nEND\r\n")
	p.want("flush_all 1\r\nget a\r\n", "OK\r\nVALUE a 0 1\r\n1\r\nEND\r\n") // one second later than with tokens
	r.nowMS += 1000
	p.want("set b 0 0 1\r\n1\r\nget a b\r\n", "STORED\r\nEND\r\n")
}

func TestFlushDisabled(t *testing.T) {
	p := newRig(t, Config{FlushDisabled: true}).dial()
	p.want("set a 0 0 1\r\n1\r\nflush_all\r\nflush_all noreply\r\nget a\r\n",
		"STORED\r\nCLIENT_ERROR flush_all not allowed\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
}

func TestDebugtime(t *testing.T) {
	r := newRig(t, Config{RelaxedPrivileges: true})
	p := r.dial()
	p.want("set a 0 10 1\r\n1\r\ndebugtime 9\r\nget a\r\n", "STORED\r\nOK\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
	p.want("debugtime 1\r\nget a\r\n", "OK\r\nEND\r\n")
	p.want("debugtime p\r\nset a 0 10 1\r\n1\r\n", "OK\r\nSTORED\r\n")
	r.nowMS += 60_000
	p.want("mg a t\r\n", "HD t10\r\n")
	p.want("debugtime r\r\nget a\r\n", "OK\r\nEND\r\n")
	p.want("debugtime x\r\ndebugtime\r\ndebugtime -5\r\n", "ERROR\r\nERROR\r\nOK\r\n")
	newRig(t, Config{}).dial().want("debugtime 1\r\n", "ERROR\r\n")
}

// TestClockNeverAsked: a relative expiry rests on the loop's clock alone.
func TestClockNeverAsked(t *testing.T) {
	r := newRig(t, Config{})
	r.nowMS = startMS + 1<<40 // no machine's clock says so
	p := r.dial()
	p.want("set a 0 1 1\r\n1\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
	r.nowMS += 1000
	p.want("get a\r\n", "END\r\n")
}
