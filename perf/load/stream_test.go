package load

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

// newTestStream returns the only stream of c, with its keys in order.
func newTestStream(t *testing.T, c Config) *stream {
	t.Helper()
	c.Connections, c.Sequential = 1, true
	if c.KeyCount == 0 {
		c.KeyCount = 1000
	}
	c = c.withDefaults()
	s := newStream(&c, newTemplates(&c), nil, 0, newHistogram())
	s.left = 1 << 40
	return s
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		load Config
		want string
	}{
		{"get", Config{Depth: 2}, "get key:00000000\r\nget key:00000001\r\n"},
		{"multiget", Config{Depth: 1, KeysPerGet: 3}, "get key:00000000 key:00000001 key:00000002\r\n"},
		{"set", Config{Depth: 2, SetShare: 1, ValueSize: 10},
			"set key:00000000 0 0 10\r\n00000000ij\r\nset key:00000001 0 0 10\r\n00000001ij\r\n"},
		{"short value", Config{Depth: 1, SetShare: 1, ValueSize: 3}, "set key:00000000 0 0 3\r\nabc\r\n"},
		{"mg", Config{Depth: 1, Meta: true}, "mg key:00000000 v\r\n"},
		{"ms", Config{Depth: 1, Meta: true, SetShare: 1, ValueSize: 9}, "ms key:00000000 9\r\n00000000i\r\n"},
		{"prefix", Config{Depth: 1, KeyPrefix: "p"}, "get p00000000\r\n"},
		{"RESP get", Config{Depth: 1, RESP: true}, "*2\r\n$3\r\nGET\r\n$12\r\nkey:00000000\r\n"},
		{"RESP set", Config{Depth: 2, RESP: true, SetShare: 1, ValueSize: 9},
			"*3\r\n$3\r\nSET\r\n$12\r\nkey:00000000\r\n$9\r\n00000000i\r\n" +
				"*3\r\n$3\r\nSET\r\n$12\r\nkey:00000001\r\n$9\r\n00000001i\r\n"},
	} {
		s := newTestStream(t, c.load)
		s.batch(c.load.Depth, 0)
		if got := string(s.unsent()); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A second batch rewrites the digits of the first.
func TestRequestsRewritten(t *testing.T) {
	s := newTestStream(t, Config{Depth: 2, SetShare: 1, ValueSize: 8})
	s.batch(2, 0)
	s.head, s.answered = s.tail, s.asking
	s.batch(2, 0)
	const want = "set key:00000002 0 0 8\r\n00000002\r\nset key:00000003 0 0 8\r\n00000003\r\n"
	if got := string(s.unsent()); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// A mix holds about the share of sets that it should, and each is answered.
func TestMix(t *testing.T) {
	s := newTestStream(t, Config{Depth: 1000, SetShare: 0.1, ValueSize: 8, KeyCount: 1000})
	s.batch(1000, 0)
	sets := strings.Count(string(s.unsent()), "set ")
	if sets < 60 || sets > 140 {
		t.Fatalf("%d sets of 1000, want about 100", sets)
	}
}

// replyCase is a reply to requests for the keys 0, 1, 2 …, and what it counts.
type replyCase struct {
	name  string
	load  Config
	reply string
	want  Result
}

func replyCases() []replyCase {
	v := func(k int) string { return fmt.Sprintf("VALUE key:%08d 0 10\r\n%08dij\r\n", k, k) }
	get := Config{Depth: 2, ValueSize: 10}
	multi := Config{Depth: 1, KeysPerGet: 3, ValueSize: 10}
	meta := Config{Depth: 2, Meta: true, ValueSize: 10}
	set := Config{Depth: 2, SetShare: 1, ValueSize: 10}
	resp := Config{Depth: 2, RESP: true, ValueSize: 10}
	return []replyCase{
		{"two hits", get, v(0) + "END\r\n" + v(1) + "END\r\n", Result{Requests: 2, Hits: 2}},
		{"miss and hit", get, "END\r\n" + v(1) + "END\r\n", Result{Requests: 2, Hits: 1, Misses: 1}},
		{"error", get, "SERVER_ERROR busy\r\n" + v(1) + "END\r\n", Result{Requests: 2, Hits: 1, Errors: 1}},
		{"all keys", multi, v(0) + v(1) + v(2) + "END\r\n", Result{Requests: 1, Hits: 3}},
		{"first key missed", multi, v(1) + v(2) + "END\r\n", Result{Requests: 1, Hits: 2, Misses: 1}},
		{"last key missed", multi, v(0) + v(1) + "END\r\n", Result{Requests: 1, Hits: 2, Misses: 1}},
		{"meta hits", meta, "VA 10\r\n00000000ij\r\nVA 10\r\n00000001ij\r\n", Result{Requests: 2, Hits: 2}},
		{"meta miss", meta, "EN\r\nVA 10\r\n00000001ij\r\n", Result{Requests: 2, Hits: 1, Misses: 1}},
		{"stored", set, "STORED\r\nSTORED\r\n", Result{Requests: 2, Stores: 2}},
		{"not stored", set, "STORED\r\nSERVER_ERROR out of memory storing object\r\n",
			Result{Requests: 2, Stores: 1, Errors: 1}},
		{"meta stored", Config{Depth: 1, Meta: true, SetShare: 1, ValueSize: 10}, "HD\r\n", Result{Requests: 1, Stores: 1}},
		{"RESP hits", resp, "$10\r\n00000000ij\r\n$10\r\n00000001ij\r\n", Result{Requests: 2, Hits: 2}},
		{"RESP miss", resp, "$-1\r\n$10\r\n00000001ij\r\n", Result{Requests: 2, Hits: 1, Misses: 1}},
		{"RESP stored", Config{Depth: 2, RESP: true, SetShare: 1}, "+OK\r\n-OOM no\r\n", Result{Requests: 2, Stores: 1, Errors: 1}},
		{"any key", Config{Depth: 1, ValueSize: 10, AnyKey: true},
			"VALUE key:99999999 0 10\r\nxxxxxxxxxx\r\nEND\r\n", Result{Requests: 1, Hits: 1}},
	}
}

// Every reply is understood however it is split.
func TestRepliesSplit(t *testing.T) {
	for _, c := range replyCases() {
		for at := range len(c.reply) + 1 {
			s := newTestStream(t, c.load)
			s.batch(c.load.Depth, 0)
			n, err := s.replies([]byte(c.reply[:at]), 0)
			if err == nil {
				var m int
				m, err = s.replies([]byte(c.reply[n:]), 0)
				n += m
			}
			if err != nil || n != len(c.reply) || s.outstanding() != 0 || s.counts != c.want {
				t.Fatalf("%s split at %d: %v, %d of %d consumed, %d outstanding, counts %+v, want %+v",
					c.name, at, err, n, len(c.reply), s.outstanding(), s.counts, c.want)
			}
		}
	}
}

func TestWrongReplies(t *testing.T) {
	get := Config{Depth: 1, ValueSize: 10}
	for _, c := range []struct {
		name  string
		load  Config
		reply string
	}{
		{"another key", get, "VALUE key:00000001 0 10\r\n00000001ij\r\nEND\r\n"},
		{"another key's value", get, "VALUE key:00000000 0 10\r\n00000001ij\r\nEND\r\n"},
		{"damaged value", get, "VALUE key:00000000 0 10\r\n00000000iX\r\nEND\r\n"},
		{"other size", get, "VALUE key:00000000 0 11\r\n00000000ijk\r\nEND\r\n"},
		{"other flags", get, "VALUE key:00000000 1 10\r\n00000000ij\r\nEND\r\n"},
		{"no line end after the value", get, "VALUE key:00000000 0 10\r\n00000000ijEND\r\n"},
		{"value twice", get, "VALUE key:00000000 0 10\r\n00000000ij\r\nVALUE key:00000000 0 10\r\n"},
		{"stored", get, "STORED\r\n"},
		{"end twice", get, "END\r\nEND\r\n"},
		{"garbage", get, strings.Repeat("x", 2*lineMax)},
		{"wrong order", Config{Depth: 1, KeysPerGet: 2, ValueSize: 10},
			"VALUE key:00000001 0 10\r\n00000001ij\r\nVALUE key:00000000 0 10\r\n"},
		{"end for set", Config{Depth: 1, SetShare: 1}, "END\r\n"},
		{"not stored", Config{Depth: 1, SetShare: 1}, "NOT_STORED\r\n"},
		{"classic for meta", Config{Depth: 1, Meta: true}, "END\r\n"},
		{"another key's meta value", Config{Depth: 1, Meta: true, ValueSize: 8}, "VA 8\r\n00000007\r\n"},
		{"another key's RESP value", Config{Depth: 1, RESP: true, ValueSize: 8}, "$8\r\n00000007\r\n"},
		{"stored for RESP", Config{Depth: 1, RESP: true, SetShare: 1}, "STORED\r\n"},
		{"other size from the floor", Config{Depth: 1, ValueSize: 10, AnyKey: true}, "VALUE key:00000000 0 9\r\n"},
	} {
		s := newTestStream(t, c.load)
		s.batch(c.load.Depth, 0)
		if _, err := s.replies([]byte(c.reply), 0); !errors.Is(err, ErrReply) {
			t.Errorf("%s: error %v, want ErrReply", c.name, err)
		}
	}
}

// A large value is checked at the head of every piece.
func TestLargeValue(t *testing.T) {
	const size = 100_000
	s := newTestStream(t, Config{Depth: 1, ValueSize: size})
	s.batch(1, 0)
	reply := append([]byte(fmt.Sprintf("VALUE key:00000000 0 %d\r\n", size)), valueOf(size)...)
	reply = append(reply, "END\r\n"...)
	const piece = 4096
	damaged := append([]byte(nil), reply...)
	damaged[10*piece] ^= 1
	if err := feedPieces(s, reply, piece); err != nil || s.counts.Hits != 1 || s.outstanding() != 0 {
		t.Fatalf("%v, counts %+v", err, s.counts)
	}
	s.keys.next = 0
	s.batch(1, 0)
	if err := feedPieces(s, damaged, piece); !errors.Is(err, ErrReply) {
		t.Fatalf("damaged value: error %v", err)
	}
}

func feedPieces(s *stream, b []byte, piece int) error {
	for at := 0; at < len(b); at += piece {
		p := b[at:min(at+piece, len(b))]
		if n, err := s.replies(p, 0); err != nil {
			return err
		} else if n != len(p) {
			return fmt.Errorf("%d of %d consumed", n, len(p))
		}
	}
	return nil
}

func TestAllocs(t *testing.T) {
	s := newTestStream(t, Config{Depth: 1, KeysPerGet: 2, ValueSize: 10, KeyCount: 2})
	reply := []byte("VALUE key:00000000 0 10\r\n00000000ij\r\nVALUE key:00000001 0 10\r\n00000001ij\r\nEND\r\n")
	alloctest.Zero(t, "batch and replies", func() {
		s.batch(1, 0)
		if _, err := s.replies(reply, 5000); err != nil {
			t.Fatal(err)
		}
	})
}
