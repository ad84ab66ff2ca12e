package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

func TestStoreCommands(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("add k 1 0 1\r\na\r\nadd k 2 0 1\r\nb\r\n", "STORED\r\nNOT_STORED\r\n")
	p.want("replace k 3 0 1\r\nc\r\nreplace j 3 0 1\r\nc\r\n", "STORED\r\nNOT_STORED\r\n")
	p.want("get k j\r\n", "VALUE k 3 1\r\nc\r\nEND\r\n")
	p.want("append k 9 50 2\r\nde\r\nprepend k 9 50 1\r\nb\r\nget k\r\n", "STORED\r\nSTORED\r\nVALUE k 3 4\r\nbcde\r\nEND\r\n")
	p.want("mg k t\r\n", "HD t-1\r\n")
	p.want("cas k 0 0 1 1\r\nx\r\ncas j 0 0 1 1\r\nx\r\ncas k 0 0 1 0\r\nx\r\n", "EXISTS\r\nNOT_FOUND\r\nEXISTS\r\n")
	p.want("cas k 0 0 1 "+tokenOf(t, p, "k")+"\r\nx\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
}

// TestStoreForgets: nothing of an ms is left for the store command behind it.
func TestStoreForgets(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("set k 0 0 1\r\n1\r\nms k 1 I C1\r\n2\r\ncas k 0 0 1 3\r\n3\r\n", "STORED\r\nHD\r\nEXISTS\r\n")
	p.want("ms j 1 N30 MA b\r\n1\r\n", "CLIENT_ERROR error decoding key\r\n")
	p.want("ms j 1 N30 MA E5\r\n1\r\nappend no 0 0 1\r\n2\r\nset j 0 0 1\r\n3\r\n", "HD\r\nNOT_STORED\r\nSTORED\r\n")
	if token := tokenOf(t, p, "j"); token == "5" {
		t.Error("the token that a client chose came again")
	}
}

func TestWithoutCAS(t *testing.T) {
	p := newRig(t, Config{CASDisabled: true}).dial()
	p.want("set k 0 0 1\r\n1\r\ngets k\r\nmg k c\r\n", "STORED\r\nVALUE k 0 1 0\r\n1\r\nEND\r\nHD c0\r\n")
	p.want("cas k 0 0 1 0\r\n2\r\ncas k 0 0 1 7\r\n2\r\ncas j 0 0 1 7\r\n2\r\n", "EXISTS\r\nEXISTS\r\nNOT_FOUND\r\n")
	p.want("ms k 1 C7 MA\r\n2\r\nms k 1 C7\r\n2\r\nmd k C7\r\nma k C7\r\nmd k C0\r\n", "HD\r\nEX\r\nEX\r\nEX\r\nHD\r\n")
}

func TestTokensAreUnique(t *testing.T) {
	p := newRig(t, Config{}).dial()
	seen := map[string]bool{}
	for i := range 500 {
		key := fmt.Sprint("k", i%50)
		p.want("set "+key+" 0 0 1\r\nx\r\n", "STORED\r\n")
		token := tokenOf(t, p, key)
		if seen[token] {
			t.Fatalf("token %s twice", token)
		}
		seen[token] = true
	}
}

// TestFailedSet: a set that fails takes the old value with it, other store
// commands do not.
func TestFailedSet(t *testing.T) {
	tooLarge := "SERVER_ERROR object too large for cache\r\n"
	body := strings.Repeat("x", 2000) + "\r\n"
	p := newRig(t, Config{ItemSizeMax: 1024}).dial()
	for _, c := range []struct {
		command string
		stays   bool
	}{
		{"set k 0 0 2000", false}, {"add k 0 0 2000", true}, {"replace k 0 0 2000", true},
		{"append k 0 0 2000", true}, {"cas k 0 0 2000 1", true}, {"ms k 2000", false}, {"ms k 2000 ME", false},
	} {
		p.want("set k 0 0 1\r\n1\r\n"+c.command+"\r\n"+body, "STORED\r\n"+tooLarge)
		want := "END\r\n"
		if c.stays {
			want = "VALUE k 0 1\r\n1\r\n" + want
		}
		p.want("get k\r\n", want)
	}
	p.want("set k 0 0 2000 noreply\r\n"+body+"version\r\n", "VERSION 1.6.45\r\n")
	p.want("ms k 2000 q\r\n"+body, tooLarge) // errors are never quiet in meta
}

// TestItemSizeMax: the limit is on memcached's whole item.
func TestItemSizeMax(t *testing.T) {
	const max = 1 << 20
	r := newRig(t, Config{})
	p := r.dial()
	fit := max - (48 + 8 + 1 + 1 + 2)
	store := func(flags string, n int) string {
		return p.send(fmt.Sprintf("set k %s 0 %d\r\n%s\r\n", flags, n, strings.Repeat("x", n)))
	}
	for _, c := range []struct {
		flags string
		n     int
		want  string
	}{
		{"0", fit, "STORED\r\n"}, {"0", fit + 1, replyTooLarge}, {"1", fit, replyTooLarge}, {"1", fit - 4, "STORED\r\n"},
	} {
		if got := store(c.flags, c.n); got != c.want {
			t.Errorf("flags %s, %d bytes: %q, want %q", c.flags, c.n, got, c.want)
		}
	}
	p.want("set k 0 0 1\r\nx\r\nappend k 0 0 "+fmt.Sprint(fit)+"\r\n"+strings.Repeat("y", fit)+"\r\nget k\r\n",
		"STORED\r\nNOT_STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
}

func TestLargeValues(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	for _, n := range []int{16<<10 - 1, 16 << 10, 100_000, 1_000_000} {
		v := strings.Repeat("abcdefgh", n/8+1)[:n]
		p.want(fmt.Sprintf("set k 5 0 %d\r\n%s\r\nget k\r\n", n, v), fmt.Sprintf("STORED\r\nVALUE k 5 %d\r\n%s\r\nEND\r\n", n, v))
		p.want("append k 0 0 3\r\n+++\r\nprepend k 0 0 3\r\n---\r\nmg k s\r\n", fmt.Sprintf("STORED\r\nSTORED\r\nHD s%d\r\n", n+6))
		p.want("mg k v\r\n", fmt.Sprintf("VA %d\r\n---%s+++\r\n", n+6, v))
		p.want("incr k 1\r\n", replyNonNumeric)
		p.want("touch k 100\r\nmg k t\r\ndelete k\r\nget k\r\n", "TOUCHED\r\nHD t100\r\nDELETED\r\nEND\r\n")
	}
}

// TestOverwrittenWhileWritten: what was queued for a reply stays as it was,
// whatever happens to the item (multiversioning).
func TestOverwrittenWhileWritten(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	const n = 50_000
	old, fresh := strings.Repeat("o", n), strings.Repeat("n", n)
	p.want(fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", n, old), "STORED\r\n")
	p.out.NowMS = r.nowMS
	p.session.Feed([]byte("get k k\r\n"), &p.out)
	q := r.dial()
	q.want(fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", n, fresh), "STORED\r\n")
	for i := range 300 { // use the memory again
		q.want(fmt.Sprintf("set x%d 0 0 %d\r\n%s\r\n", i, n, fresh), "STORED\r\n")
	}
	head := fmt.Sprintf("VALUE k 0 %d\r\n", n)
	if got := p.drain(); got != head+old+"\r\n"+head+old+"\r\nEND\r\n" {
		t.Errorf("a reply of %d bytes changed", len(got))
	}
	p.want("get k\r\n", head+fresh+"\r\nEND\r\n")
}

func TestOutOfMemory(t *testing.T) {
	r := newRigOf(t, Config{}, 2<<20, false)
	p := r.dial()
	v := strings.Repeat("x", 10_000) + "\r\n"
	stored := 0
	for i := 0; ; i++ {
		got := p.send(fmt.Sprintf("set k%d 0 0 10000\r\n%s", i, v))
		if got == replyNoMemory {
			break
		}
		if stored++; got != "STORED\r\n" || stored > 300 {
			t.Fatalf("%q after %d", got, stored)
		}
	}
	p.want("set k0 0 0 10000 noreply\r\n"+v+"get k0\r\n", "END\r\n") // it was removed
	p.want("ms in-its-place 10000 q\r\n"+v+"ms k1 10000 q\r\n"+v+"get k1\r\n", replyNoMemory+"END\r\n")
	p.want("delete k2\r\nversion\r\n", "DELETED\r\nVERSION 1.6.45\r\n")
}

// TestStaleWithoutMemory: an item that must be made again to be stored as stale
// is an error when there is no memory for that.
func TestStaleWithoutMemory(t *testing.T) {
	r := newRigOf(t, Config{}, 2<<20, false)
	p := r.dial()
	p.want("set k 0 0 1\r\n1\r\nmd k I T30\r\n", "STORED\r\nHD\r\n")
	v := strings.Repeat("x", 10_000) + "\r\n"
	p.want("ms k 10000 I C1 T90\r\n", "")
	q := r.dial()
	for i := 0; q.send(fmt.Sprintf("set k%d 0 0 10000\r\n%s", i, v)) == "STORED\r\n"; i++ {
	}
	p.want(v, replyNoMemory)
	p.want("mg k v\r\n", "VA 1 X W\r\n1\r\n")
}

// TestEviction: nothing fails for lack of memory when items may go.
func TestEviction(t *testing.T) {
	r := newRigOf(t, Config{}, 2<<20, true)
	p := r.dial()
	v := strings.Repeat("x", 10_000) + "\r\n"
	for i := range 1000 {
		p.want(fmt.Sprintf("set k%d 0 0 10000\r\n%s", i, v), "STORED\r\n")
	}
	p.want("get k999\r\n", "VALUE k999 0 10000\r\n"+v+"END\r\n")
	p.want("get k0\r\n", "END\r\n")
}

func TestArithmetic(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.want("incr n 1\r\n", "NOT_FOUND\r\n")
	p.want("set n 7 100 1\r\n9\r\nincr n 1\r\nmg n v f t\r\n", "STORED\r\n10\r\nVA 2 f7 t100\r\n10\r\n")
	p.want("decr n 1\r\nget n\r\n", "9\r\nVALUE n 7 2\r\n9 \r\nEND\r\n")
	p.want("decr n 100\r\nget n\r\n", "0\r\nVALUE n 7 2\r\n0 \r\nEND\r\n")
	p.want("incr n 18446744073709551615\r\nincr n 2\r\nget n\r\n", "18446744073709551615\r\n1\r\nVALUE n 7 20\r\n1                   \r\nEND\r\n")
	before := tokenOf(t, p, "n")
	p.want("incr n 1\r\n", "2\r\n")
	if tokenOf(t, p, "n") == before {
		t.Error("incr left the token as it was")
	}
	large := "5" + strings.Repeat(" ", 20_000)
	p.want(fmt.Sprintf("set n 0 0 %d\r\n%s\r\nincr n 7\r\nget n\r\n", len(large), large),
		fmt.Sprintf("STORED\r\n12\r\nVALUE n 0 %d\r\n12%s\r\nEND\r\n", len(large), large[2:]))
}

func TestKeyLimits(t *testing.T) {
	key, long := strings.Repeat("k", 250), strings.Repeat("k", 251)
	p := newRig(t, Config{}).dial()
	p.want("set "+key+" 0 0 1\r\nx\r\nget "+key+"\r\n", "STORED\r\nVALUE "+key+" 0 1\r\nx\r\nEND\r\n")
	for _, line := range []string{"get %s", "gets a %s", "gat 0 %s", "delete %s", "incr %s 1", "touch %s 1", "mg %s v", "md %s", "me %s"} {
		p.want(fmt.Sprintf(line, long)+"\r\n", replyFormat)
	}
	p.want("set "+long+" 0 0 1\r\nx\r\nms "+long+" 1\r\nx\r\n", replyFormat+replyFormat)
	p.want("ma "+long+"\r\n", replyFlags)
	old := newRig(t, Config{Compat: Compat1618}).dial()
	old.want("set "+long+" 0 0 1\r\nx\r\nms "+long+" 1\r\nx\r\n", replyFormat+replyError+replyFormat+replyError)
	old.want("ma "+long+"\r\n", replyFormat)
}

// TestSameTokenTwice: an append that saw an item does not take another with the
// same token, length and expiry for it.
func TestSameTokenTwice(t *testing.T) {
	for _, n := range []int{3, 20_000} {
		r := newRig(t, Config{})
		other := r.server.Open(1, wire.Peer{})
		put := func(letter string) {
			feedAll(t, other, fmt.Appendf(nil, "ms k %d E7\r\n%s\r\n", n, strings.Repeat(letter, n)), &wire.Out{NowMS: startMS})
		}
		put("a")
		w := r.server.workers[0]
		w.now = startMS
		hk := w.handle.Key(0, []byte("k"))
		it, err := w.handle.Reserve(&hk, slab.Spec{ValueLen: 1})
		if err != nil {
			t.Fatal(err)
		}
		it.WriteAt([]byte("+"), 0)
		st := store{item: it, mode: modeAppend, len: 1}
		var x extension
		if o, _ := w.extendLook(&st, &hk, &x); o != retry {
			t.Fatalf("outcome %d", o)
		}
		put("b")
		if o, _ := w.extendPut(&st, &hk, &x); o != retry {
			t.Errorf("%d bytes: the item changed between two looks, outcome %d", n, o)
		}
	}
}
