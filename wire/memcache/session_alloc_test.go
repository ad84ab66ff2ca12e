package memcache

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
	"github.com/pandabeardb/panda/wire"
)

// TestNothingAllocates: no request of the hot paths touches the Go heap.
func TestNothingAllocates(t *testing.T) {
	alloctest.SkipUnderRace(t)
	r := newRig(t, Config{})
	s := r.server.Open(0, wire.Peer{})
	out := &wire.Out{NowMS: startMS}
	v := strings.Repeat("v", 100) + "\r\n"
	large := strings.Repeat("v", 40_000) + "\r\n"
	feedAll(t, s, []byte("set k 5 0 100\r\n"+v+"set n 0 0 20\r\n"+strings.Repeat("1", 20)+"\r\nset big 0 0 40000\r\n"+large), out)
	for name, request := range map[string]string{
		"get":          "get k\r\n",
		"get miss":     "get nope\r\n",
		"gets":         "gets k\r\n",
		"multiget":     "get k nope k n k\r\n",
		"gat":          "gat 100 k\r\n",
		"gats":         "gats 100 k\r\n",
		"gat miss":     "gat 100 nope\r\n",
		"get large":    "get big\r\n",
		"set":          "set k 5 100 100\r\n" + v,
		"set noreply":  "set k 5 0 100 noreply\r\n" + v,
		"set large":    "set big 0 0 40000\r\n" + large,
		"set skipped":  "set k 5 0 2000000\r\n",
		"add":          "add k 0 0 100\r\n" + v,
		"cas":          "cas k 0 0 100 1\r\n" + v,
		"append":       "set k 0 0 100\r\n" + v + "append k 0 0 100\r\n" + v,
		"prepend":      "set k 0 0 100\r\n" + v + "prepend k 0 0 100\r\n" + v,
		"append large": "set big 0 0 40000\r\n" + large + "append big 0 0 100\r\n" + v,
		"replace":      "replace k 0 0 100\r\n" + v,
		"incr":         "incr n 1\r\n",
		"incr large":   "set fat 0 0 40000\r\n5" + strings.Repeat(" ", 39_999) + "\r\nincr fat 1\r\n",
		"decr":         "decr n 1\r\n",
		"incr longer":  "set n 0 0 1\r\n9\r\nincr n 1\r\n",
		"touch":        "touch k 100\r\n",
		"delete":       "delete k\r\nset k 5 100 100\r\n" + v,
		"mg":           "mg k v t f c s h l k Oabc\r\n",
		"mg base64":    "mg aw== v b k\r\n",
		"mg vivify":    "mg new N30 v\r\nmd new\r\n",
		"ms":           "ms k 100 T100 F5 c k Oabc\r\n" + v,
		"md":           "md k q\r\nms k 100 q\r\n" + v,
		"md x":         "ms struck 100\r\n" + v + "md struck x\r\n",
		"ma":           "ma n v t\r\n",
		"ma vivify":    "ma fresh N30 J7 v\r\nmd fresh\r\n",
		"me":           "me k\r\n",
		"flush later":  "flush_all 1000\r\n",
		"stats":        "stats\r\n",
		"settings":     "stats settings\r\n",
		"mn":           "mn\r\n",
		"version":      "version\r\n",
		"unknown":      "foo\r\n",
		"syntax error": "set k 0\r\n",
	} {
		in := []byte(request)
		if name == "set skipped" {
			in = append(in, make([]byte, 2000002)...)
		}
		feedAll(t, s, in, out) // scratch memory and output grow once
		alloctest.Zero(t, name, func() { feedAll(t, s, in, out) })
	}
	alloctest.Zero(t, "lookup", func() {
		if lookup([]byte("gets")) == nil || lookup([]byte("nothing")) != nil {
			t.Fatal("lookup")
		}
	})
}

// TestLargeSetCostsNoHeap: a value of 64 MB goes straight into the store.
func TestLargeSetCostsNoHeap(t *testing.T) {
	alloctest.SkipUnderRace(t)
	const n = 64 << 20
	r := newRigOf(t, Config{ItemSizeMax: 128 << 20}, 256<<20, true)
	s := r.server.Open(0, wire.Peer{})
	out := &wire.Out{NowMS: startMS}
	piece := make([]byte, 64<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	feedAll(t, s, []byte("set k 0 0 67108864\r\n"), out)
	for range n / len(piece) {
		feedAll(t, s, piece, out)
	}
	feedAll(t, s, []byte("\r\nget k\r\n"), out)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<10 {
		t.Errorf("%d bytes of heap", got)
	}
	if got := r.stat("get_hits"); got != "1" {
		t.Errorf("get_hits %s", got)
	}
}

// sessionSizeMax is a session's share of the 4 KB that an idle connection may
// cost.
const sessionSizeMax = 512

func TestSessionSize(t *testing.T) {
	if n := reflect.TypeFor[session]().Size(); n > sessionSizeMax {
		t.Errorf("%d bytes", n)
	}
}
