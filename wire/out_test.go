package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

const vectorsAll = 1 << 20 // no limit

// owner counts releases.
type owner struct{ released map[uint64]int }

func (o *owner) Release(token uint64) { o.released[token]++ }

// model is an Out together with what it must hold.
type model struct {
	t     *testing.T
	out   *Out
	want  []byte // all that was queued
	done  int    // bytes of want that were written
	after uint64 // the barrier of what waits
	owner *owner
	ends  []int // by token: where in want the piece ends
}

func newModel(t *testing.T) *model {
	return &model{t: t, out: new(Out), owner: &owner{map[uint64]int{}}}
}

func (m *model) own(b string) {
	m.out.Buf = append(m.out.Buf, b...)
	m.want = append(m.want, b...)
}

func (m *model) pin(b string) {
	m.want = append(m.want, b...)
	m.out.Pin([]byte(b), m.owner, uint64(len(m.ends)))
	m.ends = append(m.ends, len(m.want))
}

// advance writes n bytes, taken from the vectors, and checks them.
func (m *model) advance(n int) {
	m.t.Helper()
	wrote := bytes.Join(m.out.AppendVectors(nil, vectorsAll), nil)[:n]
	if !bytes.Equal(wrote, m.want[m.done:m.done+n]) {
		m.t.Fatalf("wrote %q, want %q", wrote, m.want[m.done:m.done+n])
	}
	m.out.Advance(n)
	m.done += n
	m.check()
}

// check compares all that can be asked with what it must be.
func (m *model) check() {
	m.t.Helper()
	waits := m.want[m.done:]
	if m.out.Len() != len(waits) {
		m.t.Fatalf("Len %d, want %d", m.out.Len(), len(waits))
	}
	if m.out.Barrier != m.after {
		m.t.Fatalf("Barrier %d, want %d", m.out.Barrier, m.after)
	}
	if got := bytes.Join(m.out.AppendVectors(nil, vectorsAll), nil); !bytes.Equal(got, waits) {
		m.t.Fatalf("waiting %q, want %q", got, waits)
	}
	if got, plain := m.out.Plain(); plain && !bytes.Equal(got, waits) {
		m.t.Fatalf("plain %q, want %q", got, waits)
	}
	for token, end := range m.ends {
		released := m.owner.released[uint64(token)]
		if released > 1 || released == 1 && end > m.done || released == 0 && end < m.done {
			m.t.Fatalf("after %d bytes: piece %d, which ends at %d, was released %d times", m.done, token, end, released)
		}
	}
}

// allReleased: nothing waits, and every piece was given back once.
func (m *model) allReleased() {
	m.t.Helper()
	if m.out.Len() != 0 {
		m.t.Fatalf("%d bytes wait", m.out.Len())
	}
	for token := range m.ends {
		if n := m.owner.released[uint64(token)]; n != 1 {
			m.t.Fatalf("piece %d was released %d times", token, n)
		}
	}
}

// shapes are outputs of every kind: [x] is pinned, the rest are own bytes.
var shapes = []string{
	"", "a", "abc", "[p]", "[pq]", "ab[pqr]cd", "[p][qr]", "a[p][qr]bcd[s]",
	"[p]a[q]b[r]c", "[]", "a[]b", "[][]", "a[p][]", "[][p]", "ab[][pq][]cd[]",
}

func build(t *testing.T, shape string) *model {
	m := newModel(t)
	for len(shape) > 0 {
		if shape[0] == '[' {
			end := bytes.IndexByte([]byte(shape), ']')
			m.pin(shape[1:end])
			shape = shape[end+1:]
			continue
		}
		m.own(shape[:1])
		shape = shape[1:]
	}
	m.check()
	return m
}

func TestAdvanceAtEveryByte(t *testing.T) {
	for _, shape := range shapes {
		total := len(build(t, shape).want)
		for first := 0; first <= total; first++ {
			for second := 0; second <= total-first; second++ {
				m := build(t, shape)
				m.advance(first)
				m.advance(second)
				m.advance(total - first - second)
				m.allReleased()
				m.own("again") // an Out that ran empty starts over
				m.pin("and again")
				m.check()
			}
		}
	}
}

func TestMoveToAtEveryByte(t *testing.T) {
	for _, shape := range shapes {
		for _, before := range shapes {
			total := len(build(t, shape).want)
			for written := 0; written <= total; written++ {
				m := build(t, before)
				m.advance(len(m.want) / 2)
				from := build(t, shape)
				from.out.Advance(written)
				m.moveFrom(from, written)
				m.advance(len(m.want) - m.done)
				m.out.Advance(0)
				from.allReleased()
				m.allReleased()
			}
		}
	}
}

// moveFrom moves what waits in from behind what waits in m.
func (m *model) moveFrom(from *model, written int) {
	m.t.Helper()
	from.out.MoveTo(m.out)
	m.want = append(m.want, from.want[written:]...)
	if from.out.Len() != 0 {
		m.t.Fatalf("%d bytes stayed behind", from.out.Len())
	}
	m.check()
	from.own("reused")
	from.out.Drop()
	m.check()
}

func TestRewind(t *testing.T) {
	for _, before := range shapes {
		for _, after := range shapes {
			m := build(t, before)
			kept := len(m.ends)
			mark := m.out.Mark()
			taken := build(t, after)
			for _, v := range taken.out.AppendVectors(nil, vectorsAll) {
				m.out.Buf = append(m.out.Buf, v...)
				m.out.Pin(v, m.owner, uint64(len(m.ends)))
				m.ends = append(m.ends, 0)
			}
			m.out.Rewind(mark)
			for token := kept; token < len(m.ends); token++ {
				if n := m.owner.released[uint64(token)]; n != 1 {
					t.Fatalf("piece %d taken back, and released %d times", token, n)
				}
			}
			m.ends = m.ends[:kept]
			m.own("tail")
			m.check()
			m.advance(len(m.want))
			m.allReleased()
		}
	}
}

func TestDrop(t *testing.T) {
	for _, shape := range shapes {
		for written := range len(build(t, shape).want) {
			m := build(t, shape)
			m.advance(written)
			m.out.Drop()
			m.allReleased()
			m.out.Drop()
			m.allReleased()
		}
	}
}

// TestBarrier: it goes with the bytes, ends with the last of them, and never sinks before.
func TestBarrier(t *testing.T) {
	want := func(what string, o *Out, number uint64) {
		t.Helper()
		if o.Barrier != number {
			t.Errorf("%s: barrier %d, want %d", what, o.Barrier, number)
		}
	}
	for _, shape := range shapes {
		for _, before := range []uint64{0, 3, 9} {
			kept, m := &Out{Barrier: before}, build(t, shape)
			m.out.Barrier = 5
			m.out.Rewind(m.out.Mark())
			want("after Rewind", m.out, 5)
			if len(m.want) > 1 {
				m.out.Advance(1)
				want("after a part", m.out, 5)
			}
			m.out.MoveTo(kept)
			want("moved away", m.out, 0)
			want("moved", kept, max(before, 5))
			kept.Advance(kept.Len())
			want("after all", kept, 0)
		}
		m := build(t, shape)
		m.out.Barrier = 5
		m.out.Drop()
		want("dropped", m.out, 0)
	}
}

func TestVectorLimit(t *testing.T) {
	m := build(t, "ab[pq]c[r][st]d")
	for limit := range 8 {
		v := m.out.AppendVectors(nil, limit)
		if len(v) > limit || limit <= 6 && len(v) != limit {
			t.Errorf("limit %d: %d pieces", limit, len(v))
		}
		if got := bytes.Join(v, nil); !bytes.HasPrefix(m.want, got) {
			t.Errorf("limit %d: %q is no beginning of %q", limit, got, m.want)
		}
	}
}

func TestPiecesWithOneOwner(t *testing.T) {
	o := &owner{map[uint64]int{}}
	var out Out
	out.Pin([]byte("first"), nil, 0)
	out.Pin([]byte("last"), o, 7)
	out.Advance(8)
	if len(o.released) != 0 {
		t.Error("released while a byte waits")
	}
	out.Advance(1)
	if o.released[7] != 1 {
		t.Errorf("released %v", o.released)
	}
}

func TestFull(t *testing.T) {
	out := Out{Cap: 10}
	out.Buf = append(out.Buf, "123456789"...)
	if out.Full() {
		t.Error("full below the cap")
	}
	out.Pin([]byte("0"), nil, 0)
	if !out.Full() {
		t.Error("not full at the cap")
	}
	out.Advance(1)
	if out.Full() {
		t.Error("full after a write")
	}
	out.Cap = 0
	out.Buf = append(out.Buf, "many more bytes"...)
	if out.Full() {
		t.Error("full without a cap")
	}
}

func TestOutAllocatesNothing(t *testing.T) {
	o := &silent{}
	value := bytes.Repeat([]byte("v"), PinMin)
	var out, kept Out
	vectors := make([][]byte, 0, 8)
	alloctest.Zero(t, "own bytes and a pin", func() {
		out.Buf = append(out.Buf, "VALUE a 0 5\r\n"...)
		mark := out.Mark()
		out.Buf = append(out.Buf, "taken back"...)
		out.Rewind(mark)
		out.Pin(value, o, 1)
		out.Buf = append(out.Buf, "\r\nEND\r\n"...)
		vectors = out.AppendVectors(vectors[:0], 8)
		out.Advance(100)
		out.MoveTo(&kept)
		kept.Advance(kept.Len())
	})
}

type silent struct{ n int }

func (s *silent) Release(uint64) { s.n++ }

// FuzzOut runs a list of operations on an Out, and holds it to the model.
func FuzzOut(f *testing.F) {
	f.Add([]byte("aPbWPcWDa"))
	f.Add([]byte("PPPWWWMaWMPW"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 255, 1, 1, 2, 9, 4})
	f.Fuzz(func(t *testing.T, operations []byte) {
		m := newModel(t)
		for i, b := range operations[:min(len(operations), 300)] {
			size := int(b >> 3)
			text := fmt.Sprintf("%0*d", size, i)[:size]
			switch b & 7 {
			case 0:
				m.after = max(m.after, uint64(size))
				m.out.Barrier = max(m.out.Barrier, uint64(size))
			case 1:
				m.own(text)
			case 2, 3:
				m.pin(text)
			case 4, 5:
				if size >= m.out.Len() {
					m.after = 0
				}
				m.advance(min(size, m.out.Len()))
			case 6:
				moved := &Out{Barrier: uint64(size) / 2}
				m.out.MoveTo(moved)
				m.after = max(m.after, uint64(size)/2)
				m.out = moved
			case 7:
				mark := m.out.Mark()
				m.out.Buf = append(m.out.Buf, text...)
				m.out.Pin([]byte(text), nil, 0)
				m.out.Rewind(mark)
			}
			m.check()
		}
		m.out.Drop()
		m.done = len(m.want)
		m.allReleased()
	})
}
