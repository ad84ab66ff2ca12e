package netio_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire"
)

// toy is a session with everything that a protocol can ask of netio:
//
//	echo TEXT   answers TEXT
//	put N       takes N bytes into memory of its own, answers their number and sum
//	big N       answers N bytes from where they lie, in two pieces
//	after N     answers its own line once the barrier has come to N
//	wait N      is taken once the barrier has come to N, and answers nothing
//	hold N      has the answers of put wait until the barrier has come to N
//	quit        closes
//
// It yields after perTurn commands, and stops when its output is full.
type toy struct {
	perTurn int // 0: no limit
	pinned  *ledger
	closes  int
	why     wire.Reason
	fulls   int
	yields  int
	ran     int    // commands
	said    int    // bytes answered
	waited  uint64 // the last number that a wait waited for
	hold    uint64 // what answers of put wait for

	body []byte // of a put in progress
	got  int
}

// ledger counts what is pinned and released.
type ledger struct {
	memory   []byte
	pins     int
	released map[uint64]int
}

func newLedger() *ledger { return &ledger{memory: pinnable(), released: map[uint64]int{}} }

// pinnable is what all toys answer from, which nobody changes.
var pinnable = sync.OnceValue(func() []byte {
	memory := make([]byte, 8<<20)
	for n := copy(memory, "The quick brown fox, 23"); n < len(memory); n *= 2 {
		copy(memory[n:], memory[:n])
	}
	return memory
})

// Release implements wire.Releaser.
func (l *ledger) Release(token uint64) { l.released[token]++ }

// err says what was released not exactly once.
func (l *ledger) err() error {
	for token := range l.pins {
		if n := l.released[uint64(token)]; n != 1 {
			return fmt.Errorf("pin %d was released %d times", token, n)
		}
	}
	if len(l.released) != l.pins {
		return fmt.Errorf("%d releases of %d pins", len(l.released), l.pins)
	}
	return nil
}

func (s *toy) Feed(in []byte, out *wire.Out) (n int, next wire.Next) {
	before := out.Len()
	defer func() { s.said += out.Len() - before }()
	for commands := 0; n < len(in); {
		if s.got < len(s.body) {
			k := copy(s.body[s.got:], in[n:])
			n += k
			s.take(k, out)
			continue
		}
		if commands == s.perTurn && s.perTurn > 0 {
			s.yields++
			return n, wire.Yield
		}
		if out.Full() {
			s.fulls++
			return n, wire.Full
		}
		end := bytes.IndexByte(in[n:], '\n')
		if end < 0 {
			break
		}
		line := string(in[n : n+end])
		if s.waits(line, out) {
			return n, wire.Full
		}
		n += end + 1
		commands++
		s.ran++
		if next := s.run(line, out); next != wire.More {
			return n, next
		}
	}
	return n, wire.More
}

func (s *toy) run(line string, out *wire.Out) wire.Next {
	name, argument, _ := strings.Cut(line, " ")
	size, _ := strconv.Atoi(argument)
	switch name {
	case "echo":
		out.Buf = append(append(out.Buf, argument...), '\n')
	case "put":
		s.body, s.got = make([]byte, size), 0
		s.take(0, out)
	case "big":
		b := s.pinned.memory[:size]
		out.Pin(b[:size/3], nil, 0)
		out.Pin(b[size/3:], s.pinned, uint64(s.pinned.pins))
		s.pinned.pins++
		out.Buf = append(out.Buf, '\n')
	case "after":
		out.Buf = append(append(out.Buf, line...), '\n')
		out.Barrier = max(out.Barrier, uint64(size))
	case "hold":
		s.hold = uint64(size)
	case "quit":
		return wire.Close
	case "cut":
		out.Buf = append(out.Buf, "go\n"...)
		return wire.Cut
	}
	return wire.More
}

// waits reports whether line is a wait that has not been waited for.
func (s *toy) waits(line string, out *wire.Out) bool {
	number, ok := strings.CutPrefix(line, "wait ")
	if !ok {
		return false
	}
	n, _ := strconv.ParseUint(number, 10, 64)
	if s.waited >= n {
		return false
	}
	s.waited = n
	out.Barrier = max(out.Barrier, n)
	return true
}

// take notes n more bytes of the body.
func (s *toy) take(n int, out *wire.Out) {
	if s.got += n; s.got == len(s.body) {
		out.Buf = append(out.Buf, stored(s.body)...)
		out.Barrier = max(out.Barrier, s.hold)
		s.body, s.got = nil, 0
	}
}

func stored(b []byte) string {
	return fmt.Sprintf("stored %d %08x\n", len(b), crc32.ChecksumIEEE(b))
}

func (s *toy) Body(v [][]byte) [][]byte {
	if body := s.body[s.got:]; len(body) > 1 { // in two pieces
		return append(v, body[:len(body)/3+1], body[len(body)/3+1:])
	}
	return v
}

func (s *toy) Filled(n int, out *wire.Out) wire.Next {
	before := out.Len()
	s.take(n, out)
	s.said += out.Len() - before
	return wire.More
}

func (s *toy) Close(why wire.Reason) {
	s.closes++
	s.why = why
}

// expected is what a toy answers to a script of whole commands.
func expected(script string, l *ledger) string {
	var out strings.Builder
	for len(script) > 0 {
		line, rest, _ := strings.Cut(script, "\n")
		script = rest
		name, argument, _ := strings.Cut(line, " ")
		size, _ := strconv.Atoi(argument)
		switch name {
		case "echo":
			out.WriteString(argument + "\n")
		case "put":
			out.WriteString(stored([]byte(script[:size])))
			script = script[size:]
		case "big":
			out.Write(l.memory[:size])
			out.WriteString("\n")
		case "after":
			out.WriteString(line + "\n")
		case "quit":
			return out.String()
		case "cut":
			return out.String() + "go\n"
		}
	}
	return out.String()
}

// glutton consumes nothing, and always wants more.
type glutton struct{ most int }

func (g *glutton) Feed(in []byte, _ *wire.Out) (int, wire.Next) {
	g.most = max(g.most, len(in))
	return 0, wire.More
}
func (*glutton) Body(v [][]byte) [][]byte        { return v }
func (*glutton) Filled(int, *wire.Out) wire.Next { return wire.More }
func (*glutton) Close(wire.Reason)               {}

const patience = 20 * time.Second // for a condition that comes true at once on an idle machine

// until waits for a condition of the running server.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		runtime.Gosched()
	}
}

func connections(s *netio.Server) int { return int(s.Transport().CurrentConnections) }

// heapNow is the bytes that the process has in use.
func heapNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// openToys opens toys with a ledger each, since loops run side by side.
func openToys(perTurn int) func(int, wire.Peer) wire.Session {
	memory := pinnable() // now, so that it is not what a test sees the heap grow by
	return func(int, wire.Peer) wire.Session {
		return &toy{perTurn: perTurn, pinned: &ledger{memory: memory, released: map[uint64]int{}}}
	}
}

// readSlowly reads to the end, in small pieces, giving way to others between them.
func readSlowly(t *testing.T, c net.Conn, size int) string {
	t.Helper()
	var got strings.Builder
	got.Grow(size)
	piece := make([]byte, 16<<10)
	for {
		n, err := c.Read(piece)
		got.Write(piece[:n])
		if err == io.EOF {
			return got.String()
		}
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", got.Len(), size, err)
		}
		for range 10 {
			runtime.Gosched()
		}
	}
}
